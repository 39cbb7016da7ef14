"""How long the steps of a stage take, by segment; which step holds accounts up; who is late today.

The estimand is the day of the stage by which a step would have been reached had nobody churned first: accounts that
churned, or that are still on their way, count for as long as they were seen (Kaplan–Meier). Averages over those who
arrived would call every new stage short.

References
----------
Kaplan and Meier (1958), "Nonparametric Estimation from Incomplete Observations".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.history.cohort import STAGE_START, scoring_grid
from churnfit.history.snapshot import Engine, snapshot
from churnfit.history.sql import fetch_frame, literal
from churnfit.scorecard.words import NO_SEGMENT
from churnfit.spec import Group, Journey, Measure, ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "EVERYBODY",
    "JourneyReport",
    "Late",
    "StepTime",
    "journey_report",
    "overdue",
    "overstay_limits",
    "overstaying",
    "step_days",
]

EVERYBODY = "all"
_CALLED_ALL = 'segment "all"'  # some call a segment so: it is not everybody
_ALPHA = 0.1  # 90 % intervals, as everywhere
_ROUNDING = 1e-12  # of products of shares: a half must be a half


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """One step in one segment.

    `accounts` began the stage, `reached` of them are known to have reached the step. `median`, with its 90 % interval:
    the day of the stage by which half do; infinite where half never did while they were seen. `late`: the share that
    has not reached it by its due day (None without one). `wait`: the median of days since the step before, of those
    who reached that one. `slowest`: no step of the segment has a longer wait.
    """

    segment: str
    step: str
    label: str
    accounts: int
    reached: int
    median: float
    low: float
    high: float
    due_day: int | None
    late: float | None
    wait: float
    slowest: bool = False


@dataclass(frozen=True, kw_only=True)
class Late:
    """An account that is late today: with a `step`, by so many days; overstaying is being late with the stage's end."""

    account_id: str
    owner: str
    segment: str
    stage_day: int
    step: str
    label: str
    limit_day: float
    days_late: float


@dataclass(frozen=True, kw_only=True)
class JourneyReport:
    """The journey on one day: times by segment (first of everybody), who missed a due day, and who overstays.

    `limits`: by segment, the day of the stage after which an account overstays; infinite where it is not known.
    """

    as_of: date
    times: tuple[StepTime, ...]
    limits: Mapping[str, float]
    overdue: tuple[Late, ...]
    overstaying: tuple[Late, ...]


def step_days(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, journey: Journey, *, as_of: pd.Timestamp, engine: Engine
) -> pd.DataFrame:
    """Return every account that began the stage before `as_of`: account_id, segment, owner, seen, here, and each step.

    A step holds the day of the stage on which it was reached, NaN where that is not known to have happened; `seen` the
    days for which the account was watched: until `as_of`, its churn, or the end of its observation; `here` whether it
    is in the stage on `as_of`, as `churnfit.history.cohort.scoring_grid` has it. Facts recorded from `as_of` on are not
    looked at.
    """
    stamp = literal(as_of.to_pydatetime(warn=False))
    people = fetch_frame(
        con,
        f"SELECT account_id, {stamp} AS as_of, "
        f"date_diff('day', {STAGE_START}, least({stamp}, coalesce(churned_at, {stamp}), "
        f"coalesce(observed_until, {stamp}))) AS seen "
        f"FROM accounts WHERE started_at < {stamp} ORDER BY account_id",
    )
    steps = spec.model_copy(
        update={
            "groups": {"journey": Group(label="Journey")},
            "measures": {
                name: Measure(group="journey", aggregate="days_to_first", kinds=step.kinds, where=step.where)
                for name, step in journey.steps.items()
            },
        }
    )
    measured = snapshot(con, steps, people[["account_id", "as_of"]], engine=engine)
    found = measured.merge(people[["account_id", "seen"]], on="account_id", validate="1:1")
    found["here"] = found["account_id"].isin(scoring_grid(con, spec, as_of)["account_id"])
    for name in journey.steps:
        found[name] = found[name].where(found[name] <= found["seen"])  # what a churned account did later is no step
    found["segment"] = found["segment"].fillna(NO_SEGMENT).replace(EVERYBODY, _CALLED_ALL)
    found["owner"] = found["owner"].fillna("")
    return found[["account_id", "segment", "owner", "seen", "here", *journey.steps]]


def journey_report(days: pd.DataFrame, journey: Journey, *, as_of: date) -> JourneyReport:
    """Return what the rows of `step_days` say on `as_of`."""
    limits = overstay_limits(days, journey)
    return JourneyReport(
        as_of=as_of,
        times=tuple(time for name, part in _parts(days).items() for time in _times(name, part, journey)),
        limits=limits,
        overdue=overdue(days, journey),
        overstaying=overstaying(days, journey, limits),
    )


def overstay_limits(days: pd.DataFrame, journey: Journey) -> dict[str, float]:
    """Return `JourneyReport.limits` of the rows of `step_days`."""
    return {name: _limit(part, days, journey) for name, part in _parts(days).items()}


def overdue(days: pd.DataFrame, journey: Journey) -> tuple[Late, ...]:
    """Return every step that somebody here has not reached on the day after it was due, the latest first."""
    here = days[days["here"]]
    found = [
        _late(row, journey, name)
        for name, step in journey.steps.items()
        if step.due_day is not None
        for row in here[here[name].isna() & (here["seen"] > step.due_day)].assign(limit=step.due_day).itertuples()
    ]
    return _latest_first(found)


def overstaying(days: pd.DataFrame, journey: Journey, limits: Mapping[str, float]) -> tuple[Late, ...]:
    """Return who is here beyond the limit of their segment, the latest first."""
    here = days[days["here"]]
    here = here.assign(limit=here["segment"].map(limits).fillna(limits[EVERYBODY]).astype("float64"))
    beyond = here[here[journey.last].isna() & (here["seen"] > here["limit"])]
    return _latest_first([_late(row, journey, journey.last) for row in beyond.itertuples()])


def _parts(days: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of everybody, and of each segment where there are several."""
    segments = {str(name): part for name, part in days.groupby("segment", sort=True)}
    return {EVERYBODY: days} | (segments if len(segments) > 1 else {})


def _times(segment: str, rows: pd.DataFrame, journey: Journey) -> list[StepTime]:
    found, before = [], pd.Series(0.0, index=rows.index)
    for name, step in journey.steps.items():
        arrival = _Arrival.of(rows[name], rows["seen"])
        low, median, high = arrival.day_by_which(0.5)
        since = _Arrival.of((rows[name] - before).clip(lower=0), (rows["seen"] - before).clip(lower=0))
        found.append(
            StepTime(
                segment=segment,
                step=name,
                label=journey.label_of(name),
                accounts=len(rows),
                reached=int(rows[name].notna().sum()),
                median=median,
                low=low,
                high=high,
                due_day=step.due_day,
                late=None if step.due_day is None else arrival.still_out(step.due_day),
                wait=since.day_by_which(0.5)[1],
            )
        )
        before = rows[name]
    longest = max(time.wait for time in found)
    return [replace(time, slowest=time.wait == longest) for time in found]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Arrival:
    """The share that has not arrived by each day, and its 90 % bounds (n,), while somebody was watched."""

    day: NDArray[np.float64]
    out: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, arrived: pd.Series, watched: pd.Series) -> _Arrival:
        """Return it of accounts with a day each (NaN: not arrived) and days watched; a NaN of `watched` is nobody."""
        from lifelines import KaplanMeierFitter

        known = watched.notna()
        if not known.any():
            return cls(day=np.zeros(1), out=np.ones(1), low=np.ones(1), high=np.ones(1))
        fitted = KaplanMeierFitter(alpha=_ALPHA).fit(
            arrived[known].fillna(watched[known]), event_observed=arrived[known].notna()
        )
        bounds = fitted.confidence_interval_.to_numpy()
        out = fitted.survival_function_
        return cls(day=out.index.to_numpy(float), out=out.to_numpy()[:, 0], low=bounds[:, 0], high=bounds[:, 1])

    def day_by_which(self, share: float) -> tuple[float, float, float]:
        """Return the first day by which `share` have arrived, between its bounds; infinite where that was not seen."""
        low, day, high = (self._first(curve, 1 - share) for curve in (self.low, self.out, self.high))
        return low, day, high

    def _first(self, curve: NDArray[np.float64], at_most: float) -> float:
        there = np.flatnonzero(curve <= at_most + _ROUNDING)
        return float(self.day[there[0]]) if len(there) else math.inf

    def still_out(self, day: int) -> float | None:
        """Return the share that has not arrived by the end of `day`; None when nobody out was watched for so long."""
        if self.day[-1] < day and self.out[-1] > 0:
            return None
        return float(self.out[np.searchsorted(self.day, day, side="right") - 1])


def _limit(rows: pd.DataFrame, everybody: pd.DataFrame, journey: Journey) -> float:
    """Return the day by which the share `overstay` has reached the stage's end, of everybody where few have."""
    enough = rows[journey.last].notna().sum() >= journey.min_reached
    base = rows if enough else everybody
    return _Arrival.of(base[journey.last], base["seen"]).day_by_which(journey.overstay)[1]


def _latest_first(found: list[Late]) -> tuple[Late, ...]:
    return tuple(sorted(found, key=lambda late: (-late.days_late, late.account_id)))


def _late(row: Any, journey: Journey, step: str) -> Late:
    return Late(
        account_id=row.account_id,
        owner=row.owner,
        segment=row.segment,
        stage_day=int(row.seen),
        step=step,
        label=journey.label_of(step),
        limit_day=float(row.limit),
        days_late=float(row.seen - row.limit),
    )
