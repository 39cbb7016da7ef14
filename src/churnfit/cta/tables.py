"""The tables of runs, CTAs, their moves, what is to be told of them, states and overrides; and a CTA as its row.

A change here is a revision in `churnfit/migrations/versions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
from typing import Any

import sqlalchemy as sa

from churnfit.cta.records import ACTIVE, Cta

__all__ = [
    "CTAS",
    "EVENTS",
    "METADATA",
    "OUTBOX",
    "OVERRIDES",
    "RUNS",
    "STATES",
    "cta_row",
    "ctas_where",
    "insert_rows",
    "newest_date",
    "update_ctas",
]

_NAMES = [part.name for part in fields(Cta)]

METADATA = sa.MetaData()
RUNS = sa.Table(
    "runs",
    METADATA,
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
    sa.Column("held_out", sa.Integer, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("set_aside", sa.Integer, nullable=False),
    sa.Column("faulty_rows", sa.Integer, nullable=False),
)
_IS_ACTIVE = sa.text(f"status IN ({', '.join(repr(status) for status in ACTIVE)})")
CTAS = sa.Table(
    "ctas",
    METADATA,
    sa.Column("cta_id", sa.String(24), primary_key=True),
    sa.Column("card", sa.String(64), nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("triggers", sa.Text, nullable=False),
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
    sa.Column("back_at", sa.Float),
    sa.Column("recovered_on", sa.Date),
    sa.Column("holdout_share", sa.Float),
    sa.Column("claimed_by", sa.Text, nullable=False),
    sa.Column("snoozed_until", sa.Date),
    sa.Column("closed_on", sa.Date),
    sa.Column("closed_by", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("last_scored_on", sa.Date),  # null: by the card's newest run
    sa.Index("one_active_cta", "card", "account_id", unique=True, sqlite_where=_IS_ACTIVE, postgresql_where=_IS_ACTIVE),
)
EVENTS = sa.Table(
    "cta_events",
    METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("cta_id", sa.String(24), nullable=False, index=True),
    sa.Column("card", sa.String(64), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("from_status", sa.String(16), nullable=False),
    sa.Column("to_status", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)
_UNDELIVERED = sa.text("status IN ('waiting', 'dead')")
OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("sink", sa.String(64), nullable=False),
    sa.Column("key", sa.String(32), nullable=False),
    sa.Column("cta_id", sa.String(24), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.String(32), nullable=False),
    sa.Column("answer", sa.String(64), nullable=False),
    sa.Index("undelivered", "sink", "cta_id", "sequence", sqlite_where=_UNDELIVERED, postgresql_where=_UNDELIVERED),
)
STATES = sa.Table(
    "account_states",
    METADATA,
    sa.Column("card", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("band", sa.String(8), nullable=False),
    sa.Column("band_since", sa.Date, nullable=False),
    sa.Column("beyond_since", sa.Date),
)
OVERRIDES = sa.Table(
    "overrides",
    METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("card", sa.String(64), nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("band", sa.String(8), nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Index("overrides_of_card", "card", "account_id"),
)


def newest_date(connection: sa.Connection, card: str) -> date | None:
    """Return the newest date on which a run of the card was published."""
    found: date | None = connection.execute(sa.select(sa.func.max(RUNS.c.as_of)).where(RUNS.c.card == card)).scalar()
    return found


def ctas_where(connection: sa.Connection, card: str, *conditions: sa.ColumnElement[bool]) -> list[Cta]:
    """Return the CTAs of the card that fulfil all `conditions`, by account, oldest first."""
    query = sa.select(CTAS).where(CTAS.c.card == card, *conditions).order_by(CTAS.c.account_id, CTAS.c.opened_on)
    newest = newest_date(connection, card)
    return [_as_cta(row, newest) for row in connection.execute(query).mappings()]


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert `rows`, if there are any."""
    if given := list(rows):
        connection.execute(table.insert(), given)


def update_ctas(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Write every column of `rows`, which `cta_row` makes, to the CTAs that have their ids."""
    if not rows:
        return
    update = CTAS.update().where(CTAS.c.cta_id == sa.bindparam("this"))
    given = [{("this" if name == "cta_id" else f"new_{name}"): value for name, value in row.items()} for row in rows]
    connection.execute(update.values({name: sa.bindparam(f"new_{name}") for name in _NAMES if name != "cta_id"}), given)


def cta_row(cta: Cta, *, newest: date | None) -> dict[str, Any]:
    """Return the CTA as its row; `newest` is the date of the card's newest run, which an active CTA need not repeat.

    So a night that changes nothing about a CTA but that date writes nothing to it.
    """
    texts = {name: json.dumps(getattr(cta, name), ensure_ascii=False) for name in ("triggers", "reasons")}
    row = {name: getattr(cta, name) for name in _NAMES} | texts
    return row | {"last_scored_on": None} if cta.active and cta.last_scored_on == newest else row


def _as_cta(row: sa.RowMapping, newest: date | None) -> Cta:
    texts = {name: tuple(json.loads(row[name])) for name in ("triggers", "reasons")}
    return Cta(**{**row, **texts, "last_scored_on": row["last_scored_on"] or newest})
