"""Day tables give, row for row and bit for bit, what one SQL query over the events gives."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any, get_args

import duckdb
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.days.engine import DayTables
from churnfit.history.events_sql import readings_over_events
from churnfit.history.readings import Reading, Selection, Taken, Window
from churnfit.history.sql import fetch_frame

SELECTIONS = (
    Selection(kinds=("login",)),
    Selection(kinds=("answer", "login")),
    Selection(kinds=("login",), features=("f1", "ü 𝟚")),
    Selection(kinds=("answer", "login"), users=("u1",)),
    Selection(kinds=("answer",), features=()),
    Selection(kinds=("answer", "asked"), features=("f1",), users=("u1", "")),
)
WINDOWS = (Window(), Window(days=1), Window(days=4), Window(days=4, skip=4), Window(days=90), Window(ever=True))
# all that can be taken, of a few selections and windows: the reference is slow on hundreds of columns
READINGS = st.lists(st.tuples(st.sampled_from(SELECTIONS), st.sampled_from(WINDOWS)), min_size=1, max_size=4).map(
    lambda chosen: {
        f"{taken} {number}": Reading(taken=taken, selection=selection, window=window)
        for taken, (number, (selection, window)) in itertools.product(get_args(Taken), enumerate(chosen))
    }
)

DAYS = st.integers(-40, 140).map(lambda quarters: quarters / 4)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from(["A", "B", "C", "D\u0000ü", ""]),
            "day": DAYS,
            # recorded at once, within the day, long after, or before it occurred
            "late": st.sampled_from([0, 0, 0, 0.5, 1, 70, -2]),
            "kind": st.sampled_from(["login", "login", "answer", "asked", "other"]),
            "user_id": st.sampled_from(["u1", "u2", "a user with a long name, and another 𝟚", "", None]),
            "feature": st.sampled_from(["f1", "f2", "ü 𝟚", None]),
            "value": st.sampled_from([0.1, 0.2, -7.0000005, 3.0, 8e12 / 7, None]),
        }
    ),
    max_size=60,
).map(lambda rows: [row | {"seen": row["day"] + row["late"]} for row in rows])
GRID = st.lists(st.tuples(st.sampled_from(["A", "B", "D\u0000ü", "", "nobody"]), DAYS), max_size=12, unique=True)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SPEC = spec_of({"logins": {"aggregate": "count", "kinds": ["login"]}})
REST = {"account_id": "A", "day": 0, "kind": "unread"}  # an empty source is an error


def grid_of(rows: list[tuple[str, float]]) -> pd.DataFrame:
    """Return a grid: as_of at any hour, a stage that began on day 2, or never for "B"."""
    frame = pd.DataFrame({"account_id": [name for name, _ in rows], "as_of": [at(day) for _, day in rows]})
    frame["as_of_day"] = pd.array(
        [(day.normalize() - pd.Timestamp(0, tz="UTC")).days for day in frame["as_of"]], "Int64"
    )
    frame["start_day"] = pd.array([None if name == "B" else (at(2) - pd.Timestamp(0, tz="UTC")).days
                                   for name, _ in rows], "Int64")  # fmt: skip
    return frame.astype({"account_id": "str"})


def agree(con: duckdb.DuckDBPyConnection, tables: DayTables, grid: pd.DataFrame, readings: dict[str, Reading]) -> int:
    """Assert that both engines take the same readings; return how many rows there are."""
    con.register("grid_rows", grid)
    rows = "SELECT * FROM grid_rows"
    expected = fetch_frame(con, f"WITH g AS ({rows}) {readings_over_events(readings)} ORDER BY account_id, as_of")
    found = fetch_frame(con, f"SELECT * FROM ({tables(con, readings, rows)}) ORDER BY account_id, as_of")
    pd.testing.assert_frame_equal(expected, found, check_exact=True)
    return len(expected)


@FEW
@given(events=EVENTS, grid=GRID, readings=READINGS)
def test_day_tables_take_every_reading_as_the_reference_does(
    events: list[dict[str, Any]], grid: list[tuple[str, float]], readings: dict[str, Reading]
) -> None:
    """Whatever is taken, of whichever window: late, double and unnamed events, any as_of, any account."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = DayTables(folder=folder / "days", spec=SPEC, root=folder)
        accounts = accounts_of({"account_id": "A"})
        with opened(folder, SPEC, accounts=accounts, events=events_of(*events, REST)) as con:
            agree(con, tables, grid_of(grid), readings)


@settings(FEW, max_examples=15)
@given(events=EVENTS, later=EVENTS, grid=GRID, readings=READINGS)
def test_tables_that_grew_are_as_good_as_tables_built_anew(
    events: list[dict[str, Any]],
    later: list[dict[str, Any]],
    grid: list[tuple[str, float]],
    readings: dict[str, Reading],
) -> None:
    """A second file, of any dates, joins the first; what is taken equals the reference over both."""
    sources = {"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events*.parquet"}]}
    spec = spec_of({"logins": {"aggregate": "count", "kinds": ["login"]}}, sources=sources)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = DayTables(folder=folder / "days", spec=spec, root=folder)
        accounts = accounts_of({"account_id": "A"})
        with opened(folder, spec, accounts=accounts, events=events_of(*events, REST)) as con:
            agree(con, tables, grid_of(grid), readings)
        with opened(folder, spec, events_2=events_of(*later, REST)) as con:
            assert tables.bring_up_to_date(con, readings)[0] == "grown"
            agree(con, tables, grid_of(grid), readings)
