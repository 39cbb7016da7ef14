"""Whatever the world looks like: snapshots know nothing of the future, and agree with arithmetic done naively."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.cohort import landmark_grid
from churnfit.history.snapshot import snapshot, snapshot_hash
from churnfit.spec import Measure, ScorecardSpec

ASKED = {"kinds": ["answer"], "asked_kind": "asked"}
SPEC = spec_of(
    {
        "logins": {"aggregate": "count", "kinds": ["login", "answer"]},
        "logins_week": {"aggregate": "count", "kinds": ["login"], "window_days": 7, "where": {"feature": ["f1", "f2"]}},
        "minutes": {"aggregate": "sum", "kinds": ["login"], "window_days": 14},
        "minutes_mean": {"aggregate": "mean", "kinds": ["login"]},
        "answer": {"aggregate": "last", **ASKED, "window_days": 6, "validity_days": 4},
        "answers_mean": {"aggregate": "mean", **ASKED},
        "users": {"aggregate": "distinct_users", "kinds": ["login"]},
        "features": {"aggregate": "distinct_features", "kinds": ["login"], "window_days": 9},
        "days": {"aggregate": "active_days", "kinds": ["login"]},
        "seats_used": {"aggregate": "share_of_seats", "kinds": ["login"]},
        "adopted": {"aggregate": "share_of", "kinds": ["login"], "of": ["f1", "f2", "f9"], "due_day": 8},
        "since": {"aggregate": "days_since_last", "kinds": ["login"], "validity_days": 3},
        "first": {"aggregate": "days_to_first", "kinds": ["login"], "segments": ["smb"]},
        "trend": {"aggregate": "trend", "kinds": ["login"], "window_days": 4},
        "late": {"aggregate": "milestone_days_late", "kinds": ["answer"], "planned_kind": "asked"},
        "late_fixed": {"aggregate": "milestone_days_late", "kinds": ["answer"], "due_day": 6},
        "skipped": {"aggregate": "steps_skipped", "kinds": ["login"], "of": ["f1", "f2", "f3"]},
        "answered": {"aggregate": "rate", "kinds": ["answer"], "per_kinds": ["asked"], "window_days": 8},
        "reached": {"aggregate": "share_reached", "kinds": ["login"], "per_kinds": ["asked", "answer"]},
    },
    cohort={"landmark_days": [5, 8, 12], "horizon_days": 20},
)

# half days, so that events fall on the edges of windows and on each other
DAYS = st.integers(-10, 30).map(lambda halves: halves / 2)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from(["A", "B", "C"]),
            "day": DAYS,
            "late": st.sampled_from([0, 0, 0, 0.5, 3]),
            "kind": st.sampled_from(["login", "login", "answer", "asked", "other"]),
            "user_id": st.sampled_from(["u1", "u2", None]),
            "feature": st.sampled_from(["f1", "f2", "f3", None]),
            "value": st.sampled_from([0.1, 0.2, 0.7, 3.0, None]),
        }
    ),
    max_size=40,
).map(lambda rows: [row | {"seen": row["day"] + row["late"]} for row in rows])
ACCOUNTS = st.tuples(
    *(
        st.fixed_dictionaries(
            {
                "account_id": st.just(name),
                "start": st.sampled_from([0, 0.5, 2]),
                "segment": st.sampled_from(["smb", "large", None]),
                "seats": st.sampled_from([0.0, 3.0]),
            }
        )
        for name in ("A", "B", "C")
    )
).map(lambda rows: [row | {"started_at": at(row["start"])} for row in rows])
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def snapshot_of(
    accounts: list[dict[str, Any]], events: list[dict[str, Any]], spec: ScorecardSpec = SPEC
) -> pd.DataFrame:
    """Return the landmark snapshot of a world."""
    rows = [{key: value for key, value in row.items() if key != "start"} for row in accounts]
    # an empty source is an error, so every world has one event that nothing reads
    rest = {"account_id": "A", "day": 0, "kind": "unread"}
    with tempfile.TemporaryDirectory() as folder:
        tables = {"accounts": accounts_of(*rows), "events": events_of(*events, rest)}
        with opened(Path(folder), spec, **tables) as con:
            return snapshot(con, spec, landmark_grid(con, spec))


@FEW
@given(accounts=ACCOUNTS, events=EVENTS)
def test_deleting_the_future_changes_nothing(accounts: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    """Events that occurred or were recorded at or after as_of leave no trace in its rows, byte for byte."""
    whole = snapshot_of(accounts, events)
    for as_of in whole["as_of"].unique():
        known = [event for event in events if at(event["day"]) < as_of and at(event["seen"]) < as_of]
        then = whole[whole["as_of"] == as_of].reset_index(drop=True)
        alone = snapshot_of(accounts, known[::-1])
        alone = alone[alone["as_of"] == as_of].reset_index(drop=True)
        pd.testing.assert_frame_equal(then, alone, check_exact=True)
        assert snapshot_hash(then) == snapshot_hash(alone)


@settings(FEW, max_examples=40)
@given(accounts=ACCOUNTS, events=EVENTS)
def test_every_measure_agrees_with_naive_arithmetic(
    accounts: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    """The one SQL scan gives what loops over the events give."""
    frame = snapshot_of(accounts, events)
    by_id = {account["account_id"]: account for account in accounts}
    for row in frame.to_dict("records"):
        account = by_id[row["account_id"]]
        mine = [event for event in events if event["account_id"] == row["account_id"]]
        for name, measure in SPEC.measures.items():
            came = row[f"{name}__state"] if isinstance(row[f"{name}__state"], str) else row[name]
            expected = naively(measure, account, mine, (row["as_of"] - at(0)).days)
            assert came == pytest.approx(expected), (name, row["account_id"], row["as_of"])


def naively(measure: Measure, account: dict[str, Any], events: list[dict[str, Any]], now: int) -> float | str:
    """Return the value or the state of a measure, days counted from 2024-01-01."""
    stage_day, width = now - math.floor(account["start"]), measure.window_days or 0
    known = [event for event in events if event["day"] < now and event["seen"] < now]
    mine = [event for event in known if event["kind"] in measure.kinds]
    mine = [event for event in mine if all(event[field] in some for field, some in measure.where.items())]
    started = math.floor(account["start"])
    lower = now - width if width else started
    within = [event for event in mine if event["day"] >= lower]
    asked = [event for event in known if event["kind"] == measure.asked_kind and event["day"] >= lower]
    before = [event for event in mine if now - 2 * width <= event["day"] < now - width]
    own = aggregated(measure, within, account, now)
    if measure.aggregate == "trend" and within + before:
        own = (len(within) - len(before)) / len(within + before)
    newest = max((math.floor(event["day"]) for event in mine), default=now)
    others = [event for event in known if event["day"] >= lower]
    if measure.aggregate == "milestone_days_late":
        planned = [math.floor(event["day"]) for event in others if event["kind"] == measure.planned_kind]
        due = started + measure.due_day if measure.due_day else min(planned, default=None)
        done = min((math.floor(event["day"]) for event in within), default=now)
        own = "not_due" if due is None else done - due
    if measure.per_kinds:
        per = [event for event in others if event["kind"] in measure.per_kinds]
        aims = {event["feature"] for event in per} - {None}
        reached = {event["feature"] for event in within} - {None}
        share = min(1, len(reached) / len(aims)) if aims else None
        own = "not_applicable" if not per else len(within) / len(per) if measure.aggregate == "rate" else share
    states = {
        "not_applicable": bool(measure.segments) and account["segment"] not in measure.segments,
        "not_due": stage_day < (measure.due_day or 0) or (measure.aggregate == "trend" and stage_day < 2 * width),
        "not_applicable ": own == "not_applicable",
        "no_answer": own is None and bool(asked),
        "stale": measure.validity_days is not None and newest < now - measure.validity_days,
        "not_due ": own is None and measure.asked_kind is not None,
        "missing": own is None,
    }
    return next((state.strip() for state, holds in states.items() if holds), own if own is not None else "")


def aggregated(measure: Measure, within: list[dict[str, Any]], account: dict[str, Any], now: int) -> float | str | None:
    """Return what is counted among the events within the window; None without anything to count."""
    answered = [event for event in within if event["value"] is not None]
    values = [event["value"] for event in answered]
    users = {event["user_id"] for event in within} - {None}
    features = {event["feature"] for event in within} - {None}
    newest = max(answered, key=lambda event: (event["day"], event["seen"], event["value"]), default={"value": None})
    users_seen = len(users) or (None if within else 0)
    days, seats = [math.floor(event["day"]) for event in within], account["seats"]
    furthest = max((number for number, step in enumerate(measure.of) if step in features), default=0)
    results: dict[str, float | str | None] = {
        "count": len(within),
        "sum": sum(values) if values else (None if within else 0),
        "mean": sum(values) / len(values) if values else None,
        "last": newest["value"],
        "distinct_users": users_seen,
        "distinct_features": len(features) or (None if within else 0),
        "active_days": len(set(days)),
        "share_of_seats": "not_applicable" if not seats else None if users_seen is None else users_seen / seats,
        "share_of": len(features & set(measure.of)) / len(set(measure.of) or {""}),
        "days_since_last": now - max(days) if days else "never",
        "days_to_first": min(days) - math.floor(account["start"]) if days else "never",
        "trend": "not_applicable",
        "steps_skipped": len([step for step in range(furthest) if measure.of[step] not in features]),
    }
    return results.get(measure.aggregate)
