"""Numbers, thresholds, cards and differences as people read them."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from tests.small_card import CARD

from churnfit.scorecard.bands import Steadiness
from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.diff import diff
from churnfit.scorecard.plot import points_figure
from churnfit.scorecard.points import Categorical, Graded, Stepped
from churnfit.scorecard.render import card_rows, points_words, to_markdown, to_text
from churnfit.scorecard.words import healthy_words, number_words, value_words

LOGINS, TICKETS, GOAL = CARD.measures
COUNTED = replace(TICKETS, whole=True)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.256, "share", "26 %"),
        (1.0, "%", "100 %"),
        (3.0, "days", "3 days"),
        (2.54, "", "2.5"),
        (0.0312, "", "0.031"),
        (1234.5, "EUR", "1,234 EUR"),
        (-4.0, "", "-4"),
        (0.0, "", "0"),
    ],
)
def test_numbers_are_written_as_people_write_them(value, unit, words):
    """Shares in percent, few digits, thousands apart."""
    assert number_words(value, unit) == words


def test_the_healthy_range_of_a_two_sided_measure_has_two_ends():
    """Counted tickets: green from 1 to 4, red at none, amber from 5."""
    assert healthy_words(CARD, COUNTED) == "1 to 4"
    assert healthy_words(CARD, COUNTED, "red") == "up to 0"
    assert healthy_words(CARD, COUNTED, "amber") == "from 5"


def test_a_range_of_one_whole_number_is_that_number():
    """Three logins alone are amber."""
    assert healthy_words(CARD, replace(LOGINS, unit="logins"), "amber") == "3 logins"
    assert healthy_words(CARD, LOGINS, "green") == "from 4"
    assert healthy_words(CARD, LOGINS, "red") == "up to 2"


def test_two_unhealthy_ends_are_joined_by_or():
    """From 1 to 4 is green; with nothing for six tickets either, both ends are red."""
    ends = replace(COUNTED, curve=Stepped((1.0, 5.0), (0.0, 30.0, 0.0)))
    assert healthy_words(CARD, ends, "red") == "up to 0 or from 5"
    assert healthy_words(CARD, ends, "amber") == "no value"


def test_measured_numbers_have_edges_not_last_values():
    """Days are not counted whole here: below 1, from 1 to 5, from 5."""
    days = replace(TICKETS, unit="days")
    assert healthy_words(CARD, days, "red") == "below 1 days"
    assert healthy_words(CARD, days, "green") == "1 days to 5 days"


def test_categories_are_listed():
    """Cost is healthy, growth is not, none is amber."""
    assert [healthy_words(CARD, GOAL, band) for band in ("green", "amber", "red")] == ["cost", "no value", "growth"]


def test_a_value_or_why_there_is_none():
    """States have words; a state nobody gave words to is said as it is."""
    assert value_words(LOGINS, 3.0, None) == "3"
    assert value_words(GOAL, "cost", None) == "cost"
    assert value_words(LOGINS, None, "no_answer") == "asked, no answer"
    assert value_words(LOGINS, np.nan, None) == "no data"
    assert value_words(LOGINS, pd.NA, "on_strike") == "on_strike"


def test_points_in_words():
    """Knots, steps and categories, then the states."""
    assert points_words(LOGINS) == "0 → 0, 10 → 50 · asked, no answer → 5"
    assert points_words(TICKETS) == "below 1 → 0, from 1 → 30, from 5 → 10"
    assert points_words(GOAL) == "cost → 20, growth → 0"
    assert points_words(replace(TICKETS, curve=Stepped((), (3.0,)))) == "any value → 3"


def test_the_card_on_paper_says_weights_thresholds_and_what_it_rests_on():
    """One row per measure, heaviest first; the facts above it."""
    assert card_rows(CARD)[0] == (
        "Logins", "50", "0 → 0, 10 → 50 · asked, no answer → 5", "up to 2", "3", "from 4",
    )  # fmt: skip
    text = to_text(CARD)
    assert "learned from 100 snapshots of 50 accounts; churn followed 20 snapshots within 90 days" in text
    assert "bands: red below 40, green from 70; average health 45.0" in text
    assert "churn logit = 2.000 - 0.0800 x health; segments smb +0.50" in text
    assert CARD.sha256[:16] in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["Logins", "Tickets", "Goal"]


def test_a_pipe_in_a_name_does_not_break_the_markdown_table():
    """Each row keeps six cells."""
    piped = replace(CARD, measures=(replace(LOGINS, label="a|b"), TICKETS, GOAL))
    row = next(line for line in to_markdown(piped).splitlines() if "a\\|b" in line)
    assert row.replace("\\|", "").count("|") == 7


def test_a_card_without_evidence_can_be_printed_and_drawn():
    """It says what was left out, and the picture is empty."""
    empty = replace(CARD, measures=(), left_out=("logins", "tickets"))
    assert "left out for lack of evidence: logins, tickets" in to_text(empty)
    assert "left out for lack of evidence" in to_markdown(empty)
    assert not [axes for axes in points_figure(empty).axes if axes.get_visible()]


def test_the_picture_has_one_panel_per_measure():
    """Three measures: one row of three panels with their weights."""
    shown = [axes.get_title(loc="left") for axes in points_figure(CARD).axes if axes.get_visible()]
    assert shown == ["Logins · 50", "Tickets · 30", "Goal · 20"]


def test_nothing_changed_says_nothing():
    """A card differs from itself in no sentence."""
    assert diff(CARD, CARD) == []


def test_every_change_is_said_once():
    """A weight with its curve, a new measure, one gone, cuts, slope and a segment."""
    steeper = replace(LOGINS, curve=Graded((0.0, 8.0), (0.0, 70.0)))
    goal = replace(GOAL, name="plan", label="Plan")
    after = replace(
        CARD,
        measures=(steeper, goal),
        slope=0.07,
        bands=replace(CARD.bands, green_from=72.0),
        segment_offsets=(("smb", 0.5), ("key", -0.25)),
    )
    assert diff(CARD, after) == [
        "Logins: weight 50 → 70",
        "Logins: points 0 → 0, 10 → 50 · asked, no answer → 5  →  0 → 0, 8 → 70 · asked, no answer → 5",
        "Plan: new, weight 20; cost → 20, growth → 0",
        "Tickets: gone (weight was 30)",
        "Goal: gone (weight was 20)",
        "green from: 70 → 72",
        "slope per point: 0.08 → 0.07",
        "segment key: logit offset 0.000 → -0.250",
    ]


def test_a_price_is_no_formula() -> None:
    """Two dollars in a category's name: matplotlib would set what is between them as a formula, or fail at it."""
    measure = replace(CARD.measures[0], curve=Categorical(("$5_$", "<$10k^$"), (0.0, 20.0)), missing=())
    figure = points_figure(replace(CARD, measures=(measure,)))
    figure.savefig(BytesIO(), format="svg")


def test_what_points_do_not_show_is_a_change_too():
    """The same points, and yet other probabilities, other reasons, another shown band."""
    bent = Calibration(method="isotonic", said=(-2.0, 0.0, 1.0), observed=(-3.0, 0.0, 3.0))
    steady = Steadiness(clear=6.0, dwell_days=14, flips_removed=0.7, delay_runs=0.8)
    after = replace(
        CARD,
        measures=(replace(LOGINS, expected_points=45.0), TICKETS, GOAL),
        bands=replace(CARD.bands, steadiness=steady),
        calibration=bent,
    )
    assert diff(CARD, after) == [
        "Logins: the average account's points 20.0 → 45.0",
        "calibration: none → isotonic, another curve",
        "shown band changes: at once → 6 points beyond a cut, else after 14 days",
    ]
