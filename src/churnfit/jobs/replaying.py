"""The replay of a promotion plan: champion and candidate over the last weeks, side by side; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import pandas as pd

from churnfit.cta.replay import Asked, Warned, replay, warned
from churnfit.cta.rules import ScoredAccount
from churnfit.history.cohort import churn_days, newest_fact
from churnfit.history.sources import open_sources
from churnfit.jobs.history import Say, now
from churnfit.jobs.scoring import opened_for_scoring, scored_accounts
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.card import Scorecard
from churnfit.scoring.batch import score
from churnfit.spec import ScorecardSpec

__all__ = ["BandChange", "Night", "Replay", "Side", "last_day", "newest_day", "replay_on", "replay_weeks"]


class Night(NamedTuple):
    """What was measured on a date, and how: a card that learned a measure otherwise cannot be scored on it."""

    as_of: pd.Timestamp
    measured: pd.DataFrame
    definitions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BandChange:
    """An account that the candidate puts in another band than the champion does, on a date."""

    as_of: date
    account_id: str
    before: str
    after: str
    health_before: float
    health_after: float


@dataclass(frozen=True, kw_only=True)
class Side:
    """One card's weeks: what it asked of the team, whom of the churned it warned of, the mean coverage (0 to 1)."""

    asked: Asked
    warned: Warned
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The weeks, oldest first, the accounts on each, both sides, and who changes band.

    `champion` is None where there is none yet, or where it reads a measure that the spec no longer has, or takes
    otherwise. `left_out` says why a date has no replay.
    """

    accounts: Mapping[date, int]
    champion: Side | None
    candidate: Side | None
    changes: list[BandChange]
    left_out: list[str]


def last_day(workspace: Workspace, card: str) -> pd.Timestamp:
    """Return the day a replay ends with by default: the newest scored one, else the newest that the sources know."""
    with closing(workspace.store()) as store:
        run = store.latest_run(card)
    if run is not None:
        return pd.Timestamp(run.as_of, tz="UTC")
    return newest_day(workspace, workspace.spec(card), by=now())


def newest_day(workspace: Workspace, spec: ScorecardSpec, *, by: pd.Timestamp) -> pd.Timestamp:
    """Return the newest day that the sources know, at the latest that of `by`."""
    with open_sources(spec, workspace.root, unreadable_as_gaps=True, summary=workspace.summary(spec)) as con:
        newest = newest_fact(con, spec)
    return by.normalize() if newest is None else min(newest, by.normalize())


def replay_weeks(
    workspace: Workspace,
    spec: ScorecardSpec,
    champion: Scorecard | None,
    candidate: Scorecard,
    *,
    until: pd.Timestamp,
    weeks: int,
    say: Say,
    checked: bool = False,
) -> Replay:
    """Return both cards' scores, bands and CTAs on `until` and the same weekday of the weeks before.

    `checked`: this very job has checked the sources.

    Raises
    ------
    DataError
        As `churnfit.jobs.scoring.opened_for_scoring`; a date without accounts is left out.
    """
    with opened_for_scoring(workspace, spec, until=until, checked=checked) as measured_on:
        days = (until - pd.Timedelta(weeks=back) for back in reversed(range(weeks)))
        definitions = spec.definitions
        nights = (Night(day, measured_on(day), definitions) for day in days)
        return replay_on(workspace, spec, champion, candidate, nights, say=say)


def replay_on(
    workspace: Workspace,
    spec: ScorecardSpec,
    champion: Scorecard | None,
    candidate: Scorecard,
    nights: Iterable[Night],
    *,
    say: Say,
) -> Replay:
    """Return both cards' scores, bands and CTAs on `nights`, oldest first.

    Overrides and alerts of the journey are not replayed: they are the same whatever the card.
    """
    cards = {"candidate": candidate} | ({} if champion is None else {"champion": champion})
    days: dict[str, dict[date, list[ScoredAccount]]] = {name: {} for name in cards}
    coverage: dict[str, list[pd.Series]] = {name: [] for name in cards}
    changes: list[BandChange] = []
    left_out: list[str] = []
    for as_of, measured, definitions in nights:
        say(f"Replaying {as_of:%Y-%m-%d}")
        lacking = candidate.unread(measured.columns, definitions)
        if measured.empty or lacking:
            why = f"nobody measured {', '.join(lacking)} as it learned" if lacking else "no accounts in the stage"
            left_out.append(f"{as_of:%Y-%m-%d}: {why}")
            continue
        scores = {}
        for name, card in cards.items():
            if card.unread(measured.columns, definitions):
                continue  # the spec no longer has what that card reads, or takes it otherwise
            run = score(card, measured, key="replay")
            scores[name] = run.scores
            days[name][as_of.date()] = scored_accounts(card, run, spec)
            coverage[name].append(run.scores["coverage"])
        if len(scores) == 2:
            changes += _changes(scores["champion"], scores["candidate"], as_of.date())
    left = _left_since(workspace, spec, days["candidate"])
    sides = {}
    for name, card in cards.items():
        if days[name]:
            asked = replay(days[name], spec, cuts=card.bands)
            mean = float(pd.concat(coverage[name]).mean())
            sides[name] = Side(asked=asked, warned=warned(asked, left), coverage=mean)
    return Replay(
        accounts={day: len(accounts) for day, accounts in days["candidate"].items()},
        champion=sides.get("champion"),
        candidate=sides.get("candidate"),
        changes=changes,
        left_out=left_out,
    )


def _left_since(workspace: Workspace, spec: ScorecardSpec, days: Mapping[date, list[ScoredAccount]]) -> dict[str, date]:
    """Return the day on which each replayed account churned, as the sources know today; others are not in it."""
    if not days:
        return {}
    accounts = {account.account_id for scored in days.values() for account in scored}
    with open_sources(spec, workspace.root, unreadable_as_gaps=True) as con:
        churned = churn_days(con, spec)
    return {account: day for account, day in churned.items() if account in accounts and day > min(days)}


def _changes(before: pd.DataFrame, after: pd.DataFrame, as_of: date) -> list[BandChange]:
    """Return whose band differs; the rows of both tables are the same accounts in the same order."""
    moved = (before["band"] != after["band"]).to_numpy()
    columns = (
        before.loc[moved, "account_id"],
        before.loc[moved, "band"],
        after.loc[moved, "band"],
        before.loc[moved, "health"],
        after.loc[moved, "health"],
    )
    return [
        BandChange(
            as_of=as_of, account_id=account, before=was, after=now_, health_before=float(low), health_after=float(high)
        )
        for account, was, now_, low, high in zip(*columns, strict=True)
    ]
