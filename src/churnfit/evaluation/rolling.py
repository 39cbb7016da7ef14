"""The rolling backtest: what would have been learned at each of several origins, judged on what came next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.evaluation.backtest import Split, rolling_splits
from churnfit.evaluation.intervals import Interval, Key, bootstrap
from churnfit.evaluation.metrics import MODEL_TITLES, every_metric
from churnfit.evaluation.ranking import auc_of, ladder, ratio
from churnfit.evaluation.results import Backtest, OriginRow
from churnfit.spec import ScorecardSpec

__all__ = ["FEWEST", "Learn", "rolling_backtest", "too_few"]

FloatArray = NDArray[np.float64]

Learn = Callable[[pd.DataFrame, pd.DataFrame], Mapping[str, FloatArray]]
"""Training rows and rows to judge in, churn probabilities of the latter out, by model; "card" must be one."""

FEWEST = 5  # accounts of each class: below this an AUC is mostly chance
_SHOWN = ("auc", "log_loss", "calibration_in_the_large")
_EDGE = 1e-12  # a probability of exactly 0 or 1 would make one row's loss infinite


@dataclass(frozen=True, eq=False, kw_only=True)
class _Origin:
    """One origin: its split, its judged rows, and their probabilities by model, or the reason why there are none."""

    split: Split
    judged: pd.DataFrame
    probabilities: Mapping[str, FloatArray]
    reason: str


def rolling_backtest(rows: pd.DataFrame, *, spec: ScorecardSpec, learn: Learn, origins: int) -> Backtest:
    """Return the backtest of `learn` at each of `origins` origins.

    Parameters
    ----------
    rows : DataFrame
        Matured rows with account_id, as_of, churned (0/1), where they are dated started_at, and what `learn` reads.
    spec : ScorecardSpec
        As for `churnfit.evaluation.backtest.rolling_splits`; resamples and random_state of the intervals.
    learn : callable
        Called once per origin. A DataError of it (too few churners, say) is the origin's reason, not the end.
    origins : int
        How many; each costs one learning.

    Raises
    ------
    DataError
        CF110 when there are no cohorts to roll over.
    """
    splits = rolling_splits(rows, spec, origins=origins)
    seen = [_at(rows, found, learn) for found in splits]
    pooled = [origin for origin in seen if not origin.reason]
    found = _pooled(pooled, spec) if pooled else {}
    models = list(pooled[0].probabilities) if pooled else []
    judged = pd.concat([origin.judged["account_id"] for origin in pooled]) if pooled else pd.Series(dtype=object)
    return Backtest(
        name=spec.title or spec.name,
        horizon_days=spec.cohort.horizon_days,
        origins=tuple(_row(origin, spec) for origin in seen),
        judged_rows=len(judged),
        judged_accounts=judged.nunique(),
        pooled={model: {name: found[model, name] for name in ("auc", "log_loss")} for model in models},
        differences={
            model: {name: found["difference", model, name] for name in ("auc", "log_loss")}
            for model in models
            if model != "card"
        },
        resamples=spec.evaluation.bootstrap,
        random_state=spec.learning.random_state,
    )


def too_few(rows: pd.DataFrame) -> str:
    """Return why rows cannot be judged by themselves, empty when they can.

    Examples
    --------
    >>> too_few(pd.DataFrame({"account_id": ["A", "A", "B"], "churned": [1, 1, 0]}))
    'too few: 1 churned, 1 stayed; 5 of each needed'
    """
    churned = int(rows.loc[rows["churned"] == 1, "account_id"].nunique())
    stayed = int(rows.loc[rows["churned"] == 0, "account_id"].nunique())
    if min(churned, stayed) >= FEWEST:
        return ""
    return f"too few: {churned} churned, {stayed} stayed; {FEWEST} of each needed"


def _at(rows: pd.DataFrame, found: Split, learn: Learn) -> _Origin:
    training, judged = rows.iloc[found.train_rows], rows.iloc[found.judge_rows]
    probabilities: Mapping[str, FloatArray] = {}
    reason = "nothing to judge" if judged.empty else ""
    if not reason and not 0 < training["churned"].sum() < len(training):
        reason = f"nothing to learn from: {len(training):,} rows, {int(training['churned'].sum()):,} churned"
    if not reason:
        try:
            given = learn(training, judged)
            probabilities = {model: np.asarray(given[model]) for model in MODEL_TITLES if model in given}
        except DataError as fault:
            reason = f"no card ({fault.code}): {fault.came} in {fault.where}, {fault.expected} needed"
    return _Origin(split=found, judged=judged, probabilities=probabilities, reason=reason)


def _row(origin: _Origin, spec: ScorecardSpec) -> OriginRow:
    found, judged = origin.split, origin.judged
    reason = origin.reason or too_few(judged)
    return OriginRow(
        origin=f"{found.judge_from:%Y-%m-%d}",
        until="" if found.judge_until is None else f"{found.judge_until:%Y-%m-%d}",
        trained_rows=len(found.train_rows),
        embargoed_rows=found.embargoed,
        judged_rows=len(judged),
        judged_accounts=judged["account_id"].nunique(),
        churned_accounts=int(judged.loc[judged["churned"] == 1, "account_id"].nunique()),
        pooled=not origin.reason,
        models={} if reason else _metrics(origin, spec),
        reason=reason,
    )


def _metrics(origin: _Origin, spec: ScorecardSpec) -> dict[str, dict[str, Interval]]:
    churned = origin.judged["churned"].to_numpy(dtype=np.float64)

    def statistics(weights: FloatArray) -> dict[Key, FloatArray]:
        found = {model: every_metric(churned, p, weights) for model, p in origin.probabilities.items()}
        return {(model, name): found[model][name] for model in found for name in _SHOWN}

    intervals = _bootstrapped(statistics, origin.judged, spec)
    return {model: {name: intervals[model, name] for name in _SHOWN} for model in origin.probabilities}


def _pooled(origins: list[_Origin], spec: ScorecardSpec) -> dict[Key, Interval]:
    """Return AUC and log-loss over all origins by model, and the card's less the others', paired."""
    ends = np.cumsum([len(origin.judged) for origin in origins])
    parts = [slice(end - len(origin.judged), end) for end, origin in zip(ends, origins, strict=True)]
    churned = [origin.judged["churned"].to_numpy(dtype=np.float64) for origin in origins]

    def statistics(weights: FloatArray) -> dict[Key, FloatArray]:
        total = weights.sum(axis=1)
        found: dict[Key, FloatArray] = {}
        for model in origins[0].probabilities:
            pairs, above, loss = np.zeros(len(total)), np.zeros(len(total)), np.zeros(len(total))
            for origin, part, y in zip(origins, parts, churned, strict=True):
                w, p = weights[:, part], origin.probabilities[model]
                comparable = (w @ y) * (w @ (1 - y))
                above += np.where(comparable > 0, comparable * np.nan_to_num(auc_of(ladder(y, p, w))), 0.0)
                pairs += comparable
                clipped = np.clip(p, _EDGE, 1 - _EDGE)
                loss -= w @ np.where(y > 0, np.log(clipped), np.log1p(-clipped))
            found[model, "auc"], found[model, "log_loss"] = ratio(above, pairs), loss / total
            if model != "card":
                for name in ("auc", "log_loss"):
                    found["difference", model, name] = found["card", name] - found[model, name]
        return found

    return _bootstrapped(statistics, pd.concat([origin.judged for origin in origins]), spec)


def _bootstrapped(
    statistics: Callable[[FloatArray], dict[Key, FloatArray]], judged: pd.DataFrame, spec: ScorecardSpec
) -> dict[Key, Interval]:
    return bootstrap(
        statistics,
        judged["account_id"],
        n=spec.evaluation.bootstrap,
        random_state=spec.learning.random_state,
        row_weight=judged["weight"].to_numpy(dtype=np.float64) if "weight" in judged else None,
    )
