"""Measures that are arithmetic over others: computed where they can be, refused where they try more."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, events_of, opened, spec_of

from churnfit.errors import SpecError
from churnfit.history.cohort import landmark_grid
from churnfit.history.expressions import parse_expression
from churnfit.history.snapshot import snapshot

ACCOUNTS = accounts_of({"account_id": "A"}, {"account_id": "B"}, {"account_id": "C", "segment": "large"})
EVENTS = events_of(
    *(("A", day, "login") for day in (1, 2, 3, 4)), ("A", 5, "ticket"), ("B", 1, "ticket"), ("C", 2, "login")
)


def computed(root: Path, text: str, **options: object) -> list[object]:
    """Return value or state of one expression for A (4 logins, 1 ticket), B (0, 1) and C (1, 0; segment large)."""
    measures = {
        "logins": {"aggregate": "count", "kinds": ["login"]},
        "tickets": {"aggregate": "count", "kinds": ["ticket"]},
        "last_login": {"aggregate": "days_since_last", "kinds": ["login"]},
        "m": {"aggregate": "sql", "sql": text} | options,
    }
    spec = spec_of(measures)
    with opened(root, spec, accounts=ACCOUNTS, events=EVENTS) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec))
    return [
        state if isinstance(state, str) else value for value, state in zip(frame["m"], frame["m__state"], strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tickets / (logins + tickets)", [0.2, 1.0, 0.0]),
        ("logins / account.seats", [1.0, 0.0, 0.25]),
        ("CASE WHEN logins > 3 THEN 1 WHEN account.segment = 'large' THEN 2 ELSE 0 END", [1.0, 0.0, 2.0]),
        ("tickets / logins", [0.25, "missing", 0.0]),  # nothing can be divided by no logins
        ("ln(logins - 1)", [pytest.approx(1.0986, abs=1e-4), "missing", "missing"]),
        ("last_login + 0", [6.0, "never", 8.0]),  # why there is no value is why there is none of what it reads
        ("coalesce(last_login, 99)", [6.0, 99.0, 8.0]),
        ("account.stage_day", [10.0, 10.0, 10.0]),
    ],
)
def test_an_expression_is_reckoned_row_by_row(tmp_path: Path, text: str, expected: list[object]) -> None:
    """Numbers come out where there are numbers, and a state where there are none."""
    assert computed(tmp_path, text) == expected


def test_an_expression_has_the_states_of_any_measure(tmp_path: Path) -> None:
    """It can be not due yet, or of some segments only."""
    assert computed(tmp_path, "logins", due_day=11) == ["not_due"] * 3
    assert computed(tmp_path, "logins", segments=["large"]) == ["not_applicable", "not_applicable", 1.0]


@pytest.mark.parametrize(
    "text",
    [
        "(SELECT 1)", "a IN (SELECT b FROM c)", "read_csv('secrets.csv')", "sum(a)", "a; DROP TABLE x",
        "a || 'x'", "a::VARCHAR", "random()", "now()", "abs(a) OVER ()", "*", "a.b.c", "", "a +", "[a]",
        "getenv('HOME')", "{'x': a}", "a -> 1", "a LIKE 'x'", "$1", "?", "a COLLATE NOCASE", "COLUMNS('a')",
        "x -> x + 1", "b", "account.owner",
    ],
)  # fmt: skip
def test_anything_but_plain_arithmetic_is_refused(text: str) -> None:
    """No subquery, no aggregate, no unknown function or column gets as far as the database."""
    with pytest.raises(SpecError, match=r"CF50[45] measures\.m\.sql"):
        parse_expression(text, where="measures.m.sql", measures=["a"])


def test_names_are_quoted_whatever_they_are() -> None:
    """A measure called like a keyword stays a measure."""
    assert parse_expression("abs(a)", where="w", measures=["a"]).sql == 'ABS("a")'


def test_an_expression_cannot_read_another(tmp_path: Path) -> None:
    """One level is enough, and has no circles."""
    measures = {"a": {"aggregate": "sql", "sql": "1"}, "b": {"aggregate": "sql", "sql": "a"}}
    spec = spec_of(measures)
    with opened(tmp_path, spec, accounts=ACCOUNTS, events=EVENTS) as con, pytest.raises(SpecError, match=r"CF504.*'a'"):
        snapshot(con, spec, landmark_grid(con, spec))


def test_peers_of_an_expression_are_compared(tmp_path: Path) -> None:
    """What is reckoned can be taken relative to peers as well."""
    measures = {
        "logins": {"aggregate": "count", "kinds": ["login"]},
        "m": {"aggregate": "sql", "sql": "logins * 2", "relative_to": "peers"},
    }
    spec = spec_of(measures, cohort={"landmark_days": [10], "horizon_days": 20, "min_peers": 2})
    accounts = accounts_of(*({"account_id": name} for name in "ABC"))
    with opened(tmp_path, spec, accounts=accounts, events=EVENTS) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec))
    assert pd.Series(frame["m"]).tolist() == [100.0, 0.0, 50.0]
