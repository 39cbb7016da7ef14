"""queue and cta: each owner's week, and what people do with a call to action, signed and dated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta

from churnfit.cta.moves import claimed, closed, reopened, snoozed
from churnfit.cta.ranking import QueueRow, owner_of, rank
from churnfit.cta.records import Cta, Event, Outcome
from churnfit.errors import UsageError
from churnfit.jobs.history import now
from churnfit.jobs.signing import moment, signer
from churnfit.jobs.workspace import Workspace

__all__ = ["Load", "claim", "close", "ctas", "history_of", "load", "queue", "reopen", "snooze"]


@dataclass(frozen=True, kw_only=True)
class Load:
    """One owner's CTAs: how many are open, claimed, asleep, overdue, done this ISO week, and beyond the capacity."""

    owner: str
    open: int
    claimed: int
    snoozed: int
    overdue: int
    done: int
    capacity: int
    overflow: int


def queue(workspace: Workspace, card: str, *, owner: str | None = None, today: date | None = None) -> list[QueueRow]:
    """Return the open and claimed CTAs in their owners' order for the ISO week of `today`, optionally of one owner."""
    with closing(workspace.store()) as store:
        done = _by_owner(store.done_in_week(card, _monday(today or now().date())))
        rows = rank(store.active(card), workspace.spec(card).queue, done=done)
    return [row for row in rows if owner is None or row.owner == owner]


def load(workspace: Workspace, card: str, *, today: date | None = None) -> list[Load]:
    """Return every owner's load in the ISO week of `today`, by owner."""
    today = today or now().date()
    spec = workspace.spec(card)
    with closing(workspace.store()) as store:
        active = [cta for cta in store.active(card) if cta.status != "held out"]
        done = _by_owner(store.done_in_week(card, _monday(today)))
    by_status = {status: _by_owner([cta for cta in active if cta.status == status]) for status in _SHOWN}
    overdue = _by_owner([cta for cta in active if cta.overdue(today)])
    overflow = _by_owner([row.cta for row in rank(active, spec.queue, done=done) if row.overflow])
    return [
        Load(
            owner=owner,
            open=by_status["open"].get(owner, 0),
            claimed=by_status["claimed"].get(owner, 0),
            snoozed=by_status["snoozed"].get(owner, 0),
            overdue=overdue.get(owner, 0),
            done=done.get(owner, 0),
            capacity=spec.queue.capacity_per_owner,
            overflow=overflow.get(owner, 0),
        )
        for owner in sorted({*done, *map(owner_of, active)})
    ]


_SHOWN = ("open", "claimed", "snoozed")


def ctas(workspace: Workspace, card: str, *, status: str | None = None, owner: str | None = None) -> list[Cta]:
    """Return every CTA of the card, by account, oldest first; of one status or owner where they are given."""
    with closing(workspace.store()) as store:
        found = store.ctas(card)
    return [cta for cta in found if status in (None, cta.status) and owner in (None, owner_of(cta))]


def history_of(workspace: Workspace, card: str, name: str) -> tuple[Cta, list[Event]]:
    """Return a CTA, by its id or its account, and its moves, oldest first.

    Raises
    ------
    UsageError
        CF702 when there is none.
    """
    with closing(workspace.store()) as store:
        with store.changing(card) as of_card:
            cta = _the_one(of_card.named(name), name, card)
        return cta, store.events(card, cta.cta_id)


def claim(workspace: Workspace, card: str, name: str, *, by: str | None = None) -> Cta:
    """Return the CTA, claimed: of two who claim at once one has it, the other is told who.

    Raises
    ------
    UsageError
        CF702 when there is no such CTA; here and below CF707 when the move cannot be made.
    """
    who = signer(by)
    return _moved(workspace, card, name, lambda cta: claimed(cta, by=who), by=who)


def snooze(workspace: Workspace, card: str, name: str, *, until: date, by: str | None = None, why: str = "") -> Cta:
    """Return the CTA, out of the queue until the run of a date."""
    today = now().date()
    return _moved(workspace, card, name, lambda cta: snoozed(cta, until=until, today=today), by=signer(by), why=why)


def close(workspace: Workspace, card: str, name: str, *, outcome: Outcome, by: str | None = None, why: str = "") -> Cta:
    """Return the CTA, closed today with its outcome."""
    who, today = signer(by), now().date()
    return _moved(
        workspace,
        card,
        name,
        lambda cta: closed(cta, by=who, on=cta.person_closed_on or today, outcome=outcome, note=why),
        by=who,
        why=why,
    )


def reopen(workspace: Workspace, card: str, name: str, *, by: str | None = None, why: str = "") -> Cta:
    """Return the CTA, open for anyone."""
    return _moved(workspace, card, name, reopened, by=signer(by), why=why)


def _moved(workspace: Workspace, card: str, name: str, move: Callable[[Cta], Cta], *, by: str, why: str = "") -> Cta:
    with closing(workspace.store()) as store, store.changing(card) as of_card:
        before = _the_one(of_card.named(name), name, card)
        after = move(before)
        if after.active and not before.active:
            _refuse_a_second(of_card.named(before.account_id), before)
        of_card.write(before, after, by=by, at=moment(), why=why)
    return after


def _the_one(found: list[Cta], name: str, card: str) -> Cta:
    """Return the CTA that is meant: of an account's the active one, else the newest."""
    if not found:
        raise UsageError(
            "CF702",
            where=f"card '{card}'",
            expected="the id of a CTA, or an account that has one",
            came=f"'{name}'",
            fix="`churnfit cta list` names them.",
        )
    return next((cta for cta in found if cta.active), found[-1])


def _refuse_a_second(of_account: list[Cta], closed_one: Cta) -> None:
    for cta in of_account:
        if cta.active:
            raise UsageError(
                "CF707",
                where=f"CTA {closed_one.cta_id} of account '{closed_one.account_id}'",
                expected="no other CTA of the account that is not closed",
                came=f"{cta.cta_id}, {cta.status}",
                fix="Work on that one.",
            )


def _by_owner(some: list[Cta]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for cta in some:
        counts[owner_of(cta)] = counts.get(owner_of(cta), 0) + 1
    return counts


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
