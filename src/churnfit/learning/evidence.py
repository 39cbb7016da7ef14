"""Evidence: which measures tell more than chance does.

Every measure is copied and its values are dealt out to other accounts: whatever a copy gains is chance, found by the
same search over shapes and knots that found the measure's own gain.

References
----------
Kursa and Rudnicki (2010), "Feature selection with the Boruta package": shuffled copies as the yardstick; here with the
gain in likelihood, which is additive and knows its unit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.calibration import matched_intercept
from churnfit.learning.codes import Binning, Coded, ordered_by_risk
from churnfit.learning.folds import Cohort, dealt_to_others
from churnfit.learning.joint import Curves, refit
from churnfit.learning.penalties import CodedRows, Settings, designs

__all__ = ["measures_with_evidence"]

Floats: TypeAlias = NDArray[np.float64]

_COPIES = 40  # shuffled copies that say what chance gains: a quantile of them must mean something
_FEWEST = 20  # and at least so many of each kind, numbers and categories, that is among the measures
_MANY_ROWS = 50_000  # what decides gains hundreds of units there, chance the same few: one round will do
_BEATEN = 0.95  # share of shuffled copies of its kind that a measure must beat


def measures_with_evidence(
    whole: CodedRows, cohort: Cohort, path: list[float], penalty: float, settings: Settings
) -> set[str]:
    """Return the measures that tell more than nearly all shuffled copies of their kind, numbers or categories, do.

    A copy has the values of a measure, dealt out to other accounts: whatever it gains is chance. Real measures and
    copies are learned together, in as many rounds as make enough copies.
    """
    rng = np.random.default_rng(settings.random_state)
    real = whole.coded
    kinds = {measure.name: measure.numeric for measure in real.measures}
    gains: dict[str, list[float]] = {name: [] for name in kinds}
    by_chance: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(1 if len(cohort.churned) > _MANY_ROWS else _rounds(list(kinds.values()))):
        copies = _copies(real, dealt_to_others(cohort.groups, rng), whole)
        both = Coded(
            measures=(*real.measures, *copies.measures),
            codes=np.vstack([real.codes, copies.codes]),
            bins=np.vstack([real.bins, copies.bins]),
            recodes=(*real.recodes, *copies.recodes),
        )
        *_, (_, design) = designs(replace(whole, coded=both), path, settings)
        found = _gains(refit(design, whole.churned, whole.weight, penalty), whole)
        for name, seen in gains.items():
            seen.append(found.get(name, 0.0))
        for copy in copies.measures:
            by_chance[copy.numeric].append(found.get(copy.name, 0.0))
    level = {kind: float(np.quantile(seen, _BEATEN)) for kind, seen in by_chance.items() if seen}
    return {name for name, seen in gains.items() if np.mean(seen) > level[kinds[name]]}


def _rounds(kinds: list[bool]) -> int:
    each = (_FEWEST / kinds.count(kind) for kind in set(kinds))
    return math.ceil(max(1.0, _COPIES / len(kinds), *each))


def _copies(real: Coded, givers: NDArray[np.intp], whole: CodedRows) -> Coded:
    """Return the measures with their values dealt out to other accounts, categories in order of their own risk."""
    named = Binning(tuple(replace(measure, name=f"{measure.name} (shuffled)") for measure in real.measures))
    return ordered_by_risk(named, real.codes[:, givers], whole.churned, whole.weight)


def _gains(curves: Curves, rows: CodedRows) -> dict[str, float]:
    """Return the log-likelihood units by which each curve serves: the loss of the card without it, less its own."""
    contributed = curves.contributions(curves.design.codes)
    logit = contributed.sum(axis=0) + curves.intercept
    loss = log_loss_sum(logit, rows.churned, rows.weight)
    return {
        plan.name: _loss_without(row, logit, rows) - loss for plan, row in zip(curves.plans, contributed, strict=True)
    }


def _loss_without(contribution: Floats, logit: Floats, rows: CodedRows) -> float:
    rest = logit - contribution
    rest += matched_intercept(rest, rows.churned, rows.weight)
    return log_loss_sum(rest, rows.churned, rows.weight)
