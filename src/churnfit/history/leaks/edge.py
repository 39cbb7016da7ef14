"""Columns of a wide table that collapse in its newest rows, because the days they count had not come yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnfit.history.leaks.chance import lowest_share
from churnfit.history.leaks.reads import columns_read
from churnfit.history.rules import Finding
from churnfit.history.sources import CONSTANT_AS_OF
from churnfit.history.sql import column_types, fetch_frame, identifier, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["unfinished_columns"]

_NEWEST_DAYS = 7
"""Rows dated so shortly before the table's newest: of a window that reaches two weeks ahead they lack half or more."""

_MONTH_DAYS = 30
"""Earlier rows are taken month by month: a quiet month, such as every December, is no collapse."""

_ROWS_NEEDED = 20
"""Of a month: shares of fewer rows are luck."""

_LEAST_FALLING = 0.6
"""Lower bound of the share of accounts whose newest value is lower than the one before, of those whose changed."""

_MORE_THAN_EVER = 0.05
"""By so much that share must exceed the one of every earlier month: some measures fall in most months."""

_MOST_LEFT = 0.67
"""Of the sum of the values before: holidays take less than a third, a window half of which is empty takes half."""


def unfinished_columns(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp
) -> list[Finding]:
    """Return a finding for each column of a dated wide table whose newest rows collapse as no earlier month did.

    A window that reaches beyond as_of cannot be full yet when as_of is the day of the export; one that ends there is.
    Churn plays no part in this, so that no early warning can be mistaken for a leak. Tables without newest rows (only
    those whose horizon is over) cannot be judged.
    """
    types = {name.lower(): (name, type_) for name, type_ in column_types(con, "measures").items()}
    findings = []
    for column, measures in columns_read(spec).items():
        name, type_ = types.get(column.lower(), (column, ""))
        if type_ != "DOUBLE":
            continue
        months = fetch_frame(con, _months(name, observed_to))
        newest, earlier = (
            months[months["month"] < 0],
            months[(months["month"] >= 0) & (months["pairs"] >= _ROWS_NEEDED)],
        )
        if newest.empty or earlier.empty:
            continue
        last = newest.iloc[0]
        certain, usual = lowest_share(last["falls"], last["pairs"]), earlier["falls"] / earlier["pairs"]
        more_than_ever = last["falls"] / last["pairs"] > usual.max() + _MORE_THAN_EVER
        if certain < _LEAST_FALLING or not more_than_ever or last["total"] > _MOST_LEFT * last["before"]:
            continue
        findings.append(
            Finding(
                code="CF118",
                severity="error",
                where=", ".join(f"measures.{measure}" for measure in measures),
                expected="values that are complete on their as_of",
                came=f"in the newest rows (from {last['first']:%Y-%m-%d}) {last['falls']:,.0f} of {last['pairs']:,.0f} "
                f"accounts fall against their row before, by {1 - last['total'] / last['before']:.0%} together; in "
                f"earlier months {usual.median():.0%} do, at most {usual.max():.0%}",
                fix="Its window seems to reach beyond as_of, into days the table does not know yet: compute it from "
                "days before as_of only; else set leak_checked = true.",
            )
        )
    return findings


def _months(column: str, observed_to: pd.Timestamp) -> str:
    """Return the SELECT of month (-1: the newest rows, else months back), pairs, falls, first, total, before."""
    value, now = identifier(column), literal(observed_to.to_pydatetime(warn=False))
    undated = f"CAST({literal(CONSTANT_AS_OF)} AS TIMESTAMPTZ)"
    return f"""
        WITH changes AS (
            SELECT as_of, {value} AS value, lag({value}) OVER (PARTITION BY account_id ORDER BY as_of) AS before,
                date_diff('day', as_of, max(as_of) OVER ()) AS back
            FROM measures WHERE as_of <= {now} AND as_of <> {undated} AND (churned_at IS NULL OR churned_at > as_of)
        )
        SELECT CASE WHEN back < {_NEWEST_DAYS} THEN -1 ELSE back // {_MONTH_DAYS} END AS month,
            count(*)::DOUBLE AS pairs, count(*) FILTER (WHERE coalesce(value, 0) < before)::DOUBLE AS falls,
            min(as_of) AS first, coalesce(sum(value), 0)::DOUBLE AS total, sum(before)::DOUBLE AS before
        FROM changes WHERE before >= 0 AND coalesce(value, 0) >= 0 AND coalesce(value, 0) <> before
        GROUP BY month ORDER BY month"""
