"""What was written after churn under an earlier date: overwritten columns and back-dated events."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnfit.history.leaks.chance import CHURNERS_NEEDED, lowest_share, odds
from churnfit.history.leaks.reads import KindRead, columns_read, kinds_read, lives, read_events
from churnfit.history.rules import Finding
from churnfit.history.sql import column_types, fetch_frame, identifier, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["back_dated_kinds", "overwritten_columns"]

_LEAST_CHURNED = 0.75
"""Lower bound of the share of accounts with a value that churned: honest categories, such as contracts by the month,
reach about half."""

_ODDS_RATIO = 10.0
"""Their odds of churn against those of all that started in the same quarter: of old cohorts most have churned."""

_VALUES_SHOWN = 3  # a column of scores may have dozens of values that only churners have

_LATE_DAYS = 7
"""Entered so long after it is said to have happened: slow feeds deliver within days."""

_LEAST_LATE = 0.05
"""Lower bound of the share of churners' events that came late and after churn: less does no harm."""

_TIMES_AS_LATE = 5.0
"""Against the share of all other events that came as late: a slow feed is slow for everybody."""


def overwritten_columns(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp
) -> list[Finding]:
    """Return a finding for each column that measures read and that has values which only churned accounts have.

    Looked at are all accounts, also those that had churned before any as_of, or all rows of a wide table that are not
    dated after their account's churn. A gap is a value, too.
    """
    table = "accounts" if spec.sources.measures is None else "measures"
    present = {name.lower(): name for name in column_types(con, table)}
    findings = []
    for column, measures in columns_read(spec).items():
        if column.lower() not in present:
            continue
        found = fetch_frame(con, _values(spec, present[column.lower()], observed_to))
        pure = [row for row in found.to_dict("records") if _only_churners_have_it(row)]
        if pure:
            findings.append(_overwritten(table, column, measures, pure))
    return findings


def _only_churners_have_it(row: Mapping[Hashable, Any]) -> bool:
    share, expected = row["churned"] / row["accounts"], row["expected"] / row["accounts"]
    certain = lowest_share(row["churned"], row["accounts"]) >= _LEAST_CHURNED
    return certain and odds(share) >= _ODDS_RATIO * odds(expected)


def _overwritten(table: str, column: str, measures: list[str], pure: Sequence[Mapping[Hashable, Any]]) -> Finding:
    told = [
        f"{'a gap' if pd.isna(row['value']) else repr(row['value'])} in {row['accounts']:,} accounts, of which "
        f"{row['churned']:,} churned and {row['expected']:,.0f} were to be expected"
        for row in pure[:_VALUES_SHOWN]
    ]
    more = f"; and {len(pure) - _VALUES_SHOWN} more such values" if len(pure) > _VALUES_SHOWN else ""
    return Finding(
        code="CF117",
        severity="error",
        where=", ".join(f"measures.{name}" for name in measures),
        expected=f"values of {table}.{column} that accounts which stay have as well",
        came="; ".join(told) + more,
        fix="It seems to be overwritten when an account churns: take it as it was on each as_of (a history table, or "
        "events), or leave it out; else set leak_checked = true.",
    )


def _values(spec: ScorecardSpec, column: str, observed_to: pd.Timestamp) -> str:
    """Return the SELECT of value, accounts, churned, expected for values that enough churned accounts have."""
    now = literal(observed_to.to_pydatetime(warn=False))
    horizon = f"to_days({literal(spec.cohort.horizon_days)})"
    value = f"nullif(trim(CAST(a.{identifier(column)} AS VARCHAR)), '')"
    if spec.sources.measures is None:
        rows = (
            f"SELECT account_id, {value} AS value, l.quarter, l.churned_at IS NOT NULL AS churned "
            f"FROM accounts AS a JOIN ({lives(spec, observed_to)}) AS l USING (account_id)"
        )
    else:
        rows = (
            f"SELECT account_id, {value} AS value, date_trunc('quarter', as_of) AS quarter, coalesce(churned = 1, "
            f"churned_at > as_of AND churned_at <= least(as_of + {horizon}, {now}), FALSE) AS churned "
            "FROM measures AS a WHERE churned_at IS NULL OR churned_at > as_of OR churned IS NOT NULL"
        )
    return f"""
        SELECT value, count(DISTINCT account_id) AS accounts,
            count(DISTINCT account_id) FILTER (WHERE churned) AS churned,
            count(DISTINCT account_id) * avg(expected) AS expected
        FROM (SELECT *, avg(CAST(churned AS DOUBLE)) OVER (PARTITION BY quarter) AS expected FROM ({rows}))
        GROUP BY value HAVING count(DISTINCT account_id) FILTER (WHERE churned) >= {CHURNERS_NEEDED}
        ORDER BY churned DESC, value"""


def back_dated_kinds(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp
) -> list[Finding]:
    """Return a warning for each kind whose events of churned accounts were entered after churn, dated well before it.

    A warning only: churnfit counts an event from ``recorded_at``. But where that is not filled, such events leak.
    """
    kinds = kinds_read(spec)
    if not kinds:
        return []
    late = f"date_diff('day', occurred_at, recorded_at) >= {_LATE_DAYS}"
    after_churn = "coalesce(recorded_at > churned_at AND occurred_at < churned_at, FALSE)"
    found = fetch_frame(
        con,
        f"""
        SELECT read, sum(events) FILTER (WHERE churned)::DOUBLE AS of_churned, sum(back_dated)::DOUBLE AS back_dated,
            count(*) FILTER (WHERE back_dated > 0) AS accounts, sum(events - after_churn)::DOUBLE AS others,
            sum(late - back_dated)::DOUBLE AS others_late
        FROM (
            SELECT read, account_id, any_value(churned_at IS NOT NULL) AS churned, count(*) AS events,
                count(*) FILTER (WHERE {late}) AS late, count(*) FILTER (WHERE {after_churn}) AS after_churn,
                count(*) FILTER (WHERE {late} AND {after_churn}) AS back_dated
            FROM ({read_events(kinds)}) JOIN ({lives(spec, observed_to)}) USING (account_id)
            WHERE churned_at IS NULL OR occurred_at < churned_at GROUP BY read, account_id
        ) GROUP BY read ORDER BY read""",
    )
    return [_back_dated(kinds[int(row["read"])], row) for row in found.to_dict("records") if _is_back_dated(row)]


def _is_back_dated(row: Mapping[Hashable, Any]) -> bool:
    if row["accounts"] < CHURNERS_NEEDED or lowest_share(row["back_dated"], row["of_churned"]) < _LEAST_LATE:
        return False
    usual = (row["others_late"] + 1) / (row["others"] + 1)
    return bool(row["back_dated"] / row["of_churned"] >= _TIMES_AS_LATE * usual)


def _back_dated(read: KindRead, row: Mapping[Hashable, Any]) -> Finding:
    return Finding(
        code="CF117",
        severity="warning",
        where=read.where,
        expected="facts entered when they happened",
        came=f"kind {read.name}: {row['back_dated']:,.0f} of {row['of_churned']:,.0f} events before a churn "
        f"({row['back_dated'] / row['of_churned']:.0%}, {row['accounts']:,.0f} accounts) were entered after it, "
        f"{_LATE_DAYS} days late or more; of all others "
        f"{row['others_late'] / max(row['others'], 1.0):.1%} came as late",
        fix="They count from recorded_at, so keep that column filled with the true moment of entry; else leave the "
        "kind out, or set leak_checked = true.",
    )
