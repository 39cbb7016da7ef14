"""When a call to action opens, changes and resolves, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from tests.small_card import spec_of

from churnfit.cta.rules import (
    AccountState,
    Cta,
    Decision,
    ScoredAccount,
    Standing,
    cta_key,
    decide,
    expected_value,
)
from churnfit.scorecard.bands import BandCuts, Steadiness

MONDAY = date(2026, 3, 2)
NOTHING = Standing(states={}, open_ctas={}, last_closed={})


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
    still = {account_id: cta for account_id, cta in standing.open_ctas.items() if account_id not in closed}
    return Standing(
        states={state.account_id: state for state in decision.states},
        open_ctas=still | running,
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
    assert all(cta.status == "resolved" and cta.closed_on == date(2026, 3, 3) for cta in decision.resolved)
    assert sorted(standing.open_ctas) == ["amber0", "new0", "red0"]
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
        trigger="band_red",
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
    assert list(standing.open_ctas) == ["A"]


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
    assert (standing.open_ctas["A"].cta_id == cta_key("small", "A", MONDAY)) is not new
    assert (standing.open_ctas["A"].status, standing.open_ctas["A"].closed_on) == ("open", None)


def test_a_rerun_of_the_same_day_does_not_lose_a_cta() -> None:
    """Red, amber by half a feed, red again on one date: the CTA is open, under the key it had."""
    decision, standing = run((0, [account("A", "red")]), (0, [account("A", "amber")]), (0, [account("A", "red")]))
    assert (ids(decision.opened), ids(decision.reopened)) == ([], ["A"])
    assert standing.open_ctas["A"].cta_id == cta_key("small", "A", MONDAY)


def test_a_night_without_the_account_does_not_lose_its_cta() -> None:
    """Missing from one extract: resolved that night, back the next, with the facts of that day."""
    decision, standing = run((0, [account("A", "red")]), (1, []), (2, [account("A", "red", health=9.0)]))
    assert ids(decision.reopened) == ["A"]
    assert standing.open_ctas["A"].health == 9.0


def test_a_second_episode_is_a_second_cta() -> None:
    """Red, green, red again after the cooldown: another key."""
    decision, standing = run((0, [account("A", "red")]), (1, [account("A", "green")]), (20, [account("A", "red")]))
    assert ids(decision.opened) == ["A"]
    assert standing.open_ctas["A"].cta_id == cta_key("small", "A", date(2026, 3, 22))


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
