"""Where an account stands among its peers: which share of them it is ahead of.

Peers are the accounts of the same segment that reached the same day of the stage not after the account did, and at most
``cohort.peer_days`` before it. Each is taken as it was known on *its* day, so the comparison knows nothing of the
future, and an account that grew up later changes nobody's past.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

import numpy as np
import pandas as pd

__all__ = ["TOO_FEW_PEERS", "percentiles"]

TOO_FEW_PEERS = "too_few_peers"
"""The state of a value that has fewer than ``cohort.min_peers`` peers."""


def percentiles(values: pd.Series, looks: pd.DataFrame, *, peer_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile of each value among its peers, and how many peers those are.

    The percentile is 0 to 100: the share of peers below, and half of those level, in percent; NaN without a value or
    without peers.

    Parameters
    ----------
    values : pandas.Series
        float64, NaN where there is none.
    looks : pandas.DataFrame
        Row by row beside `values`: segment (gaps are a segment of their own), stage_day, as_of.
    peer_days : int
        How many days before a row's as_of its peers may have been looked at.

    Examples
    --------
    >>> looks = pd.DataFrame({"segment": "smb", "stage_day": 30, "as_of": pd.to_datetime(["2026-01-01"] * 3)})
    >>> percentiles(pd.Series([1.0, 2.0, 2.0]), looks, peer_days=365)[0].tolist()
    [0.0, 75.0, 75.0]
    """
    percentile = np.full(len(values), np.nan)
    peers = np.zeros(len(values), dtype="int64")
    numbers = values.to_numpy("float64")
    days = looks["as_of"].to_numpy("datetime64[D]").astype("int64")
    group = looks.groupby(["segment", "stage_day"], dropna=False, sort=True).ngroup().to_numpy()
    filled = np.flatnonzero(~np.isnan(numbers))
    in_turn = filled[np.lexsort((days[filled], group[filled]))]
    for rows in np.split(in_turn, np.flatnonzero(np.diff(group[in_turn])) + 1):
        for some, near in _by_day(rows, numbers, days, peer_days):
            percentile[some], peers[some] = _among(numbers[some], near)
    return percentile, peers


def _by_day(
    rows: np.ndarray, numbers: np.ndarray, days: np.ndarray, peer_days: int
) -> Iterator[tuple[np.ndarray, list[float]]]:
    """Yield the rows of each day, oldest first, with the sorted values that are near enough, their own included."""
    near: list[float] = []
    oldest = 0
    starts = np.flatnonzero(np.diff(days[rows], prepend=np.iinfo("int64").min))
    for some in np.split(rows, starts[1:]):
        for value in numbers[some]:
            insort(near, value)
        while days[rows[oldest]] < days[some[0]] - peer_days:
            near.pop(bisect_left(near, numbers[rows[oldest]]))
            oldest += 1
        yield some, near


def _among(values: np.ndarray, near: list[float]) -> tuple[np.ndarray, int]:
    """Return the percentile of each value among the others of `near`, and how many others there are."""
    others = len(near) - 1
    below = np.array([bisect_left(near, value) for value in values])
    level = np.array([bisect_right(near, value) for value in values]) - below - 1
    return 100 * (below + level / 2) / others if others else np.full(len(values), np.nan), others
