"""What simulated accounts are like, and what they would do if none of them ever left.

Each account has latent traits, one per planted measure, correlated a little (good customers tend to be good at
everything) so that joint learning has something to untangle. Traits stay through the stage; rates drift slowly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

__all__ = ["DAYS", "GOALS", "MODULES", "SECONDS_PER_DAY", "Population", "behaviour", "population"]

DAYS = 210
"""Days of every account that are simulated: the last landmark (90) plus a horizon (90), and a month to spare."""

SECONDS_PER_DAY = 86_400
MODULES = ("basics", "admin", "reporting", "automation", "security")
GOALS = {
    "reporting": ("dashboards", "reports", "exports", "alerts"),
    "automation": ("imports", "workflows", "rules", "templates"),
    "collaboration": ("comments", "mentions", "approvals", "sharing"),
}

_SHARED = 0.15  # variance the traits have in common: correlated, yet each measure keeps its own signal
_LATE = 0.03  # share of events that a source delivers a day or two late
_SEATS = {"smb": (4, 13), "mid_market": (9, 26), "enterprise": (18, 51)}
_SEGMENT_SHARES = (0.5, 0.33, 0.17)
_YEARLY_PRICE_PER_SEAT = 600.0
_OWNERS = ("Ada", "Bea", "Cem", "Dan", "Eva", "Finn", "Gita", "Hugo")
_TRAITS = ("activity", "training", "ticketing", "value", "sentiment", "breadth", "delivery")


@dataclass(frozen=True, kw_only=True)
class Population:
    """Accounts (one row each, in `account_id` order) and their traits as ranks between 0 and 1, same rows."""

    accounts: pd.DataFrame
    traits: pd.DataFrame

    def __len__(self) -> int:
        return len(self.accounts)


def population(accounts: int, rng: np.random.Generator) -> Population:
    """Return `accounts` accounts without dates: segment, seats, arr, owner, goal, and their traits."""
    segment = rng.choice(list(_SEATS), size=accounts, p=_SEGMENT_SHARES)
    low, high = np.array([_SEATS[name] for name in segment]).T
    seats = rng.integers(low, high)
    table = pd.DataFrame(
        {
            "account_id": [f"A{number:05d}" for number in range(1, accounts + 1)],
            "segment": segment,
            "arr": (seats * _YEARLY_PRICE_PER_SEAT * rng.lognormal(0.0, 0.4, accounts)).round(2),
            "owner": rng.choice(_OWNERS, size=accounts),
            "seats": seats,
            "goal": rng.choice(list(GOALS), size=accounts),
        }
    )
    common = rng.normal(size=(accounts, 1)) * np.sqrt(_SHARED)
    own = rng.normal(size=(accounts, len(_TRAITS))) * np.sqrt(1 - _SHARED)
    return Population(accounts=table, traits=pd.DataFrame(ndtr(common + own), columns=list(_TRAITS)))


def behaviour(people: Population, rng: np.random.Generator) -> pd.DataFrame:
    """Return every event of the first `DAYS` days of every account, as if nobody churned.

    Columns: account (row of `people`), second and recorded_second (since the start), kind, user (number, -1: none),
    feature (empty: none), value (null: none). Rows come kind by kind, in no order of time.
    """
    kinds = []
    for kind, rows in _kinds(people, rng):
        full = pd.DataFrame({"account": rows["account"], "second": rows["second"]}).astype("int64")
        full["kind"] = kind
        full["user"] = rows.get("user", -1)
        full["feature"] = rows.get("feature", "")
        full["value"] = rows.get("value", np.nan)
        kinds.append(full)
    events = pd.concat(kinds, ignore_index=True)
    events = events[events["second"] < DAYS * SECONDS_PER_DAY].reset_index(drop=True)
    late = rng.random(len(events)) < _LATE
    delay = rng.integers(SECONDS_PER_DAY, 2 * SECONDS_PER_DAY, len(events))
    events["recorded_second"] = events["second"] + np.where(late, delay, 0)
    return events


def _kinds(people: Population, rng: np.random.Generator) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield each kind of event with its rows."""
    drift = rng.normal(0.0, 0.08, len(people))
    yield "login", _logins(people, drift, rng)
    yield "feature_used", _features_used(people, drift, rng)
    yield "training_completed", _trainings(people, rng)
    yield "ticket_opened", _tickets(people, rng)
    sent, answered = _surveys(people, rng)
    yield "survey_sent", sent
    yield "survey_answered", answered
    yield "value_realised", _values(people, rng)
    yield "milestone_done", _milestones(people, rng)
    delivery = people.traits["delivery"].to_numpy()
    yield "integration_connected", _occurring(0.2 + 0.8 * delivery, np.zeros(len(people)), rng)
    for kind, least, most in (
        ("meeting_held", 0.6, 3.0),
        ("email_opened", 1.0, 6.0),
        ("theme_changed", 0.2, 2.0),
    ):
        yield kind, _occurring(rng.uniform(least, most, len(people)), np.zeros(len(people)), rng)
    yield "invoice_sent", _invoices(people)


def _occurring(per_28_days: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return Poisson arrivals per row: `per_28_days` events at day 60, changing by `drift` (log) each 60 days."""
    peak = np.exp(np.abs(drift) * (DAYS - 60) / 60)
    row = np.repeat(np.arange(len(per_28_days)), rng.poisson(per_28_days * peak * DAYS / 28))
    second = rng.integers(0, DAYS * SECONDS_PER_DAY, len(row))
    kept = rng.random(len(row)) * peak[row] < np.exp(drift[row] * (second / SECONDS_PER_DAY - 60) / 60)
    return {"account": row[kept], "second": second[kept]}


def _logins(people: Population, drift: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return logins: a steady part of the seats is active, each about three times in 28 days."""
    seats = people.accounts["seats"].to_numpy()
    wanted = seats * (0.02 + 0.75 * people.traits["activity"].to_numpy() ** 1.3)
    active = np.floor(wanted + rng.random(len(seats))).astype(int)
    account = np.repeat(np.arange(len(seats)), active)
    user = np.arange(len(account)) - np.repeat(np.cumsum(active) - active, active)
    rows = _occurring(3.2 * rng.gamma(8.0, 1 / 8.0, len(account)), drift[account], rng)
    return {"account": account[rows["account"]], "second": rows["second"], "user": user[rows["account"]]}


def _features_used(people: Population, drift: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return uses of features: each account works with a set of its own, those of its goal first."""
    names = np.array([feature for features in GOALS.values() for feature in features])
    mine = np.array([[feature in GOALS[goal] for feature in names] for goal in people.accounts["goal"]])
    order = np.argsort(rng.random(mine.shape) - 0.5 * mine, axis=1, kind="stable")
    breadth = np.floor(0.5 + 11.5 * people.traits["breadth"].to_numpy() ** 1.2).astype(int)
    used = np.arange(len(names)) < breadth[:, None]
    account, feature = np.nonzero(used)[0], order[used]
    rows = _occurring(np.full(len(account), 2.6), drift[account], rng)
    pair = rows["account"]
    return {
        "account": account[pair],
        "second": rows["second"],
        "feature": names[feature[pair]],
        "user": rng.integers(0, 4, len(pair)),
    }


def _trainings(people: Population, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return completed training modules: most of those that are ever taken are taken in the first month."""
    taken = rng.random((len(people), len(MODULES))) < people.traits["training"].to_numpy()[:, None]
    account, module = np.nonzero(taken)
    second = (rng.exponential(9.0, len(account)) * SECONDS_PER_DAY).astype(np.int64)
    return {
        "account": account,
        "second": second,
        "feature": np.array(MODULES)[module],
        "user": rng.integers(0, 4, len(account)),
    }


def _tickets(people: Population, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return tickets: some accounts are silent, most ask now and then, some are in trouble."""
    ranks, per_28_days = [0.0, 0.2, 0.25, 0.75, 0.82, 1.0], [0.03, 0.1, 2.8, 3.2, 9.0, 14.0]
    rate = np.exp(np.interp(people.traits["ticketing"], ranks, np.log(per_28_days)))
    rows = _occurring(rate, np.zeros(len(people)), rng)
    return rows | {"user": rng.integers(0, 4, len(rows["account"]))}


def _surveys(people: Population, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return surveys sent (day 12 and every 30 days), and their answers (0 to 10): some accounts never answer."""
    rank = people.traits["sentiment"].to_numpy()
    days = np.arange(12, DAYS, 30)
    account, day = np.repeat(np.arange(len(people)), len(days)), np.tile(days, len(people))
    sent = day * SECONDS_PER_DAY + rng.integers(8, 17, len(account)) * 3600
    answering = (rng.random(len(people)) < 0.6 + 0.35 * rank)[account]
    score = np.clip(np.round(1.5 + 8.5 * rank[account] ** 0.8 + rng.normal(0, 0.7, len(account))), 0, 10)
    reply = sent + rng.integers(3600, 4 * SECONDS_PER_DAY, len(account))
    answers = {"account": account[answering], "second": reply[answering], "value": score[answering]}
    return {"account": account, "second": sent}, answers


def _values(people: Population, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return realised value (money): after a first time that for some accounts never comes, about monthly."""
    rank = people.traits["value"].to_numpy()
    first = 4.0 + 42.0 * (1 - rank) ** 1.5 + rng.exponential(3.0, len(rank))
    first = np.where(rank + rng.normal(0, 0.05, len(rank)) < 0.16, np.inf, first)
    rows = _occurring(np.full(len(rank), 1.0), np.zeros(len(rank)), rng)
    later = rows["second"] > first[rows["account"]] * SECONDS_PER_DAY
    reached = np.nonzero(np.isfinite(first))[0]
    account = np.concatenate([reached, rows["account"][later]])
    second = np.concatenate([(first[reached] * SECONDS_PER_DAY).astype(np.int64), rows["second"][later]])
    arr = people.accounts["arr"].to_numpy()[account]
    return {
        "account": account,
        "second": second,
        "value": (arr * rng.lognormal(-2.5, 0.5, len(account))).round(2),
    }


def _milestones(people: Population, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return project milestones: kick-off, data loaded, go-live, at the account's own pace."""
    slowness = 1.5 - people.traits["delivery"].to_numpy()
    names, typical_days = np.array(["kick_off", "data_loaded", "go_live"]), np.array([4.0, 18.0, 45.0])
    day = typical_days * slowness[:, None] * rng.gamma(12.0, 1 / 12.0, (len(people), len(names)))
    account, milestone = np.indices(day.shape).reshape(2, -1)
    return {
        "account": account,
        "second": (day * SECONDS_PER_DAY).astype(np.int64).ravel(),
        "feature": names[milestone],
    }


def _invoices(people: Population) -> dict[str, np.ndarray]:
    """Return monthly invoices, the same for everybody: a kind that no measure should want."""
    account, month = np.indices((len(people), DAYS // 30)).reshape(2, -1)
    value = (people.accounts["arr"].to_numpy()[account] / 12).round(2)
    return {"account": account, "second": month * 30 * SECONDS_PER_DAY + 9 * 3600, "value": value}
