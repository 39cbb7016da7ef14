"""Kinds of events that follow the team's own interventions: a measure of them is a measure of being called."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from churnfit.history.events_sql import day_of
from churnfit.history.leaks.chance import CHURNERS_NEEDED, majority_by_luck
from churnfit.history.leaks.reads import KindRead, kinds_read, lives, read_events
from churnfit.history.rules import Finding
from churnfit.history.sql import fetch_frame, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["circular_kinds"]

_DAYS = 14
"""After an intervention: what a team writes because it acted, notes, meetings, tasks, it writes within two weeks."""

_LEAST_EXCESS = 0.25
"""Of all events of the kind, beyond what was to be expected: a call that works makes customers do more, too, but only
for a while, and only those who were called."""

_TIMES_EXPECTED = 3.0
"""Calls that work raise honest kinds by less."""

_LUCK = 1e-4
"""Chance of so one-sided a change by luck, for one kind: fourteen accounts against none."""


def circular_kinds(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp) -> list[Finding]:
    """Return a finding for each kind that measures read and that is written because the team acted.

    Held against each other are the events within 14 days after interventions and what was to be expected of them: the
    rate of accounts that had no intervention then, in the same week of their stage, or where it is more, the rate of
    the same accounts in the 14 days before. Interventions with ``held_out`` count as none.
    """
    kinds = kinds_read(spec)
    acted = con.execute("SELECT count(*) FROM interventions WHERE coalesce(held_out, 0) = 0").fetchall()[0][0]
    if not kinds or acted < CHURNERS_NEEDED:
        return []
    given = f"WITH {_tables(spec, kinds, observed_to)}"
    weeks = fetch_frame(con, f"{given} {_BY_WEEK}")
    findings = []
    for pair in fetch_frame(con, f"{given} {_BEFORE_AND_AFTER}").to_dict("records"):
        finding = _judged(kinds[int(pair["read"])], weeks[weeks["read"] == pair["read"]], pair)
        findings += [finding] if finding else []
    return findings


def _judged(read: KindRead, weeks: pd.DataFrame, pair: Mapping[Hashable, Any]) -> Finding | None:
    elsewhere = weeks["days"] - weeks["days_after"]
    comparable = elsewhere > 0
    total = int(weeks["events"].sum())
    after = int(weeks.loc[comparable, "events_after"].sum())
    rate = ((weeks["events"] - weeks["events_after"]) / elsewhere.where(comparable, 1))[comparable]
    by_others = float((rate * weeks.loc[comparable, "days_after"]).sum())
    by_themselves = after * min(1.0, float(pair["before"]) / max(float(pair["after"]), 1.0))
    expected = max(by_others, by_themselves)
    begun, ended = int(pair["only_after"]), int(pair["only_before"])
    written = (after - expected) / max(total, 1)
    if begun < CHURNERS_NEEDED or majority_by_luck(begun, ended) > _LUCK:
        return None
    if written < _LEAST_EXCESS or after < _TIMES_EXPECTED * expected:
        return None
    return Finding(
        code="CF115",
        severity="error",
        where=read.where,
        expected="events that happen whether or not the team acts",
        came=f"{after:,} of {total:,} events of kind {read.name} within {_DAYS} days after an intervention, "
        f"{np.ceil(expected):,.0f} to be expected; {begun:,} accounts have it then and not before, {ended:,} before "
        "and not then",
        fix="They are written because the team acted: leave out this kind, or only those events that the team makes "
        "(`where`); else set leak_checked = true.",
    )


def _tables(spec: ScorecardSpec, kinds: list[KindRead], observed_to: pd.Timestamp) -> str:
    return f"""
        lives AS ({lives(spec, observed_to)}),
        acted AS (
            SELECT DISTINCT account_id, {day_of('"at"')} AS acted_day
            FROM interventions WHERE coalesce(held_out, 0) = 0
        ),
        after_days AS (
            SELECT DISTINCT account_id, day, (day - started_day) // 7 AS week
            FROM (SELECT account_id, acted_day + unnest(range({literal(_DAYS)})) AS day FROM acted) JOIN lives
            USING (account_id) WHERE day >= started_day AND day < ended_day
        ),
        happened AS ({read_events(kinds)})"""


# account-days and events per kind and week of the stage; how many of either within the days after an intervention
_BY_WEEK = """, alive AS (
        SELECT week, sum(least(ended_day - started_day - 7 * week, 7)) AS days FROM (
            SELECT started_day, ended_day, unnest(range((ended_day - started_day + 6) // 7)) AS week FROM lives
        ) GROUP BY week
    ), called AS (SELECT week, count(*) AS days_after FROM after_days GROUP BY week),
    counted AS (
        SELECT read, (h.day - started_day) // 7 AS week, count(*) AS events, count(a.day) AS events_after
        FROM happened AS h JOIN lives AS l USING (account_id)
        LEFT JOIN after_days AS a ON a.account_id = h.account_id AND a.day = h.day
        WHERE h.day >= started_day AND h.day < ended_day GROUP BY ALL
    )
    SELECT read, week, days::DOUBLE AS days, coalesce(days_after, 0)::DOUBLE AS days_after,
        coalesce(events, 0) AS events, coalesce(events_after, 0) AS events_after
    FROM (SELECT DISTINCT read FROM counted) CROSS JOIN alive LEFT JOIN called USING (week)
    LEFT JOIN counted USING (read, week) ORDER BY read, week"""

# each account's first intervention with both windows within its life; the day before it belongs to neither
_BEFORE_AND_AFTER = f""", firsts AS (
        SELECT account_id, min(acted_day) AS acted_day FROM acted JOIN lives USING (account_id)
        WHERE acted_day - {_DAYS + 1} >= started_day AND acted_day + {_DAYS} <= ended_day GROUP BY account_id
    ), seen AS (
        SELECT read, account_id, count(*) FILTER (WHERE day >= acted_day) AS after,
            count(*) FILTER (WHERE day < acted_day) AS before
        FROM happened JOIN firsts USING (account_id)
        WHERE day >= acted_day - {_DAYS + 1} AND day < acted_day + {_DAYS} AND day <> acted_day - 1 GROUP BY ALL
    )
    SELECT read, sum(after) AS after, sum(before) AS before,
        count(*) FILTER (WHERE before = 0 AND after > 0) AS only_after,
        count(*) FILTER (WHERE after = 0 AND before > 0) AS only_before
    FROM seen GROUP BY read ORDER BY read"""
