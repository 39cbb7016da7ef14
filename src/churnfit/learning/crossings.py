"""Where a curve that is only known within a band passes a level: test inversion along a measure's bins."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.codes import MeasureBins

__all__ = ["crossing_interval", "passes_between", "straight_between"]

Floats: TypeAlias = NDArray[np.float64]

_BEYOND = 0.1  # of the resamples may pass outside: a 90 % interval
_BELOW = (0.05, 0.04, 0.06, 0.03, 0.07, 0.02, 0.08, 0.01, 0.09)  # of them, that may pass below
_DIGITS = 2.5  # an end is said to about a three-hundredth of the measure's span


def crossing_interval(measure: MeasureBins, risk: Floats, *, at: float, stepped: bool) -> tuple[float, float]:
    """Return the 90 % interval of the value at which a risk passes 0 from below, at about `at`; infinite: open.

    A twentieth of the resamples may pass below it, as many above. Whole numbers cannot be cut: there the tenth is
    divided as makes the interval shortest, and one number less is taken where that leaves out nearer to a tenth.

    Parameters
    ----------
    risk : ndarray of shape (n_resamples, n_bins)
        What each resample says of each value bin.
    at : float
        The printed threshold: always inside.
    stepped : bool
        The risk jumps at the cuts between bins; otherwise it runs straight from middle to middle.
    """
    below = np.array(_BELOW if measure.whole else _BELOW[:1])
    uppers, lowers = np.split(np.quantile(risk, np.concatenate([1 - below, _BEYOND - below]), axis=0), 2)
    found = [
        passes_between(measure, lower, upper, at=at, stepped=stepped)
        for lower, upper in zip(lowers, uppers, strict=True)
    ]
    shortest = min(found, key=lambda ends: _length(ends, at))
    return _nearest(measure, risk, shortest, at=at, stepped=stepped) if measure.whole else shortest


def _length(ends: tuple[float, float], at: float) -> tuple[int, float]:
    """Return how many ends are open, and how far the others lie from `at` together."""
    away = [abs(end - at) for end in ends if np.isfinite(end)]
    return 2 - len(away), sum(away)


def _nearest(
    measure: MeasureBins, risk: Floats, ends: tuple[float, float], *, at: float, stepped: bool
) -> tuple[float, float]:
    """Return the ends, a number fewer at a time while the share of the resamples left out comes nearer to a tenth.

    A stepped risk passes at the first number past a cut, and nowhere else.
    """
    places = np.ceil(measure.cuts) if stepped else None

    def inward(low: float, high: float) -> list[tuple[float, float]]:
        if places is None:
            return [(low + 1, high), (low, high - 1)]
        return [(min(places[places > low], default=low), high), (low, max(places[places < high], default=high))]

    def away(ends: tuple[float, float]) -> float:
        low, high = ends
        below = np.mean(_risk_at(measure, risk, low - 1, stepped=stepped) > 0) if np.isfinite(low) else 0.0
        above = np.mean(_risk_at(measure, risk, high, stepped=stepped) <= 0) if np.isfinite(high) else 0.0
        return abs(float(below + above) - _BEYOND)

    while True:
        fewer = [(low, high) for low, high in inward(*ends) if (low, high) != ends and low <= at <= high]
        nearest = min([ends, *fewer], key=away)
        if nearest == ends:
            return ends
        ends = nearest


def _risk_at(measure: MeasureBins, risk: Floats, value: float, *, stepped: bool) -> Floats:
    """Return what each resample says of a value (n_resamples,)."""
    if stepped:
        return risk[:, int(np.searchsorted(measure.cuts, value, side="right"))]
    return straight_between(measure, risk, np.array([value]))[:, 0]


def straight_between(measure: MeasureBins, tables: Floats, values: Floats) -> Floats:
    """Return what `tables` (n_curves, n_bins) say at `values`, straight between the middles of bins (n_curves, n)."""
    middles = measure.middles
    if len(middles) < 2:
        return np.repeat(tables[:, :1], len(values), axis=1)
    right = np.clip(np.searchsorted(middles, values), 1, len(middles) - 1)
    come = np.clip((values - middles[right - 1]) / (middles[right] - middles[right - 1]), 0, 1)
    between: Floats = tables[:, right - 1] * (1 - come) + tables[:, right] * come
    return between


def passes_between(
    measure: MeasureBins, lower: Floats, upper: Floats, *, at: float, stepped: bool
) -> tuple[float, float]:
    """Return the values between which a risk that passes 0 from below, at about `at`, may pass it; infinite: open.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_bins,)
        The band of the risk in each value bin. Below the interval the band lies under 0, above it over 0.
    at, stepped
        As in `crossing_interval`.
    """
    x = measure.middles
    surely_below = np.flatnonzero((upper < 0) & (x < at))
    surely_above = np.flatnonzero((lower > 0) & (x >= at))
    low, high = -np.inf, np.inf
    if len(surely_below):
        i = int(surely_below[-1])
        low = _passes(measure, upper, i, stepped=stepped) if i + 1 < len(x) else at
    if len(surely_above):
        i = int(surely_above[0])
        high = _passes(measure, lower, i - 1, stepped=stepped) if i > 0 else at
    return min(low, at), max(high, at)


def _passes(measure: MeasureBins, edge: Floats, i: int, *, stepped: bool) -> float:
    """Return where the band's `edge` passes 0 between bins i and i + 1; for whole numbers the first one past it."""
    if stepped:
        return float(np.ceil(measure.cuts[i])) if measure.whole else float(measure.cuts[i])
    left, right = measure.middles[i], measure.middles[i + 1]
    rise = edge[i + 1] - edge[i]
    come = float(np.clip(-edge[i] / rise, 0.0, 1.0)) if rise > 0 else 0.5
    value = float(left + (right - left) * come)
    if measure.whole:
        return float(min(np.floor(value) + 1, right))
    span = float(measure.middles[-1] - measure.middles[0])
    return round(value, int(max(0, np.ceil(_DIGITS - np.log10(span)))))
