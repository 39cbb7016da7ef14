"""Bounded logistic regression against scipy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize

from churnfit.learning.bounded import BoundedProblem, DenseRows, Logits, fit_bounded, fit_in_turn, log_loss_sum
from churnfit.learning.codes import MeasureBins
from churnfit.learning.curves import CurvePlan
from churnfit.learning.joint import make_design, refit_problem


def problem_of(seed, n=60, columns=4):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, columns))
    churned = (rng.random(n) < 1 / (1 + np.exp(-matrix @ rng.normal(size=columns)))).astype(float)
    lower = np.where(rng.random(columns) < 0.5, 0.0, -np.inf)
    upper = np.where(rng.random(columns) < 0.3, 0.4, np.inf)
    return BoundedProblem(
        rows=DenseRows(matrix),
        churned=churned,
        weight=rng.uniform(0.2, 2.0, n),
        linear=rng.normal(size=columns),
        ridge=rng.uniform(0.1, 2.0, columns),
        lower=lower,
        upper=upper,
    )


def objective(problem, theta):
    return problem.objective(theta, Logits(problem.rows.logit(theta)))


def gradient(problem, theta):
    return problem.gradient(theta, Logits(problem.rows.logit(theta)))


def test_log_loss_by_hand():
    """An even chance costs ln 2 a row: weights 1 and 3 cost 4 · ln 2; a sure miss at logit 50 costs 50."""
    assert log_loss_sum(np.zeros(2), np.array([0.0, 1.0]), np.array([1.0, 3.0])) == pytest.approx(4 * np.log(2))
    assert log_loss_sum(np.array([50.0]), np.array([0.0]), np.array([1.0])) == pytest.approx(50.0)


def test_an_intercept_alone_finds_the_base_rate():
    """One churner in four: ln(1/3)."""
    ones = np.ones((4, 1))
    free = BoundedProblem(
        rows=DenseRows(ones), churned=np.array([1.0, 0, 0, 0]), weight=np.ones(4), linear=np.zeros(1),
        ridge=np.zeros(1), lower=np.array([-np.inf]), upper=np.array([np.inf]),
    )  # fmt: skip
    assert fit_bounded(free, np.zeros(1)) == pytest.approx([np.log(1 / 3)], abs=1e-5)


def test_a_coefficient_stops_at_its_bound():
    """The base rate wants −1.1; at least −0.5 was allowed, and an infeasible start is moved inside first."""
    bound = BoundedProblem(
        rows=DenseRows(np.ones((4, 1))), churned=np.array([1.0, 0, 0, 0]), weight=np.ones(4), linear=np.zeros(1),
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
        lambda t: objective(problem, t),
        np.zeros(4),
        jac=lambda t: gradient(problem, t),
        method="L-BFGS-B",
        bounds=list(zip(problem.lower, problem.upper, strict=True)),
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 2000},
    )
    assert ((theta >= problem.lower) & (theta <= problem.upper)).all()
    assert objective(problem, theta) <= reference.fun + 1e-6 * max(1.0, abs(reference.fun))
    assert theta == pytest.approx(reference.x, abs=2e-3)


def test_derivatives_are_those_of_the_objective():
    """Against finite differences, gradient and Hessian."""
    problem = problem_of(1)
    theta = np.array([0.3, -0.2, 0.1, 0.5])
    slopes = approx_fprime(theta, lambda t: objective(problem, t), 1e-7)
    assert gradient(problem, theta) == pytest.approx(slopes, rel=1e-4, abs=1e-4)
    by_column = np.array([approx_fprime(theta, lambda t, i=i: gradient(problem, t)[i], 1e-7) for i in range(4)])
    assert problem.hessian(Logits(problem.rows.logit(theta))) == pytest.approx(by_column, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("stretch", [0.7, 1.0, 3.0])
def test_a_rough_curvature_ends_in_the_same_minimum(stretch):
    """Estimated too small or too large: another way, the same coefficients."""

    class Rough(DenseRows):
        def gram(self, curvature):
            return stretch * super().gram(curvature)

    problem = problem_of(3)
    there = fit_bounded(replace(problem, rows=Rough(problem.rows.matrix)), np.zeros(4))
    assert there == pytest.approx(fit_bounded(problem, np.zeros(4)), abs=1e-3)


def test_fits_in_turn_end_where_fits_alone_do():
    """Three prices on the same rows, each started from the one before: the coefficients of three fits from nothing."""
    cheap = problem_of(3)
    problems = [replace(cheap, linear=cheap.linear + price) for price in (0.0, 1.0, 4.0)]
    for problem, theta in zip(problems, fit_in_turn(problems, np.zeros(4)), strict=True):
        assert theta == pytest.approx(fit_bounded(problem, np.zeros(4)), abs=1e-3)


def test_rows_in_bins_and_rows_written_down_have_the_same_minimum():
    """A peaked measure with gaps and a flag, 300 rows: the refit on bins and on the plain matrix agree."""
    rng = np.random.default_rng(7)
    peak = CurvePlan(name="x", graded=True, places=(0.0, 3.0, 6.0), start=(0.0,) * 3, signs=(1, -1), states=("never",))
    flag = CurvePlan(name="flag", graded=False, places=(1.0,), start=(0.0, 0.0), signs=(-1,))
    measures = (
        MeasureBins(name="x", numeric=True, cuts=np.arange(6) + 0.5, middles=np.arange(7.0), states=("never",)),
        MeasureBins(name="flag", numeric=True, cuts=np.array([0.5]), middles=np.array([0.0, 1.0])),
    )
    codes = np.array([rng.integers(0, 8, 300), rng.integers(0, 2, 300)], dtype=np.int32)
    weight = rng.uniform(0.5, 2.0, 300)
    churned = (rng.random(300) < 0.2 + 0.4 * (codes[0] % 7 == 3)).astype(float)
    binned = refit_problem(make_design((peak, flag), measures, codes, weight), churned, weight, 0.5)
    columns = np.column_stack([binned.rows.logit(unit) for unit in np.eye(5)])
    dense = replace(binned, rows=DenseRows(columns))
    theta = fit_bounded(binned, np.zeros(5))
    assert theta == pytest.approx(fit_bounded(dense, np.zeros(5)), abs=1e-6)
    assert theta[0] > 0.5
    assert theta[1] < -0.5
