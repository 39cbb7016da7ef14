"""The joint fit: all measures' tables at once, by penalised likelihood under shape constraints.

    minimise  Σ_i w_i · logloss(y_i, b + Σ_j f_j[code_ij])  +  λ Σ_j Σ_k |f_j[k+1] − f_j[k]|

over tables f_j on the fine bins, each of its own shape, each missing state a level of its own drawn towards the mean of
the measured ones. Proximal Newton: the outer loop weighs the likelihood by its curvature, the inner loop minimises
exactly over one table at a time (`churnfit.learning.shapes`). Shapes are chosen in the first rounds, then kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from churnfit.learning.binned import sum_tables
from churnfit.learning.bounded import Logits
from churnfit.learning.shapes import FREE, choose_shape, fit_free, fit_shape

__all__ = ["Tables", "solve_tables", "start_tables"]

_CURVATURE_FLOOR = 0.004  # p(1−p) below this would let a few certain rows take unbounded steps
_STATE_CURVATURE = 5.0  # a missing state is drawn to the average customer with that of twenty rows at p = ½
_TURN_PRICE = 2.0  # log-likelihood units a two-sided shape must gain over the best monotone one
_SEARCH_PRICE = 0.3  # λ while shapes compete: its full price would count against a second side twice
_OUTER, _INNER = 15, 10  # rounds; both stop early when nothing moves
_TOLERANCE = 2e-3  # logits: movements below it do not show in whole points


@dataclass(frozen=True)
class Tables:
    """The state of the joint fit.

    Parameters
    ----------
    values : ndarray of shape (n_measures, most bins)
        Churn logits per bin, state bins after the value bins, centred.
    intercept : float
    sign, turn : ndarray of shape (n_measures,)
        The shapes, as in `churnfit.learning.shapes`.
    """

    values: NDArray[np.float64]
    intercept: float
    sign: NDArray[np.int64]
    turn: NDArray[np.int64]


def start_tables(n_bins: NDArray[np.int64], n_states: NDArray[np.int64], base_rate: float) -> Tables:
    """Return empty tables at the base rate."""
    width = int((n_bins + n_states).max())
    ones = np.ones(len(n_bins), dtype=np.int64)
    return Tables(np.zeros((len(n_bins), width)), float(np.log(base_rate / (1 - base_rate))), ones, n_bins - 1)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What the tables are fitted to: codes (n_measures, n_rows), labels and weights (n_rows,), allowed shapes."""

    codes: NDArray[np.int32]
    n_bins: NDArray[np.int64]
    n_states: NDArray[np.int64]
    churned: NDArray[np.float64]
    weight: NDArray[np.float64]
    allowed: NDArray[np.int64]


def solve_tables(problem: Problem, penalty: float, start: Tables, *, search_rounds: int) -> Tables:
    """Return the tables that minimise the penalised loss, from a warm `start`.

    `search_rounds` is the number of first rounds in which shapes are chosen again.
    """
    values, sign, turn = start.values.copy(), start.sign.copy(), start.turn.copy()
    intercept = start.intercept
    logit = Logits(sum_tables(problem.codes, values, intercept))
    kept, kept_intercept = values.copy(), intercept
    last = np.inf
    for outer in range(_OUTER):
        p = logit.probability
        intercept, moved_most = _sweeps(
            problem.codes,
            problem.n_bins,
            problem.n_states,
            problem.allowed,
            problem.weight * (problem.churned - p),
            problem.weight * np.maximum(p * (1.0 - p), _CURVATURE_FLOOR),
            float(penalty),
            outer < search_rounds,
            values,
            float(intercept),
            sign,
            turn,
        )
        for _ in range(6):  # halve the step while the true objective rises
            logit = Logits(sum_tables(problem.codes, values, intercept))
            objective = _objective(problem, penalty, values, logit)
            if objective <= last + 1e-9 * abs(last) or outer < search_rounds:
                break
            intercept = 0.5 * (intercept + kept_intercept)
            values = 0.5 * (values + kept)
        kept, kept_intercept = values.copy(), intercept
        settled = last - objective < 1e-6 * abs(objective) or moved_most < _TOLERANCE
        last = objective
        if settled and outer >= search_rounds:
            break
    return replace(start, values=values, intercept=float(intercept), sign=sign, turn=turn)


def _objective(problem: Problem, penalty: float, values: NDArray[np.float64], logit: Logits) -> float:
    moved = sum(np.abs(np.diff(row[:n_bins])).sum() for row, n_bins in zip(values, problem.n_bins, strict=True))
    return logit.loss(problem.churned, problem.weight) + penalty * float(moved)


@njit(cache=True)
def _one_table(
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    old: NDArray[np.float64],
    n_bins: int,
    n_states: int,
    penalty: float,
    allowed: int,
    choose: bool,
    shape: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the exact minimiser of one block, centred."""
    new = np.zeros(len(old))
    if n_bins > 1:
        target = old[:n_bins] + gradient[:n_bins] / curvature[:n_bins]
        if allowed & FREE:
            fit_free(target, curvature[:n_bins], penalty, new[:n_bins])
        else:
            if choose:
                price = min(penalty, _SEARCH_PRICE)
                shape[0], shape[1] = choose_shape(target, curvature[:n_bins], price, allowed, _TURN_PRICE, new[:n_bins])
            fit_shape(target, curvature[:n_bins], penalty, shape[0], shape[1], new[:n_bins])
    mean, mass = 0.0, 1e-12
    for k in range(n_bins):
        mean += curvature[k] * new[k]
        mass += curvature[k]
    mean /= mass
    for k in range(n_bins, n_bins + n_states):
        new[k] = (curvature[k] * old[k] + gradient[k] + _STATE_CURVATURE * mean) / (curvature[k] + _STATE_CURVATURE)
    mean, mass = 0.0, 1e-12
    for k in range(n_bins + n_states):
        mean += curvature[k] * new[k]
        mass += curvature[k]
    for k in range(n_bins + n_states):
        new[k] -= mean / mass
    return new


@njit(cache=True)
def _sweeps(
    codes: NDArray[np.int32],
    n_bins: NDArray[np.int64],
    n_states: NDArray[np.int64],
    allowed: NDArray[np.int64],
    residual: NDArray[np.float64],
    row_curvature: NDArray[np.float64],
    penalty: float,
    search: bool,
    values: NDArray[np.float64],
    intercept: float,
    sign: NDArray[np.int64],
    turn: NDArray[np.int64],
) -> tuple[float, float]:
    """Move `values`, `sign` and `turn` in place to the minimum of the quadratic; use `residual` up.

    Returns the intercept, and the farthest that a bin moved in one sweep.
    """
    n_measures, n_rows = codes.shape
    width = values.shape[1]
    curvature, gradient = np.empty((n_measures, width)), np.empty(width)
    shape = np.empty(2, np.int64)
    change = np.zeros(width)
    curvature[:, :] = 1e-6
    total_curvature = row_curvature.sum()
    for j in range(n_measures):
        for i in range(n_rows):
            curvature[j, codes[j, i]] += row_curvature[i]
    moved_most = 0.0
    for inner in range(_INNER):
        moved = 0.0
        step = residual.sum() / total_curvature
        intercept += step
        residual -= row_curvature * step
        before = -1  # the measure whose change the residuals have not seen yet: one pass over the rows serves two
        for j in range(n_measures):
            gradient[:] = 0.0
            if before < 0:
                for i in range(n_rows):
                    gradient[codes[j, i]] += residual[i]
            else:
                for i in range(n_rows):
                    left = residual[i] - row_curvature[i] * change[codes[before, i]]
                    residual[i] = left
                    gradient[codes[j, i]] += left
            shape[0], shape[1] = sign[j], turn[j]
            new = _one_table(
                gradient,
                curvature[j],
                values[j],
                n_bins[j],
                n_states[j],
                penalty,
                allowed[j],
                search and inner == 0,
                shape,
            )
            sign[j], turn[j] = shape[0], shape[1]
            before = -1
            for k in range(width):
                change[k] = new[k] - values[j, k]
                if change[k] != 0.0:
                    before = j
                if k < n_bins[j] + n_states[j] and curvature[j, k] > 1e-3:
                    moved = max(moved, abs(change[k]))
            values[j] = new
        if before >= 0:
            for i in range(n_rows):
                residual[i] -= row_curvature[i] * change[codes[before, i]]
        moved_most = max(moved_most, moved)
        if moved < 0.2 * _TOLERANCE:
            break
    return intercept, moved_most
