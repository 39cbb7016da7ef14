"""What a card would have asked of the team: the CTA rules over past dates, from an empty queue, written nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from churnfit.cta.ranking import rank
from churnfit.cta.rules import Decision, ScoredAccount, Standing, decide
from churnfit.scorecard.bands import BandCuts
from churnfit.spec import ScorecardSpec

__all__ = ["Asked", "replay", "standing_after"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The accounts whose CTA opened (or reopened) on each date, and each owner's open CTAs at the end."""

    opened: Mapping[date, tuple[str, ...]]
    load: Mapping[str, int]


def replay(days: Mapping[date, list[ScoredAccount]], spec: ScorecardSpec, *, cuts: BandCuts | None = None) -> Asked:
    """Return what the accounts of `days`, taken in the order of their dates, would have opened.

    The first date begins with an empty queue, so it opens one CTA per red account; the later ones say what is new.
    """
    standing = Standing(states={}, open_ctas={}, last_closed={})
    opened = {}
    for day in sorted(days):
        decision = decide(days[day], standing, spec, as_of=day, version="replay", cuts=cuts)
        opened[day] = tuple(sorted(cta.account_id for cta in (*decision.opened, *decision.reopened)))
        standing = standing_after(standing, decision)
    load: dict[str, int] = {}
    for row in rank(list(standing.open_ctas.values()), spec.queue):
        load[row.owner] = load.get(row.owner, 0) + 1
    return Asked(opened=opened, load=load)


def standing_after(standing: Standing, decision: Decision) -> Standing:
    """Return what is true once `decision` has been carried out."""
    active = {cta.account_id: cta for cta in (*decision.opened, *decision.reopened, *decision.updated)}
    closed = {cta.account_id: cta for cta in decision.resolved}
    still = {account: cta for account, cta in standing.open_ctas.items() if account not in closed}
    return Standing(
        states={state.account_id: state for state in decision.states},
        open_ctas={**still, **active},
        last_closed={**standing.last_closed, **closed},
    )
