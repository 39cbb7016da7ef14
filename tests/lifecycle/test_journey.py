"""How long the steps of a stage take when not everybody arrives, and who is late today."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.events_sql import events_engine
from churnfit.lifecycle.journey import EVERYBODY, journey_report, step_days
from churnfit.spec import Journey

JOURNEY = Journey.model_validate(
    {
        "steps": {
            "kick_off": {"kinds": ["met"], "due_day": 5},
            "go_live": {"label": "Go-live", "kinds": ["milestone"], "where": {"feature": ["live"]}, "due_day": 30},
        }
    }
)
TODAY = date(2024, 3, 1)


def days_of(*rows: tuple[float | None, float | None, int], segment: str = "smb", here: bool = True) -> pd.DataFrame:
    """Return rows as of `step_days`: the day of kick-off, of go-live, and the days watched."""
    return pd.DataFrame(
        {
            "account_id": [f"{segment}{place}" for place in range(len(rows))],
            "segment": segment,
            "owner": "ann",
            "seen": [row[2] for row in rows],
            "here": here,
            "kick_off": [math.nan if row[0] is None else float(row[0]) for row in rows],
            "go_live": [math.nan if row[1] is None else float(row[1]) for row in rows],
        }
    )


def test_a_step_is_the_day_of_its_first_event_as_it_was_known(tmp_path):
    """Recorded too late, of another feature, or after the account had churned: not reached as of that day."""
    spec = spec_of({"meetings": {"aggregate": "count", "kinds": ["met"]}})
    accounts = accounts_of(
        {"account_id": "A"},
        {"account_id": "B", "churned_at": at(10)},
        {"account_id": "C", "segment": None, "owner": None, "observed_until": at(12)},
        {"account_id": "D", "started_at": at(25)},
    )
    events = events_of(
        ("A", 3, "met"), ("A", 4, "met"), {"account_id": "A", "day": 8, "kind": "milestone", "feature": "kick"},
        {"account_id": "A", "day": 9, "kind": "milestone", "feature": "live", "seen": 21},
        ("B", 2, "met"), {"account_id": "B", "day": 11, "kind": "milestone", "feature": "live"}, ("D", 26, "met"),
    )  # fmt: skip
    with opened(tmp_path, spec, accounts=accounts, events=events) as con:
        found = step_days(con, spec, JOURNEY, as_of=at(20), engine=events_engine).set_index("account_id")
    assert found.index.tolist() == ["A", "B", "C"]
    assert found["kick_off"].tolist() == pytest.approx([3, 2, math.nan], nan_ok=True)
    assert found["go_live"].isna().all()
    assert found["seen"].tolist() == [20, 10, 12]
    assert found["here"].tolist() == [True, False, True]
    assert (found.loc["C", "segment"], found.loc["C", "owner"]) == ("(no segment)", "")


def test_a_segment_called_all_is_not_everybody(tmp_path):
    """It gets a name of its own: its limit would be everybody's, to which small segments are held."""
    spec = spec_of({"meetings": {"aggregate": "count", "kinds": ["met"]}})
    accounts = accounts_of({"account_id": "A", "segment": "all"}, {"account_id": "B", "segment": "smb"})
    with opened(tmp_path, spec, accounts=accounts, events=events_of(("A", 3, "met"))) as con:
        days = step_days(con, spec, JOURNEY, as_of=at(20), engine=events_engine)
    report = journey_report(days, JOURNEY, as_of=TODAY)
    assert list(report.limits) == [EVERYBODY, 'segment "all"', "smb"]
    assert report.times[0].accounts == 2


def test_who_left_early_counts_for_as_long_as_they_were_watched():
    """By hand: of 4 one arrives on day 2; of the 2 left on day 6 one arrives: 3/4, then 3/8 are still out."""
    report = journey_report(days_of((2, None, 9), (None, None, 4), (6, None, 9), (None, None, 9)), JOURNEY, as_of=TODAY)
    [kick_off, go_live] = report.times
    assert (kick_off.segment, kick_off.accounts, kick_off.reached, kick_off.median) == (EVERYBODY, 4, 2, 6.0)
    assert kick_off.late == pytest.approx(3 / 4)
    assert (go_live.reached, go_live.median, go_live.late) == (0, math.inf, None)


def test_the_late_share_is_of_everybody_even_where_all_arrived_before_the_due_day():
    """All five met on day 3 and were due on day 5: nobody is late; nobody was watched until day 30: not known."""
    report = journey_report(days_of(*[(3, None, 9)] * 5), JOURNEY, as_of=TODAY)
    assert [time.late for time in report.times if time.segment == EVERYBODY] == [0.0, None]
    late = journey_report(days_of((3, None, 9), (7, None, 9)), JOURNEY, as_of=TODAY)
    assert late.times[0].late == 0.5


def test_the_slowest_step_is_the_one_with_the_longest_wait_since_the_one_before():
    """Kick-off takes 3 days; go-live comes on day 12, of which it waited 9: it is what holds accounts up."""
    report = journey_report(days_of(*[(3, 12, 40)] * 5), JOURNEY, as_of=TODAY)
    assert [(time.step, time.median, time.wait, time.slowest) for time in report.times] == [
        ("kick_off", 3.0, 3.0, False),
        ("go_live", 12.0, 9.0, True),
    ]


def test_a_small_segment_is_held_to_the_limit_of_everybody():
    """Nine in ten went live by day 18; two big accounts are no yardstick of their own, and one of them overstays."""
    small = days_of(*[(1, day, 60) for day in range(1, 21)])
    big = days_of((1, 50, 60), (1, None, 40), segment="big")
    report = journey_report(pd.concat([small, big], ignore_index=True), JOURNEY, as_of=TODAY)
    assert report.limits["smb"] == 18.0
    assert report.limits["big"] == report.limits[EVERYBODY] == 20.0
    [late] = report.overstaying
    assert (late.account_id, late.limit_day, late.days_late, late.label) == ("big1", 20.0, 20.0, "Go-live")


def test_only_who_is_here_is_late_and_the_latest_come_first():
    """Due on day 5: on day 5 nobody is late yet; the churned never are."""
    here = days_of((None, None, 5), (None, None, 7), (None, None, 33))
    gone = days_of((None, None, 33), segment="gone", here=False)
    report = journey_report(pd.concat([here, gone], ignore_index=True), JOURNEY, as_of=TODAY)
    assert [(late.account_id, late.step, late.days_late) for late in report.overdue] == [
        ("smb2", "kick_off", 28),
        ("smb2", "go_live", 3),
        ("smb1", "kick_off", 2),
    ]


def test_the_median_is_found_where_an_average_over_arrivals_is_not():
    """Half arrive by day 40, but half are watched for less: the interval holds 40, the median of arrivals does not."""
    rng = np.random.default_rng(5)
    day = np.ceil(rng.exponential(40 / math.log(2), 4000))
    seen = np.ceil(rng.uniform(1, 90, 4000)).astype(int)
    rows = [(float(d) if d <= s else None, None, s) for d, s in zip(day, seen, strict=True)]
    [kick_off, _] = journey_report(days_of(*rows), JOURNEY, as_of=TODAY).times
    assert kick_off.low <= 40 <= kick_off.high
    assert kick_off.high - kick_off.low < 6
    assert np.median([row[0] for row in rows if row[0] is not None]) < 25


@pytest.mark.parametrize(
    ("journey", "message"),
    [
        ({"ends": "live", "steps": {"go_live": {"kinds": ["met"]}}}, "ends: 'live' is no step; nearest valid name"),
        ({"steps": {}}, "at least 1 item"),
        ({"steps": {"go_live": {"kinds": []}}}, "at least 1 item"),
        ({"overstay": 1.0, "steps": {"go_live": {"kinds": ["met"]}}}, "less than 1"),
    ],
)
def test_a_journey_that_cannot_be_followed_is_refused(journey, message):
    """No steps, a step without events, an end that is no step, a share that nobody is beyond."""
    with pytest.raises(ValidationError, match=message):
        Journey.model_validate(journey)
