"""Each owner's queue: most valuable first, capacity, overflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from churnfit.cta.ranking import QueueRow, rank
from churnfit.cta.records import Cta
from churnfit.spec import Queue

DAY = date(2026, 3, 2)
PLAIN = Cta(
    cta_id="k",
    card="small",
    account_id="A",
    owner="ann",
    triggers=("band_red",),
    playbook="visit",
    opened_on=DAY,
    due_on=DAY,
    status="open",
    health=20.0,
    churn_probability=0.4,
    expected_value=900.0,
    lead_measure="logins",
    reasons=(),
    version="version-1",
    last_scored_on=DAY,
)


def cta(account_id: str, owner: str, expected_value: float) -> Cta:
    """Return an open CTA."""
    return replace(PLAIN, cta_id=account_id, account_id=account_id, owner=owner, expected_value=expected_value)


def test_each_owner_has_a_queue_by_value_and_what_is_beyond_capacity_is_listed() -> None:
    """With two places each: ann's third is overflow, bob's only one is not; ties go by account."""
    ctas = [cta("A", "ann", 10), cta("B", "bob", 5), cta("D", "ann", 30), cta("C", "ann", 30)]
    rows = rank(ctas, Queue(capacity_per_owner=2))
    found = [(row.owner, row.rank, row.cta.account_id, row.overflow) for row in rows]
    assert found == [("ann", 1, "C", False), ("ann", 2, "D", False), ("ann", 3, "A", True), ("bob", 1, "B", False)]


def test_accounts_without_an_owner_share_a_queue() -> None:
    """They are nobody's, and still listed and capped."""
    rows = rank([cta("A", "", 1), cta("B", "", 2)], Queue(capacity_per_owner=1))
    assert [(row.owner, row.cta.account_id, row.overflow) for row in rows] == [
        ("unassigned", "B", False),
        ("unassigned", "A", True),
    ]


def test_no_cta_is_no_queue() -> None:
    """Nothing to do is an empty list."""
    assert rank([], Queue()) == []


def parts(rows: list[QueueRow]) -> list[tuple[str, str]]:
    """Return each row's account and part."""
    return [(row.cta.account_id, row.part) for row in rows]


def test_what_is_claimed_and_what_was_done_this_week_takes_places() -> None:
    """Four places, one claimed and one done: two are left for the most valuable of three; claimed ones come first."""
    claimed = replace(cta("C", "ann", -5), status="claimed", claimed_by="ann")
    waiting = [cta("D", "ann", 10), cta("E", "ann", 30), cta("F", "ann", 20)]
    rows = rank([*waiting, claimed], Queue(capacity_per_owner=4), done={"ann": 1, "bob": 3})
    assert parts(rows) == [("C", "in work"), ("E", "this week"), ("F", "this week"), ("D", "beyond capacity")]
    assert [row.rank for row in rows] == [1, 2, 3, 4]


def test_who_has_done_more_than_the_capacity_is_offered_nothing() -> None:
    """Two places, three done: what is open is beyond."""
    assert parts(rank([cta("A", "ann", 10)], Queue(capacity_per_owner=2), done={"ann": 3})) == [
        ("A", "beyond capacity")
    ]


def test_a_call_that_costs_more_than_it_saves_takes_no_place_and_is_listed_last() -> None:
    """One place; two cost more than they save, to the last cent: not hidden, not offered."""
    rows = rank([cta("A", "ann", 0), cta("B", "ann", -50), cta("C", "ann", 1)], Queue(capacity_per_owner=1))
    assert parts(rows) == [("C", "this week"), ("A", "not worth a call"), ("B", "not worth a call")]


def test_snoozed_and_held_out_ones_are_not_in_a_queue() -> None:
    """Nor do they take a place."""
    asleep = replace(cta("A", "ann", 90), status="snoozed", snoozed_until=DAY)
    left_alone = replace(cta("B", "ann", 80), status="held out", holdout_share=0.1)
    rows = rank([asleep, left_alone, cta("C", "ann", 1)], Queue(capacity_per_owner=1))
    assert parts(rows) == [("C", "this week")]


def test_overdue_is_what_is_not_closed_after_its_date() -> None:
    """On its date it is not yet; the day after it is, unless somebody closed it."""
    assert [PLAIN.overdue(DAY), PLAIN.overdue(DAY + timedelta(days=1))] == [False, True]
    assert not replace(PLAIN, status="resolved").overdue(DAY + timedelta(days=1))
