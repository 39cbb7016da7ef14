"""Files that are whole or not there, the same for the same table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from churnfit.errors import UsageError
from churnfit.files import read_parquet, refuse_existing, sweep, write_parquet, write_text


def table() -> pd.DataFrame:
    """Return two rows: text, numbers and times, each with a gap, under an index that does not matter."""
    times = pd.to_datetime(pd.Series(["2026-01-02T03:04:05.000006Z", None]), utc=True)
    frame = pd.DataFrame({"account_id": ["A", None], "health": [1.5, float("nan")], "at": times.to_numpy()})
    return frame.assign(account_id=frame["account_id"].astype("str"), at=times).set_index(pd.Index([7, 8]), drop=True)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """Values, gaps and the zone survive; the index does not."""
    given = table().set_index(pd.RangeIndex(2)).assign(at=table()["at"].array)
    write_parquet(given, tmp_path / "deep" / "t.parquet")
    found = read_parquet(tmp_path / "deep" / "t.parquet")
    assert found["account_id"].isna().tolist() == [False, True]
    assert found["health"].isna().tolist() == [False, True]
    assert found["at"].iloc[0] == pd.Timestamp("2026-01-02T03:04:05.000006Z")
    assert str(found["at"].dt.tz) == "UTC"


def test_a_nan_becomes_a_null(tmp_path: Path) -> None:
    """Engines disagree on NaN, so no file holds one."""
    write_parquet(pd.DataFrame({"x": [1.0, float("nan")]}), tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet")["x"].to_pylist() == [1.0, None]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing of the clock or the process is in the file."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})
    write_parquet(frame, tmp_path / "one.parquet")
    write_parquet(frame.set_index(pd.Index([4, 5])), tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """A column that cannot be written changes nothing: the reader still sees the whole old table."""
    path = tmp_path / "t.parquet"
    write_parquet(pd.DataFrame({"x": [1.0]}), path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="Could not convert"):
        write_parquet(pd.DataFrame({"x": [object()]}), path)
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]
    assert path.read_bytes() == before


def test_a_text_is_whole_or_not_there(tmp_path: Path) -> None:
    """The text is written aside and renamed: nothing else is left in the folder."""
    write_text("a\r\nb\n", tmp_path / "deep" / "t.csv")
    assert (tmp_path / "deep" / "t.csv").read_bytes() == b"a\r\nb\n"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["t.csv"]


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    """Its half file goes; that of a process that still writes, of another file, or of no process of ours stays."""
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    (tmp_path / f".t[1].csv.{killed.pid}.tmp").touch()
    others = [f".t[1].csv.{os.getppid()}.tmp", f".u.csv.{killed.pid}.tmp", ".t[1].csv.draft.tmp"]
    for name in others:
        (tmp_path / name).touch()
    write_text("a", tmp_path / "t[1].csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["t[1].csv", *others])
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["t[1].csv", others[0], others[2]])


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "t.csv").touch()
    with pytest.raises(UsageError, match=r"CF506.*t\.csv"):
        refuse_existing(tmp_path / "t.csv")
