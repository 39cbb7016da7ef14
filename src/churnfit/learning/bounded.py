"""Logistic regression with bounds on the coefficients: Newton's method on exact bounded quadratics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from churnfit.scorecard.card import sigmoid

__all__ = ["BoundedProblem", "fit_bounded", "log_loss_sum"]

Floats: TypeAlias = NDArray[np.float64]

_ROUNDS = 30  # Newton steps; five to eight are usual
_SETTLED = 1e-8  # relative change of the objective


@dataclass(frozen=True, kw_only=True)
class BoundedProblem:
    """minimise Σ w·logloss(y, A θ) + linear·θ + ½ ridge·θ²  subject to  lower ≤ θ ≤ upper."""

    matrix: Floats
    churned: Floats
    weight: Floats
    linear: Floats
    ridge: Floats
    lower: Floats
    upper: Floats

    def objective(self, theta: Floats) -> float:
        """Return the penalised loss at `theta`."""
        loss = log_loss_sum(self.matrix @ theta, self.churned, self.weight)
        return loss + float(self.linear @ theta + 0.5 * self.ridge @ theta**2)

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return gradient (n,) and Hessian (n, n) at `theta`."""
        p = sigmoid(self.matrix @ theta)
        gradient = self.matrix.T @ (self.weight * (p - self.churned)) + self.linear + self.ridge * theta
        curvature = np.maximum(self.weight * p * (1 - p), 1e-6 * self.weight)
        hessian = self.matrix.T @ (self.matrix * curvature[:, np.newaxis]) + np.diag(self.ridge + 1e-9)
        return gradient, hessian


def log_loss_sum(logit: Floats, churned: Floats, weight: Floats) -> float:
    """Return Σ w · logloss of labels given churn logits."""
    return float(np.sum(weight * (np.logaddexp(0.0, logit) - churned * logit)))


def fit_bounded(problem: BoundedProblem, start: Floats) -> Floats:
    """Return the minimiser, from a feasible `start`."""
    theta = np.clip(start, problem.lower, problem.upper)
    value = problem.objective(theta)
    for _ in range(_ROUNDS):
        gradient, hessian = problem.derivatives(theta)
        step = _bounded_quadratic(hessian, gradient, problem.lower - theta, problem.upper - theta)
        size, tried = 1.0, problem.objective(theta + step)
        while tried > value and size > 1e-4:
            size *= 0.5
            tried = problem.objective(theta + size * step)
        if tried >= value:
            break
        theta = theta + size * step
        settled = value - tried < _SETTLED * abs(tried)
        value = tried
        if settled:
            break
    return theta


@njit(cache=True)
def _bounded_quadratic(
    hessian: NDArray[np.float64], gradient: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the d that minimises ½ d'Hd + g'd within bounds, by cyclic coordinate descent."""
    n = len(gradient)
    d = np.zeros(n)
    slope = gradient.copy()
    for _ in range(500):
        moved = 0.0
        for i in range(n):
            new = min(max(d[i] - slope[i] / hessian[i, i], lower[i]), upper[i])
            change = new - d[i]
            if change != 0.0:
                d[i] = new
                for k in range(n):
                    slope[k] += change * hessian[k, i]
                moved = max(moved, abs(change) * np.sqrt(hessian[i, i]))
        if moved < 1e-5:
            break
    return d
