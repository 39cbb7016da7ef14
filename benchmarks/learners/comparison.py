"""Every learner on every table: ranks, and the checks that say whether churnfit is where it should be."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from judging import Difference, Judged, difference
from learners import Failure, Learner

__all__ = ["OURS", "Check", "Comparison", "checks"]

OURS = "churnfit"
_NEAR_LIGHTGBM_AUC = 0.01
_GAP_CLOSED = 1 / 3


@dataclass(eq=False)
class Comparison:
    """What was measured: learner by name, and results by table, then learner."""

    learners: dict[str, Learner]
    results: dict[str, dict[str, Judged | Failure]] = field(default_factory=dict)

    def judged(self, table: str, learner: str) -> Judged | None:
        """Return the result, None where the learner failed or was not run."""
        found = self.results.get(table, {}).get(learner)
        return found if isinstance(found, Judged) else None

    def difference(self, table: str, other: str, metric: str, *, ours: str = OURS) -> Difference | None:
        """Return ours minus the other's, None where either is missing."""
        mine, theirs = self.judged(table, ours), self.judged(table, other)
        return difference(mine, theirs, metric) if mine and theirs else None

    def field_of(self, ours: str = OURS, *, readable: bool) -> list[str]:
        """Return the learners ranked together: `ours` as the one churnfit, and the (readable) others."""
        variants = {name for name in self.learners if name.startswith(OURS) and name != ours}
        return [name for name, one in self.learners.items() if name not in variants and (one.readable or not readable)]

    def mean_ranks(self, metric: str, names: Iterable[str]) -> dict[str, float]:
        """Return the mean rank over the tables, 1 is best; equal numbers share a rank, failures share the last."""
        named = list(names)
        ranks = [self._ranks(table, metric, named) for table in self.results]
        return dict(zip(named, np.mean(ranks, axis=0).tolist(), strict=True))

    def _ranks(self, table: str, metric: str, names: list[str]) -> list[float]:
        from scipy.stats import rankdata

        found = [self.judged(table, name) for name in names]
        sign = -1 if metric == "auc" else 1
        losses = [sign * getattr(one.numbers, metric) if one else np.inf for one in found]
        return rankdata(losses).tolist()


@dataclass(frozen=True)
class Check:
    """One demand on churnfit; `passed` is None where what it needs was not measured."""

    demand: str
    passed: bool | None
    evidence: str


def checks(comparison: Comparison, ours: str = OURS) -> list[Check]:
    """Return every demand with what was found."""
    found = [_first(comparison, ours, metric) for metric in ("auc", "log_loss")]
    found += [_never_worse(comparison, ours, other) for other in ("prototype", "optbinning", "ebm")]
    return [*found, _near_lightgbm(comparison, ours), *_gap_closed(comparison)]


def _first(comparison: Comparison, ours: str, metric: str) -> Check:
    ranks = comparison.mean_ranks(metric, comparison.field_of(ours, readable=True))
    best = min(ranks, key=ranks.__getitem__)
    evidence = f"{ranks[ours]:.2f}; best {best} {ranks[best]:.2f}"
    passed = ranks[ours] <= ranks[best] if len(ranks) > 1 else None
    return Check(f"first in mean rank of {metric} among the readable", passed, evidence)


def _never_worse(comparison: Comparison, ours: str, other: str) -> Check:
    demand = f"log-loss nowhere significantly above {other}'s"
    found = {table: comparison.difference(table, other, "log_loss", ours=ours) for table in comparison.results}
    known = {table: gap for table, gap in found.items() if gap}
    worse = [
        f"{table} {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]" for table, gap in known.items() if gap.low > 0
    ]
    evidence = "; ".join(worse) or f"{len(known)} tables compared"
    return Check(demand, not worse if known else None, evidence)


def _near_lightgbm(comparison: Comparison, ours: str) -> Check:
    demand = f"within {_NEAR_LIGHTGBM_AUC} AUC of LightGBM on planted_additive"
    gap = comparison.difference("planted_additive", "lightgbm", "auc", ours=ours)
    if gap is None:
        return Check(demand, None, "not measured")
    return Check(demand, gap.mean >= -_NEAR_LIGHTGBM_AUC, f"{gap.mean:+.4f}")


def _gap_closed(comparison: Comparison) -> list[Check]:
    """Return how much of the way from churnfit to LightGBM each variant with pairs goes on `interacting`."""
    plain, ceiling = (comparison.judged("interacting", name) for name in (OURS, "lightgbm"))
    variants = [name for name in comparison.learners if name.startswith(f"{OURS}(") and "pairs=" in name]
    found = []
    for name in variants:
        demand = f"{name} closes at least a third of the gap to LightGBM on interacting"
        variant = comparison.judged("interacting", name)
        if not (plain and ceiling and variant):
            found.append(Check(demand, None, "not measured"))
            continue
        gaps = {
            metric: [
                sign * (getattr(one.numbers, metric) - getattr(plain.numbers, metric)) for one in (ceiling, variant)
            ]
            for metric, sign in (("auc", 1), ("log_loss", -1))
        }
        if min(gap for gap, _ in gaps.values()) <= 0:
            found.append(Check(demand, None, "no gap"))
            continue
        shares = {metric: gained / gap for metric, (gap, gained) in gaps.items()}
        evidence = ", ".join(f"{metric} {share:.0%}" for metric, share in shares.items())
        found.append(Check(demand, min(shares.values()) >= _GAP_CLOSED, evidence))
    return found
