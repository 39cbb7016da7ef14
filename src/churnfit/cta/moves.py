"""What people do with a call to action: pure moves from one status to another, or a refusal that says what is allowed.

Claiming again what one has claimed, or closing again what one has closed in the same way, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from churnfit.cta.records import Cta, Outcome, Status
from churnfit.errors import UsageError

__all__ = ["claimed", "closed", "reopened", "snoozed"]

_FROM: Mapping[str, tuple[Status, ...]] = {
    "claim": ("open", "snoozed"),
    "snooze": ("open", "claimed", "snoozed"),
    "close": ("open", "claimed", "snoozed", "auto-resolved"),
    "reopen": ("claimed", "snoozed", "resolved", "auto-resolved", "not valid"),
}
"""Each move, and from where it can be made. A run may have closed what a person knows the outcome of."""


def claimed(cta: Cta, *, by: str) -> Cta:
    """Return `cta`, worked on by `by` from now on.

    Raises
    ------
    UsageError
        CF707 when somebody else has claimed it, or it is closed.
    """
    if cta.status == "claimed" and cta.claimed_by == by:
        return cta
    _require(cta, "claim", theirs=cta.claimed_by not in ("", by))
    return replace(cta, status="claimed", claimed_by=by, snoozed_until=None)


def snoozed(cta: Cta, *, until: date, today: date) -> Cta:
    """Return `cta`, out of the queue until a date; whoever has claimed it has it back then.

    Raises
    ------
    UsageError
        CF707 when it is closed, CF703 when the date is not after `today`.
    """
    _require(cta, "snooze")
    if until <= today:
        raise UsageError(
            "CF703", where="--until", expected=f"a date after {today}", came=str(until), fix="Give a date to come."
        )
    return replace(cta, status="snoozed", snoozed_until=until)


def closed(cta: Cta, *, by: str, on: date, outcome: Outcome, note: str) -> Cta:
    """Return `cta`, closed with its outcome.

    Raises
    ------
    UsageError
        CF707 when it is closed already with another outcome, CF703 when it is not valid and nobody says why.
    """
    if outcome == "not valid" and not note.strip():
        raise UsageError(
            "CF703", where=f"CTA {cta.cta_id}", expected="why it is not valid", came="nothing", fix="Give --why."
        )
    status: Status = "not valid" if outcome == "not valid" else "resolved"
    after = replace(cta, status=status, snoozed_until=None, closed_on=on, closed_by=by, outcome=outcome, note=note)
    if after == cta:
        return cta
    _require(cta, "close")
    return after


def reopened(cta: Cta) -> Cta:
    """Return `cta`, open for anyone: given back, woken early, or closed by mistake.

    Raises
    ------
    UsageError
        CF707 when it is open.
    """
    _require(cta, "reopen")
    return replace(
        cta, status="open", claimed_by="", snoozed_until=None, closed_on=None, closed_by="", outcome="", note=""
    )


def _require(cta: Cta, move: str, *, theirs: bool = False) -> None:
    """Raise CF707 unless the move can be made from where the CTA is, which it cannot where it is another's."""
    held_out = cta.holdout_share is not None
    if cta.status in _FROM[move] and not held_out and not theirs:
        return
    allowed = [] if held_out else [name for name, statuses in _FROM.items() if cta.status in statuses]
    raise UsageError(
        "CF707",
        where=f"CTA {cta.cta_id} of account '{cta.account_id}'",
        expected=f"one that is {' or '.join(_FROM[move])}",
        came=_standing_words(cta),
        fix=f"What can be done with it now: {', '.join(allowed) or 'nothing; runs alone close it'}.",
    )


def _standing_words(cta: Cta) -> str:
    if cta.holdout_share is not None:
        return "one that is held out: left uncalled on purpose, to measure what calls do"
    if cta.closed_by:
        return f"one that {cta.closed_by} closed on {cta.closed_on} ({cta.outcome})"
    theirs = cta.status if cta.status == "claimed" else f"{cta.status}, claimed"
    return f"one that is {theirs} by {cta.claimed_by}" if cta.claimed_by else f"one that is {cta.status}"
