"""Which rows train and which judge: older cohorts against newer ones, once or rolling, or accounts held out by hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.spec import ScorecardSpec

__all__ = ["Split", "rolling_splits", "split"]

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Row positions that train and that judge, and how they were chosen.

    `train_before` and `judge_from` are the stage starts that divide the sides (None for held-out accounts),
    `judge_until` is where the judged ones end (None: nowhere);
    `embargoed` counts rows dropped because their label was not known yet at the first judged snapshot, `set_aside` rows
    of cohorts between the two dates. `sentence` says all of it in words.
    """

    train_rows: Rows
    judge_rows: Rows
    method: str
    sentence: str
    train_before: pd.Timestamp | None = None
    judge_from: pd.Timestamp | None = None
    judge_until: pd.Timestamp | None = None
    embargoed: int = 0
    set_aside: int = 0


def split(rows: pd.DataFrame, spec: ScorecardSpec) -> Split:
    """Return the training and the judged rows of matured snapshots.

    Parameters
    ----------
    rows : DataFrame
        Matured rows with account_id, as_of, churned (0/1) and started_at; where started_at is absent or null an
        account's first as_of stands for it.
    spec : ScorecardSpec
        `evaluation` names the method and its dates or share; the embargo is `horizon_days` and `reporting_lag_days` of
        `cohort`.

    Returns
    -------
    Split
        No account is on both sides. ``out_of_time``: accounts are placed by the start of their first stage, and
        training rows with as_of + horizon + reporting lag after the earliest judged as_of are dropped.

    Raises
    ------
    DataError
        CF110 when a side has no rows, CF102 when a side has one class.
    """
    divide = _held_out if spec.evaluation.method == "held_out_accounts" else _out_of_time
    found = divide(rows, spec)
    _check_sides(rows["churned"].to_numpy(dtype=np.float64), found)
    return found


def rolling_splits(rows: pd.DataFrame, spec: ScorecardSpec, *, origins: int) -> tuple[Split, ...]:
    """Return one split per origin, oldest first; a side may be empty or hold one class.

    The cohorts that `split` judges are cut in successive windows of about equally many rows. Each judges what was
    learned from every cohort before it: one origin is `split`, and together the origins judge the same rows.

    Parameters
    ----------
    rows, spec
        As for `split`; `evaluation.method` is ``out_of_time``.
    origins : int
        How many, at least 1. As many as there are days of stage start among the judged rows, at most.

    Returns
    -------
    tuple of Split
        Within one, no account is on both sides and every training row's label was known at the earliest judged as_of;
        a gap between `train_before` and `judge_from` is kept at every origin.

    Raises
    ------
    DataError
        CF110 when there are no cohorts to divide, or the rows are divided by account.
    """
    if spec.evaluation.method != "out_of_time":
        raise DataError(
            "CF110",
            where="rolling backtest",
            expected='evaluation.method = "out_of_time"',
            came=f'"{spec.evaluation.method}"',
            fix="Date the rows: without cohorts there is nothing to roll over.",
        )
    as_of = pd.to_datetime(rows["as_of"], utc=True)
    started = _stage_starts(rows, as_of)
    train_before, judge_from = _dates(started, spec)
    judged = started[started >= judge_from].dt.floor("D").sort_values(ignore_index=True)
    begins = [judge_from]
    for part in range(1, origins if len(judged) else 1):
        day = judged[len(judged) * part // origins]
        if day > begins[-1]:
            begins.append(day)
    ends = [*begins[1:], None]
    gap = judge_from - train_before
    return tuple(
        _between(rows, as_of, started, _Window(begin - gap, begin, end), spec)
        for begin, end in zip(begins, ends, strict=True)
    )


def _held_out(rows: pd.DataFrame, spec: ScorecardSpec) -> Split:
    share = spec.evaluation.judge_share
    judged = rows["account_id"].map(_place).to_numpy(dtype=np.float64) < share
    accounts = rows["account_id"].nunique()
    judged_accounts = rows.loc[judged, "account_id"].nunique()
    return Split(
        train_rows=np.flatnonzero(~judged),
        judge_rows=np.flatnonzero(judged),
        method="held_out_accounts",
        sentence=f"Held-out accounts, not out of time: {judged_accounts:,} of {accounts:,} accounts "
        f"({int(judged.sum()):,} rows), chosen by a hash of their id, judge; the others "
        f"({int((~judged).sum()):,} rows) train. Both are of the same period, so changes over time go unseen.",
    )


def _place(account_id: object) -> float:
    """Return a place in [0, 1) that depends on the id alone: an account keeps its side as others come and go."""
    digest = hashlib.sha256(str(account_id).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _out_of_time(rows: pd.DataFrame, spec: ScorecardSpec) -> Split:
    as_of = pd.to_datetime(rows["as_of"], utc=True)
    started = _stage_starts(rows, as_of)
    return _between(rows, as_of, started, _Window(*_dates(started, spec), None), spec)


@dataclass(frozen=True)
class _Window:
    """Stage starts: those before `train_before` train, those from `judge_from` until `judge_until` judge."""

    train_before: pd.Timestamp
    judge_from: pd.Timestamp
    judge_until: pd.Timestamp | None


def _between(rows: pd.DataFrame, as_of: pd.Series, started: pd.Series, window: _Window, spec: ScorecardSpec) -> Split:
    train_before, judge_from, until = window.train_before, window.judge_from, window.judge_until
    older, newer = (started < train_before).to_numpy(), (started >= judge_from).to_numpy()
    judged = newer if until is None else newer & (started < until).to_numpy()
    embargoed: Mask = np.zeros(len(rows), dtype=np.bool_)
    first_judged = as_of[judged].min()
    if judged.any():
        known = as_of + pd.Timedelta(days=spec.cohort.horizon_days + spec.cohort.reporting_lag_days)
        embargoed = older & (known > first_judged).to_numpy()
    trained = older & ~embargoed
    set_aside = int((~older & ~newer).sum())
    lag = f" (and reporting lag in days: {spec.cohort.reporting_lag_days})" if spec.cohort.reporting_lag_days else ""
    sentence = (
        f"Out of time: stages begun before {train_before:%Y-%m-%d} train ({int(trained.sum()):,} rows), stages begun "
        f"from {judge_from:%Y-%m-%d} judge ({int(judged.sum()):,} rows"
        + (f", the first seen on {first_judged:%Y-%m-%d}" if judged.any() else "")
        + f"); {int(embargoed.sum()):,} training rows were dropped because their {spec.cohort.horizon_days}-day label "
        f"window{lag} reaches the judged snapshots"
        + (f", {set_aside:,} rows of stages between the two dates were set aside." if set_aside else ".")
    )
    return Split(
        train_rows=np.flatnonzero(trained),
        judge_rows=np.flatnonzero(judged),
        method="out_of_time",
        sentence=sentence,
        train_before=train_before,
        judge_from=judge_from,
        judge_until=until,
        embargoed=int(embargoed.sum()),
        set_aside=set_aside,
    )


def _stage_starts(rows: pd.DataFrame, as_of: pd.Series) -> pd.Series:
    """Return the first stage start of each row's account: one per account, so that no account is on both sides."""
    started = as_of
    if "started_at" in rows:
        started = pd.to_datetime(rows["started_at"], utc=True).fillna(as_of)
    return started.groupby(rows["account_id"].to_numpy()).transform("min")


def _dates(started: pd.Series, spec: ScorecardSpec) -> tuple[pd.Timestamp, pd.Timestamp]:
    asked = spec.evaluation
    before, begin = asked.train_before or asked.judge_from, asked.judge_from or asked.train_before
    if before is not None and begin is not None:
        return pd.Timestamp(min(before, begin), tz="UTC"), pd.Timestamp(begin, tz="UTC")
    days, counts = np.unique(started.dt.floor("D"), return_counts=True)
    if len(days) < 2:
        raise DataError(
            "CF110",
            where="backtest (out_of_time)",
            expected="stages that began on different days",
            came=f"{len(started):,} rows with {len(days)} day of stage start",
            fix='Set evaluation.method = "held_out_accounts".',
        )
    newest_share = counts[::-1].cumsum()[::-1] / len(started)  # of rows that began on that day or later
    nearest = int(np.argmin(np.abs(newest_share[1:] - asked.judge_share))) + 1
    cut = pd.Timestamp(days[nearest])
    return cut, cut


def _check_sides(churned: NDArray[np.float64], found: Split) -> None:
    sides = {"training": churned[found.train_rows], "judged": churned[found.judge_rows]}
    came = " and ".join(f"{len(side):,} {name} rows ({int(side.sum()):,} churned)" for name, side in sides.items())
    if found.embargoed:
        came += f" after {found.embargoed:,} rows fell to the embargo"
    fix = (
        "Change evaluation.judge_share, or add accounts."
        if found.method == "held_out_accounts"
        else "Move evaluation.train_before and judge_from, shorten cohort.horizon_days, or set "
        'evaluation.method = "held_out_accounts".'
    )
    where = f"backtest ({found.method})"
    if not all(len(side) for side in sides.values()):
        raise DataError("CF110", where=where, expected="rows that train and rows that judge", came=came, fix=fix)
    if not all(0 < side.sum() < len(side) for side in sides.values()):
        raise DataError("CF102", where=where, expected="churned and retained rows on both sides", came=came, fix=fix)
