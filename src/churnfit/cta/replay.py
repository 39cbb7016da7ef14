"""What a card would have asked of the team: the CTA rules over past dates, from an empty queue, written nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median

import numpy as np
from numpy.typing import NDArray

from churnfit.cta.ranking import rank
from churnfit.cta.rules import Decision, ScoredAccount, Standing, decide
from churnfit.learning.steadiness import count_flips
from churnfit.scorecard.bands import BandCuts
from churnfit.spec import ScorecardSpec

__all__ = ["Asked", "Warned", "replay", "standing_after", "warned"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The accounts whose CTA opened (or reopened) on each date, each owner's open CTAs at the end, and who flipped.

    `flips` of the shown band are those of `churnfit.learning.steadiness`; `account_weeks` counts an account on each
    date. `owners`: how many have accounts.
    """

    opened: Mapping[date, tuple[str, ...]]
    load: Mapping[str, int]
    owners: int
    flips: int
    account_weeks: int


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Of `churned` accounts, how many a CTA had opened for before they left, and the median days between (or None)."""

    churned: int
    called: int
    median_days: float | None


def warned(asked: Asked, left: Mapping[str, date]) -> Warned:
    """Return how early the first CTA of each account came that left on a date of `left`."""
    first: dict[str, date] = {}
    for day in sorted(asked.opened):
        for account in asked.opened[day]:
            first.setdefault(account, day)
    days = [(left[account] - day).days for account, day in first.items() if account in left and day < left[account]]
    return Warned(churned=len(left), called=len(days), median_days=float(median(days)) if days else None)


def replay(days: Mapping[date, list[ScoredAccount]], spec: ScorecardSpec, *, cuts: BandCuts | None = None) -> Asked:
    """Return what the accounts of `days`, taken in the order of their dates, would have opened.

    The first date begins with an empty queue, so it opens one CTA per red account; the later ones say what is new.
    """
    standing = Standing(states={}, active={}, last_closed={})
    opened, bands = {}, []
    for day in sorted(days):
        decision = decide(days[day], standing, spec, as_of=day, version="replay", cuts=cuts)
        begun = (*decision.opened, *decision.reopened)
        opened[day] = tuple(sorted(cta.account_id for cta in begun if cta.status == "open"))
        bands.append({state.account_id: state.band for state in decision.states})
        standing = standing_after(standing, decision)
    load: dict[str, int] = {}
    for row in rank(list(standing.active.values()), spec.queue):
        load[row.owner] = load.get(row.owner, 0) + 1
    owners = {account.owner for accounts in days.values() for account in accounts if account.owner}
    return Asked(
        opened=opened,
        load=load,
        owners=len(owners),
        flips=count_flips(_over_time(bands)),
        account_weeks=sum(len(day) for day in bands),
    )


def _over_time(bands: list[dict[str, str]]) -> NDArray[np.object_]:
    """Return the bands of all accounts (n_accounts, n_dates), "" where one was not scored."""
    accounts = sorted({account for day in bands for account in day})
    rows = [[day.get(account, "") for day in bands] for account in accounts]
    return np.array(rows, dtype=object).reshape(len(accounts), len(bands))


def standing_after(standing: Standing, decision: Decision) -> Standing:
    """Return what is true once `decision` has been carried out."""
    active = {cta.account_id: cta for cta in (*decision.opened, *decision.reopened, *decision.updated)}
    closed = {cta.account_id: cta for cta in decision.resolved}
    return Standing(
        states={state.account_id: state for state in decision.states},
        active=active,
        last_closed={**standing.last_closed, **closed},
    )
