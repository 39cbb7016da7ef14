"""The joint refit: all curves at once on their chosen knots, signs kept, increments shrunk.

    minimise  Σ_i w_i · logloss(y_i, b + Σ_c A_ic θ_c)  +  λ Σ_c |θ_c|  +  small ridge,    θ_c of the sign of its shape

where column c is one increment of one curve (how far a row has come along it) or one missing state (drawn to the
average customer). The signs are fixed, so the absolute values are linear and the problem is smooth with bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.learning.bounded import BoundedProblem, fit_bounded
from churnfit.learning.codes import state_array, value_array
from churnfit.learning.curves import CurvePlan

__all__ = ["Curves", "Design", "make_design", "refit", "worth"]

Floats: TypeAlias = NDArray[np.float64]

_RIDGE = 1e-3  # keeps increments that the data cannot tell apart from running away against each other
_IDLE = 1e-9  # a coefficient below it is held at its bound
_STATE_RIDGE = 5.0 * 0.25  # a missing state is drawn to the average with the curvature of five rows at p = ½


@dataclass(frozen=True, kw_only=True)
class Design:
    """The increments of all plans as one matrix, and what belongs to which plan."""

    plans: tuple[CurvePlan, ...]
    matrix: Floats
    signs: NDArray[np.int64]
    is_state: NDArray[np.bool_]
    start: Floats
    measure_of: NDArray[np.int64]
    mean_increments: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The refitted curves: an intercept and one coefficient per design column."""

    plans: tuple[CurvePlan, ...]
    intercept: float
    coefficients: Floats
    measure_of: NDArray[np.int64]
    mean_increments: Mapping[str, Floats]

    def logit(self, frame: pd.DataFrame) -> Floats:
        """Return the churn logit of each row (n_rows,)."""
        matrix = _matrix(self.plans, frame, self.mean_increments)
        total: Floats = matrix @ self.coefficients + self.intercept
        return total

    def contributions(self, frame: pd.DataFrame) -> dict[str, Floats]:
        """Return what each plan adds to the churn logit of each row (n_rows,), by measure."""
        matrix = _matrix(self.plans, frame, self.mean_increments) * self.coefficients
        return {plan.name: matrix[:, self.measure_of == i].sum(axis=1) for i, plan in enumerate(self.plans)}

    def shrunk(self, factors: Mapping[str, float]) -> Curves:
        """Return the curves, each times its factor."""
        by_column = np.array([factors[self.plans[i].name] for i in self.measure_of])
        return replace(self, coefficients=self.coefficients * by_column)

    def heights(self, index: int) -> tuple[Floats, Floats]:
        """Return the churn logits of plan `index` at its knots or levels, and at its states."""
        plan = self.plans[index]
        own = self.coefficients[self.measure_of == index]
        steps, states = own[: len(plan.signs)], own[len(plan.signs) :]
        at_knots = np.concatenate([[0.0], np.cumsum(steps)])
        average = float(self.mean_increments[plan.name] @ steps)
        return at_knots, average + states


def make_design(plans: tuple[CurvePlan, ...], frame: pd.DataFrame, weight: Floats) -> Design:
    """Return the design of `plans` on the training rows."""
    means = {plan.name: _mean_increments(plan, frame, weight) for plan in plans}
    signs: list[int] = []
    start: list[float] = []
    is_state: list[bool] = []
    measure_of: list[int] = []
    for index, plan in enumerate(plans):
        n_steps, n_states = len(plan.signs), len(plan.states)
        signs += [*plan.signs, *([0] * n_states)]
        start += [*np.diff(plan.start), *([0.0] * n_states)]
        is_state += [False] * n_steps + [True] * n_states
        measure_of += [index] * (n_steps + n_states)
    return Design(
        plans=plans,
        matrix=_matrix(plans, frame, means),
        signs=np.array(signs, dtype=np.int64),
        is_state=np.array(is_state, dtype=bool),
        start=np.array(start, dtype=np.float64),
        measure_of=np.array(measure_of, dtype=np.int64),
        mean_increments=means,
    )


def _mean_increments(plan: CurvePlan, frame: pd.DataFrame, weight: Floats) -> Floats:
    increments = plan.increments(frame)
    known = ~np.isnan(increments).any(axis=1) & (weight > 0)
    if not known.any() or not increments.shape[1]:
        return np.zeros(increments.shape[1])
    mean: Floats = np.average(increments[known], axis=0, weights=weight[known])
    return mean


def _matrix(plans: tuple[CurvePlan, ...], frame: pd.DataFrame, means: Mapping[str, Floats]) -> Floats:
    blocks = []
    for plan in plans:
        increments = plan.increments(frame)
        unknown = np.isnan(increments).any(axis=1) if increments.shape[1] else np.zeros(len(frame), dtype=bool)
        increments[unknown] = means[plan.name]
        gone = pd.isna(value_array(frame, plan.name))
        states = state_array(frame, plan.name)
        flags = [(gone & (states == state)).astype(np.float64) for state in plan.states]
        blocks.append(np.column_stack([increments, *flags]) if flags else increments)
    return np.column_stack(blocks) if blocks else np.zeros((len(frame), 0))


def refit(design: Design, churned: Floats, weight: Floats, penalty: float) -> Curves:
    """Return the curves that minimise the penalised loss."""
    problem = _problem(design, churned, weight, penalty)
    base = float(np.average(churned, weights=weight))
    intercept = np.log(base / (1 - base)) - float(np.average(design.matrix @ design.start, weights=weight))
    theta = fit_bounded(problem, np.append(design.start, intercept))
    return Curves(
        plans=design.plans,
        intercept=float(theta[-1]),
        coefficients=theta[:-1],
        measure_of=design.measure_of,
        mean_increments=design.mean_increments,
    )


def worth(design: Design, curves: Curves, churned: Floats, weight: Floats, penalty: float) -> Floats:
    """Return the log-likelihood units each plan is worth (n_plans,): the loss of dropping it, to second order."""
    problem = _problem(design, churned, weight, penalty)
    _, hessian = problem.derivatives(np.append(curves.coefficients, curves.intercept))
    covariance = np.linalg.inv(hessian)
    units = np.zeros(len(design.plans))
    for index in range(len(design.plans)):
        own = np.flatnonzero(design.measure_of == index)
        theta = curves.coefficients[own]
        own = own[np.abs(theta) > _IDLE]
        theta = theta[np.abs(theta) > _IDLE]
        units[index] = 0.5 * theta @ np.linalg.solve(covariance[np.ix_(own, own)], theta) if len(own) else 0.0
    return units


def _problem(design: Design, churned: Floats, weight: Floats, penalty: float) -> BoundedProblem:
    signs, is_state = design.signs, design.is_state
    return BoundedProblem(
        matrix=np.column_stack([design.matrix, np.ones(len(churned))]),
        churned=churned,
        weight=weight,
        linear=np.append(np.where(is_state, 0.0, penalty * signs), 0.0),
        ridge=np.append(np.where(is_state, _STATE_RIDGE, _RIDGE), 0.0),
        lower=np.append(np.where(is_state | (signs < 0), -np.inf, 0.0), -np.inf),
        upper=np.append(np.where(is_state | (signs > 0), np.inf, 0.0), np.inf),
    )
