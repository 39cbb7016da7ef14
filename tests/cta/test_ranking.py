"""Each owner's queue: most valuable first, capacity, overflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from churnfit.cta.ranking import rank
from churnfit.cta.rules import Cta
from churnfit.spec import Queue

DAY = date(2026, 3, 2)
PLAIN = Cta(
    cta_id="k",
    card="small",
    account_id="A",
    owner="ann",
    trigger="band_red",
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
