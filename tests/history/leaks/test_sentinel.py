"""All tests together, on a world with two leaks and one that a warning tells of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.leaks.sentinel import leaks

CHURNERS = [f"{n:03}" for n in range(40)]
STAYERS = [f"{n:03}" for n in range(40, 140)]
ACCOUNTS = accounts_of(
    *({"account_id": account, "churned_at": at(25), "status": "closed"} for account in CHURNERS),
    *({"account_id": account, "status": "open"} for account in STAYERS),
)
EVENTS = events_of(
    *((account, 5, "offboarding_call") for account in CHURNERS[:30]),
    *({"account_id": account, "day": 5, "seen": 30, "kind": "note"} for account in CHURNERS),
    *((account, 5, "note") for account in STAYERS),
)
MEASURES = {
    "status": {"aggregate": "attribute", "column": "status"},
    "offboarding": {"aggregate": "count", "kinds": ["offboarding_call"]},
    "notes": {"aggregate": "count", "kinds": ["note"]},
}


def test_errors_come_first_and_without_rows_the_tables_alone_are_judged(tmp_path: Path) -> None:
    """Two errors, then a warning; a status that separates alone is found once more where there are rows."""
    spec = spec_of(MEASURES)
    training = pd.DataFrame(
        {
            "account_id": CHURNERS + STAYERS,
            "as_of": at(10),
            "churned": [1] * 40 + [0] * 100,
            "status": pd.array(["closed"] * 40 + ["open"] * 100, dtype="str"),
            "offboarding": [1.0] * 30 + [0.0] * 110,
            "notes": 1.0,
        }
    )
    with opened(tmp_path, spec, accounts=ACCOUNTS, events=EVENTS) as con:
        of_tables = leaks(con, spec, training.iloc[:0], observed_to=at(100))
        found = leaks(con, spec, training, observed_to=at(100))
    assert [(each.severity, each.code, each.where) for each in of_tables] == [
        ("error", "CF116", "measures.offboarding"),
        ("error", "CF117", "measures.status"),
        ("warning", "CF117", "measures.notes"),
    ]
    assert [(each.code, each.where) for each in found if each not in of_tables] == [("CF109", "measures.status")]


def test_checked_measures_are_not_spoken_of(tmp_path: Path) -> None:
    """`leak_checked` silences every test."""
    spec = spec_of({name: {**measure, "leak_checked": True} for name, measure in MEASURES.items()})
    with opened(tmp_path, spec, accounts=ACCOUNTS, events=EVENTS) as con:
        assert leaks(con, spec, pd.DataFrame(), observed_to=at(100)) == []
