"""What an account says is held beside what it does, and an answer never vouches for itself."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.small_card import BANDS, CARD, HEALTH, snapshot

from churnfit.errors import DataError
from churnfit.lifecycle.perception import perceptions
from churnfit.spec import Perception

ASKED = Perception(measure="tickets", content_from=2.0, discontent_to=0.0)


def found_in(measured: pd.DataFrame, asked: Perception = ASKED) -> pd.DataFrame:
    """Return what the small card's four accounts say and do."""
    points = CARD.points(measured)
    health = points.sum(axis=1)
    scores = pd.concat([measured[["account_id", "owner", "segment"]], points.add_prefix("points_")], axis=1)
    scores = scores.assign(health=health, band=CARD.bands.band(health.to_numpy()))
    return perceptions(CARD, scores, measured, perception=asked)


def test_what_an_account_does_is_its_health_with_the_expected_points_for_its_answer() -> None:
    """Tickets play the survey: 15 points are expected of them; A has 30 of 100, B 0 of 10, C 10 of 15, D 30 of 75."""
    found = found_in(snapshot())
    assert HEALTH == [100.0, 10.0, 15.0, 75.0]
    assert found["health_without_answer"].tolist() == [85.0, 25.0, 20.0, 60.0]
    assert BANDS == ["green", "red", "red", "green"]
    assert found["does"].tolist() == ["green", "red", "red", "amber"]  # D's own answer made it green


def test_content_beside_red_and_discontent_beside_green_are_mismatches_and_nothing_else() -> None:
    """A is content and green, B discontent and red: they agree; C is content and red; a neutral D is neither."""
    found = found_in(snapshot())
    assert found["says"].tolist() == ["content", "discontent", "content", "neutral"]
    assert found["mismatch"].tolist() == [False, False, True, False]
    unhappy = snapshot().assign(tickets=[0.0, 0.0, 6.0, 1.0])
    assert found_in(unhappy)["mismatch"].tolist() == [True, False, True, False]


def test_who_gave_no_answer_says_nothing() -> None:
    """A gap is no mismatch, whatever the account does."""
    silent = snapshot().assign(tickets=float("nan"))
    found = found_in(silent)
    assert set(found["says"]) == {"no answer"}
    assert not found["mismatch"].any()


def test_a_survey_that_is_not_on_the_card_is_held_beside_the_whole_health() -> None:
    """The card does not read it: health stays as it is."""
    asked = Perception(measure="nps", content_from=9.0, discontent_to=6.0)
    found = found_in(snapshot().assign(nps=[3.0, 10.0, None, 8.0]), asked)
    assert found["health_without_answer"].tolist() == HEALTH
    assert found["mismatch"].tolist() == [True, True, False, False]


def test_answers_in_words_are_refused() -> None:
    """Text has no place on a scale."""
    asked = Perception(measure="goal", content_from=9.0, discontent_to=6.0)
    with pytest.raises(
        DataError, match=r"CF212 perception.measure: 'goal': expected numbers .* text: 2 \(cost, growth\)"
    ):
        found_in(snapshot(), asked)
