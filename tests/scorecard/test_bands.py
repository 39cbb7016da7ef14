"""Band cuts as a value: what a card's JSON holds of them, and how they read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.small_card import CARD

from churnfit.scorecard.band_words import cut_words
from churnfit.scorecard.bands import BandCuts, Steadiness
from churnfit.scorecard.card import Scorecard
from churnfit.spec import Bands

SURE = BandCuts(red_below=40.0, green_from=70.0, red_interval=(36.0, 45.0), green_interval=(66.0, 71.0))


def bands(**changes):
    red = {"action": "Call", "cost": 120, "save_rate": 0.3}
    amber = {"action": "Mail", "cost": 6, "save_rate": 0.1}
    return Bands.model_validate({"red": red, "amber": amber, "margin": 0.8} | changes)


def test_a_card_without_intervals_is_written_as_before_there_were_any():
    """Only what is known is written, so the hash of an older card stays."""
    assert '"bands": {\n    "green_from": 70.0,\n    "red_below": 40.0\n  }' in CARD.to_json()


def test_intervals_come_back_from_json():
    """Pairs of floats, as they went."""
    card = replace(CARD, bands=SURE)
    assert Scorecard.from_json(card.to_json()) == card


def test_cuts_say_when_their_action_pays():
    """120 / (0.3 · 0.8) = 500, 6 / (0.1 · 0.8) = 75; at health 40 churn is 1 / (1 + e^1.2) = 23 %, at 70 3 %."""
    assert cut_words(CARD, SURE, bands(), price=0.0) == [
        "red below 40 (36 to 45), where churn is 23%: Call pays where churn probability × yearly value is above 500",
        "amber below 70 (66 to 71), where churn is 3%: Mail pays where churn probability × yearly value is above 75",
    ]


def test_an_empty_amber_is_not_mentioned():
    """Both cuts are one: one sentence."""
    assert len(cut_words(CARD, replace(SURE, green_from=40.0), bands(), price=0.0)) == 1


def test_an_action_that_saves_nobody_never_pays():
    """Nothing is divided by nothing."""
    [red, _] = cut_words(CARD, SURE, bands(red={"action": "Call", "cost": 1, "save_rate": 0}), price=0.0)
    assert red.endswith("Call never pays")


def test_capacity_says_what_one_call_more_is_worth():
    """A price where calls are short, nothing where they are not."""
    assert cut_words(CARD, SURE, bands(capacity=0.1), price=250.0)[-1] == (
        "capacity for calls: 10% of accounts; one call more is worth 250"
    )
    assert cut_words(CARD, SURE, bands(capacity=0.1), price=0.0)[-1].endswith("one call more is worth nothing")


def test_other_rules_say_what_they_reach():
    """The target of each band stands in its sentence."""
    red = {"action": "Call", "cost": 120, "save_rate": 0.3, "target": 0.5}
    amber = {"action": "Mail", "cost": 6, "save_rate": 0.1, "target": 0.2}
    said = cut_words(CARD, SURE, bands(rule="precision", red=red, amber=amber), price=0.0)
    assert said[0].endswith("at least 50% of these accounts and worse are expected to churn")
    assert said[1].endswith("at least 20% of these accounts and worse are expected to churn")


STEADY = replace(SURE, steadiness=Steadiness(clear=8.0, dwell_days=14, flips_removed=0.8, delay_runs=0.9))


@pytest.mark.parametrize(
    ("before", "health", "days", "shown"),
    [
        ("amber", 39.0, 0, "amber"),  # one point below the cut, since today
        ("amber", 39.0, 13, "amber"),
        ("amber", 39.0, 14, "red"),  # for two weeks
        ("amber", 31.9, 0, "red"),  # clearly below
        ("red", 47.9, 0, "red"),
        ("red", 48.0, 0, "amber"),  # clearly above
        ("red", 41.0, 14, "amber"),
        ("green", 35.0, 0, "amber"),  # clearly not green, not clearly red
        ("green", 35.0, 14, "red"),
        ("red", 90.0, 0, "green"),
        ("red", 75.0, 0, "amber"),  # clearly not red, not clearly green
    ],
)
def test_a_shown_band_changes_where_it_is_clear_or_has_lasted(before, health, days, shown):
    """Red below 40, green from 70; 8 points are clear, 14 days are long."""
    found = STEADY.shown_band(np.array([before], dtype=object), np.array([health]), np.array([float(days)]))
    assert found.tolist() == [shown]


def test_without_steadiness_the_shown_band_is_the_band():
    """Whatever went before."""
    before, health = np.array(["green", "red"], dtype=object), np.array([39.9, 70.0])
    assert SURE.shown_band(before, health, np.zeros(2)).tolist() == SURE.band(health).tolist() == ["red", "green"]


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20),
    st.sampled_from(["red", "amber", "green"]),
    st.integers(0, 30),
)
def test_a_shown_band_lies_between_what_was_shown_and_the_band(health, before, days):
    """Never worse than both, never better than both; and who is at `red_until` or above is not shown red."""
    order = ["red", "amber", "green"]
    scores = np.array(health)
    shown = STEADY.shown_band(np.full(len(scores), before, dtype=object), scores, np.full(len(scores), float(days)))
    for band, one, value in zip(STEADY.band(scores), shown, health, strict=True):
        low, high = sorted((order.index(band), order.index(before)))
        assert low <= order.index(one) <= high
        assert one != "red" or value < STEADY.red_until


def test_steadiness_comes_back_from_json():
    """As it went, with the intervals."""
    card = replace(CARD, bands=STEADY)
    assert Scorecard.from_json(card.to_json()) == card
    assert CARD.sha256 != card.sha256
