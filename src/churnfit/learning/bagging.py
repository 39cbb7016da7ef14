"""Bagging: where few churned, a card says what other draws of its accounts would have said on average.

One draw of few accounts decides between a knot and none, a turn and none; averaged over resamples such choices become
matters of degree, and what only chance said about a measure cancels out. The average is then said like any curve: in
one shape, with a few knots or the levels there are.

References
----------
Breiman (1996), "Bagging predictors". Bühlmann and Yu (2002), "Analyzing bagging": averages of hard decisions vary less.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.binned import pull_to_bins, sum_tables
from churnfit.learning.calibration import matched_intercept
from churnfit.learning.codes import MeasureBins
from churnfit.learning.curves import CurvePlan, plan_curve
from churnfit.learning.joint import Curves, make_design
from churnfit.learning.penalties import SHAPES, CodedRows, Settings
from churnfit.learning.resampling import Resampled
from churnfit.learning.shapes import FREE, RISING, choose_shape
from churnfit.scorecard.card import sigmoid

__all__ = ["bagged_curves"]

Floats: TypeAlias = NDArray[np.float64]

_LEAST = 1e-9  # weight: an empty level has some height
_GAIN = 0.05  # log-likelihood units that a knot or a turn must gain: an average has few bends that chance put there


def bagged_curves(curves: Curves, rows: CodedRows, resampled: Resampled, settings: Settings) -> Curves:
    """Return the average of the resampled curves, in the order and with the levels of `curves`; numbers get new knots.

    It is as bold as `curves`, whose boldness unseen rows have judged: resamples count rows twice, and sound surer.

    Parameters
    ----------
    curves : Curves
        Of the measures that were resampled, learned from all `rows`.
    """
    codes = curves.design.codes
    averages = resampled.tables.mean(axis=0)
    logit = sum_tables(codes, averages, 0.0)
    bold = _spread(curves.design.logit(np.append(curves.coefficients, 0.0)), rows) / max(_spread(logit, rows), _LEAST)
    averages, logit = averages * bold, logit * bold
    p = sigmoid(logit + matched_intercept(logit, rows.churned, rows.weight))
    curvature = pull_to_bins(codes, rows.weight * p * (1 - p), averages.shape[1])
    plans = []
    for plan, measure, average, weight in zip(curves.plans, resampled.measures, averages, curvature, strict=True):
        own = slice(0, measure.n_bins)
        plans.append(_said(plan, measure, average[own], weight[own], settings))
    design = make_design(plans, resampled.measures, codes, rows.weight)
    coefficients = design.start.copy()
    for index, (plan, measure, average) in enumerate(zip(plans, resampled.measures, averages, strict=True)):
        centre = plan.start[0] + float(design.mean_increments[index] @ np.diff(plan.start))
        states = np.flatnonzero((design.measure_of == index) & design.is_state)
        coefficients[states] = average[measure.n_bins :][: len(states)] - centre
    said = design.logit(np.append(coefficients, 0.0))
    return Curves(
        design=design, intercept=matched_intercept(said, rows.churned, rows.weight), coefficients=coefficients
    )


def _spread(logit: Floats, rows: CodedRows) -> float:
    return float(np.sqrt(np.cov(logit, aweights=rows.weight)))


def _said(plan: CurvePlan, measure: MeasureBins, average: Floats, weight: Floats, settings: Settings) -> CurvePlan:
    """Return the plan of one measure's `average` (n_bins,), where its bins weigh `weight`."""
    allowed = SHAPES[settings.shapes.get(plan.name, "auto")] if measure.numeric else RISING
    if plan.graded:
        table, turn = average, None
        if not allowed & FREE:
            table, (_, turn) = _shaped(average, weight, allowed)
        plan = plan_curve(measure, table, weight, turn=turn, size=settings.max_knots, gain=_GAIN)
        level = np.abs(measure.middles[:, np.newaxis] - np.array(plan.places)).argmin(axis=1)
        heights = np.array(plan.start)
    else:
        level = plan.increments(measure).sum(axis=1).round().astype(np.intp)
        heights = _per_level(level, average * weight, plan) / np.maximum(_per_level(level, weight, plan), _LEAST)
    if not allowed & FREE:  # lines through a shaped table may leave its shape
        heights, _ = _shaped(heights, _per_level(level, weight, plan), allowed)
    return replace(plan, start=tuple(heights.tolist()), signs=tuple(np.sign(np.diff(heights)).astype(int).tolist()))


def _per_level(level: NDArray[np.intp], amounts: Floats, plan: CurvePlan) -> Floats:
    """Return the sum of the bins' `amounts` by the level or knot that is nearest."""
    return np.bincount(level, weights=amounts, minlength=len(plan.start)).astype(np.float64)


def _shaped(table: Floats, weight: Floats, allowed: int) -> tuple[Floats, tuple[int, int]]:
    """Return what follows `table` in one allowed shape, and that shape's sign and turn."""
    shaped = np.empty(len(table))
    shape = choose_shape(table, np.maximum(weight, _LEAST), 0.0, allowed, _GAIN, shaped)
    return shaped, shape
