"""The contracts of the tables that come in: key, columns, types, rules.

One `TableContract` per source of DESIGN §4. `churnfit.history.sources` checks them all at once; nothing after
that looks at raw columns again. Timestamps are UTC. Optional columns that are absent become nulls, so later
queries never ask which columns exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ACCOUNTS", "EVENTS", "INTERVENTIONS", "MEASURES", "STATE_SUFFIX", "Column", "TableContract"]

STATE_SUFFIX = "__state"
"""A snapshot column ``x__state`` says why ``x`` is missing; it is null where ``x`` has a value."""

ColumnType = Literal["text", "timestamp", "number"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its type, whether it must exist, may be null, may be negative, may lie in the future."""

    name: str
    type: ColumnType
    required: bool = False
    filled: bool = False
    non_negative: bool = False
    may_be_future: bool = False


@dataclass(frozen=True, kw_only=True)
class TableContract:
    """One table: its key (empty where rows may repeat) and its columns, in order."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


ACCOUNTS = TableContract(
    name="accounts",
    key=("account_id",),
    columns=(
        Column(name="account_id", type="text", required=True, filled=True),
        Column(name="started_at", type="timestamp", required=True, filled=True, may_be_future=True),
        Column(name="churned_at", type="timestamp", may_be_future=True),
        Column(name="observed_until", type="timestamp", may_be_future=True),
        Column(name="segment", type="text"),
        Column(name="stage", type="text"),
        Column(name="arr", type="number", non_negative=True),
        Column(name="owner", type="text"),
        Column(name="seats", type="number", non_negative=True),
        Column(name="goal", type="text"),
    ),
)

EVENTS = TableContract(
    name="events",
    key=(),
    columns=(
        Column(name="account_id", type="text", required=True, filled=True),
        Column(name="occurred_at", type="timestamp", required=True, filled=True),
        Column(name="kind", type="text", required=True, filled=True),
        Column(name="recorded_at", type="timestamp"),
        Column(name="user_id", type="text"),
        Column(name="feature", type="text"),
        Column(name="value", type="number"),
    ),
)

MEASURES = TableContract(
    name="measures",
    key=("account_id", "as_of"),
    columns=(
        Column(name="account_id", type="text", required=True, filled=True),
        Column(name="as_of", type="timestamp", required=True, filled=True),
        Column(name="churned_at", type="timestamp", may_be_future=True),
        Column(name="churned", type="number"),
        Column(name="segment", type="text"),
        Column(name="arr", type="number", non_negative=True),
        Column(name="owner", type="text"),
    ),
)

INTERVENTIONS = TableContract(
    name="interventions",
    key=(),
    columns=(
        Column(name="account_id", type="text", required=True, filled=True),
        Column(name="at", type="timestamp", required=True, filled=True),
        Column(name="playbook", type="text"),
        Column(name="outcome", type="text"),
        Column(name="held_out", type="number"),
        Column(name="holdout_share", type="number"),
    ),
)
