"""How sure a number is: 90 % intervals from resampling whole accounts, and of a share of accounts.

Snapshots of one account are alike, so accounts are drawn, with replacement, and all rows of an account come or stay
away together. A resample is a row of weights (how often each row counts), so weight-aware statistics need no copy of
the table, and a difference taken within one resample is a paired difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Key", "Statistics", "bootstrap", "resamples", "share_of"]

FloatArray = NDArray[np.float64]
Key = tuple[str, ...]
Statistics = Callable[[FloatArray], Mapping[Key, FloatArray]]
"""Weights of shape (b, n) in; named statistics of shape (b,) out."""

_TAILS = (0.05, 0.95)  # a 90 % interval
_Z = 1.6448536269514722  # of a 90 % interval
_CELLS = 150_000  # weights held at once: 1.2 MB, which stay in the processor's cache (measured: twice as fast as 4 MB)
_MUST_EXIST = 0.9  # a statistic that fewer resamples can compute has no interval


@dataclass(frozen=True)
class Interval:
    """An estimate and its 90 % interval; NaN where it could not be had.

    A NaN compares false with every limit, so nothing unknown ever passes a gate.
    """

    low: float
    estimate: float
    high: float

    @property
    def known(self) -> bool:
        """Whether the estimate and both ends are numbers."""
        return math.isfinite(self.low) and math.isfinite(self.estimate) and math.isfinite(self.high)


def resamples(account_ids: Any, *, n: int, random_state: int) -> Iterator[FloatArray]:
    """Yield `n` row weights, each of shape (rows,): how often each row's account was drawn.

    The draw depends on the set of accounts, not on the order of the rows.

    Parameters
    ----------
    account_ids : array-like of shape (rows,)
        The account of every row.
    n : int
        How many resamples.
    random_state : int
        The seed: same seed, same weights.

    Examples
    --------
    >>> [weights.tolist() for weights in resamples(["A", "A", "B"], n=2, random_state=1)]
    [[1.0, 1.0, 1.0], [0.0, 0.0, 2.0]]
    """
    accounts, account_of_row = np.unique(np.asarray(account_ids, dtype=str), return_inverse=True)
    generator = np.random.default_rng(random_state)
    for _ in range(n):
        drawn = generator.integers(len(accounts), size=len(accounts))
        yield np.bincount(drawn, minlength=len(accounts)).astype(np.float64)[account_of_row]


def bootstrap(
    statistics: Statistics, account_ids: Any, *, n: int, random_state: int, row_weight: FloatArray | None = None
) -> dict[Key, Interval]:
    """Return the 90 % interval of every statistic, resampling whole accounts.

    Parameters
    ----------
    statistics : callable
        From weights of shape (b, rows) to a mapping of names to values of shape (b,). Return the difference of two
        of them under a name of its own for a paired interval.
    account_ids : array-like of shape (rows,)
        The account of every row.
    n : int
        How many resamples; 400 place the ends of a 90 % interval within about a tenth of its width.
    random_state : int
        The seed.
    row_weight : ndarray of shape (rows,), optional
        What each row counts whenever it is drawn: once, when absent.

    Returns
    -------
    dict of tuple of str to Interval
        The estimate from every row counted once, and the 5th and 95th percentile of the resamples, widened to hold
        the estimate (calibration error grows when rows repeat, so its percentiles alone can miss it). The ends are
        NaN where fewer than nine resamples in ten have the statistic, for example for want of churners.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap", ch. 13 (percentile intervals); Field and Welsh
    (2007), "Bootstrapping clustered data" (whole clusters are drawn).

    Examples
    --------
    >>> churned = np.array([0.0, 0.0, 0.0, 1.0])
    >>> rate = lambda weights: {("churn rate",): weights @ churned / weights.sum(axis=1)}
    >>> bootstrap(rate, ["A", "B", "C", "D"], n=200, random_state=7)[("churn rate",)]
    Interval(low=0.0, estimate=0.25, high=0.75)
    """
    rows = len(account_ids)
    counts = np.ones(rows) if row_weight is None else row_weight
    estimates = statistics(counts[np.newaxis, :])
    drawn: dict[Key, list[FloatArray]] = {key: [] for key in estimates}
    weights = resamples(account_ids, n=n, random_state=random_state)
    while block := list(islice(weights, max(1, _CELLS // rows))):
        for key, values in statistics(np.stack(block) * counts).items():
            drawn[key].append(values)
    return {key: _interval(float(estimates[key][0]), np.concatenate(parts)) for key, parts in drawn.items()}


def _interval(estimate: float, draws: FloatArray) -> Interval:
    there = draws[np.isfinite(draws)]
    if not math.isfinite(estimate) or len(there) < _MUST_EXIST * len(draws):
        return Interval(math.nan, estimate, math.nan)
    low, high = np.quantile(there, _TAILS)
    return Interval(min(float(low), estimate), estimate, max(float(high), estimate))


def share_of(count: int, accounts: int) -> Interval:
    """Return `count` of `accounts` as a share, with its 90 % interval.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Examples
    --------
    >>> share = share_of(10, 100)
    >>> [round(end, 3) for end in (share.low, share.estimate, share.high)]
    [0.061, 0.1, 0.16]
    """
    share, spread = count / accounts, _Z**2 / accounts
    middle = share + spread / 2
    half = _Z * math.sqrt((share * (1 - share) + spread / 4) / accounts)
    return Interval((middle - half) / (1 + spread), share, (middle + half) / (1 + spread))
