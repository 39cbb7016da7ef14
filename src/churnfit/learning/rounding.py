"""Whole weights and whole points: the curves as lines of a card.

A curve in churn logits runs from its riskiest to its safest level; that range, as a share of all ranges, is the
measure's weight. Weights are whole numbers that sum to 100, points whole numbers within the weight: rounded (weights to
their largest remainders), then moved where the card as a whole comes nearer to the curves. The slope (logits per health
point) stays the shrunken one; only the intercept is matched again afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.curves import CurvePlan
from churnfit.learning.joint import Curves
from churnfit.learning.whole_points import nearest_whole
from churnfit.scorecard.card import CardMeasure
from churnfit.scorecard.points import Categorical, Curve, Graded, Stepped

__all__ = ["card_lines", "segment_offsets", "whole_weights"]

Floats: TypeAlias = NDArray[np.float64]
_FAINT = 1.0  # points

ShapeName = Literal["rising", "falling", "peak", "valley", "free", "categories"]


def whole_weights(ranges: Floats) -> NDArray[np.int64]:
    """Return whole numbers in proportion to `ranges` (n,) that sum to 100: largest remainders round up.

    Examples
    --------
    >>> whole_weights(np.array([1.0, 1.0, 1.0]))
    array([34, 33, 33])
    """
    exact = 100 * ranges / ranges.sum()
    weights: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    short = 100 - int(weights.sum())
    weights[np.argsort(weights - exact, kind="stable")[:short]] += 1
    return weights


def segment_offsets(curves: Curves, segment_column: str | None) -> tuple[tuple[str, float], ...]:
    """Return each segment's offset on the churn logit, from the curve of the segment column; 0 in the mean row.

    The curve was learned jointly with the points, its steps shrunk like theirs, so segments share strength. Accounts
    without a segment are ``""``.
    """
    for index, plan in enumerate(curves.plans):
        if plan.name == segment_column:
            heights, states = curves.heights(index)
            centre = float(curves.design.mean_increments[index] @ np.diff(heights))
            offsets = {v: h - centre for members, h in zip(plan.levels, heights, strict=True) for v in members}
            if plan.states:  # one: why there is no segment makes no difference
                offsets[""] = float(states[0]) - centre
            rounded = tuple((value, round(float(offset), 4)) for value, offset in sorted(offsets.items()))
            return rounded if any(offset for _, offset in rounded) else ()
    return ()


def card_lines(
    curves: Curves, weight: Floats | None = None, *, segment_column: str | None = None
) -> tuple[tuple[CardMeasure, ...], float]:
    """Return the card's lines, heaviest first, and the churn logits per health point.

    The segment column earns no points. Measures whose weight rounds to 0 are left out and the rest share the 100
    again. `expected_points` is still 0: the card sets it from its reference cohort. Rows count by `weight` (n_rows,),
    absent: alike.
    """
    kept = [index for index, plan in enumerate(curves.plans) if plan.name != segment_column]
    while True:
        saved = [_saved(*curves.heights(index)) for index in kept]
        ranges = np.array([own.max() for own in saved])
        if not kept or ranges.sum() <= 0:
            return (), 1.0
        weights = whole_weights(ranges)
        if (weights > 0).all():
            break
        kept = [index for index, share in zip(kept, weights, strict=True) if share > 0]
    slope = float(ranges.sum()) / 100.0
    plans = [curves.plans[index] for index in kept]
    counts = np.ones(curves.design.codes.shape[1]) if weight is None else weight
    exact = [_without_faint_turn(own / slope, own / slope, plan) for own, plan in zip(saved, plans, strict=True)]
    while True:
        rounded = [np.round(share * own / own.max()) for share, own in zip(weights, exact, strict=True)]
        whole = nearest_whole(curves, kept, exact, rounded, counts)
        flat = [_without_faint_turn(own, points, plan) for own, points, plan in zip(exact, whole, plans, strict=True)]
        if all(map(np.array_equal, flat, exact)):
            break
        exact = flat
    lines = [_line(plan, points) for plan, points in zip(plans, whole, strict=True)]
    lines.sort(key=lambda line: (-line.weight, line.name))
    return tuple(lines), slope


def _saved(heights: Floats, states: Floats) -> Floats:
    """Return the churn logits below the riskiest level, at the levels, then at the states."""
    both = np.concatenate([heights, states])
    saved: Floats = both.max() - both
    return saved


def _turning(steps: Floats) -> ShapeName:
    """Return the shape of points that both rise and fall, from the steps between them."""
    moving = np.sign(steps[steps != 0])
    if np.count_nonzero(np.diff(moving)) > 1:
        return "free"
    return "peak" if moving[0] > 0 else "valley"


def _line(plan: CurvePlan, whole: Floats) -> CardMeasure:
    """Return the line of a plan whose levels, then states, earn `whole` points."""
    n_levels = len(plan.signs) + 1
    points, state_points = whole[:n_levels], whole[n_levels:]
    return CardMeasure(
        name=plan.name,
        label=plan.name.replace("_", " "),
        shape=_shape_name(plan, points),
        curve=_curve(plan, [float(p) for p in points]),
        expected_points=0.0,
        whole=plan.whole,
        missing=tuple((state, float(p)) for state, p in zip(plan.states, state_points, strict=True)),
    )


def _without_faint_turn(exact: Floats, points: Floats, plan: CurvePlan) -> Floats:
    """Return the exact points, flat on the lesser side of a turn of which one side is worth at most one of `points`.

    Nobody acts on one point. The weight and the 0 points stay.

    Parameters
    ----------
    exact, points : ndarray of shape (n_levels + n_states,)
        At the knots or levels, then at the states.
    """
    n_levels = len(plan.signs) + 1
    if plan.levels or not 0 < min(_rise_and_fall(points[:n_levels])) <= _FAINT:
        return exact
    turning = _turning(np.diff(points[:n_levels]))
    if turning == "free":
        return exact
    levels = exact[:n_levels]
    rise, fall = _rise_and_fall(levels)
    flatten = np.maximum.accumulate if turning == "peak" else np.minimum.accumulate
    flat = flatten(levels) if (rise > fall) == (turning == "peak") else flatten(levels[::-1])[::-1]
    return np.concatenate([flat, exact[n_levels:]])


def _rise_and_fall(points: Floats) -> tuple[float, float]:
    """Return how far the points rise in all, and how far they fall."""
    steps = np.diff(points)
    return float(steps.clip(min=0).sum()), float(-steps.clip(max=0).sum())


def _curve(plan: CurvePlan, points: Sequence[float]) -> Curve:
    if plan.levels:
        pairs = [(value, p) for members, p in zip(plan.levels, points, strict=True) for value in members]
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        return Categorical(tuple(value for value, _ in pairs), tuple(p for _, p in pairs))
    if plan.graded:
        kept = [i for i in range(len(points)) if not _on_the_line(plan.places, points, i)]
        return Graded(tuple(plan.places[i] for i in kept), tuple(points[i] for i in kept))
    cuts = [i for i in range(len(plan.places)) if points[i] != points[i + 1]]
    return Stepped(tuple(plan.places[i] for i in cuts), (points[0], *(points[i + 1] for i in cuts)))


def _on_the_line(places: Sequence[float], points: Sequence[float], i: int) -> bool:
    """Say whether knot i adds nothing: its neighbours' line passes through it."""
    if i in (0, len(points) - 1):
        return False
    share = (places[i] - places[i - 1]) / (places[i + 1] - places[i - 1])
    return abs(points[i - 1] + share * (points[i + 1] - points[i - 1]) - points[i]) < 1e-9


def _shape_name(plan: CurvePlan, points: Floats) -> ShapeName:
    if plan.levels:
        return "categories"
    steps = np.diff(points)
    if (steps >= 0).all():
        return "rising"
    if (steps <= 0).all():
        return "falling"
    return _turning(steps)
