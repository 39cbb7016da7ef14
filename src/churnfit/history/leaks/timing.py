"""When a measure knows of churn: only when it is days away, or at any distance; an honest one grows surer with time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnfit.history.leaks.chance import CHURNERS_NEEDED, auc_of, lowest_auc
from churnfit.history.leaks.reads import lives
from churnfit.history.measures import column_of
from churnfit.history.rules import Finding
from churnfit.history.sql import fetch_frame
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["measures_out_of_time"]

_REACHES_DAYS = (7, 14, 28)
"""Windows that may have been laid the wrong way round, or centred on as_of."""

_AT_ONCE = 0.82
"""Lower bound of the AUC between those who leave within these days and those who stay: when everybody who is about to
leave shows it, and nobody else, it is the leaving. Early warnings come to many, not to all."""

_LATER = 0.15
"""So much less of it must be left for those who leave later within the horizon, else it is a good measure."""

_AT_ANY_DISTANCE = 0.85
"""Lower bound of the AUC against those who stay, both within the horizon and beyond it."""

_MUST_FADE = 0.03
"""An honest measure loses more than this AUC for churn that lies a whole horizon further away."""


def measures_out_of_time(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, training: pd.DataFrame, *, observed_to: pd.Timestamp
) -> list[Finding]:
    """Return a finding for each measure that reaches into the label's window, or knows churn at whatever distance.

    The first tells those who churn within days of as_of from those who stay, but not those who churn later: its window
    reaches beyond as_of, so that it collapses for those who were gone by then. Looked at are its value, its change
    since the account's row before, and whether it is filled. The second tells those who churn after the horizon as
    well as those who churn within it: shifted in time it keeps its signal, so it was written after churn. What churnfit
    computes from events itself can reach beyond as_of only where events are misdated: that is a warning.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`; says when accounts churned.
    spec : ScorecardSpec
        Its measures, and ``cohort.horizon_days``.
    training : pandas.DataFrame
        Matured rows: a snapshot with its ``churned`` (0 or 1).
    observed_to : pandas.Timestamp
        Aware: later churns are not known.
    """
    dates = fetch_frame(con, f"SELECT account_id, churned_at FROM ({lives(spec, observed_to)})")
    rows = training.merge(dates, on="account_id", how="left").sort_values(["account_id", "as_of"], ignore_index=True)
    days = (rows["churned_at"] - rows["as_of"]).dt.total_seconds().to_numpy("float64") / 86_400
    churned = rows["churned"].to_numpy("float64") == 1
    when = _When(rows=rows, days=days, churned=churned, stays=~churned & np.isnan(days))
    findings = []
    for name, measure in spec.measures.items():
        if not measure.leak_checked:
            scores = list(_scores(rows, name))
            found = _reaching(name, scores, when, from_column=column_of(name, measure) is not None)
            found = found or _timeless(name, scores, when)
            findings += [found] if found else []
    return findings


@dataclass(frozen=True, kw_only=True)
class _When:
    """The training rows, and for each the days until its account churned (NaN: it did not), and its label."""

    rows: pd.DataFrame
    days: np.ndarray
    churned: np.ndarray
    stays: np.ndarray


def _scores(rows: pd.DataFrame, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what the measure could give away, and its numbers; NaN where there is none."""
    column = rows[name]
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy("float64", na_value=np.nan)
        yield "its value", values
        before = column.groupby(rows["account_id"]).shift().to_numpy("float64", na_value=np.nan)
        size = np.abs(values) + np.abs(before)
        if np.isfinite(size).any():
            yield "its change since the row before", (values - before) / np.where(size > 0, size, 1.0)
    filled = column.notna().to_numpy("float64")
    if 0 < filled.mean() < 1:
        yield "whether it is filled", filled


def _reaching(name: str, scores: list[tuple[str, np.ndarray]], when: _When, *, from_column: bool) -> Finding | None:
    found: list[tuple[float, int, float, int, str]] = []
    for what, score in scores:
        known = np.isfinite(score)
        stays = known & when.stays
        if not stays.any():
            continue
        for reach in _REACHES_DAYS:
            soon, late = (known & when.churned & side for side in (when.days <= reach, when.days > reach))
            accounts = when.rows.loc[soon, "account_id"].nunique()
            if accounts < CHURNERS_NEEDED or late.sum() < CHURNERS_NEEDED:
                continue
            # who is gone does less: early warnings that rise, such as complaints, are none of this
            at_once, later = (_auc_between(-score, leaving, stays) for leaving in (soon, late))
            certain = lowest_auc(at_once, accounts, when.rows.loc[stays, "account_id"].nunique())
            if certain >= _AT_ONCE and later <= at_once - _LATER:
                found.append((at_once, -reach, later, accounts, what))
    if not found:
        return None
    at_once, reach, later, accounts, what = max(found)
    return Finding(
        code="CF118",
        # churnfit's own windows end at as_of: of events only the dates can be at fault
        severity="error" if from_column else "warning",
        where=f"measures.{name}",
        expected="a measure that knows nothing of the days after as_of",
        came=f"{what} is lower for the {accounts:,} accounts that churn within {-reach} days than for those that stay "
        f"(AUC {at_once:.2f}), and hardly for those that churn later (AUC {later:.2f})",
        fix="Its window seems to reach beyond as_of: compute it from days before as_of only, or date its events by the "
        "end of their period; else set leak_checked = true.",
    )


def _timeless(name: str, scores: list[tuple[str, np.ndarray]], when: _When) -> Finding | None:
    for what, score in scores:
        known = np.isfinite(score)
        within, stays = known & when.churned, known & when.stays
        beyond = known & ~when.churned & ~np.isnan(when.days)
        counts = [int(rows.sum()) for rows in (within, beyond, stays)]
        if min(counts) < CHURNERS_NEEDED:
            continue
        near, far = (_auc_between(score, leaving, stays) for leaving in (within, beyond))
        if near < 0.5:
            near, far = 1 - near, 1 - far
        certain = min(lowest_auc(near, counts[0], counts[2]), lowest_auc(far, counts[1], counts[2]))
        if certain >= _AT_ANY_DISTANCE and far >= near - _MUST_FADE:
            return Finding(
                code="CF117",
                severity="error",
                where=f"measures.{name}",
                expected="a measure that loses its signal for churn that is further away",
                came=f"{what} has AUC {near:.2f} for churn within the horizon and {far:.2f} for the {counts[1]:,} rows "
                "of accounts that churned only after it",
                fix="It seems to be written after churn: take it as it was on each as_of, or leave it out; else set "
                "leak_checked = true.",
            )
    return None


def _auc_between(score: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    chosen = positive | negative
    return auc_of(score[chosen], positive[chosen])
