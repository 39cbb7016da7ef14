"""Shapes: the exact block solver against a quadratic programme and against every shape in turn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, lsq_linear, minimize

from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.shapes import ANY, FALLING, PEAK, RISING, VALLEY, choose_shape, fit_free, fit_shape
from churnfit.scorecard.card import sigmoid

PROBLEMS = st.integers(3, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-3, 3), min_size=n, max_size=n).map(np.array),
        st.lists(st.floats(0.2, 5), min_size=n, max_size=n).map(np.array),
        st.floats(0, 2),
    )
)


def fitted(target, weight, price, sign, turn):
    table = np.empty(len(target))
    objective = fit_shape(np.array(target, dtype=float), np.array(weight, dtype=float), price, sign, turn, table)
    return table, objective


def cost(table, target, weight, price):
    return 0.5 * weight @ (table - target) ** 2 + price * np.abs(np.diff(table)).sum()


def directions(n, sign, turn):
    """+1 where the table may only rise, −1 where it may only fall."""
    return sign * np.where(np.arange(n - 1) < turn, 1.0, -1.0)


def by_programme(target, weight, price, sign, turn):
    """The same minimum by scipy: with signs fixed, movement is linear."""
    n, signs = len(target), directions(len(target), sign, turn)
    steps = np.diff(np.eye(n), axis=0) * signs[:, np.newaxis]

    def objective(table):
        return 0.5 * weight @ (table - target) ** 2 + price * (steps @ table).sum()

    def gradient(table):
        return weight * (table - target) + price * steps.sum(axis=0)

    start = np.full(n, np.average(target, weights=weight))
    found = minimize(
        objective, start, jac=gradient, method="SLSQP", constraints=LinearConstraint(steps, 0, np.inf),
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    return found.fun


def test_without_a_price_a_rising_table_pools_what_falls():
    """Targets 1, 3, 2 with weights 1, 1, 3: the last two meet at (3 + 6) / 4 = 2.25."""
    table, _ = fitted([1.0, 3.0, 2.0], [1.0, 1.0, 3.0], 0.0, 1, 2)
    assert table.tolist() == [1.0, 2.25, 2.25]


def test_a_price_pulls_the_ends_together():
    """Two bins 0 and 4, weight 1, price 1: each end moves by 1, to 1 and 3; cost 2·½ + 1·2 = 3."""
    table, objective = fitted([0.0, 4.0], [1.0, 1.0], 1.0, 1, 1)
    assert table.tolist() == [1.0, 3.0]
    assert objective == 3.0


def test_a_price_above_the_gain_makes_the_table_flat():
    """At price 2 and more the two bins meet at their mean, 2."""
    table, _ = fitted([0.0, 4.0], [1.0, 1.0], 2.0, 1, 1)
    assert table.tolist() == [2.0, 2.0]


def test_a_peak_rises_to_its_turn_and_a_valley_is_its_mirror():
    """0, 5, 1 is a peak as it is; mirrored, a valley."""
    assert fitted([0.0, 5.0, 1.0], [1.0] * 3, 0.0, 1, 1)[0].tolist() == [0.0, 5.0, 1.0]
    assert fitted([0.0, -5.0, -1.0], [1.0] * 3, 0.0, -1, 1)[0].tolist() == [0.0, -5.0, -1.0]


@settings(deadline=None, max_examples=60)
@given(PROBLEMS, st.sampled_from([1, -1]), st.data())
def test_the_block_is_solved_exactly(problem, sign, data):
    """No quadratic programme finds less, the table has its shape, and the objective is the table's own cost."""
    target, weight, price = problem
    turn = data.draw(st.integers(0, len(target) - 1))
    table, objective = fitted(target, weight, price, sign, turn)
    assert (np.diff(table) * directions(len(target), sign, turn) >= -1e-12).all()
    assert objective == pytest.approx(cost(table, target, weight, price), abs=1e-9)
    assert objective <= by_programme(target, weight, price, sign, turn) + 1e-7


@settings(deadline=None, max_examples=60)
@given(PROBLEMS, st.sampled_from([RISING, FALLING, RISING | FALLING, PEAK, VALLEY, ANY]), st.floats(0, 1))
def test_the_best_allowed_shape_is_chosen(problem, allowed, turn_price):
    """As cheap as the cheapest of all allowed tables, a turn inside charged with its price."""
    target, weight, price = problem
    n = len(target)
    table = np.empty(n)
    sign, turn = choose_shape(target, weight, price, allowed, turn_price, table)
    monotone = [fitted(target, weight, price, 1, t)[1] for t, flag in ((n - 1, RISING), (0, FALLING)) if allowed & flag]
    charge = turn_price if monotone else 0.0
    inside = [
        fitted(target, weight, price, s, t)[1] + charge
        for s, flag in ((1, PEAK), (-1, VALLEY))
        if allowed & flag
        for t in range(1, n - 1)
    ]
    paid = cost(table, target, weight, price) + (charge if 0 < turn < n - 1 else 0.0)
    assert paid == pytest.approx(min(monotone + inside), abs=1e-8)
    assert (np.diff(table) * directions(n, sign, turn) >= -1e-12).all()


def test_two_bins_can_only_rise_or_fall():
    """A turn needs a middle: where a valley was asked for, two bins still get the better of both directions."""
    table = np.empty(2)
    sign, turn = choose_shape(np.array([3.0, 1.0]), np.ones(2), 0.0, VALLEY, 8.0, table)
    assert (sign, turn) == (1, 0)
    assert table.tolist() == [3.0, 1.0]


def free(target, weight, price):
    table = np.empty(len(target))
    fit_free(np.array(target, dtype=float), np.array(weight, dtype=float), price, table)
    return table


def free_by_dual(target, weight, price):
    """The same table by scipy: it is z − W⁻¹ Dᵀ u for the u in [−price, price] that brings it nearest to nothing."""
    target, root = np.asarray(target, dtype=float), np.sqrt(weight)
    differences = np.diff(np.eye(len(target)), axis=0)
    matrix = (differences / root).T
    found = lsq_linear(matrix, root * target, bounds=(-price, price), method="bvls", tol=1e-14, max_iter=1000)
    return target - matrix @ found.x / root


def test_a_table_of_any_shape_gives_up_its_movement_to_the_price():
    """0, 4, 0, 4 of weight 1 at price 1: ends move by 1, the inner two by 2, to 1, 2, 2, 3."""
    assert free([0.0, 4.0, 0.0, 4.0], [1.0] * 4, 1.0).tolist() == pytest.approx([1.0, 2.0, 2.0, 3.0])
    assert free([0.0, 6.0, 0.0, 6.0], [1.0] * 4, 1.0).tolist() == pytest.approx([1.0, 4.0, 2.0, 5.0])
    assert free([0.0, 6.0, 0.0, 6.0], [1.0, 2.0, 4.0, 1.0], 0.0).tolist() == [0.0, 6.0, 0.0, 6.0]
    assert free([0.0, 6.0], [3.0, 1.0], 99.0).tolist() == pytest.approx([1.5, 1.5])
    assert free([5.0], [2.0], 1.0).tolist() == [5.0]


@pytest.mark.parametrize("n", [2, 3, 5, 17, 64])
@pytest.mark.parametrize("price", [0.01, 0.3, 2.0, 50.0])
def test_a_table_of_any_shape_is_solved_exactly(n, price):
    """The dual programme finds the same table, whatever the weights."""
    rng = np.random.default_rng(n)
    for spread in (0.0, 1.0, 3.0):
        target, weight = rng.normal(size=n).cumsum(), np.exp(spread * rng.normal(size=n))
        table, other = free(target, weight, price), free_by_dual(target, weight, price)
        assert cost(table, target, weight, price) <= cost(other, target, weight, price) + 1e-9
        assert table == pytest.approx(other, abs=1e-5 + 1e-3 * (spread > 1))


@settings(deadline=None, max_examples=100)
@given(PROBLEMS)
def test_a_table_of_any_shape_is_as_cheap_as_any_of_one_turn(problem):
    """Freedom costs nothing: no rising, falling or turning table is cheaper, ties and equal targets included."""
    target, weight, price = problem
    table, one_turn = free(target, weight, price), np.empty(len(target))
    choose_shape(target, weight, price, ANY, 0.0, one_turn)
    assert cost(table, target, weight, price) <= cost(one_turn, target, weight, price) + 1e-9
    assert weight @ table == pytest.approx(weight @ target, abs=1e-9)


def test_only_a_measure_declared_free_comes_out_with_two_turns():
    """Risk is high below 3, low to 6, high to 9, low beyond: free has both turns, auto one at most."""
    rng = np.random.default_rng(8)
    x = rng.integers(0, 12, 2400).astype(float)
    y = (rng.random(2400) < sigmoid(np.where((x < 3) | ((x >= 6) & (x < 9)), 1.0, -1.0))).astype(int)

    def points(shape):
        learner = ScorecardClassifier({"x": shape}, penalties=(2.0,), folds=2, certify=0)
        [line] = learner.fit(pd.DataFrame({"x": x}), y).card_.measures
        return line.shape, line.points(pd.Series([1.0, 4.0, 7.0, 10.0])).tolist()

    shape, (first, second, third, fourth) = points("free")
    assert shape == "free"
    assert min(second, fourth) > max(first, third) + 50
    shape, steps = points("auto")
    assert shape != "free"
    moving = np.sign(np.diff(steps))
    assert np.count_nonzero(np.diff(moving[moving != 0])) <= 1


@pytest.mark.parametrize(("shape", "risky"), [("higher_is_better", 1.0), ("lower_is_better", 0.0)])
def test_a_declared_direction_holds_for_a_measure_of_two_values(shape, risky):
    """The rows say the opposite of what was declared: the measure leaves, or is level."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"flag": rng.integers(0, 2, 500).astype(float), "x": rng.normal(size=500)})
    y = (rng.random(500) < sigmoid(-1.0 + 1.5 * (X["flag"] == risky) + X["x"])).astype(int)
    learner = ScorecardClassifier({"flag": shape}, penalties=(2.0,), folds=2, certify=0)
    assert "flag" not in learner.fit(X, y).card_.weights
    assert "flag" in learner.set_params(shapes={}).fit(X, y).card_.weights


def test_of_two_bins_a_shape_that_turns_goes_either_way():
    """There is no bin inside to turn at; a rising or a falling table stays what it is."""
    target, weight, table = np.array([1.0, -1.0]), np.ones(2), np.empty(2)
    for allowed, fitted in ((VALLEY, [1.0, -1.0]), (FALLING, [1.0, -1.0]), (RISING, [0.0, 0.0])):
        choose_shape(target, weight, 0.0, allowed, 0.0, table)
        assert table.tolist() == fitted
