"""Snapshots by hand: every aggregate and every state, for accounts whose stage began on day 0, as of day 10."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.errors import DataError
from churnfit.history.cohort import landmark_grid, scoring_grid, weekly_grid
from churnfit.history.snapshot import KEYS, snapshot, snapshot_hash

ONE = accounts_of({"account_id": "A"})
LOGINS = events_of(
    {"account_id": "A", "day": -2, "kind": "login", "user_id": "u0", "feature": "home", "value": 100.0},
    {"account_id": "A", "day": 0, "kind": "login", "user_id": "u1", "feature": "home", "value": 1.0},
    {"account_id": "A", "day": 3.2, "kind": "login", "user_id": "u1", "feature": "reports", "value": 2.0},
    {"account_id": "A", "day": 3.7, "kind": "login", "user_id": "u2", "feature": "home", "value": 4.0},
    {"account_id": "A", "day": 8, "kind": "login", "user_id": "u2", "feature": "home", "value": 9.0},
    {"account_id": "A", "day": 9, "kind": "login", "seen": 10, "user_id": "u9", "feature": "late", "value": 50.0},
    {"account_id": "A", "day": 10, "kind": "login", "user_id": "u9", "feature": "edge", "value": 50.0},
    {"account_id": "A", "day": 5, "kind": "ticket", "user_id": "u3", "feature": "home", "value": 7.0},
)


def one_value(root: Path, measure: dict[str, Any], events: pd.DataFrame, accounts: pd.DataFrame = ONE) -> Any:
    """Return the value of the only measure of the only row, or its state."""
    spec = spec_of({"m": measure})
    with opened(root, spec, accounts=accounts, events=events) as con:
        row = snapshot(con, spec, landmark_grid(con, spec)).iloc[0]
    assert pd.isna(row["m"]) != pd.isna(row["m__state"])
    return row["m__state"] if pd.isna(row["m"]) else row["m"]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        # logins known before day 10 and not before day 0: days 0, 3.2, 3.7, 8
        ({"aggregate": "count"}, 4),
        ({"aggregate": "count", "window_days": 2}, 1),  # day 8 is the first moment of [8, 10)
        ({"aggregate": "count", "window_days": 12}, 5),  # an explicit window reaches day -2
        ({"aggregate": "count", "where": {"feature": ["reports"]}}, 1),
        ({"aggregate": "count", "where": {"user_id": ["u2"], "feature": ["home"]}}, 2),
        ({"aggregate": "sum"}, 16),  # 1 + 2 + 4 + 9
        ({"aggregate": "mean"}, 4),  # 16 / 4
        ({"aggregate": "last"}, 9),
        ({"aggregate": "distinct_users"}, 2),
        ({"aggregate": "distinct_features"}, 2),
        ({"aggregate": "active_days"}, 3),  # days 0, 3, 8
        ({"aggregate": "share_of_seats"}, 0.5),  # 2 users of 4 seats
        ({"aggregate": "share_of", "of": ["home", "reports", "export", "late"]}, 0.5),  # home, reports
        ({"aggregate": "days_since_last"}, 2),  # day 8 to day 10
        ({"aggregate": "days_to_first"}, 0),
        ({"aggregate": "days_to_first", "where": {"user_id": ["u2"]}}, 3),  # day 3.7
        ({"aggregate": "milestone_days_late", "due_day": 6, "where": {"feature": ["reports"]}}, -3),  # day 3, due on 6
        ({"aggregate": "milestone_days_late", "due_day": 6, "where": {"feature": ["export"]}}, 4),  # not done on day 10
        ({"aggregate": "milestone_days_late", "due_day": 11}, "not_due"),
        (
            {"aggregate": "milestone_days_late", "planned_kind": "ticket", "where": {"feature": ["home"]}},
            -5,
        ),  # 0, due 5
        ({"aggregate": "milestone_days_late", "planned_kind": "call"}, "not_due"),  # nothing is planned
        ({"aggregate": "steps_skipped", "of": ["home", "export", "reports", "late"]}, 1),  # "export" before "reports"
        ({"aggregate": "steps_skipped", "of": ["export", "late"]}, 0),  # none is done
        ({"aggregate": "rate", "per_kinds": ["ticket", "login"]}, 0.8),  # 4 logins of 5 events
        ({"aggregate": "rate", "per_kinds": ["call"]}, "not_applicable"),
        ({"aggregate": "share_reached", "per_kinds": ["ticket"]}, 1),  # 2 features, 1 was aimed at
        ({"kinds": ["ticket"], "aggregate": "share_reached", "per_kinds": ["login"]}, 0.5),  # home of home, reports
        ({"aggregate": "share_reached", "per_kinds": ["call"]}, "not_applicable"),
        ({"aggregate": "trend", "window_days": 5}, -0.5),  # days 8 | 0, 3.2, 3.7: (1 - 3) / 4
        ({"aggregate": "trend", "window_days": 6}, "not_due"),  # two windows need 12 days
    ],
)
def test_each_aggregate_uses_what_was_known_on_day_10(
    tmp_path: Path, measure: dict[str, Any], expected: object
) -> None:
    """An aggregate counts events of its kind in its window that had occurred and been recorded."""
    assert one_value(tmp_path, {"kinds": ["login"]} | measure, LOGINS) == expected


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ({"aggregate": "count"}, 0),
        ({"aggregate": "sum"}, 0),
        ({"aggregate": "distinct_users"}, 0),
        ({"aggregate": "distinct_features"}, 0),
        ({"aggregate": "active_days"}, 0),
        ({"aggregate": "share_of_seats"}, 0),
        ({"aggregate": "share_of", "of": ["home"]}, 0),
        ({"aggregate": "mean"}, "missing"),
        ({"aggregate": "last"}, "missing"),
        ({"aggregate": "days_since_last"}, "never"),
        ({"aggregate": "days_to_first"}, "never"),
        ({"aggregate": "trend", "window_days": 5}, "not_applicable"),
    ],
)
def test_without_events_counts_are_zero_and_the_rest_says_why(
    tmp_path: Path, measure: dict[str, Any], expected: object
) -> None:
    """No events are a true zero for what is counted; nothing else becomes a number."""
    assert one_value(tmp_path, {"kinds": ["call"]} | measure, LOGINS) == expected


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ({"due_day": 11}, "not_due"),
        ({"due_day": 10}, 9),
        ({"segments": ["large"]}, "not_applicable"),
        ({"segments": ["large"], "due_day": 11}, "not_applicable"),
        ({"segments": ["smb"]}, 9),
        ({"validity_days": 2}, 9),  # 2 days old on day 10
        ({"validity_days": 1}, "stale"),
        ({"asked_kind": "survey"}, 9),  # it answered, whoever asked
        ({"kinds": ["answer"], "asked_kind": "ticket"}, "no_answer"),
        ({"kinds": ["answer"], "asked_kind": "survey"}, "not_due"),
        ({"kinds": ["answer"], "asked_kind": "ticket", "window_days": 4}, "not_due"),  # asked on day 5, before [6, 10)
        ({"asked_kind": "survey", "window_days": 1, "validity_days": 1}, "stale"),
    ],
)
def test_states_say_why_a_value_is_missing(tmp_path: Path, measure: dict[str, Any], expected: object) -> None:
    """Not due, not applicable, not answered and stale are told apart."""
    assert one_value(tmp_path, {"aggregate": "last", "kinds": ["login"]} | measure, LOGINS) == expected


def test_the_goal_of_an_account_says_which_features_matter(tmp_path: Path) -> None:
    """A share is taken of the goal's own list; it does not apply where no list belongs to the goal."""
    goals = {"reporting": ["reports", "export"], "hosting": ["home"]}
    measure = {"aggregate": "share_of", "kinds": ["login"], "of_goal": goals}
    for goal, share in (("reporting", 0.5), ("hosting", 1), ("other", "not_applicable"), (None, "not_applicable")):
        accounts = accounts_of({"account_id": "A", "goal": goal}).astype({"goal": "str"})
        assert one_value(tmp_path, measure, LOGINS, accounts) == share


def test_without_seats_a_share_of_seats_does_not_apply(tmp_path: Path) -> None:
    """Nothing is divided by no seats or by unknown seats."""
    measure = {"aggregate": "share_of_seats", "kinds": ["login"]}
    assert one_value(tmp_path, measure, LOGINS, accounts_of({"account_id": "A", "seats": 0})) == "not_applicable"
    assert one_value(tmp_path, measure, LOGINS, accounts_of({"account_id": "A", "seats": None})) == "not_applicable"


def test_users_that_were_not_recorded_are_not_zero_users(tmp_path: Path) -> None:
    """Events without user ids leave the number of users missing."""
    events = events_of(("A", 1, "login"), ("A", 2, "login"))
    assert one_value(tmp_path, {"aggregate": "distinct_users", "kinds": ["login"]}, events) == "missing"


def test_ties_of_last_are_broken_by_recording_then_value(tmp_path: Path) -> None:
    """Of two answers at one moment the later recorded counts, then the larger."""
    tie = {"account_id": "A", "day": 4, "kind": "nps"}
    events = events_of(tie | {"value": 9.0}, tie | {"value": 3.0, "seen": 5}, tie | {"value": 6.0, "seen": 5})
    assert one_value(tmp_path, {"aggregate": "last", "kinds": ["nps"]}, events) == 6


def test_a_sum_does_not_depend_on_the_order_of_the_events(tmp_path: Path) -> None:
    """In floating point 1e12 - 1e12 + 0.1 is 0.1, 0.1 + 1e12 - 1e12 is not; the order of storage must not decide."""
    sums = set()
    for values in ((1e12, -1e12, 0.1), (1e12, 0.1, -1e12), (0.1, 1e12, -1e12)):
        events = events_of(*({"account_id": "A", "day": 1, "kind": "use", "value": value} for value in values))
        sums.add(one_value(tmp_path, {"aggregate": "sum", "kinds": ["use"]}, events))
    assert sums == {0.1}


def test_days_are_those_of_utc_whatever_clocks_do(tmp_path: Path) -> None:
    """Berlin's 23 hours of 31 March and 25 of 27 October: half past midnight there is still the day before in UTC."""
    local = ["2024-03-31 00:30", "2024-03-31 01:30", "2024-03-31 03:30", "2024-10-27 01:30", "2024-10-27 03:30"]
    events = pd.DataFrame({"account_id": "A", "occurred_at": pd.to_datetime(local), "kind": "login"})
    spec = spec_of(
        {
            "days": {"aggregate": "active_days", "kinds": ["login"]},
            "logins": {"aggregate": "count", "kinds": ["login"]},
        },
        sources={
            "accounts": {"path": "accounts.parquet"},
            "events": [{"path": "events.parquet", "timezone": "Europe/Berlin"}],
        },
        cohort={"landmark_days": [90, 91, 300, 301], "horizon_days": 20},  # 31 March is day 90, 27 October day 300
    )
    with opened(tmp_path, spec, accounts=ONE, events=events) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec))
    # 30 March 23:30 | 31 March 00:30 and 01:30 | 26 October 23:30 | 27 October 02:30, all in UTC
    assert frame["logins"].tolist() == [1, 3, 4, 5]
    assert frame["days"].tolist() == [1, 2, 3, 4]


def test_the_table_has_keys_measures_states_in_this_order_and_these_types(tmp_path: Path) -> None:
    """Column order and types are fixed, attributes keep being text or become numbers."""
    spec = spec_of({
        "plan": {"aggregate": "attribute", "column": "plan"},
        "trial": {"aggregate": "attribute", "column": "is_trial"},
        "logins": {"aggregate": "count", "kinds": ["login"]},
    })  # fmt: skip
    accounts = accounts_of(
        {"account_id": "B", "plan": "pro", "is_trial": True}, {"account_id": "A", "plan": "", "is_trial": False}
    )
    with opened(tmp_path, spec, accounts=accounts.astype({"plan": "str"}), events=LOGINS) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec).iloc[::-1])
    measures = ["plan", "trial", "logins"]
    assert list(frame.columns) == [*KEYS, *measures, *(f"{name}__state" for name in measures)]
    assert [str(frame[name].dtype) for name in (*KEYS, *measures)] == [
        "str", "datetime64[us, UTC]", "str", "int64", "str", "float64", "str", "float64", "float64",
    ]  # fmt: skip
    assert frame["account_id"].tolist() == ["A", "B"]
    assert frame["trial"].tolist() == [0.0, 1.0]
    assert frame["plan__state"].tolist()[0] == "missing"
    assert frame["stage_day"].tolist() == [10, 10]


def test_the_stage_begins_at_midnight_of_the_day_an_account_started(tmp_path: Path) -> None:
    """An account that started at half past one in the afternoon counts from that midnight, and is looked at on one."""
    spec = spec_of({"logins": {"aggregate": "count", "kinds": ["login"]}})
    accounts = accounts_of({"account_id": "A", "started_at": at(0.5625)})
    with opened(tmp_path, spec, accounts=accounts, events=LOGINS) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec))
    assert frame["as_of"].tolist() == [at(10)]
    assert frame["logins"].tolist() == [4.0]  # days 0, 3, 3 and 8: the whole first day belongs to the stage


def test_only_open_accounts_in_the_stage_are_scored(tmp_path: Path) -> None:
    """Scored are accounts that started, have not churned and are between the stage's first and last day."""
    spec = spec_of(
        {"logins": {"aggregate": "count", "kinds": ["login"]}},
        cohort={"landmark_days": [10], "horizon_days": 20, "stage_days": [5, 30]},
    )
    accounts = accounts_of(
        {"account_id": "too young", "started_at": at(36)},
        {"account_id": "young", "started_at": at(35)},
        {"account_id": "old", "started_at": at(10)},
        {"account_id": "too old", "started_at": at(9)},
        {"account_id": "churned", "started_at": at(20), "churned_at": at(40)},
        {"account_id": "about to churn", "started_at": at(20), "churned_at": at(41)},
        {"account_id": "future", "started_at": at(50)},
    )
    with opened(tmp_path, spec, accounts=accounts, events=LOGINS) as con:
        assert scoring_grid(con, spec, at(40))["account_id"].tolist() == ["about to churn", "old", "young"]


def test_a_replay_looks_at_every_week_of_the_stage(tmp_path: Path) -> None:
    """Stage days 5, 12, 19, 26; day 30 is the last. "b" churns on its day 19, "c" begins too late for `until`."""
    spec = spec_of(
        {"logins": {"aggregate": "count", "kinds": ["login"]}},
        cohort={"landmark_days": [10], "horizon_days": 20, "stage_days": [5, 30]},
    )
    accounts = accounts_of(
        {"account_id": "a", "started_at": at(0)},
        {"account_id": "b", "started_at": at(0), "churned_at": at(19)},
        {"account_id": "c", "started_at": at(22)},
    )
    with opened(tmp_path, spec, accounts=accounts, events=LOGINS) as con:
        grid = weekly_grid(con, spec, until=at(26))
    looked = list(zip(grid["account_id"], grid["as_of"], strict=True))
    assert looked == [("a", at(5)), ("a", at(12)), ("a", at(19)), ("a", at(26)), ("b", at(5)), ("b", at(12))]


def test_a_wide_table_without_dates_is_scored_but_for_those_who_left(tmp_path: Path) -> None:
    """Ready measures pass through: numbers, text and gaps; 9 has churned."""
    spec = spec_of(
        {"logins": {"aggregate": "column"}, "plan": {"aggregate": "column", "column": "Plan type"}},
        sources={"measures": {"path": "wide.parquet", "columns": {"account_id": "id", "churned": "left"}}},
        cohort={"horizon_days": 90},
        evaluation={"method": "held_out_accounts"},
    )
    wide = pd.DataFrame(
        {
            "id": [7, 8, 9],
            "logins": [3, None, 1],
            "Plan type": ["pro", None, "pro"],
            "left": [False, False, True],
        }
    )
    with opened(tmp_path, spec, wide=wide.astype({"Plan type": "str"})) as con:
        frame = snapshot(con, spec, scoring_grid(con, spec, at(0)))
    assert frame["account_id"].tolist() == ["7", "8"]
    assert frame["logins"].tolist()[0] == 3.0
    assert frame["plan"].tolist()[0] == "pro"
    assert frame[["logins__state", "plan__state"]].iloc[1].tolist() == ["missing", "missing"]


def test_an_attribute_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt attribute is a four-part error."""
    with pytest.raises(DataError, match=r"CF217 measures.m: .*nearest valid name: 'segment'"):
        one_value(tmp_path, {"aggregate": "attribute", "column": "segmnt"}, LOGINS)


def test_a_grid_row_without_an_account_is_refused(tmp_path: Path) -> None:
    """Rows are never dropped in silence."""
    spec = spec_of({"logins": {"aggregate": "count", "kinds": ["login"]}})
    grid = pd.DataFrame({"account_id": ["A", "ghost"], "as_of": [at(10), at(10)]})
    with opened(tmp_path, spec, accounts=ONE, events=LOGINS) as con, pytest.raises(DataError, match="CF104 snapshot"):
        snapshot(con, spec, grid)


def test_the_hash_sees_values_names_and_gaps() -> None:
    """Two frames have one hash exactly when names and values agree."""
    frame = pd.DataFrame({"a": [1.0, None], "b": ["x", None]})
    assert snapshot_hash(frame) == snapshot_hash(frame.copy())
    others = [
        frame.rename(columns={"a": "c"}), frame.iloc[::-1], frame.fillna({"a": 0.0}), frame.fillna({"b": ""}),
        pd.DataFrame({"a": [1.0, None], "b": ["", "x"]}),
    ]  # fmt: skip
    assert len({snapshot_hash(each) for each in (frame, *others)}) == 6
