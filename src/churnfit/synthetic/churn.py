"""Who is called and who leaves: the planted card, applied to the planted behaviour period by period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from churnfit.synthetic.behaviour import DAYS, MODULES, SECONDS_PER_DAY, Population
from churnfit.synthetic.truth import Truth

__all__ = ["PERIOD_DAYS", "Fates", "fates", "measured"]

PERIOD_DAYS = 30
_FIRST_PERIOD_RISK = 0.02  # before anything can be measured everybody runs the same small risk
_CALL_EFFECT = -1.2  # on the logit: a call takes a risk of 10 % to about 3 %
_CALLED_PERIODS = 2  # a call works for 60 days
_CAUTION = 20.0  # health points that make a call e times less likely: the team calls those that look at risk


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What became of each account: `churned_day` shape (accounts,), null for those that stayed; and the calls.

    `calls` has columns account (row) and day (of the stage), in order of both.
    """

    churned_day: np.ndarray
    calls: pd.DataFrame


def measured(events: pd.DataFrame, seats: np.ndarray, day: int) -> pd.DataFrame:
    """Return the planted measures of all accounts on one day of the stage, one row per entry of `seats`.

    Only events that had happened and were recorded before that day count; a null is the measure's missing state.
    """
    end, start = day * SECONDS_PER_DAY, (day - 28) * SECONDS_PER_DAY
    known = events[(events["recorded_second"] < end) & (events["second"] >= 0)]
    recent = known[known["second"] >= start]
    whole, month = dict(list(known.groupby("kind"))), dict(list(recent.groupby("kind")))
    none = events.iloc[:0]

    def distinct(rows: pd.DataFrame, column: str) -> np.ndarray:
        return _count(rows.drop_duplicates(["account", column]), len(seats))

    answers = whole.get("survey_answered", none).sort_values(["account", "second"]).groupby("account")["value"].last()
    first = whole.get("value_realised", none).groupby("account")["second"].min() // SECONDS_PER_DAY
    every = range(len(seats))
    return pd.DataFrame(
        {
            "active_seats_28d": distinct(month.get("login", none), "user") / seats,
            "training_share": distinct(whole.get("training_completed", none), "feature") / len(MODULES),
            "tickets_28d": _count(month.get("ticket_opened", none), len(seats)),
            "days_to_first_value": first.reindex(every).to_numpy(dtype=float),
            "survey_score": answers.reindex(every).to_numpy(dtype=float),
            "features_28d": distinct(month.get("feature_used", none), "feature"),
        }
    )


def _count(rows: pd.DataFrame, accounts: int) -> np.ndarray:
    return np.bincount(rows["account"].to_numpy(dtype=np.int64), minlength=accounts)


def fates(
    people: Population, events: pd.DataFrame, truth: Truth, *, treated_share: float, rng: np.random.Generator
) -> Fates:
    """Return who churned on which day of the stage, and who was called when.

    At each period's first day the living accounts' planted logit is taken, some are called (those at risk more
    often; `treated_share` of all accounts in the end, about), and churn is drawn for the period.
    """
    count = len(people)
    seats, segment = people.accounts["seats"].to_numpy(), people.accounts["segment"]
    churned_day, called_until = np.full(count, np.nan), np.full(count, -1)
    calls = []
    periods = DAYS // PERIOD_DAYS
    for period in range(periods):
        day = period * PERIOD_DAYS
        living = np.isnan(churned_day)
        risk = np.full(count, _FIRST_PERIOD_RISK)
        if period > 0:
            now = measured(events, seats, day)
            tempting = np.exp(-truth.health(now) / _CAUTION) * living * (called_until < period)
            chance = treated_share * count / (periods - 1) * tempting / tempting.sum()
            called = rng.random(count) < chance
            called_until[called] = period + _CALLED_PERIODS - 1
            calls.append(pd.DataFrame({"account": np.nonzero(called)[0], "day": day}))
            risk = expit(truth.logit(now, segment) + _CALL_EFFECT * (called_until >= period))
        leaves = living & (rng.random(count) < risk)
        churned_day[leaves] = day + rng.integers(1, PERIOD_DAYS + 1, count)[leaves]
    table = pd.concat(calls, ignore_index=True).sort_values(["account", "day"], ignore_index=True)
    return Fates(churned_day=churned_day, calls=table)
