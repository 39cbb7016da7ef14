"""Certificates as values: kept in the card's JSON, graded, and said in words."""

from dataclasses import replace

import pytest
from tests.small_card import CARD

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.certificate import Certificate, CertifiedPoints, CertifiedThreshold, grade_of
from churnfit.scorecard.render import sureness_rows, threshold_words, to_markdown, to_text

LOGINS, TICKETS, GOAL = CARD.measures
CERTIFICATE = Certificate(
    grade="fair",
    resamples=200,
    kept=0.9,
    churned=20,
    low=38.2,
    high=61.0,
    points=(
        CertifiedPoints(low=0.0, high=4.0, churned=12),
        CertifiedPoints(low=38.2, high=61.0, churned=5),
        CertifiedPoints(low=0.0, high=9.6, churned=3),
    ),
    thresholds=(
        CertifiedThreshold(at=3.0, low=None, high=4.0, churned_below=9, churned_above=2),
        CertifiedThreshold(at=4.0, low=3.0, high=7.0, churned_below=2, churned_above=6),
    ),
)
CERTIFIED = replace(CARD, measures=(replace(LOGINS, certificate=CERTIFICATE), TICKETS, GOAL))


def test_a_certified_card_is_the_same_value_after_json():
    """Open ends are null, not infinity."""
    text = CERTIFIED.to_json()
    assert Scorecard.from_json(text) == CERTIFIED
    assert Scorecard.from_json(text).to_json() == text
    assert '"low": null' in text


def test_a_card_from_before_there_were_certificates_keeps_its_bytes_and_its_hash():
    """Its JSON does not mention them."""
    assert "certificate" not in CARD.to_json()
    assert Scorecard.from_json(CARD.to_json()) == CARD
    assert CARD.sha256 != CERTIFIED.sha256


@pytest.mark.parametrize(
    ("kept", "width", "grade"),
    [(0.95, 12.0, "firm"), (0.94, 12.0, "fair"), (1.0, 12.1, "fair"), (0.8, 24.0, "fair"), (0.8, 24.1, "weak")],
)
def test_a_grade_needs_both_a_kept_curve_and_a_narrow_weight(kept, width, grade):
    """Of weight 20: 0.6 times is 12 wide, 1.2 times is 24 wide."""
    assert grade_of(kept, width, 20.0) == grade


def test_the_card_in_text_shows_intervals_churned_accounts_and_grades():
    """Only lines with a certificate have them."""
    rows = to_text(CERTIFIED).splitlines()[-4:]
    assert rows[0].split() == ["measure", "weight", "churned", "stability", "points", "green"]
    assert rows[1].split()[:6] == ["Logins", "50", "(38", "to", "61)", "20"]
    assert "fair" in rows[1]
    assert "fair" not in rows[2]
    assert "stability" not in to_text(CARD)


def test_the_long_form_shows_every_interval():
    """Points and thresholds, with the churned accounts of each; a card without certificates has no such section."""
    ((name, points, thresholds),) = sureness_rows(CERTIFIED)
    assert name == "Logins"
    assert points == (
        "0 → 0 (0 to 4; 12 churned), 10 → 50 (38 to 61; 5 churned), asked, no answer → 5 (0 to 10; 3 churned)"
    )
    assert thresholds == (
        "red → amber at 3 (open to 4): 9 churned below, 2 from there; "
        "amber → green at 4 (3 to 7): 2 churned below, 6 from there"
    )
    assert thresholds in to_markdown(CERTIFIED)
    assert "How sure" not in to_markdown(CARD)


def test_a_threshold_is_said_in_the_measures_unit():
    """Shares become percentages at the threshold and at both ends."""
    share = replace(TICKETS, unit="share")
    one = CertifiedThreshold(at=0.25, low=0.2, high=0.31, churned_below=4, churned_above=3)
    assert threshold_words(share, ("red", "green"), one) == (
        "red → green at 25 % (20 % to 31 %): 4 churned below, 3 from there"
    )


def test_a_category_is_shown_as_it_is_in_markdown():
    """A level from data opens no tag, no link and no cell: card.md is read in a browser."""
    goal = CARD.measure("goal")
    curve = replace(goal.curve, values=("<img src=x>|[a](b)", *goal.curve.values[1:]))
    shown = to_markdown(replace(CARD, measures=(*CARD.measures[:2], replace(goal, curve=curve))))
    assert r"\<img src=x\>\|\[a\](b)" in shown
    assert "<img" not in shown.replace(r"\<img", "")
