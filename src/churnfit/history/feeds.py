"""Feeds: how fresh each kind of event is, and which has stopped while the others went on.

A feed that stops looks like customers going quiet: nobody opens a ticket any more, everybody is well, or nobody logs
in, everybody is lost. The newest fact of all does not show it as long as one kind still comes in. A kind has stopped
when it has been silent for more than twice its longest pause of the last year, and longer than any source may be late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnfit.history.sql import any_of, fetch_frame, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["all_are_fresh", "feeds"]

_LOOKED_BACK_DAYS = 365
_FEWEST_DAYS = 30  # on which a kind came in; of a rarer one no silence is long
_PAUSES = 2  # times the longest pause: holidays are forgiven once they have happened


def feeds(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return how fresh the kinds are that measures read: a row per kind, in their order.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`.
    spec : ScorecardSpec
        Its measures; ``cohort.max_age_days``, and ``cohort.may_stop``: kinds that may.
    as_of : pandas.Timestamp
        Aware. Only what had happened and was recorded before it is looked at.

    Returns
    -------
    DataFrame
        Key kind; measures (their names, a tuple), newest (midnight of its newest day, NaT where it did not come within
        a year), days (on which it came in a year), age_days (full days between that day and `as_of`),
        longest_pause_days (days without it between two days with it) and stopped. Empty for a wide table.
    """
    reading = _reading(spec)
    stamp = literal(as_of.to_pydatetime(warn=False))
    if spec.sources.measures is not None or not reading:
        return pd.DataFrame({name: [] for name in _COLUMNS})
    found = fetch_frame(
        con,
        "WITH days AS (SELECT DISTINCT kind, CAST(date_trunc('day', occurred_at) AS DATE) AS day FROM events "
        f"WHERE kind IN {any_of(sorted(reading))} AND occurred_at < {stamp} AND recorded_at < {stamp} "
        f"AND occurred_at >= {stamp} - to_days({_LOOKED_BACK_DAYS})), "
        "paused AS (SELECT kind, day, day - lag(day) OVER (PARTITION BY kind ORDER BY day) - 1 AS pause FROM days) "
        "SELECT kind, CAST(max(day) AS TIMESTAMP) AS newest, count(*) AS days, "
        "coalesce(max(pause), 0) AS longest_pause_days FROM paused GROUP BY kind ORDER BY kind",
    )
    table = pd.DataFrame({"kind": sorted(reading)}).merge(found, on="kind", how="left")
    table["newest"] = table["newest"].dt.tz_localize("UTC")
    table["age_days"] = (as_of - table["newest"]).dt.days - 1
    table["measures"] = [tuple(reading[kind]) for kind in table["kind"]]
    allowed = (_PAUSES * table["longest_pause_days"]).clip(lower=spec.cohort.max_age_days)
    known = table["days"] >= _FEWEST_DAYS
    table["stopped"] = known & (table["age_days"] > allowed) & ~table["kind"].isin(spec.cohort.may_stop)
    return table[_COLUMNS]


def all_are_fresh(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> bool:
    """Return whether every kind that ever came has come within ``cohort.max_age_days`` before `as_of`, and not later.

    What a summary of the events can answer: where it is so, none has stopped, and nobody need look through the events.
    """
    reading = _reading(spec)
    if spec.sources.measures is not None or not reading:
        return True
    newest = fetch_frame(
        con,
        "SELECT kind, max(occurred_at) AS newest FROM events_summary "
        f"WHERE kind IN {any_of(sorted(reading))} GROUP BY kind",
    )["newest"]
    return bool(newest.between(as_of - pd.Timedelta(days=spec.cohort.max_age_days), as_of, inclusive="left").all())


def _reading(spec: ScorecardSpec) -> dict[str, list[str]]:
    """Return by kind of event the measures that read it."""
    reading: dict[str, list[str]] = {}
    for name, measure in spec.measures.items():
        named = (*measure.kinds, *measure.per_kinds, measure.asked_kind, measure.planned_kind)
        for kind in dict.fromkeys(kind for kind in named if kind is not None):
            reading.setdefault(kind, []).append(name)
    return reading


_COLUMNS = ["kind", "measures", "newest", "days", "age_days", "longest_pause_days", "stopped"]
