"""Accounts that churned early and are gone from the tables: what is left makes young accounts look safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnfit.history.leaks.chance import CHURNERS_NEEDED, count_at_most, lowest_share
from churnfit.history.leaks.reads import lives
from churnfit.history.rules import Finding
from churnfit.history.sql import fetch_frame, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["missing_churners"]

_DATES_TRIED = 24
"""Dates before which churners might have been purged, evenly over the history."""

_LUCK = 1e-4
"""Chance of so few churns by luck, for one date."""

_DEVIATIONS = 2.0
"""Standard errors that the expected churns are taken lower: where few accounts speak for many days, they say little."""

_AT_MOST = 0.2
"""Of the churns that were to be expected: where churn doubled there are half of them, where they were purged none."""

_SILENT_DAYS = 60
"""Unknown accounts without events for so long before the newest one are gone; half of it would be a long holiday."""

_LEAST_SILENT = 0.6
"""Lower bound of their share: accounts that are missing by mistake go on like others."""


def missing_churners(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp
) -> list[Finding]:
    """Return warnings: a date before which hardly anybody churned, and events of accounts that are no longer listed.

    For each date the churns before it are held against the churn rate after it, by day of tenure (trials and contracts
    end on certain days), over the days that the listed accounts were there. Warnings, because no measure is at fault
    and nothing could be switched off.
    """
    frame = fetch_frame(con, f"SELECT started_at, churned_at, until FROM ({lives(spec, observed_to)})")
    found = _purged_before(frame, "accounts" if spec.sources.measures is None else "measures")
    findings = [found] if found else []
    if spec.sources.measures is None:
        gone = _gone_from_accounts(con, observed_to)
        findings += [gone] if gone else []
    return findings


def _purged_before(frame: pd.DataFrame, table: str) -> Finding | None:
    if frame["churned_at"].notna().sum() < CHURNERS_NEEDED:
        return None
    origin = frame["started_at"].min()
    start, churn, until = (
        ((frame[name] - origin) / pd.Timedelta(days=1)).to_numpy("float64")
        for name in ("started_at", "churned_at", "until")
    )
    end = np.fmin(churn, until)
    if end.max() <= 0:
        return None
    edges = np.arange(np.ceil((end - start).max()) + 1)
    tenure = (churn - start)[~np.isnan(churn)]
    every_day, every_churn = _days_by_tenure(end - start, edges), np.histogram(tenure, edges)[0]
    best: tuple[float, float, int, float] | None = None
    for date in np.rint(np.linspace(0, end.max(), _DATES_TRIED + 2)[1:-1]):
        days = _days_by_tenure(np.maximum(np.minimum(end, date) - start, 0), edges)
        churns = np.histogram((churn - start)[churn <= date], edges)[0]
        later_days, later_churns = every_day - days, every_churn - churns
        times = np.divide(days, later_days, out=np.zeros(len(days)), where=later_days > 0)
        observed, expected = int(churns.sum()), float((later_churns * times).sum())
        # the rates after it are themselves counted: Poisson, each churn weighing as much as the days it speaks for
        certain = expected - _DEVIATIONS * float(np.sqrt((later_churns * times**2).sum()))
        luck = count_at_most(observed, max(certain, 0.0))
        if luck <= _LUCK and observed <= _AT_MOST * certain and later_churns.sum() >= CHURNERS_NEEDED:
            best = max(best or (0.0, 0.0, 0, 0.0), (expected - observed, date, observed, expected))
    if best is None:
        return None
    _, date, observed, expected = best
    day = origin + pd.Timedelta(days=float(date))
    return Finding(
        code="CF119",
        severity="warning",
        where=table,
        expected=f"{expected:,.0f} churns before {day:%Y-%m-%d}, at the rate by tenure after it",
        came=f"{observed:,} churns before it, of {int((start < date).sum()):,} accounts that started before it",
        fix="Accounts that churned early seem to be missing: restore them from a backup or the billing system, or "
        f"leave out accounts that started before {day:%Y-%m-%d}; else young accounts look too safe.",
    )


def _days_by_tenure(lengths: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return how many days accounts of these tenures spent between each two edges."""
    ordered = np.sort(lengths)
    sums = np.concatenate([np.cumsum(ordered[::-1])[::-1], [0.0]])
    beyond = np.searchsorted(ordered, edges, side="right")
    more = sums[beyond] - edges * (len(ordered) - beyond)  # the days spent after each edge
    return more[:-1] - more[1:]


def _gone_from_accounts(con: duckdb.DuckDBPyConnection, observed_to: pd.Timestamp) -> Finding | None:
    now = literal(observed_to.to_pydatetime(warn=False))
    row = fetch_frame(
        con,
        f"""
        WITH last_seen AS (
            SELECT account_id, max(occurred_at) AS last_at FROM events
            WHERE occurred_at < {now} AND account_id IS NOT NULL GROUP BY account_id
        ), judged AS (
            SELECT last_at, last_at < max(last_at) OVER () - to_days({_SILENT_DAYS}) AS silent,
                account_id NOT IN (SELECT account_id FROM accounts WHERE account_id IS NOT NULL) AS unknown
            FROM last_seen
        )
        SELECT count(*) FILTER (WHERE unknown) AS unknown, count(*) FILTER (WHERE unknown AND silent) AS silent,
            max(last_at) FILTER (WHERE unknown AND silent) AS newest,
            coalesce(avg(CAST(silent AS DOUBLE)) FILTER (WHERE NOT unknown), 0.0) AS silent_of_known FROM judged""",
    ).iloc[0]
    unknown, silent = int(row["unknown"]), int(row["silent"])
    certain = lowest_share(silent, unknown)
    if silent < CHURNERS_NEEDED or certain < max(_LEAST_SILENT, float(row["silent_of_known"])):
        return None
    return Finding(
        code="CF119",
        severity="warning",
        where="accounts",
        expected="every account that ever had events, also those that left",
        came=f"{silent:,} of {unknown:,} accounts with events that accounts does not list had none in the last "
        f"{_SILENT_DAYS} days (of listed ones {row['silent_of_known']:.0%}); the newest is of "
        f"{row['newest']:%Y-%m-%d}",
        fix="They end as churned accounts do: restore them with their churned_at, else churn looks rarer than it is.",
    )
