"""Did the account churn within the horizon, and is that known yet: the label ledger.

Every grid row is exactly one of: *excluded* (not started, or churned already, at as_of), *immature* (its horizon has
not been observed to the end), *treated* (somebody intervened within the horizon), *matured*. Only matured rows train.
An account that was called looks healthier than it was, so treated rows leave; where others like them were deliberately
left alone, those stand for them: the *weight* of a held-out row is one over its chance of being held out.

Whether a row is matured never depends on its outcome, else churners would be counted sooner than those who stay. (An
``observed_until`` must be when watching ended, for churners as for others, not when they left.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnfit.errors import DataError
from churnfit.history.sources import CONSTANT_AS_OF
from churnfit.history.sql import fetch_frame, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["LARGEST_WEIGHT", "labels", "ledger"]

LARGEST_WEIGHT = 20.0
"""More than this no held-out row stands for: a holdout of less than 5 % says too little to be multiplied so often."""

# after churn there is nothing left to observe: an observation that ends with the churn is not cut short, so it
# must not hold back the label of a churner (and of nobody else)
_OBSERVED_TO = (
    "least({now}, coalesce(CASE WHEN churned_at IS NULL OR observed_until > churned_at THEN observed_until END, {now}))"
)


def labels(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, grid: pd.DataFrame, *, observed_to: pd.Timestamp
) -> pd.DataFrame:
    """Return the label of every grid row: key (account_id, as_of), sorted by it.

    As-of rule: churned is 1 for churn in (as_of, as_of + horizon], be it ``churned_at`` or, where the spec says so, a
    contraction: a contract value at least ``cohort.contraction.share`` below the one known at as_of. Matured when
    as_of + horizon + reporting lag is not after `observed_to`, nor after the account's own ``observed_until`` (which is
    ignored where it is not after ``churned_at``: an observation that ends with the churn is not cut short). Rows of an
    undated wide table with a ready label are matured; dated ones mature as above.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`.
    spec : ScorecardSpec
        ``cohort.horizon_days`` and ``reporting_lag_days``.
    grid : pandas.DataFrame
        Columns account_id, as_of.
    observed_to : pandas.Timestamp
        Aware: the moment up to which the sources know everything.

    Returns
    -------
    pandas.DataFrame
        account_id, as_of, status, reason (null when matured), matures_on (null for an immature row whose account is no
        longer observed), churned (Int64, null unless matured or treated), cohort (the month the stage began, or of
        as_of in a wide table, "2024-03"), held_out (bool: meant for a call within the horizon, and deliberately not
        called), weight (what a matured row counts: 1, or 1 / holdout_share where held out, at most `LARGEST_WEIGHT`;
        the share where none is given is that of the held-out among all who were meant for a call; null otherwise).

    References
    ----------
    Horvitz and Thompson (1952), "A generalization of sampling without replacement from a finite universe".

    Raises
    ------
    DataError
        CF217 when a wide table has neither ``churned`` nor ``churned_at``.
    """
    wide = spec.sources.measures is not None
    plain = pd.DataFrame(
        {"account_id": grid["account_id"].astype("str"), "as_of": pd.to_datetime(grid["as_of"], utc=True)}
    )
    con.register("grid_given", plain)
    try:
        ready = wide and _labels_are_ready(con)
        frame = fetch_frame(con, _query(spec, literal(observed_to.to_pydatetime(warn=False)), ready=ready))
    finally:
        con.unregister("grid_given")
    frame["churned"] = frame["churned"].astype("Int64")
    return frame.drop(columns="holdout_share").assign(weight=_weights(frame))


def _weights(frame: pd.DataFrame) -> pd.Series:
    matured = frame["status"] == "matured"
    held_out = int((matured & frame["held_out"]).sum())
    meant = held_out + int((frame["status"] == "treated").sum())
    share = frame["holdout_share"].fillna(held_out / meant if held_out else 1.0)
    weight = (1 / share).clip(upper=LARGEST_WEIGHT).where(frame["held_out"], 1.0)
    return weight.where(matured)


def ledger(labels: pd.DataFrame) -> pd.DataFrame:
    """Return what the labels hold, one row per cohort, oldest first.

    Columns: cohort, accounts, matured, immature, treated, excluded (rows), churned and held_out (of the matured rows),
    effective (how many rows of equal weight say as much as the matured ones), base_rate (weighted share of matured rows
    that churned), base_rate_low and base_rate_high (what it would be of all matured and treated rows, had the calls
    saved nobody, or everybody who stayed: how wrong leaving the treated out can be at worst), next_unlock (when the
    next immature row matures, null when none will).
    """
    matured, treated = labels["status"] == "matured", labels["status"] == "treated"
    churned, weight = labels["churned"].fillna(0).astype("float64"), labels["weight"].fillna(0.0)
    rows = labels.assign(
        **{status: labels["status"] == status for status in _STATUSES},
        is_churned=matured & (churned == 1),
        is_held_out=matured & labels["held_out"],
        called_and_churned=treated & (churned == 1),
        weight=weight,
        weight_squared=weight**2,
        weight_churned=weight * churned,
        unlocks=labels["matures_on"].where(labels["status"] == "immature"),
    )
    by_cohort = rows.groupby("cohort", sort=True, dropna=False)
    table = by_cohort[list(_STATUSES)].sum().astype("int64")
    table.insert(0, "accounts", by_cohort["account_id"].nunique())
    summed = by_cohort[["is_churned", "is_held_out", "called_and_churned"]].sum().astype("int64")
    weights = by_cohort[["weight", "weight_squared", "weight_churned"]].sum()
    looked_at = (table["matured"] + table["treated"]).where(lambda rows: rows > 0)
    table["churned"], table["held_out"] = summed["is_churned"], summed["is_held_out"]
    table["effective"] = (weights["weight"] ** 2 / weights["weight_squared"]).where(table["matured"] > 0)
    table["base_rate"] = (weights["weight_churned"] / weights["weight"]).where(table["matured"] > 0)
    table["base_rate_low"] = (table["churned"] + summed["called_and_churned"]) / looked_at
    table["base_rate_high"] = (table["churned"] + table["treated"]) / looked_at
    table["next_unlock"] = by_cohort["unlocks"].min()
    return table.reset_index()


_STATUSES = ("matured", "immature", "treated", "excluded")


def _labels_are_ready(con: duckdb.DuckDBPyConnection) -> bool:
    ready, dated = con.execute("SELECT count(churned), count(churned_at) FROM measures").fetchall()[0]
    if not ready and not dated:
        raise DataError(
            "CF217",
            where="sources.measures",
            expected="a filled column 'churned' or 'churned_at'",
            came="neither",
            fix="Name it under `columns`, for example churned = 'left'.",
        )
    return bool(ready)


def _query(spec: ScorecardSpec, now: str, *, ready: bool) -> str:
    horizon = f"to_days({literal(spec.cohort.horizon_days)})"
    lag = f"to_days({literal(spec.cohort.reporting_lag_days)})"
    if spec.sources.measures is not None:
        facts = (
            "SELECT account_id, as_of, as_of AS started_at, churned_at, CAST(NULL AS TIMESTAMPTZ) AS observed_until, "
            f"{'churned' if ready else 'CAST(NULL AS DOUBLE)'} AS label, TRUE AS known "
            "FROM grid_given JOIN measures USING (account_id, as_of)"
        )
    else:
        facts = (
            "SELECT account_id, as_of, started_at, churned_at, observed_until, CAST(NULL AS DOUBLE) AS label, "
            "a.account_id IS NOT NULL AS known FROM grid_given LEFT JOIN accounts AS a USING (account_id)"
        )
    called = "coalesce(i.held_out, 0) = 0"
    treatments = f"""
        SELECT g.account_id, g.as_of, min(i."at") FILTER (WHERE {called}) AS treated_at,
            arg_min(i.playbook, row(i."at", i.playbook)) FILTER (WHERE {called}) AS playbook,
            bool_or(NOT {called}) AS held_out, max(i.holdout_share) FILTER (WHERE NOT {called}) AS holdout_share
        FROM grid_given AS g JOIN interventions AS i
        ON i.account_id = g.account_id AND i."at" > g.as_of AND i."at" <= g.as_of + {horizon}
        GROUP BY g.account_id, g.as_of"""
    return f"""
        WITH facts AS ({facts}), treatments AS ({treatments}),
        contractions AS ({_contractions(spec, horizon)}), dated AS (
            SELECT *, as_of + {horizon} + {lag} AS matures_on,
                {_OBSERVED_TO.format(now=now)} AS observed_to, {now} AS sources_to,
                coalesce(label, CAST(contracted_at IS NOT NULL OR
                    coalesce(churned_at > as_of AND churned_at <= as_of + {horizon}, FALSE) AS DOUBLE)) AS churn
            FROM facts LEFT JOIN treatments USING (account_id, as_of) LEFT JOIN contractions USING (account_id, as_of)
        ), reasoned AS (
            SELECT *, CASE {_reasons(ready)} END AS reason FROM dated
        ), judged AS (
            SELECT *, coalesce(regexp_extract(reason, '^[a-z]+'), 'matured') AS status FROM reasoned
        )
        SELECT account_id, as_of, status, nullif(regexp_replace(reason, '^[a-z]+: ', ''), '') AS reason,
            CASE WHEN status <> 'immature' OR observed_to = sources_to THEN matures_on END AS matures_on,
            CASE WHEN status IN ('matured', 'treated') THEN CAST(churn AS BIGINT) END AS churned,
            strftime(started_at, '%Y-%m') AS cohort, coalesce(held_out, FALSE) AS held_out, holdout_share
        FROM judged ORDER BY account_id, as_of"""


def _contractions(spec: ScorecardSpec, horizon: str) -> str:
    """Return the SELECT of account_id, as_of, contracted_at: when the contract fell too far within the horizon."""
    if spec.cohort.contraction is None:
        return "SELECT account_id, as_of, CAST(NULL AS TIMESTAMPTZ) AS contracted_at FROM grid_given WHERE FALSE"
    kind, share = spec.cohort.contraction.kind, spec.cohort.contraction.share
    return f"""
        SELECT account_id, as_of, min(e.occurred_at) AS contracted_at
        FROM (
            SELECT g.account_id, g.as_of,
                coalesce(arg_max(e.value, row(e.occurred_at, e.recorded_at, e.value)), min(a.arr)) AS before
            FROM grid_given AS g JOIN accounts AS a USING (account_id) LEFT JOIN events AS e
            ON e.account_id = g.account_id AND e.kind = {literal(kind)} AND e.value IS NOT NULL
                AND e.occurred_at < g.as_of AND e.recorded_at < g.as_of
            GROUP BY g.account_id, g.as_of
        ) AS g JOIN events AS e USING (account_id)
        WHERE e.kind = {literal(kind)} AND e.occurred_at > as_of AND e.occurred_at <= as_of + {horizon}
            AND e.value <= before * {literal(1 - share)}
        GROUP BY account_id, as_of"""


def _reasons(ready: bool) -> str:
    """Return the WHEN clauses that give "<status>: <why>"; no clause leaves a row matured."""
    treated = (
        "WHEN treated_at IS NOT NULL THEN 'treated: ' || "
        "coalesce(playbook, 'an intervention') || ' on ' || strftime(treated_at, '%Y-%m-%d')"
    )
    if ready:
        undated = f"as_of = CAST({literal(CONSTANT_AS_OF)} AS TIMESTAMPTZ)"
        return f"""
        WHEN label IS NULL THEN 'excluded: it has no label'
        WHEN matures_on > observed_to AND NOT {undated}
            THEN 'immature: it matures on ' || strftime(matures_on, '%Y-%m-%d')
        {treated}"""
    return f"""
        WHEN NOT known THEN 'excluded: it is not in accounts'
        WHEN started_at > as_of THEN 'excluded: it had not started (' || strftime(started_at, '%Y-%m-%d') || ')'
        WHEN churned_at <= as_of THEN 'excluded: it had churned already (' || strftime(churned_at, '%Y-%m-%d') || ')'
        WHEN matures_on > observed_to AND observed_to < sources_to
            THEN 'immature: it is observed only to ' || strftime(observed_to, '%Y-%m-%d')
        WHEN matures_on > observed_to THEN 'immature: it matures on ' || strftime(matures_on, '%Y-%m-%d')
        {treated}"""
