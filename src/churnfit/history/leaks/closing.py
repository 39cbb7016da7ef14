"""Kinds of events that belong to the leaving itself: who has them has decided, or has gone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnfit.history.leaks.chance import CHURNERS_NEEDED, lowest_share, odds
from churnfit.history.leaks.reads import KindRead, kinds_read, lives, read_events
from churnfit.history.rules import Finding
from churnfit.history.sql import fetch_frame, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["closing_kinds"]

_DAYS = 30
"""Before and after churn: closing an account, its export, its last call, its archive, takes about a month."""

_LEAST_NEAR = 0.5
"""Lower bound of the share of a kind's events near a churn: early warnings, such as complaints, also come to accounts
that stay, so that most of them lie elsewhere."""

_TIMES_AS_OFTEN = 10.0
"""Near a churn, per account and day: early warnings are a few times as frequent there."""

_LEAST_CHURNED = 0.75
"""Lower bound of the share of accounts with the kind that churned: three in four, and that for certain, no warning
tells beforehand."""

_ODDS_RATIO = 10.0
"""Their odds of churn against accounts that started in the same quarter: where nearly all churn, most kinds have it."""


def closing_kinds(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp) -> list[Finding]:
    """Return a finding for each kind that measures read and that churn brings about.

    Those of ``cohort.churn_kinds`` outright; and those that happen within 30 days around churn far more often than the
    time that accounts spend there lets expect, or nearly only to accounts that churned.
    """
    kinds = kinds_read(spec)
    findings = [_is_churn(read) for read in kinds if read.kind in spec.cohort.churn_kinds]
    asked = [read for read in kinds if read.kind not in spec.cohort.churn_kinds]
    if not asked:
        return findings
    found = fetch_frame(con, _query(spec, asked, observed_to))
    for row in found.to_dict("records"):
        came = _near_churn(row) or _of_churned(row)
        if came:
            read = asked[int(row["read"])]
            findings.append(
                Finding(
                    code="CF116",
                    severity="error",
                    where=read.where,
                    expected="events of customers, whether they stay or leave",
                    came=f"kind {read.name}: {came}",
                    fix="It belongs to the leaving: leave it out, or, where it is the decision to leave, name it in "
                    "cohort.churn_kinds; else set leak_checked = true.",
                )
            )
    return findings


def _is_churn(read: KindRead) -> Finding:
    return Finding(
        code="CF116",
        severity="error",
        where=read.where,
        expected="measures of what comes before churn",
        came=f"kind {read.name}, which is churn itself (cohort.churn_kinds)",
        fix="Leave this kind out of the measure; else set leak_checked = true.",
    )


def _near_churn(row: Mapping[Hashable, Any]) -> str:
    near, far = row["near"], row["far"]
    if row["accounts_near"] < CHURNERS_NEEDED or not row["days_near"] or not row["days_far"]:
        return ""
    # of one account the events come together: they count as one witness
    certain = lowest_share(near / (near + far) * row["accounts"], row["accounts"])
    times = near / row["days_near"] / (max(far, 1.0) / row["days_far"])
    if certain < _LEAST_NEAR or times < _TIMES_AS_OFTEN:
        return ""
    by_chance = row["days_near"] / (row["days_near"] + row["days_far"])
    return (
        f"{near:,.0f} of its {near + far:,.0f} events ({near / (near + far):.0%}) lie within {_DAYS} days around "
        f"churn, in {row['accounts_near']:,.0f} accounts; {by_chance:.0%} would by chance"
    )


def _of_churned(row: Mapping[Hashable, Any]) -> str:
    accounts, churned, expected = row["accounts_before"], row["churned"], row["expected"]
    if churned < CHURNERS_NEEDED or lowest_share(churned, accounts) < _LEAST_CHURNED:
        return ""
    if odds(churned / accounts) < _ODDS_RATIO * odds(expected / accounts):
        return ""
    return (
        f"{churned:,.0f} of the {accounts:,.0f} accounts that have it churned, "
        f"{expected:,.0f} to be expected of accounts that started when they did"
    )


def _query(spec: ScorecardSpec, kinds: list[KindRead], observed_to: pd.Timestamp) -> str:
    days = literal(_DAYS)
    return f"""
        WITH lives AS (
            SELECT *, avg(CAST(churned_at IS NOT NULL AS DOUBLE)) OVER (PARTITION BY quarter) AS expected
            FROM ({lives(spec, observed_to)})
        ), spent AS (
            SELECT sum(CASE WHEN churned_at IS NULL THEN 0 ELSE least(ended_day - started_day, {days})
                    + greatest(least(date_diff('day', churned_at, until), {days}), 0) END)::DOUBLE AS days_near,
                sum(ended_day - started_day
                    - CASE WHEN churned_at IS NULL THEN 0 ELSE least(ended_day - started_day, {days}) END)::DOUBLE
                    AS days_far FROM lives
        ), happened AS ({read_events(kinds)}),
        per_account AS (
            SELECT read, account_id, any_value(churned_at IS NOT NULL) AS churned, any_value(expected) AS expected,
                count(*) FILTER (WHERE churned_at IS NOT NULL AND occurred_at >= churned_at - to_days({days})) AS near,
                count(*) FILTER (WHERE churned_at IS NULL OR occurred_at < churned_at - to_days({days})) AS far,
                count(*) FILTER (WHERE churned_at IS NULL OR occurred_at <= churned_at) AS before
            FROM happened JOIN lives USING (account_id)
            WHERE occurred_at >= started_at AND occurred_at < until
                AND (churned_at IS NULL OR occurred_at < churned_at + to_days({days})) GROUP BY read, account_id
        )
        SELECT read, count(*)::DOUBLE AS accounts, sum(near)::DOUBLE AS near, sum(far)::DOUBLE AS far,
            count(*) FILTER (WHERE near > 0)::DOUBLE AS accounts_near, any_value(days_near) AS days_near,
            any_value(days_far) AS days_far, count(*) FILTER (WHERE before > 0)::DOUBLE AS accounts_before,
            count(*) FILTER (WHERE before > 0 AND churned)::DOUBLE AS churned,
            coalesce(sum(expected) FILTER (WHERE before > 0), 0)::DOUBLE AS expected
        FROM per_account CROSS JOIN spent GROUP BY read ORDER BY read"""
