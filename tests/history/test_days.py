"""Day tables by hand: late events, ties, increments, crashes, changed sources, tampering."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from filelock import FileLock
from tests.history.tiny_world import accounts_of, at, events_of, spec_of, write

from churnfit.errors import BusyError, DataError, IntegrityError
from churnfit.history.cohort import landmark_grid
from churnfit.history.days import blocks, building, drawers, engine, joining, tables, taking
from churnfit.history.days.engine import DayTables
from churnfit.history.days.names import Names, OwnedNames
from churnfit.history.days.texts import TextColumn, keys_of, write_owned_keys
from churnfit.history.readings import Reading, Selection, Taken, Window
from churnfit.history.snapshot import snapshot, snapshot_hash
from churnfit.history.sources import open_sources
from churnfit.spec import ScorecardSpec

LOGIN = Selection(kinds=("login",))
EVER = Window(ever=True)
READINGS = {
    "events": Reading(taken="events", selection=LOGIN, window=EVER),
    "week": Reading(taken="events", selection=LOGIN, window=Window(days=7)),
    "total": Reading(taken="total", selection=LOGIN, window=EVER),
    "last": Reading(taken="last", selection=LOGIN, window=EVER),
    "users": Reading(taken="users", selection=LOGIN, window=EVER),
    "days": Reading(taken="days", selection=LOGIN, window=EVER),
}
SPEC = spec_of({"m": {"aggregate": "count", "kinds": ["login"]}})
GLOB = spec_of(
    {"m": {"aggregate": "count", "kinds": ["login"]}},
    sources={"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events*.parquet"}]},
)
DAY_0 = (at(0) - pd.Timestamp(0, tz="UTC")).days


def login(day: float, **more: Any) -> dict[str, Any]:
    return {"account_id": "A", "day": day, "kind": "login", "user_id": "u1", "value": 1.0} | more


def taken(root: Path, day: int, *, spec: ScorecardSpec = SPEC, readings: dict[str, Reading] = READINGS) -> pd.Series:
    """Return account A's readings as of `day`, from tables that were brought up to date."""
    grid = (
        f"SELECT 'A' AS account_id, TIMESTAMPTZ '{at(day)}' AS as_of, {DAY_0 + day} AS as_of_day, {DAY_0} AS start_day"
    )
    with open_sources(spec, root) as con:
        days = DayTables(folder=root / "days", spec=spec, root=root)
        frame = con.sql(days(con, readings, grid)).to_arrow_table().to_pandas()
    return frame.iloc[0] if len(frame) else frame.sum()


def brought(root: Path, spec: ScorecardSpec = SPEC, readings: dict[str, Reading] = READINGS) -> str:
    with open_sources(spec, root) as con:
        return DayTables(folder=root / "days", spec=spec, root=root).bring_up_to_date(con, readings)[0]


def world(root: Path, *events: dict[str, Any], name: str = "events") -> None:
    write(root, accounts=accounts_of({"account_id": "A"}), **{name: events_of(*events)})


def append(root: Path, *events: dict[str, Any]) -> None:
    """Write the log again with one more row group, as tools that append do: the old row groups stay as they were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = root / "events.parquet"
    with duckdb.connect() as con:
        con.execute("SET TimeZone='UTC'").fetchall()
        frame = events_of(*events)
        con.register("more_given", frame)
        more = con.sql("SELECT * FROM more_given").to_arrow_table()
    old = [pq.ParquetFile(path).read_row_group(n) for n in range(pq.read_metadata(path).num_row_groups)]
    with pq.ParquetWriter(path, more.schema) as writer:
        for table in [*old, more]:
            writer.write_table(pa.table(table.columns, schema=more.schema))


def test_an_event_counts_from_the_day_after_it_became_known(tmp_path: Path) -> None:
    """It happened on day 1 and was recorded on day 3: as of day 3 nobody knew it, as of day 4 it is three days old."""
    world(tmp_path, login(0), login(1, seen=3.5))
    assert [taken(tmp_path, day)["events"] for day in (1, 3, 4, 8)] == [1, 1, 2, 2]
    # the week before day 8 begins on day 1, whenever things were recorded
    assert [taken(tmp_path, day)["week"] for day in (4, 8, 9)] == [2, 1, 0]


def test_of_values_of_one_moment_the_largest_recorded_last_is_the_last(tmp_path: Path) -> None:
    """By occurred_at, then recorded_at, then value; what is recorded later than as_of does not count yet."""
    world(tmp_path, login(2, value=9.0), login(2, seen=2.5, value=3.0), login(2, seen=2.5, value=5.0),
          login(2, seen=4, value=1.0))  # fmt: skip
    assert [taken(tmp_path, day)["last"] for day in (3, 5)] == [5.0, 1.0]


def test_distinct_is_distinct_whatever_the_delay(tmp_path: Path) -> None:
    """One user on one day, told three times at different delays, is one user and one day."""
    world(tmp_path, login(2), login(2.1, seen=4), login(2.2, seen=9), login(3, user_id=None))
    row = taken(tmp_path, 10)
    assert (row["events"], row["users"], row["days"], row["total"]) == (4, 1, 2, 4_000_000)


@pytest.mark.parametrize("none", [{"features": ()}, {"users": ()}], ids=["of no feature", "by no user"])
def test_a_selection_that_takes_nothing_counts_nothing(tmp_path: Path, none: dict[str, tuple[str, ...]]) -> None:
    """No event is of no feature, or by no user, even where no other selection names any."""
    world(tmp_path, login(0))
    nothing = Selection(kinds=("login",), **none)
    counted: tuple[Taken, ...] = ("events", "values", "users", "features", "days")
    readings = {each: Reading(taken=each, selection=nothing, window=EVER) for each in counted}
    assert taken(tmp_path, 5, readings=readings)[[*counted]].tolist() == [0, 0, 0, 0, 0]


def test_more_as_ofs_than_a_word_has_bits_are_all_counted(tmp_path: Path) -> None:
    """100 dates of one account: a new user each day, so as of day d there are d."""
    world(tmp_path, *(login(day, user_id=f"u{day}") for day in range(100)))
    grid = (f"SELECT 'A' AS account_id, TIMESTAMPTZ '{at(0)}' + to_days(d) AS as_of, {DAY_0} + d AS as_of_day, "
            f"{DAY_0} AS start_day FROM (SELECT CAST(range AS INT) AS d FROM range(1, 101))")  # fmt: skip
    with open_sources(SPEC, tmp_path) as con:
        days = DayTables(folder=tmp_path / "days", spec=SPEC, root=tmp_path)
        users = con.sql(f"SELECT users FROM ({days(con, READINGS, grid)}) ORDER BY as_of").fetchall()
    assert users == [(day,) for day in range(1, 101)]


def test_a_log_that_grew_is_read_from_where_it_grew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New row groups, and new files, are read alone; the readings equal those of tables built anew."""
    world(tmp_path, login(0), login(1, user_id="u2"))
    assert brought(tmp_path, GLOB) == "built"
    assert brought(tmp_path, GLOB) == "kept"
    append(tmp_path, login(1, seen=6, user_id="u3", value=5.0), login(6, user_id="u2"))
    # pyarrow writes the first row group as DuckDB did not: that is another file
    assert brought(tmp_path, GLOB) == "rebuilt"
    append(tmp_path, login(7, user_id="u4"))
    world(tmp_path, login(8, account_id="B"), login(3, seen=8, user_id="u1"), name="events_2")
    read: list[int] = []
    take = engine.Builder.take
    monkeypatch.setattr(engine.Builder, "take", lambda self, batch: (read.append(len(batch)), take(self, batch)))
    assert brought(tmp_path, GLOB) == "grown"
    assert read == [1, 2]
    grown = [taken(tmp_path, day, spec=GLOB) for day in range(1, 12)]
    for file in (tmp_path / "days").iterdir():
        file.unlink()
    assert brought(tmp_path, GLOB) == "built"
    for day, then in enumerate(grown, start=1):
        pd.testing.assert_series_equal(then, taken(tmp_path, day, spec=GLOB), check_exact=True)


def test_many_increments_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nights leave small files; once three outweigh what is before them they are one, and say what one build says.

    Every night has one event, so that nights weigh the same: the third and the sixth bring all together, the ninth only
    the last three, as the first six weigh more. Two accounts' users come again: builds know them by different numbers.
    """
    monkeypatch.setattr(joining, "_MANY_BUILDS", 3)
    builds = []
    for night in range(9):
        account = "BA"[night % 2] if night else "A"
        world(tmp_path, login(night, account_id=account, user_id=f"u{night % 3}"), name=f"events_{night}")
        assert brought(tmp_path, GLOB) == ("grown" if night else "built")
        builds.append(len(list((tmp_path / "days").glob("cells-*.parquet"))))
    grown = [taken(tmp_path, day, spec=GLOB) for day in range(1, 12)]
    for file in (tmp_path / "days").iterdir():
        file.unlink()
    assert brought(tmp_path, GLOB) == "built"
    for day, then in enumerate(grown, start=1):
        pd.testing.assert_series_equal(then, taken(tmp_path, day, spec=GLOB), check_exact=True)
    assert builds == [1, 2, 1, 2, 3, 1, 2, 3, 2]


def test_a_file_that_became_plain_parquet_is_no_new_file(tmp_path: Path) -> None:
    """Naive times were read whole, through DuckDB; the same rows with a zone are the same rows, not twice as many."""
    source = {"path": "events.parquet", "timezone": "UTC"}
    spec = spec_of(
        {"m": {"aggregate": "count", "kinds": ["login"]}},
        sources={"accounts": {"path": "accounts.parquet"}, "events": [source]},
    )
    log = events_of(login(0), login(1))
    naive = log.assign(**{name: log[name].dt.tz_localize(None) for name in ("occurred_at", "recorded_at")})
    write(tmp_path, accounts=accounts_of({"account_id": "A"}), events=naive)
    assert (brought(tmp_path, spec), taken(tmp_path, 5, spec=spec)["events"]) == ("built", 2)
    write(tmp_path, events=log)
    assert (brought(tmp_path, spec), taken(tmp_path, 5, spec=spec)["events"]) == ("rebuilt", 2)


@pytest.mark.parametrize("change", ["edit", "remove", "declare", "ask"])
def test_anything_else_that_changed_builds_the_tables_anew(tmp_path: Path, change: str) -> None:
    """A file written again or gone, a source declared otherwise, other readings: nothing of the old tables is used."""
    world(tmp_path, login(0))
    world(tmp_path, login(2), name="events_2")
    said: list[str] = []
    assert brought(tmp_path, GLOB) == "built"
    spec, readings = GLOB, dict(READINGS)
    if change == "edit":
        world(tmp_path, login(0, value=7.0))
    elif change == "remove":
        (tmp_path / "events_2.parquet").unlink()
    elif change == "declare":
        sources = {"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events*.parquet", "kind": "login"}]}
        spec = spec_of({"m": {"aggregate": "count", "kinds": ["login"]}}, sources=sources)
    else:
        readings["features"] = Reading(taken="features", selection=LOGIN, window=EVER)
    with open_sources(spec, tmp_path) as con:
        days = DayTables(folder=tmp_path / "days", spec=spec, root=tmp_path, say=said.append)
        assert days.bring_up_to_date(con, readings)[0] == "rebuilt"
    assert said == ["Building the day tables anew: the sources, or what is read of them, changed"]
    found = taken(tmp_path, 5, spec=spec, readings=readings)
    assert (found["events"], found["last"]) == {"edit": (2, 1.0), "remove": (1, 1.0)}.get(change, (2, 1.0))
    assert found["total"] == {"edit": 8_000_000, "remove": 1_000_000}.get(change, 2_000_000)
    assert nothing_else_lies_there(tmp_path)


def test_tables_that_kept_no_last_values_are_built_anew_when_one_is_asked_for(tmp_path: Path) -> None:
    """Totals and last values lie in one table, but a row has its last value only where some reading takes it."""
    world(tmp_path, login(0, value=5.0))
    totals = {"total": READINGS["total"]}
    assert taken(tmp_path, 5, readings=totals)["total"] == 5_000_000
    with_last = totals | {"last": READINGS["last"]}
    assert brought(tmp_path, readings=with_last) == "rebuilt"
    assert taken(tmp_path, 5, readings=with_last).tolist()[-2:] == [5_000_000, 5.0]


def nothing_else_lies_there(root: Path) -> bool:
    """Say whether the folder of day tables has the files that its manifest names, and no other."""
    parts = json.loads((root / "days" / "manifest.json").read_text())["manifest"]["parts"]
    named = {part["file"] for part in parts}
    return {file.name for file in (root / "days").iterdir()} == named | {"manifest.json", ".lock"}


def test_tables_of_another_format_are_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older version wrote is as good as nothing, and goes: the log, which grew, is read again, and answers."""
    world(tmp_path, login(0))
    with monkeypatch.context() as older:
        older.setattr(tables, "_FORMAT", tables._FORMAT - 1)
        assert brought(tmp_path) == "built"
        assert brought(tmp_path) == "kept"
    world(tmp_path, login(0), login(1))
    assert brought(tmp_path) == "built"
    assert taken(tmp_path, 5)["events"] == 2
    assert nothing_else_lies_there(tmp_path)


def test_the_pieces_a_log_is_read_in_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events at a time, three in a block, two rows in a drawer and four before a write: the same readings.

    Every third event has no user, every eleventh no value; every fifth is late; logins and exports take turns.
    """
    kinds = ("login", "export")
    world(
        tmp_path,
        *(
            login(
                number / 2,
                kind=kinds[number % 2],
                account_id="BA"[number % 7 > 0],
                user_id=f"u{number % 4}" if number % 3 else None,
                value=float(number) if number % 11 else None,
                seen=number / 2 + (3 if number % 5 == 0 else 0),
            )
            for number in range(40)
        ),
    )
    exports = {"exports": Reading(taken="events", selection=Selection(kinds=("export",)), window=EVER)}
    both = {"both": Reading(taken="users", selection=Selection(kinds=kinds), window=EVER)}
    readings = READINGS | exports | both
    whole = [taken(tmp_path, day, readings=readings) for day in range(1, 25)]
    assert whole[-1].tolist()[-2:] == [17, 4]  # 20 exports, of which three are B's; every user
    for file in (tmp_path / "days").iterdir():
        file.unlink()
    for module, name, small in (
        (building, "BATCH_EVENTS", 2),
        (blocks, "BATCH_EVENTS", 2),
        (blocks, "_BLOCK_EVENTS", 3),
        (drawers, "_ROWS", 3),
        (drawers, "_FEWEST_ROWS", 3),
        (tables, "_MOST_WAITING", 4),
    ):
        monkeypatch.setattr(module, name, small)
    assert brought(tmp_path, readings=readings) == "built"
    for day, then in enumerate(whole, start=1):
        pd.testing.assert_series_equal(then, taken(tmp_path, day, readings=readings), check_exact=True)


@pytest.mark.parametrize("when", ["while rows are written", "before the manifest"])
def test_a_crash_leaves_the_old_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Whenever a build stops, the old manifest and its files are as they were; the next run heals."""
    world(tmp_path, login(0))
    brought(tmp_path)
    before = {file.name: file.read_bytes() for file in (tmp_path / "days").iterdir()}
    world(tmp_path, login(0), login(1))

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if when == "before the manifest":
            patched.setattr(tables, "write_text", crash)
        else:
            patched.setattr(engine.Builder, "finish", crash)
        with pytest.raises(KeyboardInterrupt):
            brought(tmp_path)
    after = {file.name: file.read_bytes() for file in (tmp_path / "days").iterdir()}
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if name.startswith(".")]
    assert taken(tmp_path, 5)["events"] == 2


def test_while_another_works_on_the_tables_one_waits_then_says_so(tmp_path: Path) -> None:
    """Held by another process, the tables are busy, not broken; free again, they answer."""
    world(tmp_path, login(1))
    days = DayTables(folder=tmp_path / "days", spec=SPEC, root=tmp_path, patience_seconds=0.1)
    grid = f"SELECT 'A' AS account_id, TIMESTAMPTZ '{at(5)}' AS as_of, {DAY_0 + 5} AS as_of_day, {DAY_0} AS start_day"
    days.folder.mkdir()
    with open_sources(SPEC, tmp_path) as con:
        with FileLock(days.folder / ".lock"), pytest.raises(BusyError, match=r"CF701 .*free within 0 seconds"):
            days(con, READINGS, grid)
        assert con.sql(days(con, READINGS, grid)).to_arrow_table().num_rows == 1


def test_rows_that_no_reading_of_their_selection_wants_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of logins the last week is asked for, of exports every day: row groups of older logins stay where they are."""
    monkeypatch.setattr(tables, "_ROW_GROUP", 2)
    days_of = {kind: [login(day, kind=kind) for day in range(20)] for kind in ("login", "export")}
    world(tmp_path, *(event for events in zip(*days_of.values(), strict=True) for event in events))
    readings = {
        "logins": Reading(taken="events", selection=LOGIN, window=Window(days=7)),
        "exports": Reading(taken="events", selection=Selection(kinds=("export",)), window=EVER),
    }
    brought(tmp_path, readings=readings)
    read = []
    gathered = taking.gathering.cells
    monkeypatch.setattr(
        taking.gathering, "cells", lambda rows, *more: (read.append(len(rows[0])), gathered(rows, *more))
    )
    assert taken(tmp_path, 20, readings=readings).tolist()[-2:] == [7, 20]
    assert sum(read) == 20 + 8  # seven days of logins lie in four row groups of two


@pytest.mark.parametrize("harm", ["file", "gone", "manifest", "no json"])
def test_tables_that_were_changed_are_refused(tmp_path: Path, harm: str) -> None:
    """A byte more in a file, a file gone, a word in the manifest: an error, never a wrong number."""
    world(tmp_path, login(0))
    brought(tmp_path)
    cells = next((tmp_path / "days").glob("cells-*.parquet"))
    manifest = tmp_path / "days" / "manifest.json"
    if harm == "file":
        cells.write_bytes(cells.read_bytes().replace(b"PAR1", b"PAR2", 1))
    elif harm == "gone":
        cells.unlink()
    elif harm == "manifest":
        manifest.write_text(manifest.read_text().replace(f"{os.path.getsize(tmp_path / 'events.parquet')} ", "1 "))
    else:
        manifest.write_text("{")
    with pytest.raises(IntegrityError, match="CF403"):
        taken(tmp_path, 5)


def test_values_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    """A value of 9e12 is in no sum, as checks refuse it; sums beyond 64 bits of millionths are errors: none wraps.

    Nor is a whole number that no float is equal to.
    """
    world(tmp_path, login(0, value=2**60 + 1), login(0.5, value=3))
    assert taken(tmp_path, 1)["total"] == 3e6
    world(tmp_path, login(0, value=9e12), login(0.5, value=3.0))
    assert taken(tmp_path, 1)["total"] == 3e6
    world(tmp_path, login(0, value=8e12), login(0.5, value=8e12))
    with pytest.raises(DataError, match="CF203"):
        brought(tmp_path)
    world(tmp_path, login(0, value=8e12), login(1, value=8e12))
    with pytest.raises(DataError, match="CF203"):
        taken(tmp_path, 5)
    assert taken(tmp_path, 1)["total"] == 8e18


def test_a_log_that_is_not_plain_parquet_is_read_whole(tmp_path: Path) -> None:
    """CSV with naive times, and a SELECT over files: the same readings, and built anew after any change."""
    world(tmp_path, login(0), login(3, user_id=None), login(4, value=None), {"account_id": "A", "day": 1, "kind": "x"})
    expected = taken(tmp_path, 5)
    events_of(login(0), login(3, user_id=None), login(4, value=None)).to_csv(tmp_path / "events.csv", index=False)
    accounts = {"path": "accounts.parquet"}
    for events in ({"path": "events.csv"}, {"sql": "SELECT * FROM log WHERE kind <> 'x'"}):
        sources = {"accounts": accounts, "events": [events], "files": {"log": "events.parquet"}}
        spec = spec_of({"m": {"aggregate": "count", "kinds": ["login"]}}, sources=sources)
        pd.testing.assert_series_equal(taken(tmp_path, 5, spec=spec), expected, check_exact=True)
        assert brought(tmp_path, spec) == "kept"
    world(tmp_path, login(0))
    assert brought(tmp_path, spec) == "rebuilt"


def test_plain_parquet_may_rename_and_lack_columns(tmp_path: Path) -> None:
    """Renamed columns, a kind for all rows, no recorded_at: as DuckDB reads them. Without a value there is no total."""
    log = events_of(login(0), login(3, user_id="u2")).drop(columns=["kind", "recorded_at"])
    write(tmp_path, accounts=accounts_of({"account_id": "A"}), events=log.rename(columns={"user_id": "who"}))
    source = {"path": "events.parquet", "kind": "login", "columns": {"user_id": "who"}}
    spec = spec_of(
        {"m": {"aggregate": "count", "kinds": ["login"]}},
        sources={"accounts": {"path": "accounts.parquet"}, "events": [source]},
    )
    row = taken(tmp_path, 4, spec=spec)
    assert (row["events"], row["users"], row["days"], row["last"]) == (2, 2, 2, 1.0)
    write(tmp_path, events=log.rename(columns={"user_id": "who"}).drop(columns="value"))
    assert taken(tmp_path, 4, spec=spec)[["events", "total", "last"]].isna().tolist() == [False, True, True]


def test_a_snapshot_is_the_same_from_both_engines_and_stays_the_same(tmp_path: Path) -> None:
    """Byte for byte; and what became known after as_of, an event of long before included, changes nothing."""
    measures = {
        "logins": {"aggregate": "count", "kinds": ["login"]},
        "minutes": {"aggregate": "mean", "kinds": ["login"]},
        "since": {"aggregate": "days_since_last", "kinds": ["login"], "validity_days": 3},
        "seats": {"aggregate": "share_of_seats", "kinds": ["login"]},
    }
    spec = spec_of(measures, cohort={"landmark_days": [3, 10], "horizon_days": 20})
    days = DayTables(folder=tmp_path / "days", spec=spec, root=tmp_path)
    hashes = []
    for later in ([], [login(2, seen=12), login(11)]):
        world(tmp_path, login(0), login(2.5, value=0.1), login(9, seen=10), *later)
        with open_sources(spec, tmp_path) as con:
            grid = landmark_grid(con, spec)
            hashes += [snapshot_hash(snapshot(con, spec, grid)), snapshot_hash(snapshot(con, spec, grid, engine=days))]
    assert len(set(hashes)) == 1


def test_names_are_numbered_in_the_order_they_come() -> None:
    """Equal names are one, no name is none; what is looked up only is not added."""
    names, keys = Names(), keys_of(["a", "b", "a name longer than sixteen bytes", "a"])
    keys[1] = 0
    assert names.add(keys).tolist() == [0, -1, 1, 0]
    assert names.find(keys_of(["b", "a"])).tolist() == [-1, 0]
    assert (names.keys() == keys_of(["a", "a name longer than sixteen bytes"])).all()


def test_a_user_is_one_of_its_account() -> None:
    """One name of two accounts is two users; 5,000 accounts with one user each, and one with 5,000, are kept apart."""
    import numpy as np
    import pyarrow as pa

    def owned(name: str, owner: str) -> Any:
        keys = np.empty((1, 2), dtype=np.uint64)
        names, owners = (TextColumn().texts(pa.array([text])) for text in (name, owner))
        write_owned_keys(names, owners, np.zeros(1, dtype=np.int32), np.array([True]), keys)
        return keys

    of_a, of_b = owned("u1", "A"), owned("u1", "B")
    users = OwnedNames()
    both = np.concatenate([of_a, of_b, of_a])
    assert users.add(both, np.array([0, 1, 7000], dtype=np.int32)).tolist() == [0, 1, 2]
    assert users.add(of_a, np.array([0], dtype=np.int32)).tolist() == [0]
    assert users.owners().tolist() == [0, 1, 7000]
    assert (users.keys() == both).all()
    many = keys_of([f"user {number}" for number in range(5000)])
    each, one = np.arange(5000, dtype=np.int32), np.full(5000, 9, dtype=np.int32)
    found = [OwnedNames().add(many, account) for account in (each, one)]
    assert [its.tolist() for its in found] == [list(range(5000))] * 2
