"""What people do with a call to action, move by move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from tests.cta.test_ranking import PLAIN

from churnfit.cta.moves import claimed, closed, reopened, snoozed
from churnfit.cta.records import STATUSES, Cta, Status
from churnfit.errors import UsageError

TODAY, FRIDAY = date(2026, 3, 3), date(2026, 3, 6)
MOVES: dict[str, Callable[[Cta], Cta]] = {
    "claim": lambda cta: claimed(cta, by="ann"),
    "snooze": lambda cta: snoozed(cta, until=FRIDAY, today=TODAY),
    "close": lambda cta: closed(cta, by="ann", on=TODAY, outcome="done", note="called"),
    "reopen": reopened,
}
LEGAL = {
    "claim": {"open": "claimed", "snoozed": "claimed"},
    "snooze": {"open": "snoozed", "claimed": "snoozed", "snoozed": "snoozed"},
    "close": {"open": "resolved", "claimed": "resolved", "snoozed": "resolved", "auto-resolved": "resolved"},
    "reopen": dict.fromkeys(("claimed", "snoozed", "resolved", "auto-resolved", "not valid"), "open"),
}


def cta_in(status: Status) -> Cta:
    """Return a CTA as it is in that status, bob's where somebody has to have acted."""
    facts: dict[Status, dict[str, object]] = {
        "claimed": {"claimed_by": "bob"},
        "snoozed": {"snoozed_until": FRIDAY},
        "held out": {"holdout_share": 0.1},
        "resolved": {"closed_by": "bob", "closed_on": TODAY, "outcome": "saved", "note": "they stay"},
        "not valid": {"closed_by": "bob", "closed_on": TODAY, "outcome": "not valid", "note": "a test account"},
        "auto-resolved": {"closed_on": TODAY},
    }
    return replace(PLAIN, status=status, **facts.get(status, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("move", MOVES)
def test_every_move_from_every_status(move: str, status: Status) -> None:
    """Each leads where the table says; all others are refused with what stands there and what is allowed."""
    cta = cta_in(status)
    if status in LEGAL[move]:
        assert MOVES[move](cta).status == LEGAL[move][status]
        return
    allowed = [name for name, legal in LEGAL.items() if status in legal]
    with pytest.raises(UsageError, match=r"CF707 CTA k of account 'A': expected one that is ") as fault:
        MOVES[move](cta)
    assert fault.value.fix == f"What can be done with it now: {', '.join(allowed) or 'nothing; runs alone close it'}."


def test_what_is_claimed_is_named_with_who_has_it() -> None:
    """Bob has it, awake or asleep: ann is told so; bob claims again and nothing changes."""
    for cta in (cta_in("claimed"), replace(cta_in("snoozed"), claimed_by="bob")):
        with pytest.raises(UsageError, match=r"came one that is (snoozed, )?claimed by bob"):
            claimed(cta, by="ann")
    assert claimed(cta_in("claimed"), by="bob") is not None
    assert claimed(cta_in("claimed"), by="bob") == cta_in("claimed")


def test_a_snoozed_cta_remembers_who_had_claimed_it() -> None:
    """Asleep until Friday, still bob's; a date that has come is refused."""
    assert snoozed(cta_in("claimed"), until=FRIDAY, today=TODAY) == replace(
        PLAIN, status="snoozed", claimed_by="bob", snoozed_until=FRIDAY
    )
    with pytest.raises(UsageError, match=r"CF703 --until: expected a date after 2026-03-03; came 2026-03-03"):
        snoozed(PLAIN, until=TODAY, today=TODAY)


def test_closing_says_what_came_of_it() -> None:
    """Outcome, who, when and why are kept; what is not valid needs a reason and has a status of its own."""
    saved = closed(cta_in("claimed"), by="bob", on=TODAY, outcome="saved", note="they stay")
    assert saved == replace(cta_in("resolved"), claimed_by="bob")
    with pytest.raises(UsageError, match=r"CF703 CTA k: expected why it is not valid; came nothing"):
        closed(PLAIN, by="bob", on=TODAY, outcome="not valid", note="  ")
    assert closed(PLAIN, by="bob", on=TODAY, outcome="not valid", note="a test account") == cta_in("not valid")


def test_closing_the_same_way_again_changes_nothing_and_otherwise_is_refused() -> None:
    """An import may come twice; a second opinion must reopen first."""
    cta = cta_in("resolved")
    assert closed(cta, by="bob", on=TODAY, outcome="saved", note="they stay") is cta
    with pytest.raises(UsageError, match=r"came one that bob closed on 2026-03-03 \(saved\)"):
        closed(cta, by="bob", on=TODAY, outcome="churned", note="they left")


def test_reopening_takes_back_what_people_wrote() -> None:
    """Nobody has it, nobody closed it; its facts stay."""
    for status in ("claimed", "snoozed", "resolved", "not valid", "auto-resolved"):
        assert reopened(cta_in(status)) == PLAIN
