"""Kinds that belong to the leaving, on seventy accounts, thirty of which churned between day 61 and day 90."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.leaks.closing import closing_kinds
from churnfit.history.rules import Finding

CHURNERS = {f"{n:02}": 60 + n for n in range(1, 31)}
STAYERS = [f"{n:02}" for n in range(31, 71)]
OFFBOARDING = [(account, day - 3, "offboarding_call") for account, day in CHURNERS.items()]
COMPLAINTS = [(account, day - 10, "complaint") for account, day in CHURNERS.items()]
COMPLAINTS += [(account, 70, "complaint") for account in STAYERS[:15]]


def found(root: Path, events: list[Any], *, churners: int = 30, kinds: list[str], **spec: Any) -> list[Finding]:
    """Return what is found on day 150 of one measure of each of `kinds`."""
    churned = dict(list(CHURNERS.items())[:churners])
    accounts = accounts_of(
        *({"account_id": account, "churned_at": at(day)} for account, day in churned.items()),
        *({"account_id": account} for account in STAYERS),
    )
    chosen = spec_of({kind: {"aggregate": "count", "kinds": [kind]} for kind in kinds}, **spec)
    with opened(root, chosen, accounts=accounts, events=events_of(*events)) as con:
        return closing_kinds(con, chosen, observed_to=at(150))


def test_a_kind_that_lies_around_churn_is_named_and_a_warning_is_not(tmp_path: Path) -> None:
    """All offboarding calls lie near churn; of the complaints, too, most do, but fifteen come to those who stay.

    Within 30 days around churn accounts spend 30 x 60 = 1,800 days; elsewhere those that stay spend 40 x 150 = 6,000
    and those that churn, on day 75.5 on average, 30 x 45.5 = 1,365. By chance 1,800 of 9,165 = 20 %. Complaints are
    there only (30 / 1,800) / (15 / 7,365) = 8.2 times as frequent.
    """
    [finding] = found(tmp_path, OFFBOARDING + COMPLAINTS, kinds=["offboarding_call", "complaint"])
    assert (finding.code, finding.severity, finding.where) == ("CF116", "error", "measures.offboarding_call")
    assert finding.came == (
        "kind 'offboarding_call': 30 of its 30 events (100%) lie within 30 days around churn, in 30 accounts; "
        "20% would by chance"
    )
    assert "cohort.churn_kinds" in finding.fix


def test_a_kind_that_only_churners_have_is_named_however_early(tmp_path: Path) -> None:
    """Thirty of thirty accounts with it churned, 30 x 30 / 70 = 13 were to be expected, though it was weeks before."""
    early = [(account, day - 45, "downgrade_request") for account, day in CHURNERS.items()]
    [finding] = found(tmp_path, early, kinds=["downgrade_request"])
    assert finding.came == (
        "kind 'downgrade_request': 30 of the 30 accounts that have it churned, "
        "13 to be expected of accounts that started when they did"
    )


def test_nine_churners_prove_nothing(tmp_path: Path) -> None:
    """Fewer than ten accounts with the pattern may be luck."""
    assert found(tmp_path, OFFBOARDING[:9], churners=9, kinds=["offboarding_call"]) == []


def test_churn_itself_is_no_measure(tmp_path: Path) -> None:
    """A kind that the spec calls churn is refused outright, with two of them as with twenty."""
    events = [("31", 50, "cancelled"), ("32", 50, "cancelled")]
    cohort = {"landmark_days": [10], "horizon_days": 20, "churn_kinds": ["cancelled"]}
    [finding] = found(tmp_path, events, kinds=["cancelled"], cohort=cohort)
    assert finding.came == "kind 'cancelled', which is churn itself (cohort.churn_kinds)"
