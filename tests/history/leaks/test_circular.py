"""Kinds that follow the team's interventions, on forty accounts, twenty of which were called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.leaks.circular import circular_kinds
from churnfit.history.rules import Finding

ACCOUNTS = accounts_of(*({"account_id": f"{n:02}"} for n in range(40)))
CALLED = [f"{n:02}" for n in range(20)]
CALLS = pd.DataFrame({"account_id": CALLED, "at": [at(40 + n % 3) for n in range(20)], "playbook": "call"})
NOTES = [(account, 44, "note") for account in CALLED[:16]]
LOGINS = [(f"{n:02}", day, "login") for n in range(40) for day in range(2, 100, 7)]
SURVEYS = [(f"{n:02}", 45, "survey_sent") for n in range(40)]
MEASURES = {
    "notes": {"aggregate": "count", "kinds": ["note"]},
    "logins": {"aggregate": "count", "kinds": ["login"]},
    "days_since_note_or_survey": {"aggregate": "days_since_last", "kinds": ["note", "survey_sent"]},
}


def found(
    root: Path, events: list[Any], calls: pd.DataFrame = CALLS, measures: dict[str, dict[str, Any]] = MEASURES
) -> list[Finding]:
    """Return what is found on day 100."""
    sources = {
        "accounts": {"path": "accounts.parquet"},
        "events": [{"path": "events.parquet"}],
        "interventions": {"path": "interventions.parquet"},
    }
    spec = spec_of(measures, sources=sources)
    with opened(root, spec, accounts=ACCOUNTS, events=events_of(*events), interventions=calls) as con:
        return circular_kinds(con, spec, observed_to=at(100))


def test_a_kind_that_follows_calls_is_named_with_all_its_measures(tmp_path: Path) -> None:
    """Sixteen notes, all after calls; logins go on as before, and the survey of day 45 comes to everybody."""
    [finding] = found(tmp_path, NOTES + LOGINS + SURVEYS)
    assert (finding.code, finding.severity) == ("CF115", "error")
    assert finding.where == "measures.notes, measures.days_since_note_or_survey"
    assert finding.came == (
        "16 of 16 events of kind 'note' within 14 days after an intervention, 0 to be expected; "
        "16 accounts have it then and not before, 0 before and not then"
    )


def test_what_the_same_accounts_did_before_the_call_is_to_be_expected(tmp_path: Path) -> None:
    """Sixteen notes after calls and as many in the two weeks before: these accounts simply have notes."""
    assert found(tmp_path, NOTES + [(account, 34, "note") for account in CALLED[:16]]) == []


def test_accounts_that_were_left_alone_were_not_called(tmp_path: Path) -> None:
    """A call that was meant and withheld causes nothing."""
    assert found(tmp_path, NOTES, CALLS.assign(held_out=1)) == []


def test_few_calls_prove_nothing_and_a_checked_measure_is_trusted(tmp_path: Path) -> None:
    """Nine calls with nine notes may be luck; `leak_checked` silences the measure, not the others."""
    assert found(tmp_path, NOTES[:9], CALLS.iloc[:9]) == []
    checked = {**MEASURES, "notes": {**MEASURES["notes"], "leak_checked": True}}
    [finding] = found(tmp_path, NOTES + SURVEYS, measures=checked)
    assert finding.where == "measures.days_since_note_or_survey"
