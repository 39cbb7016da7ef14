"""Which kinds of events and which columns the measures read, and how long each account was there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnfit.history.events_sql import day_of
from churnfit.history.measures import column_of, measure_parts
from churnfit.history.sql import literal
from churnfit.spec import Measure, ScorecardSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KindRead", "columns_read", "kinds_read", "lives", "read_events"]


@dataclass(frozen=True, kw_only=True)
class KindRead:
    """Events of one kind, where given of some features and users, and the unchecked measures that read them."""

    kind: str
    features: tuple[str, ...] | None
    users: tuple[str, ...] | None
    measures: tuple[str, ...]

    @property
    def where(self) -> str:
        """The keys of the spec."""
        return ", ".join(f"measures.{name}" for name in self.measures)

    @property
    def name(self) -> str:
        """The kind, and the features where only some count."""
        return f"'{self.kind}'" + (f" ({', '.join(self.features)})" if self.features else "")


def kinds_read(spec: ScorecardSpec) -> list[KindRead]:
    """Return what the measures read from events, but for those with ``leak_checked``, in order of first use."""
    readers: dict[tuple[str, tuple[str, ...] | None, tuple[str, ...] | None], list[str]] = {}
    for name, measure in spec.measures.items():
        if measure.leak_checked or measure.sql is not None:
            continue
        for reading in measure_parts(name, measure).readings.values():
            chosen = reading.selection
            for kind in chosen.kinds:
                names = readers.setdefault((kind, chosen.features, chosen.users), [])
                names += [] if name in names else [name]
    return [
        KindRead(kind=kind, features=features, users=users, measures=tuple(names))
        for (kind, features, users), names in readers.items()
    ]


def columns_read(spec: ScorecardSpec) -> dict[str, list[str]]:
    """Return the columns of accounts, or of the wide table, that unchecked measures read, with these measures."""
    readers: dict[str, list[str]] = {}
    for name, measure in spec.measures.items():
        for column in [] if measure.leak_checked else _columns_of(name, measure):
            readers.setdefault(column, []).append(name)
    return readers


def _columns_of(name: str, measure: Measure) -> list[str]:
    own = column_of(name, measure)
    used = {
        "seats": measure.aggregate == "share_of_seats" or "account.seats" in (measure.sql or ""),
        "arr": "account.arr" in (measure.sql or ""),
        "goal": bool(measure.of_goal) or "account.goal" in (measure.sql or ""),
        "segment": bool(measure.segments) or "account.segment" in (measure.sql or ""),
    }
    return [*([own] if own is not None else []), *(column for column, is_used in used.items() if is_used)]


def read_events(kinds: list[KindRead]) -> str:
    """Return the SELECT of read (position in `kinds`), account_id, occurred_at, recorded_at, day; one scan."""
    rows = ", ".join(
        f"({position}, {literal(read.kind)}, {_texts(read.features)}, {_texts(read.users)})"
        for position, read in enumerate(kinds)
    )
    return (
        f"SELECT read, account_id, occurred_at, recorded_at, {day_of('occurred_at')} AS day "
        f"FROM events AS e JOIN (VALUES {rows}) AS reads(read, kind, features, users) ON e.kind = reads.kind "
        "WHERE (features IS NULL OR list_contains(features, e.feature)) "
        "AND (users IS NULL OR list_contains(users, e.user_id))"
    )


def _texts(values: tuple[str, ...] | None) -> str:
    if values is None:
        return "CAST(NULL AS VARCHAR[])"
    return f"CAST([{', '.join(literal(value) for value in values)}] AS VARCHAR[])"


def lives(spec: ScorecardSpec, observed_to: pd.Timestamp) -> str:
    """Return the SELECT of account_id, started_at, churned_at (null: not by then), until, quarter; one row per account.

    `until` is when watching ended, churned or not: `observed_to`, or the account's own ``observed_until`` before it. Of
    a wide table the start is the account's first row. Accounts that churned at or before their start are left out.
    """
    now = literal(observed_to.to_pydatetime(warn=False))
    if spec.sources.measures is None:
        accounts = "SELECT account_id, started_at, churned_at, observed_until FROM accounts"
    else:
        accounts = (
            "SELECT account_id, min(as_of) AS started_at, max(churned_at) AS churned_at, "
            "CAST(NULL AS TIMESTAMPTZ) AS observed_until FROM measures GROUP BY account_id"
        )
    return f"""
        SELECT account_id, started_at, CASE WHEN churned_at <= {now} THEN churned_at END AS churned_at,
            least({now}, CASE WHEN churned_at IS NULL OR observed_until > churned_at THEN observed_until END) AS until,
            date_trunc('quarter', started_at) AS quarter, {day_of("started_at")} AS started_day,
            {day_of("least(churned_at, until)")} AS ended_day
        FROM ({accounts}) WHERE account_id IS NOT NULL AND started_at < {now}
            AND (churned_at IS NULL OR churned_at > started_at)"""
