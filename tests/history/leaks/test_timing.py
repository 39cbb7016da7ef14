"""When measures know of churn: sixty accounts stay, fifteen leave at once, fifteen later, thirty much later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.leaks.timing import measures_out_of_time
from churnfit.history.rules import Finding

AT_ONCE, LATER, MUCH_LATER = range(15), range(15, 30), range(30, 60)  # and the sixty that stay
CHURN_DAY = dict.fromkeys(AT_ONCE, 13) | dict.fromkeys(LATER, 28) | dict.fromkeys(MUCH_LATER, 60)
ACCOUNTS = accounts_of(
    *(
        {"account_id": f"{n:03}", "churned_at": at(CHURN_DAY[n]) if n in CHURN_DAY else pd.NaT, "score": 0.0}
        for n in range(120)
    )
)
TRAINING = pd.DataFrame(
    {
        "account_id": [f"{n:03}" for n in range(120)],
        "as_of": at(10),
        "churned": [int(n in AT_ONCE or n in LATER) for n in range(120)],
        # 0 for those that leave on day 13; for all others 1, 2, 3, 4, 5 in turn
        "next_week": [0.0 if n in AT_ONCE else 1.0 + n % 5 for n in range(120)],
        # seven in ten of those that leave on day 13 went silent
        "faded": [0.0 if n in AT_ONCE and n % 10 < 7 else 1.0 + n % 5 for n in range(120)],
        # higher for all that ever churned, whenever that was; 3 of the 60 others have more
        "final_score": [9.0 if n < 60 else 1.0 + 9.0 * (n % 20 == 0) for n in range(120)],
        "honest": [float(n % 7) for n in range(120)],
    }
)
NAMES = ["next_week", "faded", "final_score", "honest"]


def found(root: Path, training: pd.DataFrame, aggregate: dict[str, Any]) -> list[Finding]:
    """Return what is found on day 100, all measures being made alike."""
    spec = spec_of(dict.fromkeys(NAMES, aggregate))
    with opened(root, spec, accounts=ACCOUNTS, events=events_of(("000", 1, "login"))) as con:
        return measures_out_of_time(con, spec, training, observed_to=at(100))


def test_a_window_that_reaches_beyond_as_of_and_a_value_written_after_churn_are_told_apart(tmp_path: Path) -> None:
    """One collapses for those who are gone within a week only, one knows churn of day 60 as well as that of day 13."""
    by_place = {each.where: each for each in found(tmp_path, TRAINING, {"aggregate": "attribute", "column": "score"})}
    assert set(by_place) == {"measures.next_week", "measures.final_score"}
    assert by_place["measures.next_week"].code == "CF118"
    assert by_place["measures.next_week"].severity == "error"
    assert by_place["measures.next_week"].came == (
        "its value is lower for the 15 accounts that churn within 7 days than for those that stay (AUC 1.00), "
        "and hardly for those that churn later (AUC 0.50)"
    )
    # above 57 of the 60 that stay, and below the three with 10: 57 / 60 = 0.95
    assert by_place["measures.final_score"].code == "CF117"
    assert by_place["measures.final_score"].came == (
        "its value has AUC 0.95 for churn within the horizon and 0.95 for the 30 rows of accounts that churned only "
        "after it"
    )


def test_of_events_that_churnfit_counted_itself_only_the_dates_can_be_wrong(tmp_path: Path) -> None:
    """The same collapse is a warning where the window ends at as_of by construction."""
    found_there = found(tmp_path, TRAINING, {"aggregate": "count", "kinds": ["login"]})
    assert [each.severity for each in found_there if each.code == "CF118"] == ["warning"]


def test_gaps_that_those_about_to_leave_have_count_as_a_collapse(tmp_path: Path) -> None:
    """Nothing was filled in for those who were gone by then."""
    gaps = TRAINING.assign(honest=TRAINING["honest"].where(TRAINING.index >= 15))
    by_place = {each.where: each for each in found(tmp_path, gaps, {"aggregate": "attribute", "column": "score"})}
    assert by_place["measures.honest"].came.startswith("whether it is filled is lower for the 15 accounts")


def test_nine_churners_prove_nothing_and_a_checked_measure_is_trusted(tmp_path: Path) -> None:
    """Nine accounts that leave at once may be luck; `leak_checked` is the way past."""
    few = TRAINING[(TRAINING.index < 9) | (TRAINING.index >= 15)]
    attribute = {"aggregate": "attribute", "column": "score"}
    assert [each.where for each in found(tmp_path, few, attribute)] == ["measures.final_score"]
    assert found(tmp_path, TRAINING, attribute | {"leak_checked": True}) == []
