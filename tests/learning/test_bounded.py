"""Bounded logistic regression against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize

from churnfit.learning.bounded import BoundedProblem, fit_bounded, log_loss_sum


def problem_of(seed, n=60, columns=4):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, columns))
    churned = (rng.random(n) < 1 / (1 + np.exp(-matrix @ rng.normal(size=columns)))).astype(float)
    lower = np.where(rng.random(columns) < 0.5, 0.0, -np.inf)
    upper = np.where(rng.random(columns) < 0.3, 0.4, np.inf)
    return BoundedProblem(
        matrix=matrix,
        churned=churned,
        weight=rng.uniform(0.2, 2.0, n),
        linear=rng.normal(size=columns),
        ridge=rng.uniform(0.1, 2.0, columns),
        lower=lower,
        upper=upper,
    )


def test_log_loss_by_hand():
    """An even chance costs ln 2 a row: weights 1 and 3 cost 4 · ln 2; a sure miss at logit 50 costs 50."""
    assert log_loss_sum(np.zeros(2), np.array([0.0, 1.0]), np.array([1.0, 3.0])) == pytest.approx(4 * np.log(2))
    assert log_loss_sum(np.array([50.0]), np.array([0.0]), np.array([1.0])) == pytest.approx(50.0)


def test_an_intercept_alone_finds_the_base_rate():
    """One churner in four: ln(1/3)."""
    ones = np.ones((4, 1))
    free = BoundedProblem(
        matrix=ones, churned=np.array([1.0, 0, 0, 0]), weight=np.ones(4), linear=np.zeros(1), ridge=np.zeros(1),
        lower=np.array([-np.inf]), upper=np.array([np.inf]),
    )  # fmt: skip
    assert fit_bounded(free, np.zeros(1)) == pytest.approx([np.log(1 / 3)], abs=1e-5)


def test_a_coefficient_stops_at_its_bound():
    """The base rate wants −1.1; at least −0.5 was allowed, and an infeasible start is moved inside first."""
    bound = BoundedProblem(
        matrix=np.ones((4, 1)), churned=np.array([1.0, 0, 0, 0]), weight=np.ones(4), linear=np.zeros(1),
        ridge=np.zeros(1), lower=np.array([-0.5]), upper=np.array([2.0]),
    )  # fmt: skip
    assert fit_bounded(bound, np.array([-9.0])).tolist() == [-0.5]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_the_minimum_is_scipy_s(seed):
    """L-BFGS-B on the same problem finds nothing better, and the same coefficients."""
    problem = problem_of(seed)
    theta = fit_bounded(problem, np.zeros(4))
    reference = minimize(
        problem.objective,
        np.zeros(4),
        jac=lambda t: problem.derivatives(t)[0],
        method="L-BFGS-B",
        bounds=list(zip(problem.lower, problem.upper, strict=True)),
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 2000},
    )
    assert ((theta >= problem.lower) & (theta <= problem.upper)).all()
    assert problem.objective(theta) <= reference.fun + 1e-6 * max(1.0, abs(reference.fun))
    assert theta == pytest.approx(reference.x, abs=2e-3)


def test_derivatives_are_those_of_the_objective():
    """Against finite differences, gradient and Hessian."""
    problem = problem_of(1)
    theta = np.array([0.3, -0.2, 0.1, 0.5])
    gradient, hessian = problem.derivatives(theta)
    assert gradient == pytest.approx(approx_fprime(theta, problem.objective, 1e-7), rel=1e-4, abs=1e-4)
    by_column = np.array([approx_fprime(theta, lambda t, i=i: problem.derivatives(t)[0][i], 1e-7) for i in range(4)])
    assert hessian == pytest.approx(by_column, rel=1e-3, abs=1e-3)
