"""When a call to action opens, changes and resolves: a pure decision over yesterday's states and today's scores.

A CTA stands for one *episode*: an unbroken run of scored dates on which the account is at risk, because it is shown
red (``band_red``), because its health fell fast (``health_drop``, where ``queue.drop_points`` asks for it), because it
is late on its journey (``milestone_late``, ``overstay``) or says one thing and does another
(``perception_mismatch``), where these have a playbook, or because a person or a rule says so (``override``; what they
say is amber or green is not ``band_red``). Causes that come together, or one after the other, are one CTA that lists
them all. Its key is made of card, account and the date the episode began, so no re-run can open it twice.

What nobody has touched, runs close: it resolves by itself when the account recovers or is no longer scored, and an
account that is at risk again within the cooldown gets it back, so neither a flap nor a night of missing data loses it
or doubles it. An account that has moved to the next stage takes its call along, until a person closes it. What somebody
has claimed stays until a person closes it, with a mark since when the account has recovered. A snoozed one sleeps
through every run until its date. What a person has closed, valid or not, stays away for the cooldown; an account that
is at risk still when it is over gets a new CTA.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from churnfit.cta.holdout import held_out
from churnfit.cta.overrides import Override, in_force
from churnfit.cta.records import OVERRIDE, Cta, Status
from churnfit.scorecard.bands import BandCuts
from churnfit.spec import ScorecardSpec

__all__ = ["AccountState", "Alert", "Decision", "ScoredAccount", "Standing", "cta_key", "decide", "expected_value"]

BAND_RED, HEALTH_DROP = "band_red", "health_drop"
_ROOT_CAUSE = BAND_RED
"""What stands in every key, whatever triggered first: an account at risk has one CTA."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What calls for action whatever the health: its trigger, why in words, and the playbook."""

    trigger: str
    reason: str
    playbook: str


@dataclass(frozen=True, kw_only=True)
class ScoredAccount:
    """One account's score on a date, with what a CTA needs to say.

    `health_before` is its health ``queue.drop_days`` ago under the same version, None where there is none.
    """

    account_id: str
    owner: str
    value: float
    health: float
    churn_probability: float
    band: str
    lead_measure: str
    reasons: tuple[str, ...] = ()
    health_before: float | None = None
    alerts: tuple[Alert, ...] = ()
    override: Override | None = None


@dataclass(frozen=True, kw_only=True)
class AccountState:
    """An account's shown band, whatever a person says, and since when it has been shown without a break.

    `beyond_since` is the date since which the band of its health has been another one; None where they agree.
    """

    account_id: str
    band: str
    band_since: date
    beyond_since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one run changes: CTAs to open and to bring back, active ones with today's facts, resolved ones, new states.

    An updated CTA may have woken; an opened one may be held out.
    """

    opened: tuple[Cta, ...] = ()
    reopened: tuple[Cta, ...] = ()
    updated: tuple[Cta, ...] = ()
    resolved: tuple[Cta, ...] = ()
    states: tuple[AccountState, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What was true before the run, by account: states, the active CTA, and the CTA that closed last.

    `overrides` are all that people ever set or lifted, oldest first.
    """

    states: Mapping[str, AccountState]
    active: Mapping[str, Cta]
    last_closed: Mapping[str, Cta]
    overrides: tuple[Override, ...] = ()


def cta_key(card: str, account_id: str, episode_began: date) -> str:
    """Return the deterministic key of an episode's CTA."""
    text = "\x1f".join((card, account_id, _ROOT_CAUSE, episode_began.isoformat()))
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
    set_aside: Collection[str] = (),
    moved_on: Collection[str] = (),
) -> Decision:
    """Return what the run of `as_of` changes; the same input gives the same decision.

    CTAs follow the shown band, which `cuts` hold steady; without them it is the band. Accounts that are `set_aside`
    could not be scored: their CTAs and shown bands stay as they are. Accounts that have `moved_on` are in another stage
    by now.
    """
    states = _states(accounts, standing.states, cuts, as_of)
    accounts = _overruled(accounts, standing.overrides, as_of)
    opened, reopened, followed = [], [], []
    for account, state in zip(accounts, states, strict=True):
        triggers = _triggers(account, state, spec)
        current = standing.active.get(account.account_id)
        if current is not None:
            today = _with_facts(current, _fresh(account, spec, triggers=triggers, as_of=as_of, version=version))
            at_risk = bool(triggers) or (today.back_at is not None and account.health < today.back_at)
            followed.append(_followed(_marked(today, at_risk=at_risk, as_of=as_of), at_risk=at_risk, as_of=as_of))
        elif triggers:
            fresh = _fresh(account, spec, triggers=triggers, as_of=as_of, version=version)
            last = standing.last_closed.get(account.account_id)
            if last is None:
                opened.append(_keyed(fresh, _began(state, as_of)))
            elif last.closed_by:
                opened += _after_a_person(last, fresh, spec, began=_began(state, as_of))
            elif _same_cause(last, _keyed(fresh, _began(state, as_of)), spec):
                reopened.append(_brought_back(last, fresh))
            else:
                opened.append(_keyed(fresh, _after(last, _began(state, as_of))))
    scored = {account.account_id for account in accounts}
    followed += [
        cta
        if account_id in set_aside
        else _followed(cta, at_risk=account_id in moved_on and cta.holdout_share is None, as_of=as_of)
        for account_id, cta in standing.active.items()
        if account_id not in scored
    ]
    states += [standing.states[account_id] for account_id in sorted(standing.states.keys() & set(set_aside))]
    return Decision(
        opened=tuple(opened),
        reopened=tuple(reopened),
        updated=tuple(cta for cta in followed if cta.active),
        resolved=tuple(cta for cta in followed if not cta.active),
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


def _triggers(account: ScoredAccount, state: AccountState, spec: ScorecardSpec) -> tuple[str, ...]:
    """Return why the account is at risk today; empty where it is not."""
    limit, before = spec.queue.drop_points, account.health_before
    dropped = limit is not None and before is not None and before - account.health >= limit
    alerts = dict.fromkeys(alert.trigger for alert in account.alerts)
    said = account.override.band if account.override is not None else None
    red = state.band == "red" and said in (None, "red")
    return (OVERRIDE,) * (said == "red") + (BAND_RED,) * red + (HEALTH_DROP,) * dropped + tuple(alerts)


def _overruled(accounts: list[ScoredAccount], overrides: tuple[Override, ...], as_of: date) -> list[ScoredAccount]:
    if not (holding := in_force(overrides, as_of)):
        return accounts
    return [replace(account, override=holding.get(account.account_id, account.override)) for account in accounts]


def _began(state: AccountState, as_of: date) -> date:
    return state.band_since if state.band == "red" else as_of


def _marked(cta: Cta, *, at_risk: bool, as_of: date) -> Cta:
    """Return `cta` with the day since when its account is at risk no longer."""
    recovered_on = None if at_risk else cta.recovered_on or as_of
    return cta if recovered_on == cta.recovered_on else replace(cta, recovered_on=recovered_on)


def _followed(cta: Cta, *, at_risk: bool, as_of: date) -> Cta:
    """Return an active CTA after a run: woken on its date, resolved where the risk is over and nobody works on it."""
    if cta.status == "snoozed":
        if cta.snoozed_until is not None and cta.snoozed_until > as_of:
            return cta
        cta = replace(cta, status="claimed" if cta.claimed_by else "open", snoozed_until=None)
    if at_risk or cta.status == "claimed":
        return cta
    return replace(cta, status="auto-resolved", closed_on=as_of)


def _after_a_person(last: Cta, fresh: Cta, spec: ScorecardSpec, *, began: date) -> list[Cta]:
    """Return the CTA of an account whose last one a person closed: a new one once the cooldown is over."""
    quiet_until = (last.closed_on or fresh.opened_on) + timedelta(days=max(spec.queue.cooldown_days, 1))
    return [] if fresh.opened_on < quiet_until else [_keyed(fresh, max(began, quiet_until))]


def _after(last: Cta, began: date) -> date:
    """Return when an episode began that follows `last`: red may have lasted while an override said otherwise."""
    return began if last.closed_on is None else max(began, last.closed_on + timedelta(days=1))


def _same_cause(last: Cta, fresh: Cta, spec: ScorecardSpec) -> bool:
    """Say whether an account's last CTA closed by itself so lately that the cause is still the same."""
    if last.closed_on is None or last.cta_id == fresh.cta_id:
        return True
    return fresh.opened_on < last.closed_on + timedelta(days=max(spec.queue.cooldown_days, 1))


def _brought_back(last: Cta, fresh: Cta) -> Cta:
    status: Status = "open" if last.holdout_share is None else "held out"
    return replace(_with_facts(last, fresh), status=status, closed_on=None, recovered_on=None)


def _keyed(fresh: Cta, episode_began: date) -> Cta:
    return replace(fresh, cta_id=cta_key(fresh.card, fresh.account_id, episode_began))


def _fresh(account: ScoredAccount, spec: ScorecardSpec, *, triggers: tuple[str, ...], as_of: date, version: str) -> Cta:
    """Return today's CTA of the account, without a key yet."""
    playbook = _playbook(account, spec, triggers)
    share = spec.queue.holdout
    left_alone = share > 0 and held_out(spec.name, account.account_id, share)
    drop, before = spec.queue.drop_points, account.health_before
    return Cta(
        cta_id="",
        card=spec.name,
        account_id=account.account_id,
        owner=account.owner,
        triggers=triggers,
        playbook=playbook,
        opened_on=as_of,
        due_on=as_of + timedelta(days=spec.playbooks[playbook].due_days),
        status="held out" if left_alone else "open",
        health=account.health,
        churn_probability=account.churn_probability,
        expected_value=expected_value(account, spec),
        lead_measure=account.lead_measure,
        reasons=(
            *([account.override.in_words] if account.override is not None else []),
            *_drop_words(account, spec, triggers),
            *account.reasons,
            *(alert.reason for alert in account.alerts),
        ),
        version=version,
        last_scored_on=as_of,
        back_at=before - drop / 2 if HEALTH_DROP in triggers and drop is not None and before is not None else None,
        holdout_share=share if left_alone else None,
    )


def _drop_words(account: ScoredAccount, spec: ScorecardSpec, triggers: tuple[str, ...]) -> tuple[str, ...]:
    """Return what fell, in words: an account can fall and still cost no health anywhere."""
    if HEALTH_DROP not in triggers:
        return ()
    return (f"Health fell from {account.health_before:.0f} to {account.health:.0f} in {spec.queue.drop_days} days",)


def _playbook(account: ScoredAccount, spec: ScorecardSpec, triggers: tuple[str, ...]) -> str:
    """Return the playbook of what costs most health where health is why, else of the first alert."""
    led = spec.playbook_of(account.lead_measure) if account.lead_measure else None
    if led is not None and {BAND_RED, HEALTH_DROP, OVERRIDE}.intersection(triggers):
        return led
    return account.alerts[0].playbook if account.alerts else next(iter(spec.playbooks))


def _with_facts(current: Cta, fresh: Cta) -> Cta:
    """Return `current` with today's facts; what people rely on (key, playbook, dates, status) stays.

    Reasons stay too where today gives none: they are why somebody was to call. What was an override is over, and so is
    the health to come back to where another version measures it.
    """
    back_at = current.back_at if current.version == fresh.version else None
    said = fresh if fresh.triggers else current
    before = [trigger for trigger in current.triggers if trigger != OVERRIDE or not fresh.triggers]
    return replace(
        current,
        owner=fresh.owner,
        triggers=tuple(dict.fromkeys((*before, *fresh.triggers))),
        health=fresh.health,
        churn_probability=fresh.churn_probability,
        expected_value=fresh.expected_value,
        lead_measure=said.lead_measure,
        reasons=said.reasons,
        version=fresh.version,
        last_scored_on=fresh.last_scored_on,
        back_at=back_at if fresh.back_at is None else fresh.back_at,
    )
