"""Curves: what a value earns, reckoned by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnfit.scorecard.points import GRAIN, Categorical, Graded, Stepped, on_grid

NAN, INF = float("nan"), float("inf")


def test_a_graded_curve_goes_straight_between_its_knots():
    """From (2, 0) to (6, 12) one unit earns 3; from (6, 12) to (16, 20) it earns 0.8."""
    curve = Graded((2.0, 6.0, 16.0), (0.0, 12.0, 20.0))
    assert curve.at(np.array([2.0, 3.0, 5.0, 6.0, 11.0, 16.0])).tolist() == [0.0, 3.0, 9.0, 12.0, 16.0, 20.0]


def test_a_graded_curve_is_flat_beyond_its_outer_knots():
    """Infinite values earn what the outermost knots earn."""
    curve = Graded((2.0, 6.0), (0.0, 12.0))
    assert curve.at(np.array([-INF, -5.0, 99.0, INF])).tolist() == [0.0, 0.0, 12.0, 12.0]


def test_points_are_rounded_half_up_to_multiples_of_a_1024th():
    """A third of 1 is 341.33/1024; exactly half a grain goes up."""
    assert Graded((0.0, 3.0), (0.0, 1.0)).at(np.array([1.0])).tolist() == [341 / 1024]
    assert on_grid(np.array([0.5 / 1024, 1.5 / 1024, 0.49 / 1024])).tolist() == [1 / 1024, 2 / 1024, 0.0]


def test_a_stepped_curve_jumps_at_the_cut_itself():
    """A value equal to a cut already has the next level."""
    curve = Stepped((1.0, 5.0), (0.0, 9.0, 3.0))
    below = np.nextafter(1.0, 0.0)
    assert curve.at(np.array([-INF, below, 1.0, 4.999, 5.0, INF])).tolist() == [0.0, 0.0, 9.0, 9.0, 3.0, 3.0]


def test_a_stepped_curve_without_cuts_is_one_level():
    """Nothing to tell apart: every value earns the same."""
    assert Stepped((), (4.0,)).at(np.array([-1.0, 0.0, INF])).tolist() == [4.0, 4.0, 4.0]


def test_a_categorical_curve_looks_values_up():
    """Known values earn their points, an unseen one and a gap earn NaN: the card decides about those."""
    curve = Categorical(("cost", "growth"), (20.0, 0.0))
    earned = curve.at(np.array(["growth", "cost", "unheard of", None], dtype=object))
    assert earned[:2].tolist() == [0.0, 20.0]
    assert np.isnan(earned[2:]).all()


@pytest.mark.parametrize("curve", [Graded((0.0, 1.0), (0.0, 2.0)), Stepped((0.0,), (0.0, 2.0)), Stepped((), (2.0,))])
def test_a_gap_earns_nan_on_every_numeric_curve(curve):
    """NaN is not a number of points: what a gap earns is the card's decision."""
    assert np.isnan(curve.at(np.array([NAN]))).all()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Graded((1.0,), (0.0,)), "at least two knots"),
        (lambda: Graded((1.0, 2.0), (0.0,)), "one number of points for each"),
        (lambda: Graded((2.0, 2.0), (0.0, 1.0)), "knots must rise"),
        (lambda: Stepped((1.0,), (0.0,)), "one level more than cuts"),
        (lambda: Stepped((2.0, 1.0), (0.0, 1.0, 2.0)), "cuts must rise"),
        (lambda: Categorical(("a",), ()), "one number of points for each value"),
        (lambda: Categorical(("a", "a"), (0.0, 1.0)), "each value once"),
    ],
)
def test_a_curve_that_is_none_is_refused(make, why):
    """The message says what a curve of that form has."""
    with pytest.raises(ValueError, match=why):
        make()


@given(st.lists(st.floats(0, 100, allow_nan=False), min_size=2, max_size=40), st.randoms())
def test_points_on_the_grid_add_up_to_the_same_in_any_order(points, random):
    """Multiples of 1/1024 below 2**43 are exact, so no engine can disagree by the order of its sum."""
    grid = on_grid(np.array(points)).tolist()
    shuffled = random.sample(grid, len(grid))
    assert sum(grid) == sum(shuffled) == sum(int(p * GRAIN) for p in grid) / GRAIN
