"""Knots: straight lines between a few of the bins, against numpy's least squares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnfit.learning.knots import choose_knots, hat_fit


def lines_between(x, chosen):
    """How far each bin has a share in each knot (n_bins, n_knots)."""
    return np.column_stack([np.interp(x, x[chosen], unit) for unit in np.eye(len(chosen))])


def chosen_for(y, *, weight=10.0, turn=None, size=5, gain=0.5):
    x, turn = np.arange(float(len(y))), len(y) - 1 if turn is None else turn
    return choose_knots(x, np.array(y, dtype=float), np.full(len(y), weight), turn, size, gain).tolist()


def test_two_knots_are_the_regression_line():
    """Heights 0, 2, 1 at 0, 1, 2: the mean is 1, the slope ½, so ½ at the left end and 1½ at the right.

    Misses are ½, −1 and ½: the squared error is 1½.
    """
    heights, error = hat_fit(np.arange(3.0), np.array([0.0, 2.0, 1.0]), np.ones(3), np.array([0, 2]))
    assert heights == pytest.approx([0.5, 1.5], abs=1e-8)
    assert error == pytest.approx(1.5, abs=1e-8)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(4, 30), st.integers(0, 3))
def test_heights_solve_the_weighted_least_squares(seed, n_bins, inner):
    """The same heights and the same error as numpy's, for any places, weights and knots."""
    rng = np.random.default_rng(seed)
    x, y, weight = np.cumsum(rng.uniform(0.1, 3.0, n_bins)), rng.normal(size=n_bins), rng.uniform(0.5, 9.0, n_bins)
    within = rng.permutation(np.arange(1, n_bins - 1))[: min(inner, n_bins - 2)]
    chosen = np.sort(np.concatenate([[0, n_bins - 1], within])).astype(np.int64)
    heights, error = hat_fit(x, y, weight, chosen)
    shares, root = lines_between(x, chosen), np.sqrt(weight)
    expected = np.linalg.lstsq(shares * root[:, np.newaxis], y * root, rcond=None)[0]
    assert heights == pytest.approx(expected, abs=1e-5)
    assert error == pytest.approx(float(weight @ (shares @ expected - y) ** 2), abs=1e-6)


def test_known_bends_are_found():
    """Up by 1 a bin to 4, flat to 9, down by 2 a bin: bends at 4 and 9, whatever was tried first."""
    table = np.concatenate([np.arange(5.0), np.full(4, 4.0), 4.0 - 2.0 * np.arange(6)])
    assert table[[4, 9, 14]].tolist() == [4.0, 4.0, -6.0]
    assert chosen_for(table, turn=14) == [0, 4, 9, 14]


def test_a_straight_table_gets_no_knot_inside():
    """Nothing is left to gain."""
    assert chosen_for(np.arange(12) * 0.7) == [0, 11]


def test_the_turn_stays_a_knot():
    """On a straight line no bin is worth a knot, yet where the table was said to turn there is one: start, turn, end.

    It is not moved when others are: the bend at 6 is found beside a turn at 3.
    """
    assert chosen_for(np.arange(9.0), turn=3) == [0, 3, 8]
    assert chosen_for(np.minimum(np.arange(12.0), 6), turn=3) == [0, 3, 6, 11]


def test_a_further_knot_must_pay():
    """A bend of one logit: ten rows of curvature a bin gain far more than ½ unit, a hundredth of a row far less."""
    bent = np.maximum(0.0, np.arange(11.0) - 5) / 5
    assert chosen_for(bent, weight=10.0) == [0, 5, 10]
    assert chosen_for(bent, weight=0.01) == [0, 10]


def test_the_gain_is_half_the_squared_error_in_likelihood_units():
    """Flat but for the middle of five, 1 higher: a line (at 0.2) leaves 0.8 of squared error.

    By symmetry three knots have heights a, b, a and the error 2a² + ½(a + b)² + (b − 1)², least where 5a + b = 0 and
    a + 3b = 2: b = 5/7, a = −1/7, error 2/49 + 8/49 + 4/49 = 2/7. The knot gains ½ · (4/5 − 2/7) = 9/35 for each unit
    of evidence in a bin, and the ½ it must gain is reached at 35/18.
    """
    y = [0.0, 0.0, 1.0, 0.0, 0.0]
    assert chosen_for(y, weight=35 / 18 + 1e-6, size=3) == [0, 2, 4]
    assert chosen_for(y, weight=35 / 18 - 1e-6, size=3) == [0, 4]


def test_a_sixth_knot_must_gain_ten_times_as_much():
    """A curve that never stops bending: some evidence in each bin pays for five knots, a lot for seven."""
    bending = np.sqrt(np.arange(31.0))
    assert len(chosen_for(bending, weight=100.0, size=7)) == 5
    assert len(chosen_for(bending, weight=10_000.0, size=7)) == 7


@pytest.mark.parametrize("size", [2, 3, 5])
def test_no_more_knots_than_allowed_nor_than_bins(size):
    """A parabola could use them all; three bins have three at most."""
    assert len(chosen_for((np.arange(20.0) - 4) ** 2, size=size)) == size
    assert len(chosen_for([0.0, 5.0, 0.0], size=size)) == min(size, 3)
