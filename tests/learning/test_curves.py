"""Curves: a fine table said in a few knots or levels."""

import numpy as np
import pytest

from churnfit.learning.codes import MeasureBins
from churnfit.learning.curves import plan_curve, sayable


def numeric(middles):
    """A measure whose bins stand at `middles`, cut midway."""
    middles = np.array(middles, dtype=float)
    cuts = (middles[1:] + middles[:-1]) / 2
    whole = bool((middles == np.round(middles)).all())
    return MeasureBins(name="x", numeric=True, cuts=cuts, middles=middles, whole=whole)


def categorical(*levels):
    return MeasureBins(name="plan", numeric=False, cuts=np.empty(0), middles=np.empty(0), levels=levels)


def plan_of(table, *, curvature=None, spread=1.0, turn=None, size=5):
    """The plan of a table whose bin k stands at k · spread, with a curvature of ten unless told."""
    table = np.array(table, dtype=float)
    weight = np.full(len(table), 10.0) if curvature is None else np.array(curvature, dtype=float)
    turn = len(table) - 1 if turn is None else turn
    return plan_curve(numeric(np.arange(len(table)) * spread), table, weight, turn=turn, size=size)


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
    plan = plan_curve(categorical("a", "b", "c"), np.array([0.0, 0.01, 2.0]), np.full(3, 10.0), turn=0, size=8)
    assert plan.levels == (("a", "b"), ("c",))
    assert plan.start == pytest.approx((0.005, 2.0))
    assert plan.signs == (1,)


def test_no_more_levels_than_allowed():
    """Four different categories, two levels: the nearest ones merge first."""
    plan = plan_curve(categorical("a", "b", "c", "d"), np.array([0.0, 1.0, 4.0, 6.0]), np.full(4, 9.0), turn=0, size=2)
    assert plan.levels == (("a", "b"), ("c", "d"))


def test_increments_say_how_far_a_bin_has_come():
    """Knots 0, 4, 9: a bin at 2 is half-way to 4; at 6.5 it is past it and half-way to 9; beyond the ends it stops."""
    plan = plan_of(np.minimum(np.arange(10), 4))
    come = plan.increments(numeric([-1.0, 2.0, 6.5, 99.0]))
    assert come.tolist() == [[0.0, 0.0], [0.5, 0.0], [1.0, 0.5], [1.0, 1.0]]


def test_increments_of_steps_and_levels_are_reached_or_not():
    """Cuts at 1 and 2; levels (a, b) and (c); a category that nobody had has come nowhere."""
    steps = plan_of([0.0, 1.0, 0.5]).increments(numeric([0.0, 1.0, 2.0]))
    assert steps.tolist() == [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    plan = plan_curve(categorical("a", "b", "c"), np.array([0.0, 0.01, 2.0]), np.full(3, 10.0), turn=0, size=8)
    assert plan.increments(categorical("a", "b", "c")).tolist() == [[0.0], [0.0], [1.0]]
    void = plan_curve(categorical(), np.zeros(1), np.zeros(1), turn=0, size=8)
    assert void.increments(categorical()).shape == (1, 0)


def test_what_the_data_do_not_tell_is_not_asked():
    """Half a logit over two bins of next to no curvature is worth less than half a unit: no knot inside."""
    bent = [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5]
    assert plan_of(bent, curvature=np.full(8, 1.0)).places == (0.0, 7.0)
    assert len(plan_of(bent, curvature=np.full(8, 100.0)).places) == 4


def test_cuts_between_few_values_are_sayable():
    """Midway between 0.1, 0.2 and 0.4 binary arithmetic says 0.15000000000000002 and 0.30000000000000004."""
    plan = plan_curve(numeric([0.1, 0.2, 0.4]), np.array([0.0, 1.0, 2.0]), np.full(3, 10.0), turn=2, size=5)
    assert plan.places == (0.15, 0.3)


def test_a_cut_beside_a_value_of_nearly_all_rows_stays_on_its_side():
    """Ninety-nine rows in a hundred are 0, the others wide apart: rounded by its bins' middles the cut would be 0."""
    nearly_all_zero = MeasureBins(
        name="x", numeric=True, cuts=np.array([0.065]), middles=np.array([0.0, 5.98]), whole=False
    )
    plan = plan_curve(nearly_all_zero, np.array([0.0, 1.0]), np.full(2, 10.0), turn=1, size=5)
    assert plan.places == (0.065,)
