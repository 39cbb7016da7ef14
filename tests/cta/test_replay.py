"""The replay of the CTA rules over past dates."""

from __future__ import annotations

from datetime import date, timedelta

from tests.small_card import spec_of

from churnfit.cta.replay import Warned, replay, warned
from churnfit.cta.rules import ScoredAccount

FIRST = date(2026, 3, 2)


def account(name: str, band: str, owner: str = "ann") -> ScoredAccount:
    """Return a scored account."""
    return ScoredAccount(
        account_id=name, owner=owner, value=1000.0, health=30.0, churn_probability=0.4, band=band, lead_measure="logins"
    )


def days(*bands: str) -> dict[date, list[ScoredAccount]]:
    """Return a week per text of two letters: the bands of accounts A (ann) and B (bob), r, a, g, or - for not there."""
    names = {"r": "red", "a": "amber", "g": "green"}
    return {
        FIRST + timedelta(weeks=week): [
            account(name, names[letter], owner)
            for name, owner, letter in zip("AB", ("ann", "bob"), text, strict=True)
            if letter != "-"
        ]
        for week, text in enumerate(bands)
    }


def test_what_stays_red_opens_once_and_what_comes_back_after_the_cooldown_again() -> None:
    """A is red twice, healthy for three weeks (cooldown: 14 days), red again; B turns red in the second week."""
    found = replay(days("rg", "rr", "gr", "gr", "gr", "rr"), spec_of())
    assert list(found.opened.values()) == [("A",), ("B",), (), (), (), ("A",)]
    assert found.load == {"ann": 1, "bob": 1}


def test_the_load_at_the_end_is_of_what_is_still_open() -> None:
    """A is green in the end, B is not scored any more: nobody has anything to do."""
    assert replay(days("rr", "g-"), spec_of()).load == {}
    assert replay(days(), spec_of()).opened == {}


def test_a_flip_is_a_change_of_the_shown_band_that_is_taken_back() -> None:
    """A turns amber and red again, which is one; B moves for good, is not scored once, and returns."""
    found = replay(days("rg", "ar", "rr", "r-", "rr"), spec_of())
    assert (found.flips, found.account_weeks, found.owners) == (1, 9, 2)


def test_who_left_was_warned_of_when_a_cta_opened_before() -> None:
    """A turned red a week before it left; B only on the day it left; C left without ever being scored red."""
    found = replay(days("gg", "rg", "rr"), spec_of())
    left = {"A": FIRST + timedelta(days=14), "B": FIRST + timedelta(days=14), "C": FIRST + timedelta(days=3)}
    assert warned(found, left) == Warned(churned=3, called=1, median_days=7.0)
    assert warned(found, {}) == Warned(churned=0, called=0, median_days=None)
