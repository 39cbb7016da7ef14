"""Logistic regression with bounds on the coefficients: Newton's method on exact bounded quadratics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BoundedProblem", "DenseRows", "Logits", "Rows", "fit_bounded", "fit_in_turn", "log_loss_sum", "log_losses"]

Floats: TypeAlias = NDArray[np.float64]

_ROUNDS = 40  # steps; five to eight are usual
_SETTLED = 1e-8  # relative change of the objective
_ENOUGH = 0.1  # share of the gain promised by the slope that a step must bring, or it is halved (Armijo 1966)
_CURVATURE_MOVED = 1e-3  # relative change of the objective below which the old curvature still serves


class Rows(Protocol):
    """The rows of a regression, as far as a solver sees them: a matrix A of shape (n_rows, n_coefficients)."""

    def logit(self, theta: Floats) -> Floats:
        """Return A θ (n_rows,)."""
        ...

    def pull(self, residual: Floats) -> Floats:
        """Return Aᵀ r (n_coefficients,)."""
        ...

    def gram(self, curvature: Floats) -> Floats:
        """Return Aᵀ diag(curvature) A, or a close estimate of it, (n_coefficients, n_coefficients)."""
        ...


@dataclass(frozen=True, eq=False)
class DenseRows:
    """Rows held as a plain matrix."""

    matrix: Floats

    def logit(self, theta: Floats) -> Floats:
        """Return A θ."""
        product: Floats = self.matrix @ theta
        return product

    def pull(self, residual: Floats) -> Floats:
        """Return Aᵀ r."""
        product: Floats = self.matrix.T @ residual
        return product

    def gram(self, curvature: Floats) -> Floats:
        """Return Aᵀ diag(curvature) A."""
        product: Floats = self.matrix.T @ (self.matrix * curvature[:, np.newaxis])
        return product


@dataclass(frozen=True, eq=False)
class Logits:
    """Churn logits of rows (n_rows,): probability and loss share their exponential."""

    values: Floats

    @cached_property
    def _odds(self) -> Floats:
        return np.exp(-np.abs(self.values))

    @cached_property
    def probability(self) -> Floats:
        """The churn probabilities (n_rows,)."""
        probability: Floats = np.where(self.values >= 0, 1.0, self._odds) / (1.0 + self._odds)
        return probability

    def losses(self, churned: Floats, weight: Floats) -> Floats:
        """Return w · logloss of each label (0, 1, or a probability between) (n_rows,)."""
        softplus = np.maximum(self.values, 0.0) + np.log1p(self._odds)  # logaddexp(0, ·), four times as fast
        losses: Floats = weight * (softplus - churned * self.values)
        return losses

    def loss(self, churned: Floats, weight: Floats) -> float:
        """Return the sum of the `losses`."""
        return float(np.sum(self.losses(churned, weight)))


@dataclass(frozen=True, kw_only=True)
class BoundedProblem:
    """minimise Σ w·logloss(y, A θ) + linear·θ + ½ ridge·θ²  subject to  lower ≤ θ ≤ upper."""

    rows: Rows
    churned: Floats
    weight: Floats
    linear: Floats
    ridge: Floats
    lower: Floats
    upper: Floats

    def objective(self, theta: Floats, logit: Logits) -> float:
        """Return the penalised loss at `theta`, whose rows have `logit`."""
        loss = logit.loss(self.churned, self.weight)
        return loss + float(self.linear @ theta + 0.5 * self.ridge @ theta**2)

    def gradient(self, theta: Floats, logit: Logits) -> Floats:
        """Return the gradient of the penalised loss (n,)."""
        residual = self.weight * (logit.probability - self.churned)
        return self.rows.pull(residual) + self.linear + self.ridge * theta

    def hessian(self, logit: Logits) -> Floats:
        """Return the curvature of the penalised loss (n, n)."""
        p = logit.probability
        curvature = self.weight * np.maximum(p * (1 - p), 1e-6)
        return self.rows.gram(curvature) + np.diag(self.ridge + 1e-9)


def log_losses(logit: Floats, churned: Floats, weight: Floats) -> Floats:
    """Return w · logloss of each label (0, 1, or a probability between) given its churn logit (n_rows,)."""
    return Logits(logit).losses(churned, weight)


def log_loss_sum(logit: Floats, churned: Floats, weight: Floats) -> float:
    """Return the sum of `log_losses`."""
    return Logits(logit).loss(churned, weight)


def fit_bounded(problem: BoundedProblem, start: Floats) -> Floats:
    """Return the minimiser, from a feasible `start`; the curvature is taken anew while the objective falls fast."""
    return _descended(problem, start, None)[0]


def fit_in_turn(problems: Iterable[BoundedProblem], start: Floats) -> Iterator[Floats]:
    """Return the minimisers of problems on the same rows, each started from the one before, with its curvature."""
    theta, curved = start, None
    for problem in problems:
        theta, curved = _descended(problem, theta, curved)
        yield theta


def _descended(problem: BoundedProblem, start: Floats, curved: Floats | None) -> tuple[Floats, Floats | None]:
    """Return the minimiser and the last curvature; `curved` is one to begin with."""
    theta = np.clip(start, problem.lower, problem.upper)
    logit = Logits(problem.rows.logit(theta))
    value = problem.objective(theta, logit)
    for _ in range(_ROUNDS):
        if curved is None:
            curved = problem.hessian(logit)
        gradient = problem.gradient(theta, logit)
        step = _bounded_quadratic(curved, gradient, problem.lower - theta, problem.upper - theta)
        size, moved = 1.0, problem.rows.logit(step)
        promised = _ENOUGH * float(gradient @ step)  # < 0; a step twice too long would gain nothing and look settled
        there = Logits(logit.values + moved)
        tried = problem.objective(theta + step, there)
        while tried > value + size * promised and size > 1e-4:
            size *= 0.5
            there = Logits(logit.values + size * moved)
            tried = problem.objective(theta + size * step, there)
        if tried >= value:
            break
        theta, logit = theta + size * step, there
        gained, value = (value - tried) / max(abs(tried), 1e-12), tried
        if gained < _SETTLED:
            break
        if gained > _CURVATURE_MOVED:
            curved = None
    return theta, curved


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
                    slope[k] += change * hessian[i, k]
                moved = max(moved, abs(change) * np.sqrt(hessian[i, i]))
        if moved < 1e-5:
            break
    return d
