"""When a call to action opens, changes and resolves: a pure decision over yesterday's states and today's scores.

A CTA stands for one *episode*: an unbroken run of scored dates on which the account is shown red. Its key is made of
card, account, trigger and the date the episode began, so no re-run can open it twice. It resolves by itself when the
account leaves red or is no longer scored; an account that is red again within the cooldown gets its CTA back, so
neither a flap nor a night of missing data loses it or doubles it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

import numpy as np

from churnfit.scorecard.bands import BandCuts
from churnfit.spec import ScorecardSpec

__all__ = ["AccountState", "Cta", "Decision", "ScoredAccount", "Standing", "cta_key", "decide", "expected_value"]

TRIGGER = "band_red"
Status = Literal["open", "resolved"]


@dataclass(frozen=True, kw_only=True)
class ScoredAccount:
    """One account's score on a date, with what a CTA needs to say."""

    account_id: str
    owner: str
    value: float
    health: float
    churn_probability: float
    band: str
    lead_measure: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccountState:
    """An account's shown band and since when it has been shown without a break.

    `beyond_since` is the date since which the band of its health has been another one; None where they agree.
    """

    account_id: str
    band: str
    band_since: date
    beyond_since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Cta:
    """A call to action, as stored."""

    cta_id: str
    card: str
    account_id: str
    owner: str
    trigger: str
    playbook: str
    opened_on: date
    due_on: date
    status: Status
    health: float
    churn_probability: float
    expected_value: float
    lead_measure: str
    reasons: tuple[str, ...]
    version: str
    last_scored_on: date
    closed_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one run changes: CTAs to open and to reopen, open ones with today's facts, resolved ones, new states."""

    opened: tuple[Cta, ...] = ()
    reopened: tuple[Cta, ...] = ()
    updated: tuple[Cta, ...] = ()
    resolved: tuple[Cta, ...] = ()
    states: tuple[AccountState, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What was true before the run, by account: states, open CTAs, and the CTA that closed last."""

    states: Mapping[str, AccountState]
    open_ctas: Mapping[str, Cta]
    last_closed: Mapping[str, Cta]


def cta_key(card: str, account_id: str, episode_began: date) -> str:
    """Return the deterministic key of an episode's CTA."""
    text = "\x1f".join((card, account_id, TRIGGER, episode_began.isoformat()))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def expected_value(account: ScoredAccount, spec: ScorecardSpec) -> float:
    """Return what a call is worth: churn probability · save rate · yearly value · margin − cost."""
    red = spec.bands.red
    return account.churn_probability * red.save_rate * account.value * spec.bands.margin - red.cost


def decide(
    accounts: list[ScoredAccount],
    standing: Standing,
    spec: ScorecardSpec,
    *,
    as_of: date,
    version: str,
    cuts: BandCuts | None = None,
) -> Decision:
    """Return what the run of `as_of` changes; the same input gives the same decision.

    CTAs follow the shown band, which `cuts` hold steady; without them it is the band.
    """
    states = _states(accounts, standing.states, cuts, as_of)
    opened, reopened, updated, resolved = [], [], [], []
    for account, state in zip(accounts, states, strict=True):
        current = standing.open_ctas.get(account.account_id)
        fresh = _fresh(
            account, spec, as_of=as_of, version=version, key=cta_key(spec.name, account.account_id, state.band_since)
        )
        if current is not None and state.band == "red":
            updated.append(_with_facts(current, fresh))
        elif current is not None:
            resolved.append(_closed(current, as_of))
        elif state.band == "red":
            last = standing.last_closed.get(account.account_id)
            if last is not None and _same_cause(last, fresh, spec):
                reopened.append(replace(_with_facts(last, fresh), status="open", closed_on=None))
            else:
                opened.append(fresh)
    scored = {account.account_id for account in accounts}
    resolved += [_closed(cta, as_of) for account_id, cta in standing.open_ctas.items() if account_id not in scored]
    return Decision(
        opened=tuple(opened),
        reopened=tuple(reopened),
        updated=tuple(updated),
        resolved=tuple(resolved),
        states=tuple(states),
    )


def _states(
    accounts: list[ScoredAccount], before: Mapping[str, AccountState], cuts: BandCuts | None, as_of: date
) -> list[AccountState]:
    """Return every account's shown band; one that began on this very date is decided anew, as if for the first time."""
    known = [before.get(account.account_id) for account in accounts]
    last = [
        state.band if state is not None and state.band_since < as_of else account.band
        for account, state in zip(accounts, known, strict=True)
    ]
    since = [state.beyond_since or as_of if state is not None else as_of for state in known]
    bands: list[str] = [account.band for account in accounts]
    if cuts is not None:
        health = np.array([account.health for account in accounts], dtype=np.float64)
        days = np.array([(as_of - day).days for day in since], dtype=np.float64)
        bands = cuts.shown_band(np.array(last, dtype=object), health, days).tolist()
    return [
        AccountState(
            account_id=account.account_id,
            band=band,
            band_since=state.band_since if state is not None and state.band == band else as_of,
            beyond_since=None if band == account.band else day if band == was else as_of,
        )
        for account, state, band, was, day in zip(accounts, known, bands, last, since, strict=True)
    ]


def _same_cause(last: Cta, fresh: Cta, spec: ScorecardSpec) -> bool:
    """Say whether a red account's last CTA closed so lately that the cause is still the same."""
    if last.closed_on is None or last.cta_id == fresh.cta_id:
        return True
    return fresh.opened_on < last.closed_on + timedelta(days=spec.queue.cooldown_days)


def _fresh(account: ScoredAccount, spec: ScorecardSpec, *, as_of: date, version: str, key: str) -> Cta:
    playbook = spec.playbook_of(account.lead_measure) if account.lead_measure else None
    playbook = playbook or next(iter(spec.playbooks))
    return Cta(
        cta_id=key,
        card=spec.name,
        account_id=account.account_id,
        owner=account.owner,
        trigger=TRIGGER,
        playbook=playbook,
        opened_on=as_of,
        due_on=as_of + timedelta(days=spec.playbooks[playbook].due_days),
        status="open",
        health=account.health,
        churn_probability=account.churn_probability,
        expected_value=expected_value(account, spec),
        lead_measure=account.lead_measure,
        reasons=account.reasons,
        version=version,
        last_scored_on=as_of,
    )


def _with_facts(current: Cta, fresh: Cta) -> Cta:
    """Return `current` with today's facts; what people rely on (key, playbook, dates, status) stays."""
    return replace(
        current,
        owner=fresh.owner,
        health=fresh.health,
        churn_probability=fresh.churn_probability,
        expected_value=fresh.expected_value,
        lead_measure=fresh.lead_measure,
        reasons=fresh.reasons,
        version=fresh.version,
        last_scored_on=fresh.last_scored_on,
    )


def _closed(cta: Cta, as_of: date) -> Cta:
    return replace(cta, status="resolved", closed_on=as_of)
