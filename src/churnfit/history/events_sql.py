"""Readings as one SQL query over the events: the reference that every faster engine must equal, row for row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from churnfit.history.readings import MILLIONTHS, Reading, Selection, Window
from churnfit.history.sql import any_of, identifier, literal

if TYPE_CHECKING:
    import duckdb

__all__ = ["day_of", "events_engine", "readings_over_events", "readings_taken"]


def day_of(moment: str) -> str:
    """Return SQL for the calendar day (UTC) of a timestamp, in days since 1970-01-01."""
    return f"date_diff('day', DATE '1970-01-01', CAST({moment} AS DATE))"


def events_engine(_: duckdb.DuckDBPyConnection, readings: Mapping[str, Reading], __: str) -> str:
    """Return the SELECT of the readings: `churnfit.history.snapshot.Engine` that scans the events every time."""
    return readings_over_events(readings)


def readings_over_events(readings: Mapping[str, Reading]) -> str:
    """Return a SELECT of account_id, as_of and one column per reading, for the rows of ``g`` that have known events.

    It reads ``events`` and ``g`` (account_id, as_of, as_of_day, start_day).
    """
    kinds = sorted({kind for reading in readings.values() for kind in reading.selection.kinds})
    columns = ", ".join(f"{_taken(reading)} AS {identifier(name)}" for name, reading in readings.items())
    known_day = day_of("greatest(occurred_at, recorded_at)")
    return (
        f"SELECT g.account_id, g.as_of, {columns} FROM "
        f"(SELECT *, {day_of('occurred_at')} AS event_day, {known_day} AS known_day FROM events "
        f"WHERE kind IN {any_of(kinds)} AND occurred_at IS NOT NULL) AS e "
        "JOIN g ON e.account_id = g.account_id AND e.known_day < g.as_of_day GROUP BY g.account_id, g.as_of"
    )


def readings_taken(relation: str, readings: Mapping[str, Reading]) -> str:
    """Return a SELECT of account_id, as_of and the readings that another engine has registered as `relation`.

    Sums are as wide as those over the events, so that the same arithmetic follows.
    """
    columns = [
        f"CAST({identifier(name)} AS HUGEINT) AS {identifier(name)}" if reading.taken == "total" else identifier(name)
        for name, reading in readings.items()
    ]
    return f"SELECT {', '.join(['account_id', 'as_of', *columns])} FROM {identifier(relation)}"


def _taken(reading: Reading) -> str:
    where = f"{_selected(reading.selection)} AND {_within(reading.window)}"
    millionths = f"CAST(floor(e.value * {literal(float(MILLIONTHS))} + 0.5e0) AS BIGINT)"
    order = "row(e.occurred_at, e.recorded_at, e.value)"
    aggregate = {
        "events": "count(*)",
        "values": "count(e.value)",
        "total": f"sum({millionths})",
        "last": f"arg_max(e.value, {order})",
        "users": "count(DISTINCT e.user_id)",
        "features": "count(DISTINCT e.feature)",
        "days": "count(DISTINCT e.event_day)",
        "first_day": "min(e.event_day)",
        "newest_day": "max(e.event_day)",
    }[reading.taken]
    if reading.taken == "last":
        where += " AND e.value IS NOT NULL"
    return f"{aggregate} FILTER (WHERE {where})"


def _selected(selection: Selection) -> str:
    conditions = [f"e.kind IN {any_of(selection.kinds)}"]
    for column, wanted in (("feature", selection.features), ("user_id", selection.users)):
        if wanted is not None:
            conditions.append(f"e.{column} IN {any_of(wanted)}" if wanted else "FALSE")
    return " AND ".join(conditions)


def _within(window: Window) -> str:
    if window.ever:
        return "TRUE"
    if window.days is None:
        return "e.event_day >= g.start_day"
    within = f"e.event_day >= g.as_of_day - {literal(window.days + window.skip)}"
    return within + (f" AND e.event_day < g.as_of_day - {literal(window.skip)}" if window.skip else "")
