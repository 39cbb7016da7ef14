"""The joint fit against scipy on the same convex problem: all tables rising, movement priced."""

import numpy as np
import pytest
from scipy.optimize import minimize

from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.shapes import ANY, FALLING, RISING
from churnfit.learning.solver import Problem, solve_tables, start_tables

N_BINS = (6, 4, 5)


def problem_of(seed, *, n=500, allowed=RISING, n_states=(0, 0, 0)):
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, bins + states, n) for bins, states in zip(N_BINS, n_states, strict=True)])
    logit = 0.5 * codes[0] - 0.3 * codes[1] - 2.0
    churned = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return Problem(
        codes=codes.astype(np.int32),
        n_bins=np.array(N_BINS),
        n_states=np.array(n_states),
        churned=churned,
        weight=rng.uniform(0.5, 2.0, n),
        allowed=np.full(3, allowed, dtype=np.int64),
    )


def solved(problem, penalty):
    base = float(np.average(problem.churned, weights=problem.weight))
    start = start_tables(problem.n_bins, problem.n_states, base)
    return solve_tables(problem, penalty, start, search_rounds=3)


def logits_of(problem, tables):
    return tables.intercept + sum(tables.values[j][codes] for j, codes in enumerate(problem.codes))


def objective_of(problem, tables, penalty):
    moved = sum(np.abs(np.diff(tables.values[j, :bins])).sum() for j, bins in enumerate(problem.n_bins))
    return log_loss_sum(logits_of(problem, tables), problem.churned, problem.weight) + penalty * moved


def by_scipy(problem, penalty):
    """Increments >= 0 of each table and an intercept, by L-BFGS-B."""
    come = np.column_stack(
        [codes >= step for codes, bins in zip(problem.codes, N_BINS, strict=True) for step in range(1, bins)]
    )
    design = np.column_stack([come, np.ones(len(problem.churned))]).astype(float)
    price = np.append(np.full(come.shape[1], penalty), 0.0)

    def objective(theta):
        logit = design @ theta
        p = 1 / (1 + np.exp(-logit))
        gradient = design.T @ (problem.weight * (p - problem.churned)) + price
        return log_loss_sum(logit, problem.churned, problem.weight) + price @ theta, gradient

    bounds = [(0, None)] * come.shape[1] + [(None, None)]
    return minimize(objective, np.zeros(len(price)), jac=True, method="L-BFGS-B", bounds=bounds,
                    options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 5000}).fun  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("penalty", [0.5, 4.0, 30.0])
def test_rising_tables_reach_scipy_s_minimum(seed, penalty):
    """The same minimum to a thousandth of a log-likelihood unit per hundred."""
    problem = problem_of(seed)
    reached = objective_of(problem, solved(problem, penalty), penalty)
    best = by_scipy(problem, penalty)
    assert best - 1e-5 <= reached <= best * (1 + 1e-5)


@pytest.mark.parametrize("allowed", [RISING, FALLING, ANY])
def test_no_small_change_lowers_the_loss(allowed):
    """The intercept's derivative is 0: weighted churners and predicted ones agree, whatever the shapes."""
    problem = problem_of(4, allowed=allowed)
    p = 1 / (1 + np.exp(-logits_of(problem, solved(problem, 2.0))))
    assert (problem.weight * p).sum() == pytest.approx((problem.weight * problem.churned).sum(), rel=1e-3)


def test_tables_keep_their_declared_direction():
    """Falling risk was declared for a measure whose risk rises: it stays flat."""
    tables = solved(problem_of(5, allowed=FALLING), 1.0)
    for j, bins in enumerate(N_BINS):
        assert (np.diff(tables.values[j, :bins]) <= 1e-12).all()
    assert np.ptp(tables.values[0, : N_BINS[0]]) < np.ptp(tables.values[1, : N_BINS[1]])


def test_a_price_beyond_all_gain_leaves_the_base_rate():
    """Flat tables, and the intercept is the base rate's logit."""
    problem = problem_of(6)
    tables = solved(problem, 1e6)
    base = np.average(problem.churned, weights=problem.weight)
    assert np.abs(tables.values).max() < 1e-6
    assert tables.intercept == pytest.approx(np.log(base / (1 - base)), abs=1e-4)


def test_a_missing_state_is_drawn_to_the_average_by_few_rows_and_follows_many():
    """Churn among the missing is 90 %: five rows move the level by less than 30 % of the way, two hundred by most."""
    levels = []
    for rows in (5, 200):
        codes = np.concatenate([np.arange(300) % 2, np.full(rows, 2)])[np.newaxis].astype(np.int32)
        churned = np.concatenate([np.arange(300) % 5 == 0, np.arange(rows) % 10 != 9]).astype(float)
        problem = Problem(
            codes=codes, n_bins=np.array([2]), n_states=np.array([1]), churned=churned,
            weight=np.ones(len(churned)), allowed=np.array([ANY]),
        )  # fmt: skip
        tables = solved(problem, 1.0)
        levels.append(tables.values[0, 2] - tables.values[0, :2].mean())
    few, many = levels
    truth = np.log(0.9 / 0.1) - np.log(0.2 / 0.8)
    assert 0 < few < 0.3 * truth
    assert 0.8 * truth < many < truth


def test_a_warm_start_ends_where_a_cold_one_does():
    """The path of penalties saves time and changes nothing."""
    problem = problem_of(7)
    warm = solve_tables(problem, 2.0, solved(problem, 20.0), search_rounds=1)
    assert objective_of(problem, warm, 2.0) == pytest.approx(objective_of(problem, solved(problem, 2.0), 2.0), rel=1e-5)
