"""Evidence: which measures tell more than chance does.

Every measure is copied and its values are dealt out to other accounts: whatever a copy gains is chance, found by the
same search over shapes and knots that found the measure's own gain.

References
----------
Kursa and Rudnicki (2010), "Feature selection with the Boruta package": shuffled copies as the yardstick; here with the
gain in likelihood, which is additive and knows its unit.
"""

from __future__ import annotations

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
_BEATEN = 0.95  # share of shuffled copies that a measure must beat


def measures_with_evidence(
    whole: CodedRows, cohort: Cohort, path: list[float], penalty: float, settings: Settings
) -> set[str]:
    """Return the measures that tell more than nearly all shuffled copies of measures do.

    A copy has the values of a measure, dealt out to other accounts: whatever it gains is chance. Real measures and
    copies are learned together, in as many rounds as make at least `_COPIES` copies.
    """
    rng = np.random.default_rng(settings.random_state)
    real = whole.coded
    gains: dict[str, list[float]] = {measure.name: [] for measure in real.measures}
    by_chance = []
    for _ in range(max(1, round(_COPIES / len(real.measures)))):
        shuffled = real.codes[:, dealt_to_others(cohort.groups, rng)]
        copies = _copies(real, shuffled, cohort)
        both = Coded(
            measures=(*real.measures, *copies.measures),
            codes=np.vstack([real.codes, copies.codes]),
            recodes=(*real.recodes, *copies.recodes),
        )
        *_, (_, design) = designs(replace(whole, coded=both), path, settings)
        curves = refit(design, cohort.churned, cohort.weight, penalty)
        found = _gains(curves, cohort)
        for name, seen in gains.items():
            seen.append(found.get(name, 0.0))
        by_chance += [found.get(copy.name, 0.0) for copy in copies.measures]
    level = float(np.quantile(by_chance, _BEATEN))
    return {name for name, seen in gains.items() if np.mean(seen) > level}


def _copies(real: Coded, shuffled: NDArray[np.int32], cohort: Cohort) -> Coded:
    """Return copies of the measures with `shuffled` bins, their categories in the order of their own chance risk.

    A copy that kept the order learned from the real measure would fit worse than chance: with many categories, noise
    beat all such copies.
    """
    named = tuple(replace(measure, name=f"{measure.name} (shuffled)") for measure in real.measures)
    return ordered_by_risk(Binning(named), shuffled, cohort.churned, cohort.weight)


def _gains(curves: Curves, cohort: Cohort) -> dict[str, float]:
    """Return the log-likelihood units by which each curve serves: the loss of the card without it, less its own."""
    contributed = curves.contributions(curves.design.codes)
    logit = contributed.sum(axis=0) + curves.intercept
    loss = log_loss_sum(logit, cohort.churned, cohort.weight)
    return {
        plan.name: _loss_without(row, logit, cohort) - loss for plan, row in zip(curves.plans, contributed, strict=True)
    }


def _loss_without(contribution: Floats, logit: Floats, cohort: Cohort) -> float:
    rest = logit - contribution
    rest += matched_intercept(rest, cohort.churned, cohort.weight)
    return log_loss_sum(rest, cohort.churned, cohort.weight)
