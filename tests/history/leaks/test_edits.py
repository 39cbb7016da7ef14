"""What was written after churn, on a hundred accounts, thirty of which churned on day 50."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.leaks.edits import back_dated_kinds, overwritten_columns
from churnfit.history.rules import Finding

CHURNERS = [f"{n:03}" for n in range(30)]
STAYERS = [f"{n:03}" for n in range(30, 100)]
LOGIN = events_of(("030", 1, "login"))


def columns_found(root: Path, measures: dict[str, dict[str, Any]], churned: int = 30) -> list[Finding]:
    """Return the overwritten columns; status, seats and owner were edited when the first `churned` accounts left."""
    edited = {"status": "closed", "seats": 0.0, "owner": None}
    accounts = accounts_of(
        *({"account_id": account, "churned_at": at(50), "plan": "small", **edited} for account in CHURNERS[:churned]),
        *(
            {"account_id": account, "status": "open", "plan": "small" if n < 20 else "large"}
            for n, account in enumerate(STAYERS)
        ),
    )
    spec = spec_of(measures)
    with opened(root, spec, accounts=accounts, events=LOGIN) as con:
        return overwritten_columns(con, spec, observed_to=at(100))


def attribute(column: str, **more: Any) -> dict[str, Any]:
    """Return a measure that reads an account column."""
    return {"aggregate": "attribute", "column": column} | more


def test_values_that_only_churned_accounts_have_are_shown(tmp_path: Path) -> None:
    """Closed, no seats, no owner: thirty of thirty churned where thirty in a hundred do; the plan is no such value."""
    measures = {
        "state": attribute("status"),
        "csm": attribute("owner"),
        "plan": attribute("plan"),
        "active_seats": {"aggregate": "share_of_seats", "kinds": ["login"]},
    }
    found = {finding.where: finding for finding in columns_found(tmp_path, measures)}
    assert {where: finding.came for where, finding in found.items()} == {
        "measures.state": "'closed' in 30 accounts, of which 30 churned and 9 were to be expected",
        "measures.csm": "a gap in 30 accounts, of which 30 churned and 9 were to be expected",
        "measures.active_seats": "'0.0' in 30 accounts, of which 30 churned and 9 were to be expected",
    }
    assert {finding.code for finding in found.values()} == {"CF117"}
    assert "leak_checked = true" in found["measures.state"].fix


def test_a_checked_measure_is_trusted_and_few_churners_prove_nothing(tmp_path: Path) -> None:
    """`leak_checked` silences it, and of twenty pure accounts chance could make as many."""
    assert columns_found(tmp_path, {"state": attribute("status", leak_checked=True)}) == []
    assert columns_found(tmp_path, {"state": attribute("status")}, churned=20) == []


def test_a_column_of_a_wide_table_is_held_against_its_labels(tmp_path: Path) -> None:
    """The same in ready measures without dates: 'left' stands in thirty rows, each of them churned."""
    wide = pd.DataFrame(
        {
            "account_id": CHURNERS + STAYERS,
            "churned": [1.0] * 30 + [0.0] * 70,
            "reason": ["left"] * 30 + ["none"] * 70,
        }
    )
    spec = spec_of(
        {"reason": {"aggregate": "column"}},
        sources={"measures": {"path": "wide.parquet"}},
        cohort={"horizon_days": 20},
        evaluation={"method": "held_out_accounts"},
    )
    with opened(tmp_path, spec, wide=wide) as con:
        [finding] = overwritten_columns(con, spec, observed_to=at(100))
    assert finding.came == "'left' in 30 accounts, of which 30 churned and 9 were to be expected"


def test_facts_entered_after_churn_under_an_earlier_date_are_counted(tmp_path: Path) -> None:
    """Reasons of twenty churners, dated day 20, entered on day 55; those of others came the same day: a warning."""
    accounts = accounts_of(
        *({"account_id": account, "churned_at": at(50)} for account in CHURNERS),
        *({"account_id": account} for account in STAYERS),
    )
    events = events_of(
        *({"account_id": account, "day": 20, "seen": 55, "kind": "reason"} for account in CHURNERS[:20]),
        *((account, 20, "reason") for account in CHURNERS[20:] + STAYERS),
        *({"account_id": account, "day": 20, "seen": 55, "kind": "slow"} for account in CHURNERS + STAYERS),
    )
    spec = spec_of({kind: {"aggregate": "count", "kinds": [kind]} for kind in ("reason", "slow")})
    with opened(tmp_path, spec, accounts=accounts, events=events) as con:
        [finding] = back_dated_kinds(con, spec, observed_to=at(100))
    assert (finding.code, finding.severity, finding.where) == ("CF117", "warning", "measures.reason")
    assert finding.came == (
        "kind 'reason': 20 of 30 events before a churn (67%, 20 accounts) were entered after it, "
        "7 days late or more; of all others 0.0% came as late"
    )
