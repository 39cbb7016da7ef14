"""Tables over bins: summed over a row's bins, and pulled back from rows to bins. The inner loops of learning."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["pull_to_bins", "sum_tables"]


@njit(cache=True)
def sum_tables(codes: NDArray[np.int32], values: NDArray[np.float64], constant: float) -> NDArray[np.float64]:
    """Return constant + Σ_j values[j, codes[j, i]] of every row i (n_rows,)."""
    total = np.full(codes.shape[1], constant)
    for j in range(codes.shape[0]):
        for i in range(codes.shape[1]):
            total[i] += values[j, codes[j, i]]
    return total


@njit(cache=True)
def pull_to_bins(codes: NDArray[np.int32], amounts: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the sum of `amounts` (n_rows,) over the rows of every bin, (n_measures, width)."""
    sums = np.zeros((codes.shape[0], width))
    for j in range(codes.shape[0]):
        for i in range(codes.shape[1]):
            sums[j, codes[j, i]] += amounts[i]
    return sums
