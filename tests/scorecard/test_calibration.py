"""Calibration: a rising line with bends that turns back, alone and on the small card."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.invariants import assert_scorecard
from tests.small_card import CARD, snapshot

from churnfit.errors import IntegrityError
from churnfit.learning.bands import relative_cuts
from churnfit.scorecard.calibration import CALIBRATIONS, Calibration
from churnfit.scorecard.card import Scorecard, sigmoid
from churnfit.scorecard.shap import reasons
from churnfit.scorecard.thresholds import points_needed

BENT = Calibration(method="isotonic", said=(-4.0, 0.0, 1.0), observed=(-8.0, 0.0, 0.5))
BENT_CARD = replace(CARD, calibration=BENT)


def test_bends_are_joined_by_straight_lines_and_rise_by_a_quarter_beyond():
    """Doubled up to 0, halved up to 1; at −6, two beyond the outer bend, −8 − ½; at 3, two beyond, ½ + ½."""
    said = np.array([-6.0, -4.0, -1.0, 0.0, 0.5, 1.0, 3.0])
    assert BENT.of(said).tolist() == [-8.5, -8.0, -2.0, 0.0, 0.25, 0.5, 1.0]
    assert BENT.back(BENT.of(said)).tolist() == said.tolist()


def test_without_bends_nothing_changes():
    """A card without a calibration says what its points say."""
    logit = np.array([-3.0, 0.1, 99.0])
    assert Calibration().method == "none"
    assert Calibration().of(logit).tolist() == Calibration().back(logit).tolist() == logit.tolist()


@st.composite
def calibrations(draw):
    n = draw(st.integers(2, 12))
    steps = st.lists(st.integers(1, 300), min_size=n, max_size=n)
    said, observed = (np.cumsum(draw(steps)) / 100 - draw(st.integers(-5, 20)) for _ in range(2))
    return Calibration(method=draw(st.sampled_from(CALIBRATIONS[1:])), said=tuple(said), observed=tuple(observed))


@settings(deadline=None, max_examples=80)
@given(calibrations(), st.lists(st.integers(-3000, 3000), min_size=2, max_size=20, unique=True))
def test_a_calibration_rises_strictly_and_turns_back(calibration, hundredths):
    """Within the bends, between them and far outside."""
    logit = np.array(sorted(hundredths)) / 100
    mapped = calibration.of(logit)
    assert (np.diff(mapped) > 0).all()
    assert calibration.back(mapped) == pytest.approx(logit, abs=1e-9)


REFUSED = {
    "an unknown method": ({"method": "spline"}, "one of none, logistic, beta, isotonic, venn_abers"),
    "one bend": ({"method": "beta", "said": (0.0,), "observed": (0.0,)}, "no bends, or two and more"),
    "a bend without an observation": ({"method": "beta", "said": (0.0, 1.0), "observed": (0.0,)}, "one observed logit"),
    "flat": ({"method": "beta", "said": (0.0, 1.0), "observed": (0.0, 0.0)}, "must rise"),
    "falling": ({"method": "beta", "said": (0.0, 1.0, 2.0), "observed": (0.0, 3.0, 2.0)}, "must rise"),
    "twice the same place": ({"method": "beta", "said": (1.0, 1.0), "observed": (0.0, 1.0)}, "must rise"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_rising_line_is_refused(fields, message):
    """Bands would not be one run of health scores."""
    with pytest.raises(ValueError, match=message):
        Calibration(**fields)


def test_the_card_s_logit_is_calibrated_after_the_segment_s_offset():
    """A (smb): 2 + 0.5 − 0.08 · 100 = −5.5 is 1.5 beyond the bend: −8 − 0.375. B: 1.2, 0.2 beyond: 0.55."""
    expected = [-8.375, 0.55]
    assert BENT_CARD.churn_probability(snapshot())[:2] == pytest.approx(sigmoid(np.array(expected)), rel=1e-12)


def test_a_bent_card_keeps_its_invariants_and_its_health():
    """Points, weights and health are the same; only probabilities move."""
    assert_scorecard(BENT_CARD, snapshot())
    assert BENT_CARD.health(snapshot()).tolist() == CARD.health(snapshot()).tolist()


@pytest.mark.parametrize("segment", [None, "smb"])
def test_more_health_is_less_churn(segment):
    """Strictly, over all scores and both segments: bands of health are bands of probability, one to one."""
    health = np.linspace(0.0, 100.0, 401)
    p = BENT_CARD.probability_of(health, None if segment is None else np.full(401, segment, dtype=object))
    assert (np.diff(p) < 0).all()


@settings(deadline=None, max_examples=60)
@given(calibrations(), st.integers(1, 999))
def test_the_health_of_a_probability_has_that_probability(calibration, thousandths):
    """Whatever the bends: there and back."""
    card = replace(CARD, calibration=calibration)
    health = card.health_at(thousandths / 1000)
    assert card.probability_of(np.array([health]))[0] == pytest.approx(thousandths / 1000, rel=1e-6)


def test_bands_are_cut_where_the_calibrated_probability_is():
    """Base 0.2 is logit −1.386, which the points say as −0.693: (2 + 0.693) / 0.08 = 34; 0.4 is −0.405: 28."""
    cuts = relative_cuts(BENT_CARD)
    assert (cuts.red_below, cuts.green_from) == (28.0, 34.0)
    p = BENT_CARD.probability_of(np.array([27.0, 28.0, 33.0, 35.0]))
    assert p[0] > 0.4
    assert 0.2 < p[2] < 0.22
    assert p[3] < 0.2


def test_thresholds_use_the_calibrated_probability():
    """0.2 and 0.3 are −1.386 and −0.847, said as half of each: 0.2695 logits apart, 3.37 points of 0.08."""
    green, amber = points_needed(BENT_CARD, BENT_CARD.measure("logins"))
    assert green == 20.0
    assert amber == pytest.approx(20.0 - (math.log(0.3 / 0.7) - math.log(0.2 / 0.8)) / 2 / 0.08)


def test_reasons_leave_nothing_over_on_a_bent_card():
    """Probability points sum to the distance from the average customer's calibrated probability."""
    sums = reasons(BENT_CARD, snapshot()).groupby("account_id")["probability_points"].sum()
    average = BENT_CARD.probability_of(np.full(4, 45.0), snapshot()["segment"])
    distance = BENT_CARD.churn_probability(snapshot()) - average
    assert np.abs(sums.to_numpy() - distance).max() <= 1e-12
    assert np.abs(distance).min() > 0.03


def test_json_keeps_the_calibration():
    """The same card, the same bytes, another hash than without it."""
    again = Scorecard.from_json(BENT_CARD.to_json())
    assert again == BENT_CARD
    assert again.to_json() == BENT_CARD.to_json()
    assert BENT_CARD.sha256 != CARD.sha256


def test_a_card_written_before_there_were_calibrations_still_loads():
    """Schema 1 has no such key: the card scores as it did."""
    document = json.loads(CARD.to_json()) | {"schema_version": 1}
    assert "calibration" not in document
    old = Scorecard.from_json(json.dumps(document))
    assert old.calibration == Calibration()
    assert old.churn_probability(snapshot()).tolist() == CARD.churn_probability(snapshot()).tolist()


@pytest.mark.parametrize(
    "given_instead",
    [
        {"method": "beta"},
        {"method": "beta", "said": [1, 0], "observed": [0, 1]},
        "none",
        {"method": "x", "said": [], "observed": []},
    ],
)
def test_a_calibration_that_was_bent_by_hand_is_refused(given_instead):
    """Without bends, falling, text, of an unknown kind."""
    document = json.loads(CARD.to_json()) | {"calibration": given_instead}
    with pytest.raises(IntegrityError, match="CF601"):
        Scorecard.from_json(json.dumps(document))
