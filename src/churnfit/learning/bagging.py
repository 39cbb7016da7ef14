"""Bagging: where fewer than a thousand churned, a card says what other draws of its accounts would say on average.

One draw of few accounts decides between a knot and none, a turn and none; averaged over resamples such choices become
matters of degree, and what only chance said about a measure cancels out. Every resample leaves out a third of the
accounts: what those that left an account out say of it on average tells how bold the average may be. It is then said
like any curve, in one shape, with a few knots or the levels there are, and the heights of all measures are those that
come nearest to the average row by row: each measure followed by itself, errors that meet in one account add up. Missing
states are drawn to the average customer once more, since of few gaps even an average says much by chance. Of an average
that turns, the lesser side is learned again from all accounts where these gain by it: resamples that saw no turn say
nothing of its height.

References
----------
Breiman (1996), "Bagging predictors", and (1996), "Out-of-bag estimation". Breiman and Shang (1996), "Born again
trees": one readable model that says what many say. Bühlmann and Yu (2002), "Analyzing bagging": averages of hard
decisions vary less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.binned import pull_to_bins, sum_tables
from churnfit.learning.calibration import earned_slope, matched_intercept, matched_loss
from churnfit.learning.codes import MeasureBins
from churnfit.learning.curves import CurvePlan, plan_curve
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import Curves, make_design, nearest, refit
from churnfit.learning.penalties import CodedRows, Settings, allowed_shapes
from churnfit.learning.resampling import Resampled
from churnfit.learning.selection import Learned
from churnfit.learning.shapes import FREE, choose_shape
from churnfit.scorecard.card import sigmoid

__all__ = ["Average", "averaged", "bagged_curves", "with_levels_of"]

Floats: TypeAlias = NDArray[np.float64]

_LEAST = 1e-9  # weight: an empty level has some height
_SIDE_PRICE = 0.3  # log-likelihood units per logit of a curve that turns: as little as while shapes compete
_SIDE_GAIN = 0.3  # log-likelihood units of all rows: of few rows a side that gains less is as likely chance
_TAIL = 0.01  # share of the evidence beyond which a curve is flat: a handful of rows moves an average less
_GAIN = 0.05  # log-likelihood units that a knot or a turn must gain: an average has few bends that chance put there


@dataclass(frozen=True, eq=False, kw_only=True)
class Average:
    """What resampled curves say on average, as bold as unseen rows allow.

    Parameters
    ----------
    tables : ndarray of shape (n_measures, most bins)
        Churn logits, as in `Resampled`.
    logit : ndarray of shape (n_rows,)
        What is said of each row by what was not learned from it, matched to the base rate.
    bold : float
        What the mean of the resampled curves was multiplied by.
    """

    tables: Floats
    logit: Floats
    bold: float


def averaged(learned: Learned, resampled: Resampled, cohort: Cohort) -> Average:
    """Return the average of the resampled curves.

    It is as bold as the resamples deserve that left an account out. Where cohorts are dated these know what other
    accounts of the same time said, and flatter: there it is as bold as the curves, which another time has judged. What
    leans on a hand-made card earns its boldness as it was learned, on what that card says as well.
    """
    tables = resampled.tables.mean(axis=0)
    rows = learned.rows
    if learned.in_time:
        spread = _spread(sum_tables(learned.curves.design.codes, tables, 0.0), rows)
        bold = _spread(learned.curves.logit, rows) / max(spread, _LEAST)
        return Average(tables=bold * tables, logit=learned.logit, bold=bold)
    # resamples are as timid as the curves were told to be: one doubt of the whole card is enough
    once = max(learned.factors.values(), default=1.0) or 1.0
    unseen = _unseen(learned, resampled, cohort) / once
    earned = earned_slope(unseen, rows.churned, rows.weight, most=np.inf)
    logit = earned * unseen
    logit += matched_intercept(logit, cohort.churned, cohort.weight)
    return Average(tables=earned * tables / once, logit=logit, bold=earned / once)


def _unseen(learned: Learned, resampled: Resampled, cohort: Cohort) -> Floats:
    """Return what the resamples that did not draw its account say of each row on average (n_rows,); 0 if all did."""
    codes = learned.curves.design.codes
    said, times = np.zeros(len(cohort.churned)), np.zeros(len(cohort.churned))
    for tables, drew in zip(resampled.tables, resampled.drew, strict=True):
        left = np.flatnonzero(~drew[cohort.account])
        said[left] += sum_tables(np.ascontiguousarray(codes[:, left]), tables, 0.0)
        times[left] += 1
    return said / np.maximum(times, 1)


def with_levels_of(average: Average, learned: Learned, resampled: Resampled, settings: Settings) -> Learned:
    """Return what was learned, its categories grouped as the average tells them apart.

    Learned from all rows at once a measure that tells something may have one level only: which of several that say the
    same has the levels is chance then, and each resample decides it anew.
    """
    codes, rows = learned.curves.design.codes, learned.rows
    _, curvature = _at_rows(average, learned)
    plans = list(learned.curves.plans)
    for j, (plan, measure) in enumerate(zip(plans, resampled.measures, strict=True)):
        if plan.levels:
            weight = curvature[j, : measure.n_bins]
            shaped, _ = _shaped(average.tables[j, : measure.n_bins], weight, allowed_shapes(measure, settings))
            plans[j] = plan_curve(measure, shaped, weight, turn=None, size=settings.max_levels)
    return replace(learned, curves=learned.again(make_design(plans, resampled.measures, codes, rows.weight), rows))


def bagged_curves(
    curves: Curves, learned: Learned, average: Average, resampled: Resampled, settings: Settings
) -> Curves:
    """Return the `average`, in the order and with the levels of `curves`; numbers get new knots.

    Parameters
    ----------
    curves : Curves
        Those of `learned`, neighbours merged or not.
    """
    codes, rows = curves.design.codes, learned.rows
    p, curvature = _at_rows(average, learned)
    plans = []
    for plan, measure, table, weight in zip(curves.plans, resampled.measures, average.tables, curvature, strict=True):
        own = slice(0, measure.n_bins)
        plans.append(_said(plan, measure, table[own], weight[own], settings))
    said = nearest(make_design(plans, resampled.measures, codes, rows.weight), p, rows.weight)
    said = _with_lesser_sides(said, learned)
    return replace(said, intercept=said.intercept + matched_intercept(said.logit, rows.churned, rows.weight))


def _at_rows(average: Average, learned: Learned) -> tuple[Floats, Floats]:
    """Return the churn probability that the average gives each row (n_rows,), and the curvature of its bins."""
    codes, rows = learned.curves.design.codes, learned.rows
    logit = sum_tables(codes, average.tables, 0.0)
    p = sigmoid(logit + matched_intercept(logit, rows.churned, rows.weight))
    return p, pull_to_bins(codes, rows.weight * p * (1 - p), average.tables.shape[1])


def _with_lesser_sides(said: Curves, learned: Learned) -> Curves:
    """Return the curves; those that turn have the lesser side that all rows give them, where by itself it gains.

    Where every second resample turned, the average of that side is half as high as it is: the other half doubted the
    shape, not the height. Once the average has turned, that doubt is settled. The side is as bold as the average is.
    """
    design, rows = said.design, learned.rows
    sides = [_lesser_side(said, j) for j, plan in enumerate(said.plans) if plan.graded and {-1, 1} <= set(plan.signs)]
    if not sides:
        return said
    price = learned.prices.of(design)
    turned = np.unique(design.measure_of[np.logical_or.reduce(sides)])
    price[turned] = np.minimum(price[turned], _SIDE_PRICE)
    again = refit(design, rows.churned, rows.weight, price)
    bold = _spread(said.logit, rows) / max(_spread(again.logit, rows), _LEAST)

    def with_side(side: NDArray[np.bool_]) -> Curves:
        return replace(said, coefficients=np.where(side, bold * again.coefficients, said.coefficients))

    def loss(curves: Curves) -> float:
        return matched_loss(curves.logit, rows.churned, rows.weight)

    least = _SIDE_GAIN * (1 + learned.trust)  # a row that leans counts for itself and for what the prior card says
    paying = [side for side in sides if loss(said) - loss(with_side(side)) > least]
    return with_side(np.logical_or.reduce(paying)) if paying else said


def _lesser_side(said: Curves, index: int) -> NDArray[np.bool_]:
    """Return which columns (n_columns,) are the side of plan `index` that moves less."""
    own = (said.design.measure_of == index) & ~said.design.is_state
    sides = [own & (said.coefficients > 0), own & (said.coefficients < 0)]
    return min(sides, key=lambda side: float(np.abs(said.coefficients[side]).sum()))


def _spread(logit: Floats, rows: CodedRows) -> float:
    return float(np.sqrt(np.cov(logit, aweights=rows.weight)))


def _said(plan: CurvePlan, measure: MeasureBins, average: Floats, weight: Floats, settings: Settings) -> CurvePlan:
    """Return the plan of one measure's `average` (n_bins,), where its bins weigh `weight`."""
    allowed = allowed_shapes(measure, settings)
    if plan.graded:
        table, turn = average, None
        if not allowed & FREE:
            table, (_, turn) = _shaped(average, weight, allowed)
        plan = plan_curve(measure, table, weight, turn=turn, size=settings.max_knots, gain=_GAIN, tail=_TAIL)
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
