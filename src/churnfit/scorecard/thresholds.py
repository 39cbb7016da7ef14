"""Where each measure turns from red to amber to green.

A measure is *green* at the values that earn at least what the average account earns of it: they add no risk. It is
*red* at those that raise the odds of churn at least as much as takes the base rate to half as much again, and amber
between. The thresholds follow from the points and the base rate; nothing is typed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from churnfit.scorecard.card import Band, CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical, Graded

__all__ = ["RED_RISK", "ValueBand", "band_of_value", "colour_cuts", "points_needed", "points_to_red", "value_bands"]

RED_RISK = 1.5  # "half as likely again": the smallest difference that people act on in one measure alone
_TIE = 0.5 / 1024  # half a grain: points nearer than this are the same points


@dataclass(frozen=True)
class ValueBand:
    """A half-open run of values [low, high) of one colour; infinite ends are open. Or one category."""

    low: float
    high: float
    band: Band
    category: str = ""


def points_needed(card: Scorecard, measure: CardMeasure) -> tuple[float, float]:
    """Return the points from which `measure` is green, and from which it is at least amber."""
    return measure.expected_points, measure.expected_points - points_to_red(card, card.base_rate)


def points_to_red(card: Scorecard, base_rate: float) -> float:
    """Return how many points below the average a red value lies, were the base rate `base_rate`."""
    red_rate = min(RED_RISK * base_rate, (1 + base_rate) / 2)  # stay below 1 for high base rates
    return card.health_at(base_rate) - card.health_at(red_rate)


def band_of_value(card: Scorecard, measure: CardMeasure, points: float) -> Band:
    """Return the colour of a value (or state) of `measure` that earns `points`."""
    green_from, amber_above = colour_cuts(card, measure)
    if points >= green_from:
        return "green"
    return "amber" if points > amber_above else "red"


def colour_cuts(card: Scorecard, measure: CardMeasure) -> tuple[float, float]:
    """Return the points from which `measure` is green, and above which it is amber, ties allowed for."""
    green, amber = points_needed(card, measure)
    return green - _TIE, amber + _TIE


def value_bands(card: Scorecard, measure: CardMeasure) -> tuple[ValueBand, ...]:
    """Return the coloured runs of `measure`'s values, in rising order (categories: in the curve's order)."""
    curve = measure.curve
    if isinstance(curve, Categorical):
        return tuple(
            ValueBand(math.nan, math.nan, band_of_value(card, measure, points), category=value)
            for value, points in zip(curve.values, curve.points, strict=True)
        )
    edges = _edges(card, measure)
    runs: list[ValueBand] = []
    for low, high in pairwise(edges):
        band = band_of_value(card, measure, float(curve.at(np.array([_inside(measure, low, high)]))[0]))
        if runs and runs[-1].band == band:
            runs[-1] = ValueBand(runs[-1].low, high, band)
        else:
            runs.append(ValueBand(low, high, band))
    return tuple(runs)


def _edges(card: Scorecard, measure: CardMeasure) -> list[float]:
    """Return −inf, every value where the colour may change, inf."""
    curve = measure.curve
    assert not isinstance(curve, Categorical)  # noqa: S101 - narrows the type; categories have no edges
    inner: set[float] = set()
    if isinstance(curve, Graded):
        for level in points_needed(card, measure):
            inner.update(_crossings(curve, level))
        if measure.whole:  # the whole numbers at and next above each crossing: every colour starts at one of them
            inner = {float(math.floor(edge + above)) for edge in inner for above in (0, 1)}
    else:
        inner.update(float(math.ceil(cut)) if measure.whole else cut for cut in curve.cuts)
    return [-math.inf, *sorted(inner), math.inf]


def _crossings(curve: Graded, level: float) -> list[float]:
    found = []
    for (x0, x1), (p0, p1) in zip(pairwise(curve.knots), pairwise(curve.points), strict=True):
        if (p0 - level) * (p1 - level) < 0:
            found.append(_shortened(x0 + (x1 - x0) * (level - p0) / (p1 - p0), x1 - x0))
        elif p0 == level:
            found.append(x0)
    return [*found, curve.knots[-1]] if curve.points[-1] == level else found


def _shortened(value: float, span: float) -> float:
    """Return `value` with no more digits than a hundredth of `span` needs."""
    return round(value, max(0, 2 - math.floor(math.log10(span))))


def _inside(measure: CardMeasure, low: float, high: float) -> float:
    """Return a value of the run from `low` to `high` that is as far from both as may be: at a cut points tie."""
    curve = measure.curve
    assert not isinstance(curve, Categorical)  # noqa: S101 - narrows the type; categories have no runs
    turns = (curve.knots if isinstance(curve, Graded) else curve.cuts) or (0.0,)
    if math.isinf(low):
        return min(high, turns[0]) - 1.0  # beyond the outer turns the curve is level
    if math.isinf(high):
        return max(low, turns[-1]) + 1.0
    middle = (low + high) / 2
    return max(low, float(math.floor(middle))) if measure.whole else middle
