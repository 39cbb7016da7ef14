"""The store: runs, CTAs and account states in one SQL database, through SQLAlchemy.

A run's row and everything it changes commit in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from churnfit.cta.rules import AccountState, Cta, Decision, Standing
from churnfit.database import open_database, transaction

__all__ = ["RunRow", "Store"]

_METADATA = sa.MetaData()
_RUNS = sa.Table(
    "runs",
    _METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run_key", sa.String(24), nullable=False),
    sa.Column("card", sa.String(64), nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("card_sha256", sa.String(64), nullable=False),
    sa.Column("snapshot_sha256", sa.String(64), nullable=False),
    sa.Column("accounts", sa.Integer, nullable=False),
    sa.Column("opened", sa.Integer, nullable=False),
    sa.Column("resolved", sa.Integer, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
)
_CTAS = sa.Table(
    "ctas",
    _METADATA,
    sa.Column("cta_id", sa.String(24), primary_key=True),
    sa.Column("card", sa.String(64), nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("trigger", sa.String(32), nullable=False),
    sa.Column("playbook", sa.String(64), nullable=False),
    sa.Column("opened_on", sa.Date, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("health", sa.Float, nullable=False),
    sa.Column("churn_probability", sa.Float, nullable=False),
    sa.Column("expected_value", sa.Float, nullable=False),
    sa.Column("lead_measure", sa.String(64), nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("last_scored_on", sa.Date, nullable=False),
    sa.Column("closed_on", sa.Date),
    sa.Index(
        "one_open_cta",
        "card",
        "account_id",
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    ),
)
_STATES = sa.Table(
    "account_states",
    _METADATA,
    sa.Column("card", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("band", sa.String(8), nullable=False),
    sa.Column("band_since", sa.Date, nullable=False),
    sa.Column("beyond_since", sa.Date),
)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One published scoring run."""

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


class Store:
    """The operational database of a workspace.

    Parameters
    ----------
    url : str
        A SQLAlchemy URL, ``sqlite:///path`` by default; ``?timeout=5`` waits five seconds for a held database.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        with self._transaction() as connection:
            _METADATA.create_all(connection)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    def run(self, run_key: str) -> RunRow | None:
        """Return the newest run with that key, None when it was never published."""
        rows = self._runs(_RUNS.c.run_key == run_key)
        return rows[-1] if rows else None

    def runs(self, card: str) -> list[RunRow]:
        """Return the card's runs, in the order they were published."""
        return self._runs(_RUNS.c.card == card)

    def latest_run(self, card: str, as_of: date | None = None) -> RunRow | None:
        """Return the newest run: of that date, or of the newest date."""
        runs = [run for run in self.runs(card) if as_of is None or run.as_of == as_of]
        return max(reversed(runs), key=lambda run: run.as_of, default=None)

    def publish(self, run: RunRow, decide: Callable[[Standing], Decision], *, dry_run: bool = False) -> RunRow | None:
        """Commit a run and what it decides, in one transaction.

        The decision is made inside the transaction, on what is true then, so two runs at once cannot decide on the same
        standing. A date older than the newest published one joins the history and decides nothing.

        Returns
        -------
        RunRow or None
            The run with the numbers of CTAs it opened (or reopened) and resolved; None when it is the newest run of its
            date already. With `dry_run` nothing is written.
        """
        with self._transaction() as connection:
            same_date = sa.select(_RUNS.c.run_key).where(_RUNS.c.card == run.card, _RUNS.c.as_of == run.as_of)
            if connection.execute(same_date.order_by(_RUNS.c.sequence.desc()).limit(1)).scalar() == run.run_key:
                return None
            newest = connection.execute(sa.select(sa.func.max(_RUNS.c.as_of)).where(_RUNS.c.card == run.card)).scalar()
            late = newest is not None and newest > run.as_of
            decision = None if late else decide(_standing(connection, run.card))
            if decision is not None:
                opened = len(decision.opened) + len(decision.reopened)
                run = replace(run, opened=opened, resolved=len(decision.resolved))
            if dry_run:
                return run
            last = connection.execute(sa.select(sa.func.max(_RUNS.c.sequence))).scalar()
            connection.execute(_RUNS.insert().values(sequence=(last or 0) + 1, **asdict(run)))
            if decision is not None:
                _apply(connection, run.card, decision)
        return run

    def open_ctas(self, card: str) -> list[Cta]:
        """Return the open CTAs of `card`, by account."""
        query = sa.select(_CTAS).where(_CTAS.c.card == card, _CTAS.c.status == "open").order_by(_CTAS.c.account_id)
        with self._transaction() as connection:
            return [_as_cta(row) for row in connection.execute(query).mappings()]

    def _runs(self, condition: sa.ColumnElement[bool]) -> list[RunRow]:
        query = sa.select(_RUNS).where(condition).order_by(_RUNS.c.sequence)
        with self._transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [RunRow(**{name: value for name, value in row.items() if name != "sequence"}) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with transaction(self._engine, where="the CTA store") as connection:
            yield connection


def _standing(connection: sa.Connection, card: str) -> Standing:
    states = connection.execute(sa.select(_STATES).where(_STATES.c.card == card)).mappings().all()
    query = sa.select(_CTAS).where(_CTAS.c.card == card).order_by(_CTAS.c.closed_on, _CTAS.c.opened_on)
    ctas = [_as_cta(row) for row in connection.execute(query).mappings()]
    known = [AccountState(**{name: value for name, value in row.items() if name != "card"}) for row in states]
    return Standing(
        states={state.account_id: state for state in known},
        open_ctas={cta.account_id: cta for cta in ctas if cta.status == "open"},
        last_closed={cta.account_id: cta for cta in ctas if cta.status != "open"},
    )


def _apply(connection: sa.Connection, card: str, decision: Decision) -> None:
    for cta in (*decision.reopened, *decision.updated, *decision.resolved):
        connection.execute(_CTAS.update().where(_CTAS.c.cta_id == cta.cta_id).values(**_as_row(cta)))
    if decision.opened:
        connection.execute(_CTAS.insert(), [_as_row(cta) for cta in decision.opened])
    connection.execute(_STATES.delete().where(_STATES.c.card == card))
    if decision.states:
        connection.execute(_STATES.insert(), [{"card": card, **asdict(state)} for state in decision.states])


def _as_row(cta: Cta) -> dict[str, Any]:
    return {**asdict(cta), "reasons": json.dumps(cta.reasons, ensure_ascii=False)}


def _as_cta(row: sa.RowMapping) -> Cta:
    return Cta(**{**row, "reasons": tuple(json.loads(row["reasons"]))})
