"""When a call to action opens, changes and resolves, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from tests.small_card import spec_of

from churnfit.cta.holdout import held_out
from churnfit.cta.overrides import Override
from churnfit.cta.records import Cta
from churnfit.cta.rules import (
    AccountState,
    Alert,
    Decision,
    ScoredAccount,
    Standing,
    cta_key,
    decide,
    expected_value,
)
from churnfit.scorecard.bands import BandCuts, Steadiness

MONDAY = date(2026, 3, 2)
NOTHING = Standing(states={}, active={}, last_closed={})


def account(account_id: str, band: str, **changes: object) -> ScoredAccount:
    """Return a scored account worth 10,000 a year, churning with 40 %."""
    plain = ScoredAccount(
        account_id=account_id,
        owner="ann",
        value=10_000.0,
        health=20.0,
        churn_probability=0.4,
        band=band,
        lead_measure="logins",
        reasons=("Logins: 2",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def after(standing: Standing, decision: Decision) -> Standing:
    """Return what the store would say after `decision`."""
    closed = {cta.account_id: cta for cta in decision.resolved}
    running = {cta.account_id: cta for cta in (*decision.opened, *decision.reopened, *decision.updated)}
    still = {account_id: cta for account_id, cta in standing.active.items() if account_id not in closed}
    return Standing(
        states={state.account_id: state for state in decision.states},
        active=still | running,
        last_closed={a: c for a, c in {**standing.last_closed, **closed}.items() if a not in running},
    )


def run(*days: tuple[int, list[ScoredAccount]]) -> tuple[Decision, Standing]:
    """Return the last decision of these days (counted from Monday) and what stands after it."""
    standing, decision = NOTHING, Decision()
    for day, accounts in days:
        as_of = MONDAY + timedelta(days=day)
        decision = decide(accounts, standing, spec_of(), as_of=as_of, version="version-1")
        standing = after(standing, decision)
    return decision, standing


def ids(ctas: tuple[Cta, ...]) -> list[str]:
    """Return whose CTAs these are."""
    return [cta.account_id for cta in ctas]


def test_a_dozen_accounts_on_one_day() -> None:
    """Of twelve accounts in every situation, exactly those that turned red open, and those that left red resolve."""
    before = [account(f"red{n}", "red") for n in range(4)] + [account(f"amber{n}", "amber") for n in range(4)]
    today = [
        account("red0", "red"),  # stays red: changes
        account("red1", "amber"),  # recovers: resolves
        account("red2", "green"),  # recovers: resolves
        # red3 left the stage: resolves
        account("amber0", "red"),  # opens
        account("amber1", "amber"),
        account("amber2", "green"),
        # amber3 left the stage
        account("new0", "red"),  # opens
        account("new1", "amber"),
        account("new2", "green"),
    ]
    decision, standing = run((0, before), (1, today))
    assert ids(decision.opened) == ["amber0", "new0"]
    assert ids(decision.updated) == ["red0"]
    assert ids(decision.resolved) == ["red1", "red2", "red3"]
    assert all(cta.status == "auto-resolved" and cta.closed_on == date(2026, 3, 3) for cta in decision.resolved)
    assert sorted(standing.active) == ["amber0", "new0", "red0"]
    assert len(decision.states) == 9


def test_a_new_cta_says_everything_a_csm_needs() -> None:
    """Dates, worth, the lead measure's playbook, reasons and the version that asked for it."""
    decision, _ = run((0, [account("A", "red")]))
    [cta] = decision.opened
    assert cta == Cta(
        cta_id=cta_key("small", "A", MONDAY),
        card="small",
        account_id="A",
        owner="ann",
        triggers=("band_red",),
        playbook="visit",  # the group's, as logins names none
        opened_on=MONDAY,
        due_on=date(2026, 3, 12),  # visit is due after ten days
        status="open",
        health=20.0,
        churn_probability=0.4,
        expected_value=0.4 * 0.5 * 10_000 * 0.5 - 100,  # probability · save rate · value · margin − cost
        lead_measure="logins",
        reasons=("Logins: 2",),
        version="version-1",
        last_scored_on=MONDAY,
    )


def test_a_red_account_is_not_opened_twice() -> None:
    """Day after day of red is one episode and one CTA."""
    decision, standing = run(*((day, [account("A", "red")]) for day in range(5)))
    assert (decision.opened, decision.reopened, ids(decision.updated)) == ((), (), ["A"])
    assert list(standing.active) == ["A"]


def test_the_same_day_again_opens_nothing() -> None:
    """A re-run of a date, with other facts, changes the open CTA and adds none."""
    decision, _ = run((0, [account("A", "red")]), (0, [account("A", "red", health=19.0)]))
    assert (ids(decision.opened), ids(decision.updated)) == ([], ["A"])


def test_an_open_cta_takes_todays_facts_and_keeps_what_people_rely_on() -> None:
    """Owner, health, worth, reasons and version follow the score; key, playbook, opening and due date stay."""
    changed = account("A", "red", owner="bob", health=10.0, lead_measure="tickets", reasons=("Tickets: 6",))
    decision, _ = run((0, [account("A", "red")]), (3, [changed]))
    [cta] = decision.updated
    assert (cta.owner, cta.health, cta.lead_measure, cta.reasons) == ("bob", 10.0, "tickets", ("Tickets: 6",))
    assert (cta.playbook, cta.opened_on, cta.due_on) == ("visit", MONDAY, date(2026, 3, 12))
    assert (cta.cta_id, cta.status) == (cta_key("small", "A", MONDAY), "open")
    assert cta.last_scored_on == date(2026, 3, 5)


@pytest.mark.parametrize(("days_later", "new"), [(1, False), (13, False), (14, True), (15, True)])
def test_within_the_cooldown_the_old_cta_comes_back(days_later: int, new: bool) -> None:
    """Resolved on day 1, red again later: the same CTA for fourteen days, a new one from then on."""
    decision, standing = run(
        (0, [account("A", "red")]), (1, [account("A", "green")]), (1 + days_later, [account("A", "red")])
    )
    assert (ids(decision.opened), ids(decision.reopened)) == ((["A"], []) if new else ([], ["A"]))
    assert (standing.active["A"].cta_id == cta_key("small", "A", MONDAY)) is not new
    assert (standing.active["A"].status, standing.active["A"].closed_on) == ("open", None)


def test_a_rerun_of_the_same_day_does_not_lose_a_cta() -> None:
    """Red, amber by half a feed, red again on one date: the CTA is open, under the key it had."""
    decision, standing = run((0, [account("A", "red")]), (0, [account("A", "amber")]), (0, [account("A", "red")]))
    assert (ids(decision.opened), ids(decision.reopened)) == ([], ["A"])
    assert standing.active["A"].cta_id == cta_key("small", "A", MONDAY)


def test_a_night_without_the_account_does_not_lose_its_cta() -> None:
    """Missing from one extract: resolved that night, back the next, with the facts of that day."""
    decision, standing = run((0, [account("A", "red")]), (1, []), (2, [account("A", "red", health=9.0)]))
    assert ids(decision.reopened) == ["A"]
    assert standing.active["A"].health == 9.0


def test_a_second_episode_is_a_second_cta() -> None:
    """Red, green, red again after the cooldown: another key."""
    decision, standing = run((0, [account("A", "red")]), (1, [account("A", "green")]), (20, [account("A", "red")]))
    assert ids(decision.opened) == ["A"]
    assert standing.active["A"].cta_id == cta_key("small", "A", date(2026, 3, 22))


def test_the_band_is_dated_from_when_it_began() -> None:
    """Two days of amber after one of red: amber since the second day."""
    decision, _ = run((0, [account("A", "red")]), (1, [account("A", "amber")]), (2, [account("A", "amber")]))
    assert decision.states == (AccountState(account_id="A", band="amber", band_since=date(2026, 3, 3)),)


STEADY = BandCuts(
    red_below=40.0,
    green_from=70.0,
    steadiness=Steadiness(clear=8.0, dwell_days=14, flips_removed=0.8, delay_runs=0.9),
)


def shown_over(*days: tuple[int, float]) -> list[tuple[Decision, AccountState]]:
    """Return the decision and the state of each of these days (counted from Monday; health), bands held steady."""
    standing, found = NOTHING, []
    for day, health in days:
        band = STEADY.band(np.array([health]))[0]
        accounts = [account("A", band, health=health)]
        as_of = MONDAY + timedelta(days=day)
        decision = decide(accounts, standing, spec_of(), as_of=as_of, version="version-1", cuts=STEADY)
        standing = after(standing, decision)
        found.append((decision, decision.states[0]))
    return found


def test_a_wobble_about_the_cut_opens_nothing() -> None:
    """38 for a week, 41, 38 again: amber all along, and what the band was is remembered only while it lasts."""
    found = shown_over((0, 50.0), (7, 38.0), (14, 41.0), (21, 38.0))
    assert [state.band for _, state in found] == ["amber"] * 4
    assert [state.beyond_since for _, state in found] == [None, date(2026, 3, 9), None, date(2026, 3, 23)]
    assert not any(decision.opened for decision, _ in found)


def test_red_that_lasts_opens_after_the_dwell() -> None:
    """Three weekly runs below the cut: the episode begins with the third."""
    found = shown_over((0, 50.0), (7, 38.0), (14, 38.0), (21, 38.0))
    assert [ids(decision.opened) for decision, _ in found] == [[], [], [], ["A"]]
    assert found[-1][1] == AccountState(account_id="A", band="red", band_since=date(2026, 3, 23))


def test_a_clear_fall_opens_at_once() -> None:
    """From 50 to 31, nine points below the cut."""
    assert ids(shown_over((0, 50.0), (7, 31.0))[-1][0].opened) == ["A"]


def test_a_red_account_that_is_barely_better_keeps_its_cta() -> None:
    """43 is amber, and not clearly: the CTA stays open with today's facts, and resolves when that has lasted."""
    found = shown_over((0, 30.0), (7, 43.0), (14, 43.0), (21, 43.0))
    assert [ids(decision.updated) for decision, _ in found] == [[], ["A"], ["A"], []]
    assert ids(found[-1][0].resolved) == ["A"]


def test_a_new_account_is_shown_its_band() -> None:
    """There is nothing to hold on to."""
    assert ids(shown_over((0, 39.0))[0][0].opened) == ["A"]


def test_a_rerun_of_a_date_decides_what_began_on_it_anew() -> None:
    """Half a feed made it red today; the whole one says amber, and amber it is, though not clearly."""
    found = shown_over((0, 50.0), (7, 20.0), (7, 45.0))
    assert [state.band for _, state in found] == ["amber", "red", "amber"]
    assert ids(found[-1][0].resolved) == ["A"]


def test_an_account_without_an_actionable_reason_gets_the_first_playbook() -> None:
    """Somebody still calls, with the spec's first playbook."""
    decision, _ = run((0, [account("A", "red", lead_measure="")]))
    assert (decision.opened[0].playbook, decision.opened[0].lead_measure) == ("ask", "")


def test_the_same_input_gives_the_same_decision() -> None:
    """Nothing but the arguments enters."""
    accounts = [account(f"A{n}", "red") for n in range(5)]
    assert run((0, accounts))[0] == run((0, accounts))[0]


def test_keys_differ_by_card_account_and_episode_and_by_nothing_else() -> None:
    """The key is a function of the three, and joining them cannot confuse them."""
    keys = {
        cta_key("small", "A", MONDAY),
        cta_key("small", "B", MONDAY),
        cta_key("other", "A", MONDAY),
        cta_key("small", "A", date(2026, 3, 3)),
        cta_key("smallA", "", MONDAY),
    }
    assert len(keys) == 5
    # printf 'small\x1fA\x1fband_red\x1f2026-03-02' | sha256sum: another key would open every CTA a second time
    assert cta_key("small", "A", MONDAY) == "a0caaa4a632402e6125654ca"


def test_a_worthless_account_costs_what_the_call_costs() -> None:
    """No contract value: the call saves nothing."""
    assert expected_value(account("A", "red", value=0.0), spec_of()) == -100.0


RED, GREEN = account("A", "red"), account("A", "green", health=90.0)


def touched(standing: Standing, **changes: object) -> Standing:
    """Return what stands once somebody has changed A's CTA, or closed it."""
    cta = replace(standing.active["A"], **changes)  # type: ignore[arg-type]
    if cta.active:
        return replace(standing, active={"A": cta})
    return replace(standing, active={}, last_closed={"A": cta})


def go_on(standing: Standing, *days: tuple[int, list[ScoredAccount]], **queue: object) -> Standing:
    """Return what stands after further days."""
    plain = spec_of()
    spec = plain.model_copy(update={"queue": plain.queue.model_copy(update=queue)})
    for day, accounts in days:
        standing = after(
            standing, decide(accounts, standing, spec, as_of=MONDAY + timedelta(days=day), version="version-1")
        )
    return standing


def test_what_somebody_has_claimed_stays_until_a_person_closes_it() -> None:
    """Recovered: marked since when; at risk again: the mark goes; no longer scored: as it was."""
    claimed = touched(run((0, [RED]))[1], status="claimed", claimed_by="ann")
    recovered = go_on(claimed, (1, [GREEN]), (2, [GREEN]))
    assert (recovered.active["A"].status, recovered.active["A"].recovered_on) == ("claimed", date(2026, 3, 3))
    assert (recovered.active["A"].health, recovered.active["A"].reasons) == (90.0, ("Logins: 2",))
    assert go_on(recovered, (3, [RED])).active["A"].recovered_on is None
    assert go_on(claimed, (1, [])).active["A"] == claimed.active["A"]


def test_a_snoozed_cta_sleeps_until_its_date() -> None:
    """Red, green or gone: it takes facts and nothing opens beside it; on its date it wakes, bob's if he had it."""
    asleep = touched(run((0, [RED]))[1], status="snoozed", snoozed_until=date(2026, 3, 6))
    for accounts in ([RED], [GREEN], []):
        standing = go_on(asleep, (1, accounts), (3, accounts))
        assert (standing.active["A"].status, standing.active["A"].snoozed_until) == ("snoozed", date(2026, 3, 6))
    woken = go_on(asleep, (4, [RED]))
    assert (woken.active["A"].status, woken.active["A"].snoozed_until) == ("open", None)
    bobs = replace(asleep, active={"A": replace(asleep.active["A"], claimed_by="bob")})
    assert go_on(bobs, (4, [RED])).active["A"].status == "claimed"
    assert go_on(bobs, (4, [GREEN])).active["A"].status == "claimed"


def test_a_snoozed_cta_whose_account_has_recovered_does_not_wake() -> None:
    """Green on its date and nobody's: resolved by itself."""
    asleep = touched(run((0, [RED]))[1], status="snoozed", snoozed_until=date(2026, 3, 6))
    standing = go_on(asleep, (1, [GREEN]), (4, [GREEN]))
    assert (standing.active, standing.last_closed["A"].status) == ({}, "auto-resolved")


@pytest.mark.parametrize("status", ["resolved", "not valid"])
def test_what_a_person_closed_stays_away_for_the_cooldown(status: str) -> None:
    """Closed on day 1, red all the time: nothing until day 15, then a new CTA of another key, once."""
    closed = touched(run((0, [RED]))[1], status=status, closed_by="ann", outcome="done", closed_on=date(2026, 3, 3))
    assert go_on(closed, *((day, [RED]) for day in range(1, 15))).active == {}
    again = go_on(closed, *((day, [RED]) for day in range(1, 17))).active["A"]
    assert (again.opened_on, again.cta_id) == (date(2026, 3, 17), cta_key("small", "A", date(2026, 3, 17)))


def test_the_key_of_the_second_cta_does_not_depend_on_which_night_ran() -> None:
    """The nights of day 15 to 20 failed: the one of day 21 opens it under the same key."""
    closed = touched(run((0, [RED]))[1], status="resolved", closed_by="ann", closed_on=date(2026, 3, 3))
    again = go_on(closed, (1, [RED]), (21, [RED])).active["A"]
    assert again.cta_id == cta_key("small", "A", date(2026, 3, 17))


def test_without_a_cooldown_a_closed_cta_is_away_for_that_day() -> None:
    """A re-run of the day on which it was closed does not open it again; the next day does, under another key."""
    closed = touched(run((0, [RED]))[1], status="resolved", closed_by="ann", closed_on=MONDAY)
    assert go_on(closed, (0, [RED]), cooldown_days=0).active == {}
    again = go_on(closed, (1, [RED]), cooldown_days=0).active["A"]
    assert again.cta_id == cta_key("small", "A", date(2026, 3, 3))


def test_red_that_outlasts_an_override_is_a_cta_of_its_own() -> None:
    """Red from day 0, closed by a person; red again after the cooldown, then overruled until day 39, red beneath it.

    The third CTA begins after the second: the key of red's first day is taken.
    """
    closed = touched(run((0, [RED]))[1], status="resolved", closed_by="ann", closed_on=date(2026, 3, 3))
    said = Override(
        card="small",
        account_id="A",
        band="green",
        until=date(2026, 4, 10),
        why="-",
        by="bob",
        at="2026-03-20T08:00:00Z",
    )
    second = go_on(closed, (15, [RED]))
    third = go_on(go_on(replace(second, overrides=(said,)), (20, [RED])), (50, [RED])).active["A"]
    assert third.cta_id == cta_key("small", "A", date(2026, 3, 23))
    assert third.cta_id not in (closed.last_closed["A"].cta_id, second.active["A"].cta_id)


FALLEN = account("A", "amber", health=50.0, health_before=66.0)


def test_a_drop_opens_a_cta_where_it_is_asked_for() -> None:
    """From 66 to 50: 16 points. Asked for are none, 17, and 16."""
    assert go_on(NOTHING, (0, [FALLEN])).active == {}
    assert go_on(NOTHING, (0, [FALLEN]), drop_points=17.0).active == {}
    cta = go_on(NOTHING, (0, [FALLEN]), drop_points=16.0).active["A"]
    assert (cta.triggers, cta.back_at) == (("health_drop",), 66.0 - 16.0 / 2)
    assert cta.reasons == ("Health fell from 66 to 50 in 7 days", "Logins: 2")


def test_a_drop_is_made_good_when_half_of_it_is_regained() -> None:
    """At 57 it is not, at 58 it is; that the date it is measured from moves on does not matter."""
    dropped = go_on(NOTHING, (0, [FALLEN]), drop_points=16.0)
    later = account("A", "amber", health=57.0, health_before=50.0)
    assert go_on(dropped, (9, [later]), drop_points=16.0).active["A"].status == "open"
    assert go_on(dropped, (9, [replace(later, health=58.0)]), drop_points=16.0).active == {}


def test_a_drop_under_another_version_is_over() -> None:
    """What one version measured is no level for another: at 57 the account is as it always was."""
    dropped = go_on(NOTHING, (0, [FALLEN]), drop_points=16.0)
    steady = account("A", "amber", health=57.0, health_before=57.0)
    decision = decide([steady], dropped, spec_of(), as_of=MONDAY + timedelta(days=9), version="version-2")
    assert [cta.status for cta in decision.resolved] == ["auto-resolved"]


def test_causes_that_come_together_are_one_cta() -> None:
    """Red and fallen: one CTA that lists both; one after the other: the CTA it had, listing both."""
    both = account("A", "red", health=30.0, health_before=60.0)
    together = go_on(NOTHING, (0, [both]), drop_points=20.0).active["A"]
    assert (together.triggers, together.cta_id) == (("band_red", "health_drop"), cta_key("small", "A", MONDAY))
    red_first = go_on(NOTHING, (0, [RED]), (1, [both]), drop_points=20.0).active["A"]
    assert (red_first.triggers, red_first.opened_on) == (("band_red", "health_drop"), MONDAY)
    drop_first = go_on(NOTHING, (0, [replace(both, band="amber")]), (1, [both]), drop_points=20.0).active["A"]
    assert (drop_first.triggers, drop_first.opened_on) == (("health_drop", "band_red"), MONDAY)


def test_held_out_accounts_have_a_cta_that_nobody_sees() -> None:
    """About a tenth of a thousand are held out, always the same; they close, and come back, like others."""
    red = [account(f"A{n}", "red") for n in range(1000)]
    standing = go_on(NOTHING, (0, red), holdout=0.1)
    held = {name for name, cta in standing.active.items() if cta.status == "held out"}
    assert held == {name for name in standing.active if held_out("small", name, 0.1)}
    assert 70 <= len(held) <= 130
    assert all((cta.holdout_share == 0.1) == (name in held) for name, cta in standing.active.items())
    recovered = go_on(standing, (1, [replace(each, band="green") for each in red]), holdout=0.1)
    assert {cta.status for cta in recovered.last_closed.values()} == {"auto-resolved"}
    again = go_on(recovered, (2, red), holdout=0.1)
    assert {name for name, cta in again.active.items() if cta.status == "held out"} == held


OVERSTAY = Alert(trigger="overstay", reason="Go-live: not yet on day 72", playbook="ask")
SURVEYED = Alert(trigger="milestone_late", reason="Survey: 3 days late", playbook="visit")


def test_who_is_late_gets_a_cta_whatever_the_health() -> None:
    """Green and late: the CTA is about the first alert, names both, and resolves once nobody waits any more."""
    late = account("A", "green", reasons=(), alerts=(OVERSTAY, SURVEYED))
    decision, standing = run((0, [late]))
    [cta] = decision.opened
    assert (cta.triggers, cta.playbook) == (("overstay", "milestone_late"), "ask")
    assert cta.reasons == ("Go-live: not yet on day 72", "Survey: 3 days late")
    caught_up = decide([account("A", "green")], standing, spec_of(), as_of=MONDAY + timedelta(days=7), version="v")
    assert [cta.status for cta in caught_up.resolved] == ["auto-resolved"]


def test_being_red_and_late_is_one_cta_about_the_health() -> None:
    """The playbook is that of what costs most health; lateness is one more trigger, and one more reason."""
    decision, _ = run((0, [account("A", "red", alerts=(OVERSTAY,))]))
    [cta] = decision.opened
    assert (cta.triggers, cta.playbook) == (("band_red", "overstay"), spec_of().playbook_of("logins"))
    assert cta.reasons == ("Logins: 2", "Go-live: not yet on day 72")
