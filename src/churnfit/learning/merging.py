"""Merging: neighbouring levels that the resamples cannot tell apart become one."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.curves import CurvePlan
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import Curves, Design, make_design
from churnfit.learning.resampling import Resampled
from churnfit.learning.selection import Learned

__all__ = ["merged_curves", "overlap_wholly"]

Floats: TypeAlias = NDArray[np.float64]

_PRICE = 1.0  # log-likelihood units that a merger may cost
_POINT = 0.01  # of all ranges: intervals are compared to the point


def overlap_wholly(one: Floats, other: Floats, tolerance: float) -> bool:
    """Say whether the 90 % interval of the difference covers 0 and one level's interval contains the other's.

    Parameters
    ----------
    one, other : ndarray of shape (n_resamples,)
        The heights of two levels in the same resamples.
    tolerance : float
        What an end may stick out and still count as contained: what is lost in rounding.
    """
    low, high = np.quantile(other - one, (0.05, 0.95))
    if not low <= 1e-9 <= high + 2e-9:
        return False
    a, b = (np.quantile(heights, (0.05, 0.95)) for heights in (one, other))
    return any(u[0] <= v[0] + tolerance and v[1] <= u[1] + tolerance for u, v in ((a, b), (b, a)))


def merged_curves(learned: Learned, resampled: Resampled, cohort: Cohort) -> Curves:
    """Return the curves with neighbouring steps or categories that overlap wholly merged, all refitted jointly.

    The cheapest merger first, while it costs at most one log-likelihood unit of the rows learned from. At least two
    levels stay: the measure has passed its own test of evidence.
    """
    rows, curves = learned.rows, learned.curves
    ranges = [np.ptp(np.concatenate(curves.heights(index))) for index in range(len(curves.plans))]
    tolerance = _POINT * float(np.sum(ranges)) / 2
    design = curves.design
    merged: Curves | None = None
    loss = np.nan
    while candidates := _candidates(resampled, design, tolerance):
        if merged is None:
            loss = _loss(learned.again(design, rows), cohort)
        tried = []
        for index, level in candidates:
            plans = [_without(plan, level) if j == index else plan for j, plan in enumerate(design.plans)]
            curves = learned.again(make_design(plans, learned.measures, design.codes, rows.weight), rows)
            tried.append((_loss(curves, cohort), index, level, curves))
        best = min(tried, key=lambda one: (round(one[0], 6), one[1], one[2]))
        if best[0] - loss > _PRICE:
            break
        merged, design, loss = best[3], best[3].design, min(loss, best[0])
    return learned.curves if merged is None else merged


def _loss(curves: Curves, cohort: Cohort) -> float:
    return log_loss_sum(curves.logit, cohort.churned, cohort.weight)


def _candidates(resampled: Resampled, design: Design, tolerance: float) -> list[tuple[int, int]]:
    """Return the plan and the lower level of every pair of neighbours that overlap wholly."""
    found = []
    for index, plan in enumerate(design.plans):
        if plan.graded or len(plan.signs) < 2:
            continue
        heights = _heights(plan, resampled, index)
        found += [
            (index, level)
            for level in range(len(plan.signs))
            if overlap_wholly(heights[:, level], heights[:, level + 1], tolerance)
        ]
    return found


def _heights(plan: CurvePlan, resampled: Resampled, index: int) -> Floats:
    """Return the churn logits of each level in each resample (n_resamples, n_levels): its bins, by their weight."""
    level = plan.increments(resampled.measures[index]).sum(axis=1).round().astype(np.intp)
    return resampled.spread(resampled.at_levels(index, level, len(plan.start)))


def _without(plan: CurvePlan, level: int) -> CurvePlan:
    """Return the plan with `level` and the one above it as one."""
    together = tuple(sorted((*plan.levels[level], *plan.levels[level + 1]))) if plan.levels else ()
    return replace(
        plan,
        levels=(*plan.levels[:level], together, *plan.levels[level + 2 :]) if plan.levels else (),
        places=plan.places[:level] + plan.places[level + 1 :],
        start=plan.start[: level + 1] + plan.start[level + 2 :],
        signs=plan.signs[:level] + plan.signs[level + 1 :],
    )
