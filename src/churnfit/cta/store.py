"""The store: runs, CTAs, their moves, account states and overrides in one SQL database, through SQLAlchemy.

A run's row and everything it changes commit in one transaction; so do a person's move and its event. Who writes to a
card holds it until the end: runs and people come one after the other. What did not change is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, timedelta

import sqlalchemy as sa

from churnfit.cta.outbox import Subscription, record_moves
from churnfit.cta.overrides import Override
from churnfit.cta.records import ACTIVE, RUN, Cta, Event
from churnfit.cta.rules import AccountState, Decision, Standing
from churnfit.cta.tables import (
    CTAS,
    EVENTS,
    OVERRIDES,
    RUNS,
    STATES,
    cta_row,
    ctas_where,
    insert_rows,
    newest_date,
    update_ctas,
)
from churnfit.database import hold, transaction
from churnfit.schema import opened

__all__ = ["CardCtas", "RunRow", "Store"]

_WHERE = "the CTA store"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One published scoring run.

    `opened` counts CTAs that came into the queue, `held_out` those that never will; `set_aside` counts accounts that
    could not be scored because of the sources' `faulty_rows`.
    """

    run_key: str
    card: str
    as_of: date
    version: str
    card_sha256: str
    snapshot_sha256: str
    accounts: int
    folder: str
    opened: int = 0
    resolved: int = 0
    held_out: int = 0
    set_aside: int = 0
    faulty_rows: int = 0


class CardCtas:
    """One card's CTAs while nobody else can change them: see `Store.changing`."""

    def __init__(self, connection: sa.Connection, card: str, subscriptions: Sequence[Subscription]) -> None:
        self._connection, self._card, self._subscriptions = connection, card, subscriptions

    def every(self) -> list[Cta]:
        """Return every CTA of the card, by account, oldest first."""
        return ctas_where(self._connection, self._card)

    def named(self, name: str) -> list[Cta]:
        """Return the CTA with that id, or all of the account with that id, oldest first; empty where there is none."""
        found = ctas_where(self._connection, self._card, CTAS.c.cta_id == name)
        return found or ctas_where(self._connection, self._card, CTAS.c.account_id == name)

    def write(self, before: Cta, after: Cta, *, by: str, at: str, why: str) -> None:
        """Write a person's move and its event; nothing where they are the same."""
        if after != before:
            newest = newest_date(self._connection, self._card)
            update_ctas(self._connection, [cta_row(after, newest=newest)])
            event = Event(
                cta_id=after.cta_id,
                card=self._card,
                at=at,
                by=by,
                from_status=before.status,
                to_status=after.status,
                why=why,
            )
            record_moves(self._connection, [(event, after)], self._subscriptions)

    def overrides(self) -> list[Override]:
        """Return every override of the card, oldest first."""
        return _overrides(self._connection, self._card)

    def scored(self, account_id: str) -> bool:
        """Say whether the newest run scored the account."""
        query = sa.select(STATES.c.account_id).where(STATES.c.card == self._card, STATES.c.account_id == account_id)
        return self._connection.execute(query).first() is not None

    def overrule(self, override: Override) -> None:
        """Write that a person set or lifted an override."""
        self._connection.execute(OVERRIDES.insert(), [asdict(override)])


class Store:
    """The operational database of a workspace.

    Parameters
    ----------
    url : str
        As in `churnfit.database.open_database`.
    subscriptions : sequence of Subscription
        Which moves are put into the outbox, as they are written.
    """

    def __init__(self, url: str, *, subscriptions: Sequence[Subscription] = ()) -> None:
        self._subscriptions = subscriptions
        self._engine = opened(url, where=_WHERE)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    def run(self, run_key: str) -> RunRow | None:
        """Return the newest run with that key, None when it was never published."""
        rows = self._runs(RUNS.c.run_key == run_key)
        return rows[-1] if rows else None

    def runs(self, card: str) -> list[RunRow]:
        """Return the card's runs, in the order they were published."""
        return self._runs(RUNS.c.card == card)

    def latest_run(self, card: str, as_of: date | None = None) -> RunRow | None:
        """Return the newest run: of that date, or of the newest date."""
        runs = [run for run in self.runs(card) if as_of is None or run.as_of == as_of]
        return max(reversed(runs), key=lambda run: run.as_of, default=None)

    def publish(
        self, run: RunRow, decide: Callable[[Standing], Decision], *, at: str, dry_run: bool = False
    ) -> RunRow | None:
        """Commit a run and what it decides, in one transaction.

        The decision is made inside the transaction, on what is true then, so two runs at once cannot decide on the same
        standing. A date older than the newest published one joins the history and decides nothing. `at` is the moment
        (ISO-8601, UTC) that its events say.

        Returns
        -------
        RunRow or None
            The run with the numbers of CTAs it opened (or brought back), resolved and held out; None when it is the
            newest run of its date already. With `dry_run` nothing is written.
        """
        with self._transaction() as connection:
            hold(connection, f"card {run.card}")
            same_date = sa.select(RUNS.c.run_key).where(RUNS.c.card == run.card, RUNS.c.as_of == run.as_of)
            if connection.execute(same_date.order_by(RUNS.c.sequence.desc()).limit(1)).scalar() == run.run_key:
                return None
            newest = newest_date(connection, run.card)
            standing, decision = None, None
            if newest is None or newest <= run.as_of:
                standing = _standing(connection, run.card)
                decision = decide(standing)
                begun = (*decision.opened, *decision.reopened)
                run = replace(
                    run,
                    opened=sum(cta.status == "open" for cta in begun),
                    resolved=sum(cta.holdout_share is None for cta in decision.resolved),
                    held_out=sum(cta.status == "held out" for cta in begun),
                )
            if dry_run:
                return run
            hold(connection, "runs")  # all cards number their runs in one sequence
            last = connection.execute(sa.select(sa.func.max(RUNS.c.sequence))).scalar()
            connection.execute(RUNS.insert().values(sequence=(last or 0) + 1, **asdict(run)))
            if standing is not None and decision is not None:
                moves = _apply(connection, run, standing, decision, newest=newest, at=at)
                record_moves(connection, moves, self._subscriptions)
        return run

    def active(self, card: str) -> list[Cta]:
        """Return the CTAs of `card` that are not closed, by account."""
        with self._transaction() as connection:
            return ctas_where(connection, card, CTAS.c.status.in_(ACTIVE))

    def ctas(self, card: str) -> list[Cta]:
        """Return every CTA of `card`, by account, oldest first."""
        with self._transaction() as connection:
            return CardCtas(connection, card, ()).every()

    def done_in_week(self, card: str, monday: date) -> list[Cta]:
        """Return the CTAs that people resolved in the week of `monday`; those that were not valid took no time."""
        in_week = CTAS.c.closed_on.between(monday, monday + timedelta(days=6))
        done = (CTAS.c.status == "resolved") & in_week
        with self._transaction() as connection:
            return ctas_where(connection, card, done)

    def events(self, card: str, cta_id: str) -> list[Event]:
        """Return a CTA's moves, oldest first."""
        query = sa.select(EVENTS).where(EVENTS.c.card == card, EVENTS.c.cta_id == cta_id)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.sequence)).mappings().all()
        return [Event(**{name: value for name, value in row.items() if name != "sequence"}) for row in rows]

    def first_called(self, card: str) -> dict[str, str]:
        """Return by CTA the moment at which a person first claimed it, or closed it as done, saved or churned."""
        called = (EVENTS.c.by != RUN) & EVENTS.c.to_status.in_(("claimed", "resolved"))
        query = sa.select(EVENTS.c.cta_id, sa.func.min(EVENTS.c.at)).where((EVENTS.c.card == card) & called)
        with self._transaction() as connection:
            found = connection.execute(query.group_by(EVENTS.c.cta_id)).all()
        return {str(cta_id): str(at) for cta_id, at in found}

    def overrides(self, card: str) -> list[Override]:
        """Return every override of the card that was set or lifted, oldest first."""
        with self._transaction() as connection:
            return _overrides(connection, card)

    @contextmanager
    def changing(self, card: str) -> Iterator[CardCtas]:
        """Yield the card's CTAs while nobody else can change them; what is written commits together or not at all."""
        with self._transaction() as connection:
            hold(connection, f"card {card}")
            yield CardCtas(connection, card, self._subscriptions)

    def _runs(self, condition: sa.ColumnElement[bool]) -> list[RunRow]:
        query = sa.select(RUNS).where(condition).order_by(RUNS.c.sequence)
        with self._transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [RunRow(**{name: value for name, value in row.items() if name != "sequence"}) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with transaction(self._engine, where=_WHERE) as connection:
            yield connection


def _standing(connection: sa.Connection, card: str) -> Standing:
    states = connection.execute(sa.select(STATES).where(STATES.c.card == card)).mappings().all()
    known = [AccountState(**{name: value for name, value in row.items() if name != "card"}) for row in states]
    newest_first = sa.func.row_number().over(
        partition_by=CTAS.c.account_id, order_by=(CTAS.c.closed_on.desc(), CTAS.c.opened_on.desc())
    )
    closed = sa.select(CTAS.c.cta_id, newest_first.label("place"))
    closed = closed.where(CTAS.c.card == card, CTAS.c.status.not_in(ACTIVE))
    placed = closed.subquery()
    last = CTAS.c.cta_id.in_(sa.select(placed.c.cta_id).where(placed.c.place == 1))
    return Standing(
        states={state.account_id: state for state in known},
        active={cta.account_id: cta for cta in ctas_where(connection, card, CTAS.c.status.in_(ACTIVE))},
        last_closed={cta.account_id: cta for cta in ctas_where(connection, card, last)},
        overrides=tuple(_overrides(connection, card)),
    )


def _overrides(connection: sa.Connection, card: str) -> list[Override]:
    columns = [column for column in OVERRIDES.c if column.name != "sequence"]
    query = sa.select(*columns).where(OVERRIDES.c.card == card).order_by(OVERRIDES.c.sequence)
    return [Override(**row) for row in connection.execute(query).mappings()]


def _apply(
    connection: sa.Connection, run: RunRow, standing: Standing, decision: Decision, *, newest: date | None, at: str
) -> list[tuple[Event, Cta]]:
    """Write what differs from `standing`; return an event for each CTA whose status does, with the CTA.

    `newest` is the date of the card's newest run before this one.
    """
    before = {cta.cta_id: cta for cta in (*standing.active.values(), *standing.last_closed.values())}
    followed = (*decision.reopened, *decision.updated, *decision.resolved)
    rows = ((cta_row(before[cta.cta_id], newest=newest), cta_row(cta, newest=run.as_of)) for cta in followed)
    update_ctas(connection, [row for was, row in rows if row != was])
    insert_rows(connection, CTAS, (cta_row(cta, newest=run.as_of) for cta in decision.opened))
    _write_states(connection, run.card, standing.states, {state.account_id: state for state in decision.states})
    return [
        (_event(cta, before.get(cta.cta_id), run, at=at), cta)
        for cta in (*decision.opened, *followed)
        if cta.cta_id not in before or cta.status != before[cta.cta_id].status
    ]


def _event(cta: Cta, before: Cta | None, run: RunRow, *, at: str) -> Event:
    return Event(
        cta_id=cta.cta_id,
        card=run.card,
        at=at,
        by=RUN,
        from_status=before.status if before is not None else "",
        to_status=cta.status,
        why=_what_the_run_saw(cta, before, run.as_of),
    )


def _what_the_run_saw(cta: Cta, before: Cta | None, as_of: date) -> str:
    if before is None:
        return ", ".join(cta.triggers)
    if cta.active:
        return "its date has come" if before.active else "at risk again"
    return "recovered" if cta.last_scored_on == as_of else "no longer scored"


def _write_states(
    connection: sa.Connection, card: str, before: Mapping[str, AccountState], after: Mapping[str, AccountState]
) -> None:
    gone = before.keys() - after.keys()
    changed = [state for name, state in after.items() if name in before and state != before[name]]
    this_one = (STATES.c.card == card) & (STATES.c.account_id == sa.bindparam("this"))
    if gone:
        connection.execute(STATES.delete().where(this_one), [{"this": name} for name in sorted(gone)])
    if changed:
        facts = [part.name for part in fields(AccountState) if part.name != "account_id"]
        update = STATES.update().where(this_one).values({name: sa.bindparam(f"new_{name}") for name in facts})
        rows = [
            {"this": state.account_id} | {f"new_{name}": getattr(state, name) for name in facts} for state in changed
        ]
        connection.execute(update, rows)
    new = (state for name, state in after.items() if name not in before)
    insert_rows(connection, STATES, ({"card": card, **asdict(state)} for state in new))
