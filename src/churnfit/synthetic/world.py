"""A simulated history as the tables that churnfit reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from churnfit.files import write_parquet, write_text
from churnfit.synthetic.behaviour import SECONDS_PER_DAY, Population, behaviour, population
from churnfit.synthetic.churn import Fates, fates
from churnfit.synthetic.truth import TRUTH, Truth

__all__ = ["SIMULATED", "World", "simulate", "write_world"]

SIMULATED = "SIMULATED.txt"
"""A file of this name in a data folder says that the history there is simulated."""

_HISTORY_DAYS = 900  # thirty months of starts: old cohorts are matured, the last are still open
_PLAYBOOKS = ("activate_users", "training_path", "success_call")


@dataclass(frozen=True, kw_only=True)
class World:
    """A simulated history (tables of DESIGN §4, timestamps UTC) and the card that made it."""

    accounts: pd.DataFrame
    events: pd.DataFrame
    interventions: pd.DataFrame
    truth: Truth


def simulate(accounts: int = 1200, *, as_of: pd.Timestamp, random_state: int = 7, treated_share: float = 0.06) -> World:
    """Return a history of `accounts` onboardings, as known on `as_of`.

    Starts spread evenly over the thirty months before `as_of`, so the last cohorts are still open. Every account is
    followed for its first 210 days at most. The same arguments give the same tables.

    Parameters
    ----------
    accounts : int
        How many accounts; more give narrower intervals and cost time in proportion (1,200: about 300,000 events).
    as_of : Timestamp
        The day the history ends, UTC; nothing later is in it.
    random_state : int
        Another number, another history of the same truth.
    treated_share : float
        Share of accounts that a CSM called, those that looked at risk more often; 0 to 1.

    Returns
    -------
    World
        accounts: key account_id; events: in order of account_id, occurred_at, kind; interventions: in order of
        account_id, at.

    Examples
    --------
    >>> world = simulate(50, as_of=pd.Timestamp("2025-06-30", tz="UTC"))
    >>> len(world.accounts), max(world.truth.weights, key=world.truth.weights.get)
    (50, 'active_seats_28d')
    """
    rng = np.random.default_rng(random_state)
    as_of = as_of.tz_convert("UTC").normalize()
    people = population(accounts, rng)
    started_at = as_of - pd.to_timedelta(rng.integers(1, _HISTORY_DAYS + 1, accounts), unit="D")
    events = behaviour(people, rng)
    fate = fates(people, events, TRUTH, treated_share=treated_share, rng=rng)
    return World(
        accounts=_accounts(people, started_at, fate, as_of),
        events=_events(people, started_at, events[_happened(events, fate)], as_of),
        interventions=_interventions(people, started_at, fate, as_of, rng),
        truth=TRUTH,
    )


def write_world(world: World, folder: Path) -> None:
    """Write accounts, events and interventions as Parquet files into `folder`, made if it is not there."""
    for name in ("accounts", "events", "interventions"):
        write_parquet(getattr(world, name), folder / f"{name}.parquet")
    write_text("Simulated by churnfit; no customer in here is real.\n", folder / SIMULATED)


def _happened(events: pd.DataFrame, fate: Fates) -> np.ndarray:
    """Return which events came before their account left."""
    left = fate.churned_day[events["account"]] * SECONDS_PER_DAY
    return ~(events["second"].to_numpy() >= left)


def _moments(started_at: pd.DatetimeIndex, row: pd.Series, second: pd.Series) -> pd.Series:
    """Return UTC timestamps (microseconds) `second` seconds after each row's account started."""
    moments = started_at[row.to_numpy()] + pd.to_timedelta(second.to_numpy(), unit="s")
    return pd.Series(moments.as_unit("us"))


def _accounts(people: Population, started_at: pd.DatetimeIndex, fate: Fates, as_of: pd.Timestamp) -> pd.DataFrame:
    churned_at = pd.Series(started_at + pd.to_timedelta(fate.churned_day, unit="D"))
    table = people.accounts.copy()
    table.insert(1, "started_at", started_at.as_unit("us"))
    table.insert(2, "churned_at", churned_at.where(churned_at <= as_of).dt.as_unit("us"))
    return table


def _events(
    people: Population, started_at: pd.DatetimeIndex, events: pd.DataFrame, as_of: pd.Timestamp
) -> pd.DataFrame:
    events = events.reset_index(drop=True)
    known_as = people.accounts["account_id"].take(events["account"].to_numpy()).reset_index(drop=True)
    users = known_as + "-U" + events["user"].astype(str)
    table = pd.DataFrame(
        {
            "account_id": known_as,
            "occurred_at": _moments(started_at, events["account"], events["second"]),
            "recorded_at": _moments(started_at, events["account"], events["recorded_second"]),
            "kind": events["kind"],
            "user_id": users.where(events["user"] >= 0, None),
            "feature": events["feature"].where(events["feature"] != "", None),
            "value": events["value"],
        }
    )
    # What is recorded later than the history ends is not known yet, even if it has happened.
    table = table[table["recorded_at"] < as_of]
    return table.sort_values(["account_id", "occurred_at", "kind"], kind="stable", ignore_index=True)


def _interventions(
    people: Population,
    started_at: pd.DatetimeIndex,
    fate: Fates,
    as_of: pd.Timestamp,
    rng: np.random.Generator,
) -> pd.DataFrame:
    calls = fate.calls
    second = calls["day"] * SECONDS_PER_DAY + rng.integers(9, 17, len(calls)) * 3600
    table = pd.DataFrame(
        {
            "account_id": people.accounts["account_id"].to_numpy()[calls["account"]],
            "at": _moments(started_at, calls["account"], second),
            "playbook": rng.choice(_PLAYBOOKS, size=len(calls)),
            "outcome": "done",
        }
    )
    return table[table["at"] < as_of].reset_index(drop=True)
