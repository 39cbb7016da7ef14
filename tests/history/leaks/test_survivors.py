"""Accounts that are gone: one starts on each of 600 days, every fourth churns 100 days after its start."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.leaks.survivors import missing_churners
from churnfit.history.rules import Finding

ACCOUNTS = accounts_of(
    *(
        {"account_id": f"{n:03}", "started_at": at(n), "churned_at": at(n + 100) if n % 4 == 0 else pd.NaT}
        for n in range(600)
    )
)
EVENTS = events_of(
    *((f"{n:03}", day, "login") for n in range(600) for day in range(n + 1, 100 + n if n % 4 == 0 else 700, 40))
)
SPEC = spec_of({"logins": {"aggregate": "count", "kinds": ["login"]}})


def found(root: Path, accounts: pd.DataFrame, events: pd.DataFrame = EVENTS) -> list[Finding]:
    """Return what is found on day 700."""
    with opened(root, SPEC, accounts=accounts, events=events) as con:
        return missing_churners(con, SPEC, observed_to=at(700))


def test_a_whole_history_has_no_findings(tmp_path: Path) -> None:
    """Nobody is missing: nothing is said."""
    assert found(tmp_path, ACCOUNTS) == []


def test_the_date_before_which_churners_were_purged_is_named(tmp_path: Path) -> None:
    """Without those that churned before day 300 the table has no churn until then, and many who might have."""
    kept = ACCOUNTS[~(ACCOUNTS["churned_at"] < at(300))]
    events = EVENTS[EVENTS["account_id"].isin(kept["account_id"])]
    [finding] = found(tmp_path, kept, events)
    assert (finding.code, finding.severity, finding.where) == ("CF119", "warning", "accounts")
    # of 24 dates, 28 days apart, day 309 stands out most: churns of days 300, 304 and 308; 309 starts less 50 purged
    assert "churns before 2024-11-05, at the rate by tenure after it" in finding.expected
    assert finding.came == "3 churns before it, of 259 accounts that started before it"


def test_a_cohort_that_began_and_left_together_is_not_accused(tmp_path: Path) -> None:
    """All start on day 0, forty leave on day 25: nobody has been there for as long after an earlier date."""
    together = accounts_of(*({"account_id": f"{n:03}", "churned_at": at(25) if n < 40 else pd.NaT} for n in range(140)))
    assert found(tmp_path, together) == []


def test_accounts_that_left_only_their_events_behind_are_counted(tmp_path: Path) -> None:
    """Fifty accounts are not listed, and none of them did anything for months; of the others few are silent."""
    gone = ACCOUNTS[ACCOUNTS["churned_at"] < at(300)]
    [_, finding] = found(tmp_path, ACCOUNTS.drop(gone.index))
    assert finding.where == "accounts"
    assert finding.came.startswith("50 of 50 accounts with events that accounts does not list had none in the last 60")
    few = ACCOUNTS.drop(gone.index[:9])
    assert found(tmp_path, few) == []
