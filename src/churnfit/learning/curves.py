"""Curves: a fine table reduced to what a person can say.

Numbers become straight lines between at most five knots: knots are added where they lower the weighted squared error
against the fine table most, while the gain pays, and are moved to sayable numbers. Measures with few values and
categories become steps: neighbouring levels are merged while merging costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.learning.codes import MeasureCodes, value_array

__all__ = ["CurvePlan", "plan_curve", "sayable"]

Floats: TypeAlias = NDArray[np.float64]

_KNOT_GAIN = 0.5  # log-likelihood units a further knot must gain
_MERGE_COST = 0.05  # log-likelihood units below which two levels are one
_TAIL = 0.025  # a curve stays flat over the outer share of the evidence: a handful of rows must not set a weight
_FEW_VALUES = 4  # a measure with fewer distinct values is stepped
_STEPS = (5.0, 2.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class CurvePlan:
    """Where one measure's curve may bend, and which way it may go.

    Parameters
    ----------
    places : tuple of float
        Knots of a graded curve, cuts of a stepped one; empty for categories.
    levels : tuple of tuple of str
        Categories that share a level, least risk first; empty for numbers.
    start : tuple of float
        Churn logits at the knots or levels: where the refit starts.
    signs : tuple of int
        Direction of each of the ``len(start) − 1`` increments, +1 or −1 (0: flat).
    """

    name: str
    graded: bool
    places: tuple[float, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    start: tuple[float, ...]
    signs: tuple[int, ...]
    states: tuple[str, ...] = ()
    whole: bool = False

    def increments(self, frame: pd.DataFrame) -> Floats:
        """Return how far each row has come along each increment, 0–1, (n_rows, n_increments); NaN where missing."""
        values = value_array(frame, self.name)
        if self.levels:
            members = pd.Index([value for group in self.levels for value in group], dtype=object)
            level_of = np.repeat(np.arange(len(self.levels), dtype=np.float64), [len(group) for group in self.levels])
            at = members.get_indexer(pd.Index(values, dtype=object))
            return _step_up(np.where(at < 0, np.nan, np.append(level_of, np.nan)[at]), len(self.levels) - 1)
        numbers = values.astype(np.float64)
        places = np.asarray(self.places)
        if not self.graded:
            level = np.searchsorted(places, numbers, side="right").astype(np.float64)
            return _step_up(np.where(np.isnan(numbers), np.nan, level), len(places))
        come: Floats = np.clip((numbers[:, np.newaxis] - places[:-1]) / np.diff(places), 0.0, 1.0)
        return come


def _step_up(level: Floats, n_steps: int) -> Floats:
    reached = (level[:, np.newaxis] >= np.arange(1, n_steps + 1)).astype(np.float64)
    reached[np.isnan(level)] = np.nan
    return reached


def plan_curve(
    coded: MeasureCodes, table: Floats, curvature: Floats, values: NDArray[Any], *, turn: int, size: int
) -> CurvePlan:
    """Return the plan of one measure.

    Parameters
    ----------
    table, curvature : ndarray of shape (n_bins,)
        The fine fit in churn logits and the likelihood's curvature in each bin.
    values : ndarray of shape (n_rows,)
        The training values, for the bins' medians.
    turn : int
        The bin where the table turns (first or last: monotone).
    size : int
        Most knots or levels.
    """
    if not coded.numeric:
        return _plan_categories(coded, table, curvature, size)
    numbers = values.astype(np.float64)
    numbers = numbers[~np.isnan(numbers)]
    whole = bool(len(numbers)) and bool(np.all(numbers == np.round(numbers)))
    if coded.n_bins < _FEW_VALUES:
        return CurvePlan(
            name=coded.name,
            graded=False,
            places=tuple(float(np.ceil(cut)) if whole else float(cut) for cut in coded.cuts),
            states=coded.states,
            start=tuple(float(v) for v in table),
            signs=_signs(table),
            whole=whole,
        )
    middle: Floats = _bin_medians(numbers, coded)
    at = _without_tails(np.flatnonzero(~np.isnan(middle)), curvature)
    turn_at = int(np.argmin(np.abs(at - turn)))
    chosen = _choose_knots(middle[at], table[at], np.maximum(curvature[at], 1e-9), turn_at, size)
    knots: Floats = middle[at][chosen]
    heights = _hat_fit(middle[at], table[at], np.maximum(curvature[at], 1e-9), chosen)
    bend = int(np.flatnonzero(chosen == turn_at)[0]) if turn_at in chosen else len(chosen) - 1
    rises = 1 if table[at][turn_at] >= max(table[at][0], table[at][-1]) - 1e-12 else -1
    signs = tuple(rises if i < bend else -rises for i in range(len(chosen) - 1))
    return CurvePlan(
        name=coded.name,
        graded=True,
        places=_sayable_knots(knots, whole=whole),
        states=coded.states,
        start=tuple(float(h) for h in heights),
        signs=signs,
        whole=whole,
    )


def _signs(table: Floats) -> tuple[int, ...]:
    return tuple(int(np.sign(step)) for step in np.diff(table))


def _bin_medians(numbers: Floats, coded: MeasureCodes) -> Floats:
    bins = np.searchsorted(coded.cuts, numbers, side="right")
    medians = pd.Series(numbers).groupby(bins).median()
    return np.asarray(medians.reindex(range(coded.n_bins)), dtype=np.float64)


def _without_tails(bins: NDArray[np.intp], curvature: Floats) -> NDArray[np.intp]:
    """Return `bins` without the outermost ones that together hold too little evidence to end a curve."""
    mass = curvature[bins]
    share = np.cumsum(mass) / max(mass.sum(), 1e-12)
    kept = bins[(share > _TAIL) & (share - mass / max(mass.sum(), 1e-12) < 1 - _TAIL)]
    return kept if len(kept) >= _FEW_VALUES else bins


def _choose_knots(x: Floats, y: Floats, weight: Floats, turn: int, size: int) -> NDArray[np.int64]:
    """Return the indices of the knots: ends, the turn, then the greedily best, each moved once to a better place."""
    chosen: NDArray[np.int64] = np.unique(np.array([0, turn, len(x) - 1], dtype=np.int64))
    error = float(_errors(x, y, weight, chosen[np.newaxis])[0])
    fixed = set(chosen.tolist())
    while len(chosen) < min(size, len(x)):
        free = np.setdiff1d(np.arange(len(x)), chosen)
        trials = np.sort(np.column_stack([np.tile(chosen, (len(free), 1)), free]), axis=1)
        errors = _errors(x, y, weight, trials)
        best = int(np.argmin(errors))
        if 0.5 * (error - errors[best]) < _KNOT_GAIN:
            break
        chosen, error = trials[best], float(errors[best])
        chosen, error = _move_knots(x, y, weight, chosen, fixed)
    return chosen


def _move_knots(
    x: Floats, y: Floats, weight: Floats, chosen: NDArray[np.int64], fixed: set[int]
) -> tuple[NDArray[np.int64], float]:
    for i in range(1, len(chosen) - 1):
        if int(chosen[i]) in fixed:
            continue
        places = np.arange(chosen[i - 1] + 1, chosen[i + 1])
        trials = np.tile(chosen, (len(places), 1))
        trials[:, i] = places
        chosen = trials[int(np.argmin(_errors(x, y, weight, trials)))]
    return chosen, float(_errors(x, y, weight, chosen[np.newaxis])[0])


def _hats(x: Floats, knots: Floats) -> Floats:
    """Return the hat functions of each row of `knots` (n_trials, n_knots) at x: (n_trials, len(x), n_knots)."""
    gaps = np.diff(knots, axis=1)
    come = np.clip((x[np.newaxis, :, np.newaxis] - knots[:, np.newaxis, :-1]) / gaps[:, np.newaxis, :], 0.0, 1.0)
    hats = np.zeros((*come.shape[:2], knots.shape[1]))
    hats[:, :, 0] = 1.0
    hats[:, :, 1:] += come
    hats[:, :, :-1] -= come
    return hats


def _solve(x: Floats, y: Floats, weight: Floats, chosen: NDArray[np.int64]) -> tuple[Floats, Floats]:
    hats = _hats(x, x[chosen])
    weighted = hats * weight[np.newaxis, :, np.newaxis]
    normal = np.einsum("tki,tkj->tij", weighted, hats) + 1e-9 * np.eye(chosen.shape[1])
    heights = np.linalg.solve(normal, np.einsum("tki,k->ti", weighted, y)[:, :, np.newaxis])[:, :, 0]
    miss = np.einsum("tki,ti->tk", hats, heights) - y
    return heights, (weight * miss**2).sum(axis=1)


def _errors(x: Floats, y: Floats, weight: Floats, trials: NDArray[np.int64]) -> Floats:
    return _solve(x, y, weight, trials)[1]


def _hat_fit(x: Floats, y: Floats, weight: Floats, chosen: NDArray[np.int64]) -> Floats:
    heights: Floats = _solve(x, y, weight, chosen[np.newaxis])[0][0]
    return heights


def sayable(value: float, tolerance: float) -> float:
    """Return the roundest number within `tolerance` of `value`: the nearest multiple of the coarsest 1-2-5 step.

    Examples
    --------
    >>> sayable(9.8, 0.3), sayable(1234.5, 20.0), sayable(0.0312, 0.001)
    (10.0, 1250.0, 0.032)
    """
    if tolerance <= 0:
        return value
    for exponent in range(int(np.ceil(np.log10(max(abs(value), tolerance)))) + 1, -12, -1):
        for leading in _STEPS:
            step = leading * 10.0**exponent
            rounded = round(value / step) * step
            if abs(rounded - value) <= tolerance:
                return float(f"{rounded:.12g}")
    return value


def _sayable_knots(knots: Floats, *, whole: bool) -> tuple[float, ...]:
    span, gaps = float(knots[-1] - knots[0]), np.diff(knots)
    said = []
    for i, knot in enumerate(knots):
        near = float(gaps[max(0, i - 1) : i + 1].min())
        tolerance = min(0.01 * span, 0.1 * near)
        said.append(float(round(knot)) if whole and abs(round(knot) - knot) < 0.4 * near else sayable(knot, tolerance))
    return tuple(said)


def _plan_categories(coded: MeasureCodes, table: Floats, curvature: Floats, size: int) -> CurvePlan:
    groups = [[value] for value in coded.order] or [[]]
    heights, mass = list(table.astype(float)), list(np.maximum(curvature, 1e-9).astype(float))
    while len(groups) > 1:
        costs = [
            0.5 * mass[i] * mass[i + 1] / (mass[i] + mass[i + 1]) * (heights[i + 1] - heights[i]) ** 2
            for i in range(len(groups) - 1)
        ]
        i = int(np.argmin(costs))
        if costs[i] > _MERGE_COST and len(groups) <= size:
            break
        together = mass[i] + mass[i + 1]
        heights[i] = (heights[i] * mass[i] + heights[i + 1] * mass[i + 1]) / together
        mass[i] = together
        groups[i] += groups[i + 1]
        del heights[i + 1], mass[i + 1], groups[i + 1]
    return CurvePlan(
        name=coded.name,
        graded=False,
        levels=tuple(tuple(sorted(g)) for g in groups),
        states=coded.states,
        start=tuple(heights),
        signs=(1,) * (len(groups) - 1),
    )
