"""The expected calibration error with an interval that is right where it matters: near 0.

The plain error (`churnfit.evaluation.metrics.ece`) of a perfect score is above 0, by chance alone, and resampling
raises it once more: neither it nor its percentiles say how wrong the probabilities are. Here the interval holds every
error under which the one that was found would not be surprising.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.evaluation.intervals import Interval, resamples

__all__ = ["BINS", "bins_of", "ece_interval"]

FloatArray = NDArray[np.float64]

BINS = 10
_TAILS = (0.95, 0.5, 0.05)  # at the low end, the estimate and the high end of a 90 % interval
_SCALES = np.linspace(0.0, 3.0, 121)  # of the gaps found: 3 times as wrong as it looks is beyond every sample seen


def bins_of(probability: FloatArray, bins: int = BINS) -> NDArray[np.intp]:
    """Return the bin of each row, (n,), from 0: bins hold equally many rows, equal probabilities share one.

    Examples
    --------
    >>> bins_of(np.array([0.9, 0.1, 0.1, 0.5]), bins=2)
    array([1, 0, 0, 1])
    """
    ascending = np.sort(probability)
    lower = np.searchsorted(ascending, probability, side="left")  # equal probabilities: the place of the first
    return np.unique(lower * bins // len(probability), return_inverse=True)[1].astype(np.intp)


def ece_interval(
    churned: FloatArray,
    probability: FloatArray,
    account_ids: Any,
    *,
    n: int,
    random_state: int,
    row_weight: FloatArray | None = None,
) -> Interval:
    """Return the expected calibration error over ten equal-count bins, corrected for chance, with its 90 % interval.

    Parameters
    ----------
    churned, probability : ndarray of shape (n_rows,)
        As for `churnfit.evaluation.metrics.ece`. Where the rows come from several cards, errors that cancel between
        cards go unseen: judge each card alone, too.
    account_ids : array-like of shape (n_rows,)
        Whole accounts are resampled.
    n, random_state : int
        Resamples and seed.
    row_weight : ndarray of shape (n_rows,), optional
        What each row counts: once, when absent.

    Returns
    -------
    Interval
        NaN where the rows have one class. The estimate is the error whose median finding is what was found; 0 where
        a perfect score would be found as wrong as this one every second time.

    Notes
    -----
    A bin's gap is the mean of (probability − churned) in it, times its share of the rows; the error is the sum of
    the absolute gaps. Resampled gaps scatter around the gaps found as these scatter around the true ones. With true
    gaps of `scale` times those found, errors ``Σ |scale · gap + noise|`` would be found; the interval holds the
    scales (times the plain error) under which what was found lies between the 5th and the 95th percentile.
    """
    if not 0 < churned.sum() < len(churned):
        return Interval(math.nan, math.nan, math.nan)
    counts = np.ones(len(churned)) if row_weight is None else row_weight
    members = bins_of(probability)
    sums = np.zeros((len(churned), int(members.max()) + 1))
    sums[np.arange(len(churned)), members] = counts * (probability - churned)
    gaps = sums.sum(axis=0) / counts.sum()
    found = float(np.abs(gaps).sum())
    drawn = np.array([w @ sums / (w @ counts) for w in resamples(account_ids, n=n, random_state=random_state)])
    noise = drawn - gaps
    errors = np.abs(_SCALES[:, np.newaxis, np.newaxis] * gaps + noise).sum(axis=2)  # (scales, resamples)
    ends = [_scale_at(np.quantile(errors, tail, axis=1), found) * found for tail in _TAILS]
    return Interval(*ends)


def _scale_at(errors: FloatArray, found: float) -> float:
    """Return the largest scale whose error is still at most what was found, between two scales by a straight line."""
    below = np.flatnonzero(errors <= found)
    if not len(below):
        return 0.0
    last = int(below[-1])
    if last + 1 == len(errors):
        return float(_SCALES[-1])
    step = errors[last + 1] - errors[last]
    return float(_SCALES[last] + (_SCALES[1] - _SCALES[0]) * (found - errors[last]) / step)
