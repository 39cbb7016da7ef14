"""Red, amber and green values of one measure, by hand.

The small card: base rate 0.2, so red risk is 0.3, which is ln(0.3/0.7) − ln(0.2/0.8) = 0.539 logits above the base;
at 0.08 logits a point that is 6.7375 points below the average customer.
"""

import math
from dataclasses import replace

import pytest
from tests.small_card import CARD

from churnfit.scorecard.card import CardMeasure
from churnfit.scorecard.points import Graded, Stepped
from churnfit.scorecard.thresholds import ValueBand, band_of_value, points_needed, value_bands

LOGINS, TICKETS, GOAL = CARD.measures
INF = math.inf


def graded(knots: tuple[float, ...], points: tuple[float, ...], *, average: float, whole: bool = False) -> CardMeasure:
    return replace(LOGINS, curve=Graded(knots, points), expected_points=average, whole=whole, missing=())


def test_green_starts_at_the_average_points_and_red_ends_where_risk_is_half_as_much_again():
    """The account that is average elsewhere: at 20 points of logins its risk is the base rate, 0.2."""
    green, amber = points_needed(CARD, LOGINS)
    assert green == 20.0
    assert amber == pytest.approx(20.0 - (math.log(0.3 / 0.7) - math.log(0.2 / 0.8)) / 0.08)
    assert amber == pytest.approx(13.2625, abs=1e-4)


def test_a_high_base_rate_keeps_a_red_risk_below_one():
    """Half as much again as 0.8 is no probability: red starts halfway to certainty, at 0.9."""
    _, amber = points_needed(replace(CARD, base_rate=0.8), LOGINS)
    assert amber == pytest.approx(20.0 - (math.log(9.0) - math.log(4.0)) / 0.08)


@pytest.mark.parametrize(("points", "band"), [(20.0, "green"), (19.99, "amber"), (13.27, "amber"), (13.26, "red")])
def test_points_have_a_colour(points, band):
    """20 is the green edge and belongs to green; 13.2625 is the red edge."""
    assert band_of_value(CARD, LOGINS, points) == band


def test_whole_measures_change_colour_at_whole_numbers():
    """5 points a login: green needs 20, so 4 logins; amber 13.26, so 2.65, which the third login passes."""
    assert value_bands(CARD, LOGINS) == (
        ValueBand(-INF, 3.0, "red"),
        ValueBand(3.0, 4.0, "amber"),
        ValueBand(4.0, INF, "green"),
    )


@pytest.mark.parametrize("whole", [False, True])
def test_a_measure_of_millions_has_its_three_colours(whole):
    """50 points over 50 million: next to a cut a unit earns less than what counts as a tie."""
    measure = graded((0.0, 5e7), (0.0, 50.0), average=20.0, whole=whole)
    red, amber, green = value_bands(CARD, measure)
    assert (red.band, amber.band, green.band) == ("red", "amber", "green")
    assert red.high == pytest.approx(13_262_500, rel=1e-3)
    assert amber.high == pytest.approx(20e6, rel=1e-3)


def test_falling_whole_measures_keep_the_last_healthy_number():
    """50 − 5x: green needs 20, and x = 6 earns exactly that, so 6 itself is green; 13.26 is left at 7.35."""
    measure = graded((0.0, 10.0), (50.0, 0.0), average=20.0, whole=True)
    assert value_bands(CARD, measure) == (
        ValueBand(-INF, 7.0, "green"),
        ValueBand(7.0, 8.0, "amber"),
        ValueBand(8.0, INF, "red"),
    )


def test_graded_measures_change_colour_where_the_line_crosses():
    """5 points a unit: 4 and, to a thousandth of the span, 2.6525."""
    measure = graded((0.0, 10.0), (0.0, 50.0), average=20.0)
    assert value_bands(CARD, measure) == (
        ValueBand(-INF, 2.7, "red"),
        ValueBand(2.7, 4.0, "amber"),
        ValueBand(4.0, INF, "green"),
    )


def test_a_two_sided_measure_has_two_red_ends():
    """Tickets earn 0 below 1, 30 from 1, 10 from 5, and 15 on average; red is below 8.26."""
    assert value_bands(CARD, TICKETS) == (
        ValueBand(-INF, 1.0, "red"),
        ValueBand(1.0, 5.0, "green"),
        ValueBand(5.0, INF, "amber"),
    )


def test_green_that_is_reached_at_the_last_knot_only_is_not_lost():
    """The whole cohort earned 50, so green needs all 50: from 10 on."""
    measure = graded((0.0, 10.0), (0.0, 50.0), average=50.0)
    assert value_bands(CARD, measure)[-1] == ValueBand(10.0, INF, "green")


def test_cuts_between_whole_numbers_are_said_as_whole_numbers():
    """A cut at 0.5 on counts is "from 1"."""
    measure = replace(TICKETS, curve=Stepped((0.5,), (0.0, 30.0)), whole=True)
    assert value_bands(CARD, measure) == (ValueBand(-INF, 1.0, "red"), ValueBand(1.0, INF, "green"))


def test_a_measure_without_cuts_is_one_run():
    """Every value earns the average: all green."""
    assert value_bands(CARD, replace(TICKETS, curve=Stepped((), (15.0,)))) == (ValueBand(-INF, INF, "green"),)


def test_categories_have_a_colour_each():
    """Cost earns 20, the average is 10; growth earns 0, and red ends at 10 − 6.74."""
    first, second = value_bands(CARD, GOAL)
    assert (first.category, first.band) == ("cost", "green")
    assert (second.category, second.band) == ("growth", "red")
