"""The summary of events answers every check as the whole log does, and only new files are looked through."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.history.tiny_world import accounts_of, at, events_of, spec_of, write

from churnfit.history.checks import Finding, check_sources
from churnfit.history.cohort import newest_fact
from churnfit.history.sources import open_sources
from churnfit.spec import ScorecardSpec

SPEC = spec_of(
    {
        "logins": {"aggregate": "count", "kinds": ["login"]},
        "trained": {"aggregate": "share_of", "kinds": ["training"], "of": ["basics", "admin"], "window_days": 28},
    },
    sources={"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events*.parquet"}]},
)
CLEAN = (
    {"account_id": "A", "day": 1, "kind": "login", "value": 1.0},
    {"account_id": "B", "day": 2, "kind": "training", "feature": "basics"},
    {"account_id": "B", "day": 3, "kind": "training", "feature": "admin"},
)
FAULTS: dict[str, dict[str, Any]] = {
    "no account": {"account_id": " "},
    "no kind": {"kind": ""},
    "an unknown account": {"account_id": "Z"},
    "an infinite value": {"value": np.inf},
    "a value too large": {"value": 1e300},
    "recorded before it occurred": {"day": 9, "seen": 8},
    "recorded after the last day": {"seen": 500},
    "occurred after the last day": {"day": 500},
}


def seen(root: Path, *, kept: bool, observed_to: float = 400) -> tuple[list[Finding], pd.Timestamp | None]:
    """Return what the checks find, and the newest fact."""
    with open_sources(SPEC, root, summary=root / "kept.summary" if kept else None) as con:
        return check_sources(con, SPEC, observed_to=at(observed_to)), newest_fact(con, SPEC)


def put(root: Path, name: str, *rows: dict[str, Any]) -> None:
    write(root, accounts=accounts_of({"account_id": "A"}, {"account_id": "B"}), **{name: events_of(*rows)})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_new_file_is_found_as_in_the_whole_log(tmp_path: Path, fault: str) -> None:
    put(tmp_path, "events-1", *CLEAN)
    assert seen(tmp_path, kept=True) == seen(tmp_path, kept=False)
    put(tmp_path, "events-2", *CLEAN, CLEAN[0] | FAULTS[fault])
    found, newest = seen(tmp_path, kept=False)
    assert found
    assert seen(tmp_path, kept=True) == (found, newest)
    put(tmp_path, "events-3", *CLEAN)  # and is still found when it is an old one
    assert seen(tmp_path, kept=True) == (found, newest)


EVENT = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(["A", "B", "Z", ""]),
        "day": st.sampled_from([1, 2.5, 399, 401.5]),
        "seen": st.sampled_from([1, 3, 400]),
        "kind": st.sampled_from(["login", "training", "training", "other"]),
        "feature": st.sampled_from([None, "basics", "admin", "more"]),
        "value": st.sampled_from([0.0, -1.0, np.nan, np.inf, 1e300]),
    }
)


@settings(max_examples=25, deadline=None)
@given(logs=st.lists(st.lists(EVENT, min_size=1, max_size=4), min_size=1, max_size=3))
def test_findings_and_newest_fact_of_any_log_are_those_of_its_events(
    tmp_path_factory: pytest.TempPathFactory, logs: list[list[dict[str, Any]]]
) -> None:
    root = tmp_path_factory.mktemp("log")
    for number, rows in enumerate(logs):
        put(root, f"events-{number}", *rows)
        assert seen(root, kept=True) == seen(root, kept=False)


def test_a_file_is_looked_through_again_only_when_its_size_or_time_changed(tmp_path: Path) -> None:
    put(tmp_path, "events-1", *CLEAN)
    assert seen(tmp_path, kept=True)[0] == []
    path = tmp_path / "events-1.parquet"
    before = path.stat()
    put(tmp_path, "events-1", CLEAN[0] | {"value": np.inf}, *CLEAN[1:])
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert seen(tmp_path, kept=True)[0] == []  # not read: to the file system it is the same file
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert [finding.code for finding in seen(tmp_path, kept=True)[0]] == ["CF202"]


def test_a_file_that_changed_in_place_makes_all_be_looked_through(tmp_path: Path) -> None:
    put(tmp_path, "events-1", *CLEAN)
    put(tmp_path, "events-2", CLEAN[0])
    assert seen(tmp_path, kept=True)[0] == []
    put(tmp_path, "events-1", CLEAN[0])  # the trainings are gone
    assert [finding.code for finding in seen(tmp_path, kept=True)[0]] == ["CF504", "CF504"]


def test_what_a_removed_file_had_is_forgotten(tmp_path: Path) -> None:
    put(tmp_path, "events-1", CLEAN[0])
    put(tmp_path, "events-2", *CLEAN)
    assert seen(tmp_path, kept=True) == ([], at(4))
    (tmp_path / "events-2.parquet").unlink()
    found, newest = seen(tmp_path, kept=True)
    assert ([finding.code for finding in found], newest) == (["CF504", "CF504"], at(2))


def test_how_new_a_fact_may_be_is_asked_of_the_day_that_is_checked(tmp_path: Path) -> None:
    put(tmp_path, "events-1", *CLEAN)
    assert seen(tmp_path, kept=True)[0] == []
    assert [finding.code for finding in seen(tmp_path, kept=True, observed_to=1)[0]] == ["CF313"]


@pytest.mark.parametrize("content", [b"", b"PAR1 not at all", None])
def test_a_summary_that_is_not_whole_is_made_anew(tmp_path: Path, content: bytes | None) -> None:
    put(tmp_path, "events-1", *CLEAN)
    first = seen(tmp_path, kept=True)
    kept = tmp_path / "kept.summary"
    whole = kept.read_bytes()
    middle = len(whole) // 2
    kept.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :] if content is None else content)
    assert seen(tmp_path, kept=True) == first
    assert kept.read_bytes() == whole


def test_events_of_the_future_are_not_summed_up_because_they_become_facts(tmp_path: Path) -> None:
    days = (pd.Timestamp.now(tz="UTC") - at(0)).days
    put(tmp_path, "events-1", *CLEAN, CLEAN[0] | {"day": days + 0.5, "seen": days + 2})
    assert seen(tmp_path, kept=True, observed_to=days) == seen(tmp_path, kept=False, observed_to=days)
    assert not (tmp_path / "kept.summary").exists()


def test_other_rules_or_declarations_make_all_be_looked_through(tmp_path: Path) -> None:
    put(tmp_path, "events-1", *CLEAN)
    assert seen(tmp_path, kept=True)[0] == []
    renamed: ScorecardSpec = SPEC.model_copy(
        update={
            "sources": SPEC.sources.model_copy(
                update={"events": [SPEC.sources.events[0].model_copy(update={"kind": "login"})]}
            )
        }
    )
    with open_sources(renamed, tmp_path, summary=tmp_path / "kept.summary") as con:
        kinds = con.execute("SELECT DISTINCT kind FROM events_summary").fetchall()
    assert kinds == [("login",)]
