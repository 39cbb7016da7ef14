"""Whole weights and whole points, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from churnfit.learning.curves import CurvePlan
from churnfit.learning.joint import Curves, Design
from churnfit.learning.rounding import card_lines, segment_offsets, whole_weights
from churnfit.scorecard.points import Categorical, Graded, Stepped


def curves_of(*parts, come=0.0):
    """Curves from (plan, coefficients) pairs; the average row has come nowhere along any increment unless told."""
    design = Design(
        plans=tuple(plan for plan, _ in parts),
        steps=tuple(np.zeros((1, len(own))) for _, own in parts),
        codes=np.zeros((len(parts), 1), dtype=np.int32),
        mean_increments=tuple(np.full(len(plan.signs), come) for plan, _ in parts),
    )
    coefficients = np.array([value for _, own in parts for value in own], dtype=float)
    return Curves(design=design, intercept=0.0, coefficients=coefficients)


def graded(name, places, signs, states=()):
    return CurvePlan(name=name, graded=True, places=places, start=(0.0,) * len(places), signs=signs, states=states)


def levels(name, *groups):
    return CurvePlan(name=name, graded=False, levels=groups, start=(0.0,) * len(groups), signs=(1,) * (len(groups) - 1))


def test_the_largest_remainders_round_up():
    """3, 3 and 1 of 7 are 42.86, 42.86 and 14.29 of 100: the two remainders of 0.86 round up."""
    assert whole_weights(np.array([3.0, 3.0, 1.0])).tolist() == [43, 43, 14]


def test_a_share_below_half_a_point_may_be_nothing():
    """1 in 1000 is 0.1 of 100."""
    assert whole_weights(np.array([999.0, 1.0])).tolist() == [100, 0]


@given(hnp.arrays(float, st.integers(1, 30), elements=st.floats(0.001, 1000)))
def test_weights_sum_to_100_and_differ_from_their_share_by_less_than_one(ranges):
    """Whatever the ranges."""
    weights = whole_weights(ranges)
    assert weights.sum() == 100
    assert (np.abs(weights - 100 * ranges / ranges.sum()) < 1).all()


def test_points_are_the_risk_that_a_value_takes_away():
    """Risk falls by 3 logits, then 1, of 4 + 4 in all: weight 50, points 0, 37.5 → 38, 50; slope 8/100."""
    lines, slope = card_lines(
        curves_of((graded("x", (0.0, 2.0, 9.0), (-1, -1)), [-3.0, -1.0]), (graded("z", (0.0, 1.0), (1,)), [4.0]))
    )
    assert slope == 0.08
    x, z = lines
    assert x.curve == Graded((0.0, 2.0, 9.0), (0.0, 38.0, 50.0))
    assert (x.shape, x.weight) == ("rising", 50.0)
    assert z.curve == Graded((0.0, 1.0), (50.0, 0.0))
    assert z.shape == "falling"


def test_a_state_may_be_the_worst_or_the_best():
    """Values span 0 to −1, the state stands 3 above the average row (0): 4 logits in all, values earn 75 to 100."""
    lines, slope = card_lines(curves_of((graded("x", (0.0, 1.0), (-1,), ("never",)), [-1.0, 3.0])))
    assert lines[0].curve.points == (75.0, 100.0)
    assert lines[0].missing == (("never", 0.0),)
    assert slope == 0.04


def test_a_valley_of_risk_is_a_peak_of_points():
    """Down by 2 and up by 1: points 0, 100, 50."""
    lines, _ = card_lines(curves_of((graded("x", (0.0, 1.0, 5.0), (-1, 1)), [-2.0, 1.0])))
    assert lines[0].curve.points == (0.0, 100.0, 50.0)
    assert lines[0].shape == "peak"


@pytest.mark.parametrize(
    ("places", "signs", "coefficients", "points", "shape"),
    [
        ((0.0, 1.0, 5.0), (-1, 1), [-100.0, 1.0], (0.0, 100.0), "rising"),  # a peak: 0, 100, 99
        ((0.0, 1.0, 5.0), (-1, 1), [-1.0, 100.0], (100.0, 0.0), "falling"),  # a peak: 99, 100, 0
        ((0.0, 1.0, 5.0), (1, -1), [1.0, -100.0], (0.0, 100.0), "rising"),  # a valley: 1, 0, 100
        ((0.0, 1.0, 5.0), (1, -1), [100.0, -1.0], (100.0, 0.0), "falling"),  # a valley: 100, 0, 1
    ],
)
def test_a_side_of_a_turn_worth_one_point_is_flat(places, signs, coefficients, points, shape):
    """Nobody acts on a point: that side joins the turn, the weight stays 100 and the worst value 0."""
    lines, _ = card_lines(curves_of((graded("x", places, signs), coefficients)))
    curve = lines[0].curve
    at = curve.at(np.array([0.0, 1.0, 5.0]))
    assert lines[0].shape == shape
    assert (at[0], at[2]) == points
    assert at[1] == (points[0] if abs(coefficients[0]) == 1 else points[1])
    assert (lines[0].weight, min(curve.levels)) == (100.0, 0.0)


def test_a_side_of_a_turn_worth_two_points_stays():
    """0, 100, 98: a peak, as learned."""
    lines, _ = card_lines(curves_of((graded("x", (0.0, 1.0, 5.0), (-1, 1)), [-100.0, 2.0])))
    assert (lines[0].shape, lines[0].curve.points) == ("peak", (0.0, 100.0, 98.0))


def test_a_faint_side_of_several_steps_counts_as_a_whole():
    """0, 50, 100, 99, 98: two points in all stay, whichever steps they fall in."""
    plan = graded("x", (0.0, 1.0, 2.0, 3.0, 4.0), (-1, -1, 1, 1))
    lines, _ = card_lines(curves_of((plan, [-40.0, -60.0, 1.0, 1.0])))
    assert lines[0].shape == "peak"
    lines, _ = card_lines(curves_of((plan, [-40.0, -60.0, 0.3, 0.4])))  # 99.7 → 100, 99.3 → 99: one point
    assert (lines[0].shape, lines[0].curve.at(np.array([4.0])).tolist()) == ("rising", [100.0])


def test_points_that_turn_twice_are_called_free():
    """0, 100, 50, 75: no single turn, and faint turns among several stay."""
    plan = graded("x", (0.0, 1.0, 2.0, 3.0), (-1, 1, -1))
    lines, _ = card_lines(curves_of((plan, [-4.0, 2.0, -1.0])))
    assert (lines[0].shape, lines[0].curve.points) == ("free", (0.0, 100.0, 50.0, 75.0))
    lines, _ = card_lines(curves_of((plan, [-100.0, 1.0, -1.0])))
    assert lines[0].shape == "free"


def test_knots_on_their_neighbours_line_are_dropped():
    """Risk falls by 1 from 0 to 2 and by 2 from 2 to 6: one straight line."""
    lines, _ = card_lines(curves_of((graded("x", (0.0, 2.0, 6.0), (-1, -1)), [-1.0, -2.0])))
    assert lines[0].curve.knots in {(0.0, 6.0), (0.0, 2.0, 6.0)}
    even, _ = card_lines(curves_of((graded("x", (0.0, 2.0, 8.0), (-1, -1)), [-1.0, -3.0])))
    assert even[0].curve == Graded((0.0, 8.0), (0.0, 100.0))


def test_cuts_between_equal_levels_are_dropped():
    """The second increment is 0: one cut is left."""
    plan = CurvePlan(name="x", graded=False, places=(1.0, 2.0), start=(0.0,) * 3, signs=(-1, -1))
    lines, _ = card_lines(curves_of((plan, [-2.0, 0.0])))
    assert lines[0].curve == Stepped((1.0,), (0.0, 100.0))


def test_categories_are_listed_best_first():
    """Level (b, c) carries 2 logits more risk than (a)."""
    lines, _ = card_lines(curves_of((levels("plan", ("a",), ("b", "c")), [2.0])))
    assert lines[0].curve == Categorical(("a", "b", "c"), (100.0, 0.0, 0.0))
    assert lines[0].shape == "categories"


def test_measures_too_light_for_a_point_leave_and_the_rest_share_100():
    """0.1 of 100 rounds to 0."""
    lines, slope = card_lines(
        curves_of((graded("heavy", (0.0, 1.0), (1,)), [9.99]), (graded("light", (0.0, 1.0), (1,)), [0.01]))
    )
    assert [(line.name, line.weight) for line in lines] == [("heavy", 100.0)]
    assert slope == 0.0999


def test_equal_weights_are_listed_by_name():
    """A tie has one order."""
    plan = [(graded(name, (0.0, 1.0), (1,)), [1.0]) for name in ("b", "a")]
    assert [line.name for line in card_lines(curves_of(*plan))[0]] == ["a", "b"]


def test_nothing_learned_is_an_empty_card():
    """No plans, or only flat ones."""
    assert card_lines(curves_of()) == ((), 1.0)
    assert card_lines(curves_of((graded("x", (0.0, 1.0), (1,)), [0.0]))) == ((), 1.0)


def test_the_segment_column_earns_an_offset_and_no_points():
    """Half the rows have come to the second level: smb −1, key (riskier) +1 around the mean row."""
    curves = curves_of((levels("segment", ("smb",), ("key",)), [2.0]), (graded("x", (0.0, 1.0), (1,)), [1.0]), come=0.5)
    assert segment_offsets(curves, "segment") == (("key", 1.0), ("smb", -1.0))
    assert [line.name for line in card_lines(curves, segment_column="segment")[0]] == ["x"]
    assert segment_offsets(curves, None) == ()


def test_segments_that_do_not_differ_have_no_offsets():
    """A step of 0 is no offset at all."""
    assert segment_offsets(curves_of((levels("segment", ("smb",), ("key",)), [0.0])), "segment") == ()
