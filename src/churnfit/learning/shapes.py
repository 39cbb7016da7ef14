"""Shapes: the best rising, falling or single-turn table for one measure.

Least squares with a price on movement. One block of the joint fit solves, over the measure's ordered bins k,

    minimise  Σ_k ½ h_k (f_k − z_k)²  +  λ Σ_k |f_{k+1} − f_k|     subject to the shape.

For a table that rises to a turn m and falls after it, the movement is ``2 f_m − f_0 − f_{K−1}``: linear. So the block
is an isotonic regression on shifted targets, solved exactly by pooling adjacent violators from both ends towards the
turn. A rising table has its turn at the last bin, a falling one at the first; a valley is a negated peak. Without a
shape the block is total-variation denoising, solved exactly by dynamic programming (`fit_free`).

References
----------
Best and Chakravarti (1990), active-set isotonic regression; Stout (2008), unimodal regression by prefix isotonic fits;
Johnson (2013), "A dynamic programming algorithm for the fused lasso".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["ANY", "FALLING", "FREE", "PEAK", "RISING", "VALLEY", "choose_shape", "fit_free", "fit_shape"]

RISING: Final = 1
FALLING: Final = 2
PEAK: Final = 4
VALLEY: Final = 8
ANY: Final = RISING | FALLING | PEAK | VALLEY
FREE: Final = 16


@njit(cache=True)
def _pool_to_turn(
    target: NDArray[np.float64], weight: NDArray[np.float64], turn: int, fitted: NDArray[np.float64]
) -> None:
    """Write into `fitted` the least-squares fit that rises to `turn` and falls after it."""
    n = len(target)
    mean = np.empty(n)  # blocks of pooled bins: left stack from the front, right stack after it
    mass = np.empty(n)
    edge = np.empty(n, np.int64)
    n_left = 0
    for k in range(turn):
        m, w, start = target[k], weight[k], k
        while n_left > 0 and mean[n_left - 1] >= m:
            n_left -= 1
            m = (mean[n_left] * mass[n_left] + m * w) / (mass[n_left] + w)
            w += mass[n_left]
            start = edge[n_left]
        mean[n_left], mass[n_left], edge[n_left] = m, w, start
        n_left += 1
    right_mean = np.empty(n)
    right_mass = np.empty(n)
    right_edge = np.empty(n, np.int64)
    n_right = 0
    for k in range(n - 1, turn, -1):
        m, w, end = target[k], weight[k], k
        while n_right > 0 and right_mean[n_right - 1] >= m:
            n_right -= 1
            m = (right_mean[n_right] * right_mass[n_right] + m * w) / (right_mass[n_right] + w)
            w += right_mass[n_right]
            end = right_edge[n_right]
        right_mean[n_right], right_mass[n_right], right_edge[n_right] = m, w, end
        n_right += 1
    top, top_mass, first, last = target[turn], weight[turn], turn, turn
    while True:  # the turn must not lie below either side: it swallows the higher neighbour first
        left = n_left > 0 and mean[n_left - 1] > top
        right = n_right > 0 and right_mean[n_right - 1] > top
        if left and (not right or mean[n_left - 1] >= right_mean[n_right - 1]):
            n_left -= 1
            top = (top * top_mass + mean[n_left] * mass[n_left]) / (top_mass + mass[n_left])
            top_mass += mass[n_left]
            first = edge[n_left]
        elif right:
            n_right -= 1
            top = (top * top_mass + right_mean[n_right] * right_mass[n_right]) / (top_mass + right_mass[n_right])
            top_mass += right_mass[n_right]
            last = right_edge[n_right]
        else:
            break
    for k in range(first, last + 1):
        fitted[k] = top
    for i in range(n_left):
        stop = edge[i + 1] if i + 1 < n_left else first
        for k in range(edge[i], stop):
            fitted[k] = mean[i]
    for i in range(n_right):
        begin = right_edge[i + 1] + 1 if i + 1 < n_right else last + 1
        for k in range(begin, right_edge[i] + 1):
            fitted[k] = right_mean[i]


@njit(cache=True)
def fit_shape(
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    price: float,
    sign: int,
    turn: int,
    fitted: NDArray[np.float64],
) -> float:
    """Write the best table with its turn at `turn` into `fitted`; return the objective.

    `sign` +1 is a peak (or monotone), −1 a valley. `price` is λ.
    """
    n = len(target)
    shifted = sign * target
    shifted[0] += price / weight[0]
    shifted[n - 1] += price / weight[n - 1]
    shifted[turn] -= 2.0 * price / weight[turn]
    _pool_to_turn(shifted, weight, turn, fitted)
    objective = float(price * (2.0 * fitted[turn] - fitted[0] - fitted[n - 1]))
    for k in range(n):
        miss = fitted[k] - sign * target[k]
        objective += 0.5 * weight[k] * miss * miss
        fitted[k] *= sign
    return objective


@njit(cache=True)
def choose_shape(
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    price: float,
    allowed: int,
    turn_price: float,
    fitted: NDArray[np.float64],
) -> tuple[int, int]:
    """Write the best allowed table into `fitted`; return its sign and turn.

    A table with a turn inside must beat the best monotone one by `turn_price` units of the objective; where only
    such a table is allowed it competes with nothing. Of two bins it is monotone. `FREE` tables are those of `fit_free`.
    """
    n = len(target)
    trial = np.empty(n)
    best, sign, turn = np.inf, 1, n - 1
    no_room = n < 3 and allowed & (PEAK | VALLEY) != 0
    if allowed & RISING or no_room:
        best, sign, turn = fit_shape(target, weight, price, 1, n - 1, trial), 1, n - 1
        fitted[:] = trial
    if allowed & FALLING or no_room:
        objective = fit_shape(target, weight, price, 1, 0, trial)
        if objective < best:
            best, sign, turn = objective, 1, 0
            fitted[:] = trial
    to_beat = best - turn_price
    for m in range(1, n - 1):
        if allowed & PEAK:
            objective = fit_shape(target, weight, price, 1, m, trial)
            if objective < to_beat:
                to_beat, sign, turn = objective, 1, m
                fitted[:] = trial
        if allowed & VALLEY:
            objective = fit_shape(target, weight, price, -1, m, trial)
            if objective < to_beat:
                to_beat, sign, turn = objective, -1, m
                fitted[:] = trial
    return sign, turn


@njit(cache=True)
def fit_free(
    target: NDArray[np.float64], weight: NDArray[np.float64], price: float, fitted: NDArray[np.float64]
) -> None:
    """Write into `fitted` the table of any shape that minimises the objective."""
    n = len(target)
    if n == 1:
        fitted[0] = target[0]
        return
    # the derivative of the cost so far is piecewise linear: breaks x with changes of slope a and of offset b, kept
    # between `left` and `right`; below `lowest[k]` and above `highest[k]` bin k stays behind bin k + 1
    x, a, b = np.empty(2 * n), np.empty(2 * n), np.empty(2 * n)
    lowest, highest = np.empty(n - 1), np.empty(n - 1)
    lowest[0], highest[0] = target[0] - price / weight[0], target[0] + price / weight[0]
    left, right = n - 1, n
    x[left], x[right] = lowest[0], highest[0]
    a[left], b[left] = weight[0], -weight[0] * target[0] + price
    a[right], b[right] = -weight[0], weight[0] * target[0] + price
    for k in range(1, n - 1):
        slope, offset, at = weight[k], -weight[k] * target[k] - price, left
        while at <= right and slope * x[at] + offset <= -price:
            slope, offset, at = slope + a[at], offset + b[at], at + 1
        slope_high, offset_high, at_high = -weight[k], weight[k] * target[k] - price, right
        while at_high >= at and -slope_high * x[at_high] - offset_high >= price:
            slope_high, offset_high, at_high = slope_high + a[at_high], offset_high + b[at_high], at_high - 1
        lowest[k], left = (-price - offset) / slope, at - 1
        highest[k], right = (price + offset_high) / -slope_high, at_high + 1
        x[left], a[left], b[left] = lowest[k], slope, offset + price
        x[right], a[right], b[right] = highest[k], slope_high, offset_high + price
    slope, offset, at = weight[n - 1], -weight[n - 1] * target[n - 1] - price, left
    while at <= right and slope * x[at] + offset <= 0.0:
        slope, offset, at = slope + a[at], offset + b[at], at + 1
    fitted[n - 1] = -offset / slope
    for k in range(n - 2, -1, -1):
        fitted[k] = min(max(fitted[k + 1], lowest[k]), highest[k])
