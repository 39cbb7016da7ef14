"""The grid: which accounts are looked at, as of when.

A *grid* is a table with key (account_id, as_of), sorted by it: every as_of of every account for training, one as_of
for scoring. `stage_day` counts whole days from midnight UTC of the day an account started.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from churnfit.history.sources import CONSTANT_AS_OF
from churnfit.history.sql import fetch_frame, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "STAGE_START",
    "churn_days",
    "landmark_grid",
    "moved_on",
    "newest_fact",
    "out_of_stage",
    "peer_grid",
    "scoring_grid",
    "weekly_grid",
]

STAGE_START = "date_trunc('day', started_at)"
"""SQL: day 0 of an account's stage; landmark days and stage days count from it."""


def landmark_grid(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec) -> pd.DataFrame:
    """Return the training grid: key (account_id, as_of), sorted.

    As-of rule: midnight UTC of the day the account started, plus each of ``cohort.landmark_days``. A wide table brings
    its own keys. No row is left out here; `churnfit.history.labels` says which may train.
    """
    if spec.sources.measures is not None:
        return fetch_frame(con, "SELECT account_id, as_of FROM measures ORDER BY ALL")
    days = ", ".join(f"({day})" for day in spec.cohort.landmark_days)
    return fetch_frame(
        con,
        f"SELECT account_id, {STAGE_START} + to_days(landmarks.day) AS as_of "
        f"FROM accounts CROSS JOIN (VALUES {days}) AS landmarks(day) WHERE started_at IS NOT NULL ORDER BY ALL",
    )


def scoring_grid(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the grid of accounts to score: key (account_id, as_of), sorted.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`.
    spec : ScorecardSpec
        ``cohort.stage_days``: the first and last day of ``cohort.stage`` on which accounts are scored, both included.
    as_of : pandas.Timestamp
        Aware. Accounts that started after it, churned at or before it, or whose ``stage`` is another than the card's
        are left out. Of a wide table the rows with this as_of; of one without dates all rows that have not churned.
    """
    stamp = literal(as_of.to_pydatetime(warn=False))
    if spec.sources.measures is not None:
        undated = f"as_of = CAST({literal(CONSTANT_AS_OF)} AS TIMESTAMPTZ)"
        still_there = f"AND NOT ({undated} AND coalesce(churned, 0) = 1)"
        return fetch_frame(
            con,
            "SELECT account_id, as_of FROM measures "
            f"WHERE (as_of = {stamp} OR {undated}) "
            f"AND (churned_at IS NULL OR churned_at > {stamp}) {still_there} ORDER BY ALL",
        )
    first, last = spec.cohort.stage_days
    return fetch_frame(
        con,
        f"SELECT account_id, {stamp} AS as_of FROM accounts "
        f"WHERE started_at <= {stamp} AND (churned_at IS NULL OR churned_at > {stamp}) "
        f"AND (stage IS NULL OR stage = {literal(spec.cohort.stage)}) "
        f"AND date_sub('day', {STAGE_START}, {stamp}) BETWEEN {literal(first)} AND {literal(last)} ORDER BY ALL",
    )


def out_of_stage(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the accounts that began, have not churned by `as_of`, and that this card does not score any more.

    Key account_id, sorted; stage (as it is today), owner, stage_day, and moved: whether they are in another stage, or
    still in this one beyond the last of ``cohort.stage_days``.
    """
    stamp = literal(as_of.to_pydatetime(warn=False))
    moved = f"coalesce(stage, {literal(spec.cohort.stage)}) <> {literal(spec.cohort.stage)}"
    return fetch_frame(
        con,
        f"SELECT account_id, stage, owner, date_sub('day', {STAGE_START}, {stamp}) AS stage_day, {moved} AS moved "
        f"FROM accounts WHERE started_at <= {stamp} AND (churned_at IS NULL OR churned_at > {stamp}) "
        f"AND ({moved} OR stage_day > {literal(spec.cohort.stage_days[1])}) ORDER BY account_id",
    )


def moved_on(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> frozenset[str]:
    """Return the accounts that are in another stage than the card's; nobody where the spec names no next one."""
    if spec.next_stage is None:
        return frozenset()
    out = out_of_stage(con, spec, as_of)
    return frozenset(out.loc[out["moved"], "account_id"])


def weekly_grid(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, until: pd.Timestamp) -> pd.DataFrame:
    """Return the grid of a replay: key (account_id, as_of), sorted; empty for a wide table, which brings its own dates.

    As-of rule: every seventh day of ``cohort.stage_days``, not after `until`, while the account had not churned.
    """
    if spec.sources.measures is not None:
        return pd.DataFrame({"account_id": pd.Series(dtype="str"), "as_of": pd.Series(dtype="datetime64[us, UTC]")})
    days = ", ".join(f"({day})" for day in range(spec.cohort.stage_days[0], spec.cohort.stage_days[1] + 1, 7))
    return fetch_frame(
        con,
        f"SELECT account_id, {STAGE_START} + to_days(stage_days.day) AS as_of "
        f"FROM accounts CROSS JOIN (VALUES {days}) AS stage_days(day) "
        f"WHERE started_at IS NOT NULL AND as_of <= {literal(until.to_pydatetime(warn=False))} "
        "AND (churned_at IS NULL OR churned_at > as_of) ORDER BY ALL",
    )


def peer_grid(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, looks: pd.DataFrame) -> pd.DataFrame:
    """Return who may be a peer in `looks`: every account on each of their stage days, key (account_id, as_of), sorted.

    As-of rule: no later than the newest of `looks`, no earlier than ``cohort.peer_days`` before the oldest, and only
    while the account had not churned.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`.
    spec : ScorecardSpec
        Its ``cohort``.
    looks : pandas.DataFrame
        Columns as_of and stage_day.
    """
    if looks.empty:
        return looks[["account_id", "as_of"]]
    newest = literal(looks["as_of"].max().to_pydatetime(warn=False))
    oldest = literal((looks["as_of"].min() - pd.Timedelta(days=spec.cohort.peer_days)).to_pydatetime(warn=False))
    days = ", ".join(f"({day})" for day in sorted(map(int, looks["stage_day"].unique())))
    return fetch_frame(
        con,
        f"SELECT account_id, {STAGE_START} + to_days(stage_days.day) AS as_of "
        f"FROM accounts CROSS JOIN (VALUES {days}) AS stage_days(day) WHERE as_of BETWEEN {oldest} AND {newest} "
        "AND (churned_at IS NULL OR churned_at > as_of) ORDER BY ALL",
    )


def churn_days(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec) -> dict[str, date]:
    """Return the day on which each account churned, or will: whatever the sources know, and no snapshot may."""
    table = "accounts" if spec.sources.measures is None else "measures"
    return dict(
        con.execute(
            f"SELECT account_id, CAST(min(churned_at) AS DATE) FROM {table} WHERE churned_at IS NOT NULL GROUP BY ALL"
        ).fetchall()
    )


def newest_fact(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec) -> pd.Timestamp | None:
    """Return the midnight after the newest event or churn that the sources know; None for a wide table.

    What happened after it nobody recorded: an account that is still there then is not known to have stayed longer.
    """
    if spec.sources.measures is not None:
        return None
    newest = fetch_frame(
        con,
        "SELECT date_trunc('day', greatest((SELECT max(recorded_at) FROM events_summary WHERE recorded_at < now()), "
        "(SELECT max(churned_at) FROM accounts WHERE churned_at < now()))) + to_days(1) AS until",
    )["until"].iloc[0]
    return None if pd.isna(newest) else pd.Timestamp(newest)
