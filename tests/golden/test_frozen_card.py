"""The frozen card: learning gives it again, and the file on disk goes on scoring as it did."""

from __future__ import annotations

import json

import pytest
from tests.golden.make import CARD, PROVENANCE, SCORES, TEXT, judged_rows, learned, scores, training_table
from tests.invariants import assert_scorecard

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.render import to_text


@pytest.fixture(scope="module")
def frozen() -> Scorecard:
    """The card on disk."""
    return Scorecard.from_json(CARD.read_text(encoding="utf-8"))


def test_learning_again_gives_the_same_card(frozen: Scorecard) -> None:
    """Weights, shapes, places, points and bands exactly; what linear algebra touches, to a millionth."""
    again = learned()
    assert again.weights == frozen.weights
    assert again.left_out == frozen.left_out
    assert again.evidence == frozen.evidence
    assert (again.bands, again.base_rate) == (frozen.bands, frozen.base_rate)
    for new, old in zip(again.measures, frozen.measures, strict=True):
        assert (new.shape, new.curve, new.missing, new.whole) == (old.shape, old.curve, old.missing, old.whole)
        assert new.expected_points == pytest.approx(old.expected_points, rel=1e-6)
    assert (again.intercept, again.slope) == pytest.approx((frozen.intercept, frozen.slope), rel=1e-6)


def test_the_file_scores_fixed_rows_as_it_did(frozen: Scorecard) -> None:
    """Health to the last bit, probability to nine digits, the same bands: gaps, edges and unseen values included."""
    expected, now = json.loads(SCORES.read_text(encoding="utf-8")), scores(frozen)
    assert now["health"] == expected["health"]
    assert now["churn_probability"] == pytest.approx(expected["churn_probability"], abs=1e-9)
    assert now["band"] == expected["band"]


def test_the_file_prints_as_it_did(frozen: Scorecard) -> None:
    """To the last character, its hash among them."""
    assert to_text(frozen) == TEXT.read_text(encoding="utf-8")


def test_the_file_is_canonical_and_says_where_it_comes_from(frozen: Scorecard) -> None:
    """Read and written again it is the same bytes; the provenance names its hash and the command."""
    assert frozen.to_json() == CARD.read_text(encoding="utf-8")
    provenance = PROVENANCE.read_text(encoding="utf-8")
    assert frozen.sha256 in provenance
    assert "python -m tests.golden.make" in provenance


def test_the_frozen_card_keeps_its_invariants(frozen: Scorecard) -> None:
    """On its own training rows and on the judged ones."""
    assert_scorecard(frozen, training_table()[0])
    assert_scorecard(frozen, judged_rows())
