"""A kind of event that has stopped is told from one that only pauses."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, at, events_of, spec_of, write

from churnfit.history.feeds import feeds
from churnfit.history.sources import open_sources
from churnfit.spec import ScorecardSpec

MEASURES = {
    "logins": {"aggregate": "count", "kinds": ["login"]},
    "tickets": {"aggregate": "count", "kinds": ["ticket"]},
    "answer": {"aggregate": "last", "kinds": ["answered"], "asked_kind": "asked"},
}
DAYS = 100


def found_on(root: Path, *events: tuple[str, float, str], spec: ScorecardSpec | None = None) -> pd.DataFrame:
    """Return the feeds on the midnight after day 100, by kind; somebody logs in every day, whatever else happens."""
    logins = [("A", day + 0.5, "login") for day in range(DAYS)]
    write(root, accounts=accounts_of({"account_id": "A"}), events=events_of(*logins, *events))
    with open_sources(spec or spec_of(MEASURES), root) as con:
        return feeds(con, spec or spec_of(MEASURES), at(DAYS)).set_index("kind")


def test_a_kind_is_as_old_as_the_full_days_since_it_came(tmp_path: Path) -> None:
    """Logins came yesterday; every third day a ticket, the last on day 96; nobody was ever asked anything."""
    found = found_on(tmp_path, *(("A", day + 0.5, "ticket") for day in range(0, 97, 3)))
    assert found.index.tolist() == ["answered", "asked", "login", "ticket"]
    assert found["age_days"].fillna(-1).tolist() == [-1, -1, 0, 3]  # days 97, 98 and 99 lie between
    assert found["longest_pause_days"].fillna(-1).tolist() == [-1, -1, 0, 2]
    assert found["measures"].tolist() == [("answer",), ("answer",), ("logins",), ("tickets",)]
    assert not found["stopped"].any()


@pytest.mark.parametrize(
    ("last", "pause", "stopped"),
    [
        (91, 0, True),  # eight days silent where it came every day, and seven may be late
        (92, 0, False),  # seven
        (82, 8, True),  # seventeen, at most eight before
        (83, 8, False),  # sixteen
    ],
)
def test_a_kind_has_stopped_when_silent_for_twice_its_longest_pause(
    tmp_path: Path, last: int, pause: int, stopped: bool
) -> None:
    """Tickets came every day but for one pause from day 20 on, and ended."""
    days = [day for day in range(last + 1) if not 20 <= day < 20 + pause]
    found = found_on(tmp_path, *(("A", day + 0.5, "ticket") for day in days))
    assert (found.loc["ticket", "longest_pause_days"], found.loc["ticket", "age_days"]) == (pause, 99 - last)
    assert found["stopped"].to_dict() == {"answered": False, "asked": False, "login": False, "ticket": stopped}


def test_a_rare_kind_and_one_that_may_stop_never_have(tmp_path: Path) -> None:
    """29 days of tickets, 50 days ago; or as many as you like, and the spec says so."""
    rare = [("A", day + 0.5, "ticket") for day in range(29)]
    assert not found_on(tmp_path, *rare)["stopped"].any()
    often = [("A", day + 0.5, "ticket") for day in range(40)]
    assert found_on(tmp_path, *often)["stopped"].any()
    allowed = spec_of(MEASURES, cohort={"landmark_days": [10], "horizon_days": 20, "may_stop": ["ticket"]})
    assert not found_on(tmp_path, *often, spec=allowed)["stopped"].any()


def test_what_was_recorded_later_is_not_looked_at(tmp_path: Path) -> None:
    """Deleting what came after as_of changes nothing."""
    days = [("A", day + 0.5, "ticket") for day in range(60)]
    before = found_on(tmp_path, *days)
    after = found_on(tmp_path, *days, ("A", DAYS + 0.5, "ticket"))
    pd.testing.assert_frame_equal(before, after)
