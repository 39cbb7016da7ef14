"""Did the account churn within the horizon, and is that known yet: the label ledger.

Every grid row is exactly one of: *excluded* (not started, or churned already, at as_of), *immature* (its horizon has
not been observed to the end), *treated* (somebody intervened within the horizon), *matured*. Only matured rows train.
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

__all__ = ["labels", "ledger"]

# after churn there is nothing left to observe: an observation that ends with the churn is not cut short, so it
# must not hold back the label of a churner (and of nobody else)
_OBSERVED_TO = (
    "least({now}, coalesce(CASE WHEN churned_at IS NULL OR observed_until > churned_at THEN observed_until END, {now}))"
)


def labels(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, grid: pd.DataFrame, *, observed_to: pd.Timestamp
) -> pd.DataFrame:
    """Return the label of every grid row: key (account_id, as_of), sorted by it.

    As-of rule: churned is 1 for churn in (as_of, as_of + horizon]. Matured when as_of + horizon + reporting lag is not
    after `observed_to`, nor after the account's own ``observed_until`` (which is ignored where it is not after
    ``churned_at``: an observation that ends with the churn is not cut short). Rows of an
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
        as_of in a wide table, "2024-03").

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
    return frame


def ledger(labels: pd.DataFrame) -> pd.DataFrame:
    """Return what the labels hold, one row per cohort, oldest first.

    Columns: cohort, accounts, matured, immature, treated, excluded (rows), churned (matured rows that churned),
    base_rate (churned / matured, null without matured rows), next_unlock (when the next immature row matures, null
    when none will).
    """
    rows = labels.assign(
        is_churned=labels["churned"].where(labels["status"] == "matured").fillna(0).astype("int64"),
        unlocks=labels["matures_on"].where(labels["status"] == "immature"),
    )
    for status in _STATUSES:
        rows[status] = (rows["status"] == status).astype("int64")
    by_cohort = rows.groupby("cohort", sort=True, dropna=False)
    table = by_cohort[list(_STATUSES)].sum()
    table.insert(0, "accounts", by_cohort["account_id"].nunique())
    table["churned"] = by_cohort["is_churned"].sum()
    table["base_rate"] = (table["churned"] / table["matured"]).where(table["matured"] > 0)
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
    treatments = f"""
        SELECT g.account_id, g.as_of, min(i."at") AS treated_at,
            arg_min(i.playbook, row(i."at", i.playbook)) AS playbook
        FROM grid_given AS g JOIN interventions AS i
        ON i.account_id = g.account_id AND i."at" > g.as_of AND i."at" <= g.as_of + {horizon}
        GROUP BY g.account_id, g.as_of"""
    return f"""
        WITH facts AS ({facts}), treatments AS ({treatments}), dated AS (
            SELECT *, as_of + {horizon} + {lag} AS matures_on,
                {_OBSERVED_TO.format(now=now)} AS observed_to, {now} AS sources_to,
                coalesce(label, CAST(churned_at > as_of AND churned_at <= as_of + {horizon} AS DOUBLE), 0) AS churn
            FROM facts LEFT JOIN treatments USING (account_id, as_of)
        ), reasoned AS (
            SELECT *, CASE {_reasons(ready)} END AS reason FROM dated
        ), judged AS (
            SELECT *, coalesce(regexp_extract(reason, '^[a-z]+'), 'matured') AS status FROM reasoned
        )
        SELECT account_id, as_of, status, nullif(regexp_replace(reason, '^[a-z]+: ', ''), '') AS reason,
            CASE WHEN status <> 'immature' OR observed_to = sources_to THEN matures_on END AS matures_on,
            CASE WHEN status IN ('matured', 'treated') THEN CAST(churn AS BIGINT) END AS churned,
            strftime(started_at, '%Y-%m') AS cohort
        FROM judged ORDER BY account_id, as_of"""


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
