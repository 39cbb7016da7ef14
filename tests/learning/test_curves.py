"""Curves: a fine table said in a few knots or levels."""

import numpy as np
import pandas as pd
import pytest

from churnfit.learning.codes import MeasureCodes
from churnfit.learning.curves import plan_curve, sayable


def numeric(n_bins, spread=1.0, states=()):
    cuts = (np.arange(1, n_bins) - 0.5) * spread
    return MeasureCodes(name="x", numeric=True, cuts=cuts, order=(), fallback=0, states=states)


def categorical(*order):
    return MeasureCodes(name="plan", numeric=False, cuts=np.empty(0), order=order, fallback=0, states=())


def plan_of(table, *, curvature=None, spread=1.0, turn=None, size=5):
    """The plan of a table whose bin k holds the one value k · spread, ten times."""
    table = np.array(table, dtype=float)
    values = np.repeat(np.arange(len(table)) * spread, 10)
    weight = np.full(len(table), 10.0) if curvature is None else np.array(curvature, dtype=float)
    turn = len(table) - 1 if turn is None else turn
    return plan_curve(numeric(len(table), spread), table, weight, values, turn=turn, size=size)


@pytest.mark.parametrize(
    ("value", "tolerance", "said"),
    [
        (9.8, 0.3, 10.0),
        (1234.5, 20.0, 1250.0),
        (0.0312, 0.001, 0.032),
        (-7.4, 0.5, -7.0),
        (7.37, 0.0, 7.37),
        (0.0, 1, 0),
    ],
)
def test_the_roundest_number_within_the_tolerance_is_said(value, tolerance, said):
    """Multiples of 1, 2 or 5 times a power of ten; without tolerance the number itself."""
    assert sayable(value, tolerance) == said


def test_a_bend_is_found_where_it_is():
    """Ten values flat from 4 on: knots at 0, 4 and 9, and two rising increments."""
    plan = plan_of(np.minimum(np.arange(10), 4))
    assert plan.graded
    assert plan.places == (0.0, 4.0, 9.0)
    assert plan.start == pytest.approx((0.0, 4.0, 4.0), abs=1e-6)
    assert plan.signs == (1, 1)
    assert plan.whole


def test_a_straight_table_needs_no_knot_inside():
    """Two knots say it all."""
    assert plan_of(np.arange(10) * 0.3).places == (0.0, 9.0)


def test_no_more_knots_than_allowed():
    """A curved table with room for three knots."""
    assert len(plan_of(np.sqrt(np.arange(20.0)) * 5, size=3).places) == 3


def test_a_peak_keeps_its_turn_as_a_knot():
    """Up to 3, down after it: +1 before the turn, −1 after."""
    plan = plan_of([0, 1, 2, 3, 2, 1, 0, -1], turn=3)
    assert plan.places == (0.0, 3.0, 7.0)
    assert plan.signs == (1, -1)


def test_a_valley_is_a_peak_upside_down():
    """Down to 4, up after it."""
    assert plan_of([4, 3, 2, 1, 0, 3, 6], turn=4).signs == (-1, 1)


def test_the_outer_tails_are_flat():
    """The last bin holds 1 % of the evidence: the curve ends before it, where its height cannot set a weight."""
    plan = plan_of([0, 1, 2, 3, 4, 50], curvature=[20, 20, 20, 20, 19, 1])
    assert plan.places[-1] == 4.0
    assert max(plan.start) == pytest.approx(4.0, abs=1e-6)


def test_knots_between_sayable_numbers_move_to_them():
    """Values 0, 0.317, … 2.853: a hundredth of the span is 0.0285, so the last knot is said as 2.85 or rounder."""
    plan = plan_of(np.arange(10), spread=0.317)
    assert plan.places[0] == 0.0
    assert plan.places[-1] in {2.85, 2.86, 2.88}
    assert not plan.whole


def test_few_values_are_stepped_and_counts_are_cut_at_whole_numbers():
    """Counts 0, 1, 2 have cuts "from 1" and "from 2", not from a half."""
    plan = plan_of([0.0, 1.0, 0.5])
    assert not plan.graded
    assert plan.places == (1.0, 2.0)
    assert plan.signs == (1, -1)


def test_few_measured_values_are_cut_midway():
    """0 and 0.3 are told apart at 0.15."""
    assert plan_of([0.0, 1.0], spread=0.3).places == pytest.approx((0.15,))


def test_categories_that_hardly_differ_become_one_level():
    """Merging a and b costs ½ · (10·10/20) · 0.01² = 0.00025; c is 2 logits away and stays apart."""
    plan = plan_curve(
        categorical("a", "b", "c"), np.array([0.0, 0.01, 2.0]), np.full(3, 10.0), np.array([], object), turn=0, size=8
    )
    assert plan.levels == (("a", "b"), ("c",))
    assert plan.start == pytest.approx((0.005, 2.0))
    assert plan.signs == (1,)


def test_no_more_levels_than_allowed():
    """Four different categories, two levels: the nearest ones merge first."""
    plan = plan_curve(
        categorical("a", "b", "c", "d"), np.array([0.0, 1.0, 4.0, 6.0]), np.full(4, 9.0), np.array([], object),
        turn=0, size=2,
    )  # fmt: skip
    assert plan.levels == (("a", "b"), ("c", "d"))


def test_increments_say_how_far_a_row_has_come():
    """Knots 0, 4, 9: the value 2 is half-way to 4; 6.5 is past it and half-way to 9; a gap has come nowhere known."""
    plan = plan_of(np.minimum(np.arange(10), 4))
    come = plan.increments(pd.DataFrame({"x": [2.0, 6.5, -1.0, 99.0, np.nan]}))
    assert come[:4].tolist() == [[0.5, 0.0], [1.0, 0.5], [0.0, 0.0], [1.0, 1.0]]
    assert np.isnan(come[4]).all()


def test_increments_of_steps_and_levels_are_reached_or_not():
    """Cuts at 1 and 2; levels (a, b) and (c); unknown text is a gap."""
    steps = plan_of([0.0, 1.0, 0.5]).increments(pd.DataFrame({"x": [0.0, 1.0, 2.0]}))
    assert steps.tolist() == [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    plan = plan_curve(
        categorical("a", "b", "c"), np.array([0.0, 0.01, 2.0]), np.full(3, 10.0), np.array([], object), turn=0, size=8
    )
    come = plan.increments(pd.DataFrame({"plan": pd.Series(["b", "c", "unheard of"], dtype=object)}))
    assert come[:2].tolist() == [[0.0], [1.0]]
    assert np.isnan(come[2, 0])
