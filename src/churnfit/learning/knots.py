"""Knots: where straight lines between a few of the bins follow a fine table best.

Least squares over continuous piecewise-linear functions: for given knots the heights solve a tridiagonal system; knots
are added greedily, and each inner one is moved once after every addition.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["choose_knots", "hat_fit"]

_USUAL = 5  # knots: what a person can still say in one breath
_RARE_GAIN = 5.0  # and one beyond the usual


@njit(cache=True)
def hat_fit(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.float64], float]:
    """Return the best heights at the knots ``x[chosen]`` and the weighted squared error they leave.

    The outer knots are the first and the last bin: ``chosen`` holds at least those two.
    """
    n = len(chosen)
    diagonal, beside, right = np.full(n, 1e-9), np.zeros(n), np.zeros(n)
    at = 0
    for k in range(len(x)):
        while at + 2 < n and x[k] >= x[chosen[at + 1]]:
            at += 1
        left = x[chosen[at]]
        come = (x[k] - left) / (x[chosen[at + 1]] - left)
        diagonal[at] += weight[k] * (1 - come) * (1 - come)
        diagonal[at + 1] += weight[k] * come * come
        beside[at] += weight[k] * come * (1 - come)
        right[at] += weight[k] * (1 - come) * y[k]
        right[at + 1] += weight[k] * come * y[k]
    for q in range(1, n):  # Thomas: eliminate forward, substitute back
        factor = beside[q - 1] / diagonal[q - 1]
        diagonal[q] -= factor * beside[q - 1]
        right[q] -= factor * right[q - 1]
    heights = np.zeros(n)
    heights[n - 1] = right[n - 1] / diagonal[n - 1]
    for q in range(n - 2, -1, -1):
        heights[q] = (right[q] - beside[q] * heights[q + 1]) / diagonal[q]
    error, at = 0.0, 0
    for k in range(len(x)):
        while at + 2 < n and x[k] >= x[chosen[at + 1]]:
            at += 1
        left = x[chosen[at]]
        come = (x[k] - left) / (x[chosen[at + 1]] - left)
        miss = (1 - come) * heights[at] + come * heights[at + 1] - y[k]
        error += weight[k] * miss * miss
    return heights, error


@njit(cache=True)
def choose_knots(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], turn: int, size: int, gain: float
) -> NDArray[np.int64]:
    """Return the bins that become knots, rising: both ends, the turn, then the best ones while each gains enough.

    Parameters
    ----------
    x, y, weight : ndarray of shape (n_bins,)
        Rising values, their heights, and the evidence (curvature) in each bin.
    turn : int
        The bin where the table turns: always a knot.
    size : int
        Most knots.
    gain : float
        Log-likelihood units (half the weighted squared error) that a further knot must gain.
    """
    last = len(x) - 1
    chosen = np.array([0, last]) if turn in (0, last) else np.array([0, turn, last])
    error = hat_fit(x, y, weight, chosen)[1]
    while len(chosen) < min(size, len(x)):
        best, best_error = -1, np.inf
        trial = np.append(chosen, last)
        for place in range(1, len(chosen)):  # a further knot between each two
            trial[place + 1 :] = chosen[place:]
            for k in range(chosen[place - 1] + 1, chosen[place]):
                trial[place] = k
                tried = hat_fit(x, y, weight, trial)[1]
                if tried < best_error:
                    best, best_error = k, tried
            trial[place] = chosen[place]
        needed = gain if len(chosen) < _USUAL else _RARE_GAIN
        if best < 0 or 0.5 * (error - best_error) < needed:
            break
        chosen, error = np.sort(np.append(chosen, best)), best_error
        for q in range(1, len(chosen) - 1):
            if chosen[q] == turn:
                continue
            moved = chosen.copy()
            for k in range(chosen[q - 1] + 1, chosen[q + 1]):
                moved[q] = k
                tried = hat_fit(x, y, weight, moved)[1]
                if tried < error - 1e-12:
                    chosen[q], error = k, tried
    return chosen
