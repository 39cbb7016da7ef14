"""Curves: a fine table reduced to what a person can say.

Numbers become straight lines between a few knots, seldom more than five: knots are added where they lower the weighted
squared error against the fine table most, while the gain pays, and are moved to sayable numbers. Measures with few
values and categories become steps: neighbouring levels are merged while merging costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.codes import MeasureBins
from churnfit.learning.knots import choose_knots, hat_fit

__all__ = ["CurvePlan", "plan_curve", "sayable"]

Floats: TypeAlias = NDArray[np.float64]

_GAIN = 0.5  # log-likelihood units that a further knot must gain
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

    def increments(self, measure: MeasureBins) -> Floats:
        """Return how far each value bin of `measure` has come along each increment, 0–1, (n_bins, n_increments)."""
        if not measure.numeric:
            level_of = {value: level for level, group in enumerate(self.levels) for value in group}
            reached = np.array([level_of[value] for value in measure.levels] or [0])
            return (reached[:, np.newaxis] >= np.arange(1, len(self.levels))).astype(np.float64)
        places = np.asarray(self.places)
        if not self.graded:
            return (measure.middles[:, np.newaxis] >= places).astype(np.float64)
        come: Floats = np.clip((measure.middles[:, np.newaxis] - places[:-1]) / np.diff(places), 0.0, 1.0)
        return come


def plan_curve(
    measure: MeasureBins,
    table: Floats,
    curvature: Floats,
    *,
    turn: int | None,
    size: int,
    gain: float = _GAIN,
    tail: float = _TAIL,
) -> CurvePlan:
    """Return the plan of one measure.

    Parameters
    ----------
    table, curvature : ndarray of shape (n_bins,)
        The fine fit in churn logits and the likelihood's curvature in each bin.
    turn : int, optional
        The bin where the table turns (first or last: monotone); absent, it may turn anywhere.
    size : int
        Most knots or levels.
    gain : float
        Log-likelihood units that a further knot must gain.
    tail : float
        Share of the evidence at either end over which the curve is flat.
    """
    if not measure.numeric:
        return _plan_categories(measure, table, curvature, size)
    if measure.n_bins < _FEW_VALUES:
        return CurvePlan(
            name=measure.name,
            graded=False,
            places=_sayable_cuts(measure),
            states=measure.states,
            start=tuple(float(v) for v in table),
            signs=_signs(table),
            whole=measure.whole,
        )
    at = _without_tails(curvature, tail)
    x, y, weight = measure.middles[at], table[at], np.maximum(curvature[at], 1e-9)
    turn_at = len(at) - 1 if turn is None else int(np.argmin(np.abs(at - turn)))
    chosen = choose_knots(x, y, weight, turn_at, size, gain)
    heights, _ = hat_fit(x, y, weight, chosen)
    bend = int(np.flatnonzero(chosen == turn_at)[0])
    rises = 1 if y[turn_at] >= max(y[0], y[-1]) - 1e-12 else -1
    return CurvePlan(
        name=measure.name,
        graded=True,
        places=_sayable_knots(x[chosen], whole=measure.whole),
        states=measure.states,
        start=tuple(float(h) for h in heights),
        signs=_signs(heights) if turn is None else tuple(rises if i < bend else -rises for i in range(len(chosen) - 1)),
        whole=measure.whole,
    )


def _signs(table: Floats) -> tuple[int, ...]:
    return tuple(int(np.sign(step)) for step in np.diff(table))


def _without_tails(curvature: Floats, tail: float) -> NDArray[np.intp]:
    """Return the bins but the outermost ones that together hold at most a `tail` of the evidence."""
    share = np.cumsum(curvature) / max(curvature.sum(), 1e-12)
    before = np.append(0.0, share[:-1])
    kept = np.flatnonzero((share > tail) & (before < 1 - tail))
    return kept if len(kept) >= _FEW_VALUES else np.arange(len(curvature))


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


def _sayable_cuts(measure: MeasureBins) -> tuple[float, ...]:
    """Return the cuts between the few bins of `measure`, without what binary arithmetic adds to 0.15.

    They stay where they are: the nearest values on either side may be next to them.
    """
    return tuple(float(np.ceil(cut)) if measure.whole else float(f"{cut:.12g}") for cut in measure.cuts)


def _sayable_knots(knots: Floats, *, whole: bool) -> tuple[float, ...]:
    span, gaps = float(knots[-1] - knots[0]), np.diff(knots)
    said = []
    for i, knot in enumerate(knots):
        near = float(gaps[max(0, i - 1) : i + 1].min())
        tolerance = min(0.01 * span, 0.1 * near)
        said.append(float(round(knot)) if whole and abs(round(knot) - knot) < 0.4 * near else sayable(knot, tolerance))
    return tuple(said)


def _plan_categories(measure: MeasureBins, table: Floats, curvature: Floats, size: int) -> CurvePlan:
    groups = [[value] for value in measure.levels] or [[]]
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
        name=measure.name,
        graded=False,
        levels=tuple(tuple(sorted(g)) for g in groups),
        states=measure.states,
        start=tuple(heights),
        signs=(1,) * (len(groups) - 1),
    )
