"""Band cuts as a value: what a card's JSON holds of them, and how they read."""

from dataclasses import replace

from tests.small_card import CARD

from churnfit.scorecard.band_words import cut_words
from churnfit.scorecard.bands import BandCuts
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
