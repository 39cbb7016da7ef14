"""queue, cta: whom to call this week, and what becomes of each call to action."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from churnfit.cli.app import AsJson, AsOf, By, CardOption, app, calendar_date, day, opened
from churnfit.cli.output import print_document, print_lines, print_table
from churnfit.cli.summary import cta_lines, queue_lines
from churnfit.errors import UsageError

if TYPE_CHECKING:
    from churnfit.cta.records import Cta, Outcome

__all__ = ["claim", "close", "list_ctas", "queue", "reopen", "show", "snooze"]

cta = typer.Typer(no_args_is_help=True, help="List, show, claim, snooze, close and reopen calls to action.")
app.add_typer(cta, name="cta")

Name = Annotated[str, typer.Argument(metavar="CTA", help="Its id, or the account's: then its active CTA.")]
Why = Annotated[str, typer.Option("--why", help="Why; kept with the CTA's history.")]
Owner = Annotated[str | None, typer.Option(help="Of one owner only.")]


@app.command()
def queue(
    card: CardOption = None,
    owner: Owner = None,
    as_of: AsOf = None,
    load: Annotated[bool, typer.Option("--load", help="Only how much each owner has to do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print each owner's week: what they are at, what to call next and why, what is beyond their capacity."""
    from churnfit.jobs.exports import queue_frame
    from churnfit.jobs.queue import load as loads
    from churnfit.jobs.queue import queue as ranked

    workspace, name = opened(card)
    today = day(as_of).date()
    if load:
        rows = [row for row in loads(workspace, name, today=today) if owner in (None, row.owner)]
        if as_json:
            print_document(card=name, load=[asdict(row) for row in rows])
        else:
            header = ("owner", "open", "claimed", "snoozed", "overdue", "done this week", "capacity", "overflow")
            print_table(header, [tuple(asdict(row).values()) for row in rows], title=name)
    elif as_json:
        frame = queue_frame(workspace, name, owner=owner, today=today)
        print_document(card=name, ctas=frame.to_dict("records"))
    else:
        rows_of_week = ranked(workspace, name, owner=owner, today=today)
        print_lines(*queue_lines(rows_of_week, workspace.spec(name), today=today))


@cta.command(name="list")
def list_ctas(
    card: CardOption = None,
    status: Annotated[str | None, typer.Option(help="open, claimed, snoozed, resolved, …")] = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Print every call to action, closed ones too, by account."""
    from churnfit.cta.records import STATUSES
    from churnfit.jobs.queue import ctas

    if status is not None and status not in STATUSES:
        raise UsageError(
            "CF703", where="--status", expected=f"one of {', '.join(STATUSES)}", came=status, fix="Give one of them."
        )
    workspace, name = opened(card)
    found = ctas(workspace, name, status=status, owner=owner)
    if as_json:
        print_document(card=name, ctas=[asdict(each) for each in found])
        return
    rows = [(c.account_id, c.owner, c.status, c.opened_on, c.due_on, c.claimed_by, c.outcome, c.cta_id) for c in found]
    print_table(("account", "owner", "status", "opened", "due", "claimed by", "outcome", "id"), rows, title=name)


@cta.command()
def show(name: Name, card: CardOption = None, as_json: AsJson = False) -> None:
    """Print one call to action and everything that was done with it."""
    from churnfit.jobs.queue import history_of

    workspace, of_card = opened(card)
    found, events = history_of(workspace, of_card, name)
    if as_json:
        print_document(cta=asdict(found), events=[asdict(event) for event in events])
        return
    print_lines(*cta_lines(found, workspace.spec(of_card)))
    rows = [(e.at, e.by, f"{e.from_status} → {e.to_status}" if e.from_status else e.to_status, e.why) for e in events]
    print_table(("when", "by", "what", "why"), rows)


@cta.command()
def claim(name: Name, card: CardOption = None, by: By = None, as_json: AsJson = False) -> None:
    """Take a call to action on; of two who try at once, one has it."""
    from churnfit.jobs.queue import claim as take

    workspace, of_card = opened(card)
    _say(take(workspace, of_card, name, by=by), as_json=as_json)


@cta.command()
def snooze(
    name: Name,
    until: Annotated[str, typer.Option("--until", help="The date it wakes on, YYYY-MM-DD.")],
    card: CardOption = None,
    by: By = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Put a call to action off until a date; the run of that date wakes it."""
    from churnfit.jobs.queue import snooze as put_off

    workspace, of_card = opened(card)
    wakes = calendar_date(until, where="--until").date()
    _say(put_off(workspace, of_card, name, until=wakes, by=by, why=why), as_json=as_json)


@cta.command()
def close(
    name: Name,
    outcome: Annotated[str, typer.Option("--outcome", help="done, saved, churned, or not-valid (which needs --why).")],
    card: CardOption = None,
    by: By = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Close a call to action with what came of it; the account has none again before the cooldown is over."""
    from churnfit.jobs.queue import close as end

    workspace, of_card = opened(card)
    _say(end(workspace, of_card, name, outcome=_outcome(outcome), by=by, why=why), as_json=as_json)


@cta.command()
def reopen(name: Name, card: CardOption = None, by: By = None, why: Why = "", as_json: AsJson = False) -> None:
    """Open a call to action for anyone: give a claimed one back, wake a snoozed one, take a closing back."""
    from churnfit.jobs.queue import reopen as open_again

    workspace, of_card = opened(card)
    _say(open_again(workspace, of_card, name, by=by, why=why), as_json=as_json)


def _outcome(given: str) -> Outcome:
    from churnfit.cta.records import OUTCOMES

    for outcome in OUTCOMES:
        if given.replace("-", " ") == outcome:
            return outcome
    known = ", ".join(outcome.replace(" ", "-") for outcome in OUTCOMES)
    raise UsageError("CF703", where="--outcome", expected=f"one of {known}", came=given, fix="Give one of them.")


def _say(found: Cta, *, as_json: bool) -> None:
    if as_json:
        print_document(cta=asdict(found))
        return
    facts: tuple[tuple[str, str | date | None], ...] = (
        ("by", found.claimed_by or found.closed_by),
        ("until", found.snoozed_until),
        ("outcome", found.outcome),
    )
    said = ", ".join(f"{name} {fact}" for name, fact in facts if fact)
    print_lines(f"{found.account_id} (CTA {found.cta_id}): {found.status}" + (f", {said}" if said else ""))
