"""Files, written aside and renamed, so that a reader sees a whole file or none.

In Parquet, text gaps become nulls and a NaN never reaches a file: engines disagree on NaN. Nothing that depends on the
clock is written: same table, same bytes.
"""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pandas as pd

from churnfit.errors import BusyError, ChurnfitError, UsageError

__all__ = [
    "aside",
    "by_ending",
    "make_folder",
    "read_parquet",
    "refuse_existing",
    "sweep",
    "write_parquet",
    "write_text",
]

Kind = TypeVar("Kind")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` (its index is dropped) to `path`, making the folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            # pyarrow's own conversion drops the zone in a way that pandas 3.1 deprecates
            plain = column.dt.tz_convert(None).to_numpy("datetime64[us]")
            columns[str(name)] = pa.array(plain, type=pa.timestamp("us", tz="UTC"), from_pandas=True)
        else:
            columns[str(name)] = pa.array(column, from_pandas=True)
    with aside(path) as beside:
        pq.write_table(pa.table(columns), beside)


def write_text(text: str, path: Path) -> None:
    """Write `text` to `path` in UTF-8, making the folder."""
    with aside(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def refuse_existing(path: Path) -> None:
    """Raise CF506 when `path` is there already: churnfit never overwrites what somebody asked it to write."""
    if path.exists():
        raise UsageError(
            "CF506",
            where=str(path),
            expected="a new file",
            came="an existing one",
            fix="Give another name, or remove it.",
        )


def by_ending(path: Path, known: Mapping[str, Kind]) -> Kind:
    """Return what belongs to the ending of `path` (".csv"); CF703 when it is none of the `known` ones."""
    found = known.get(path.suffix)
    if found is None:
        raise UsageError(
            "CF703",
            where=str(path),
            expected=f"a name ending in {', '.join(known)}",
            came=path.suffix or "no ending",
            fix="Give the file another name.",
        )
    return found


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the table in `path`."""
    return pd.read_parquet(path)


def make_folder(path: Path) -> None:
    """Make the folder `path` and those above it, where they are not there.

    Raises
    ------
    UsageError, BusyError
        CF709 when that cannot be done.
    """
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it there when all went well, remove it when not.

    What a process that was killed here left of the same file is removed first.

    Raises
    ------
    UsageError, BusyError
        CF709 when it cannot be written: try again (BusyError) when there is room.
    """
    make_folder(path.parent)
    sweep(path.parent, f".{glob.escape(path.name)}.*.tmp")
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _writing(path):
            yield beside
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def sweep(folder: Path, pattern: str = "**/.*.tmp") -> None:
    """Remove the temporary files below `folder`, those of the glob `pattern`, that killed processes left behind."""
    for left in folder.glob(pattern):
        process = left.name.split(".")[-2]
        if process.isdigit() and not _runs(int(process)):
            left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's, or no number of a process
        pass
    return True


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        kind: type[ChurnfitError] = BusyError if fault.errno in _NO_ROOM else UsageError
        raise kind(
            "CF709",
            where=str(path),
            expected="a place that can be written to",
            came=fault.strerror or str(fault)[:200],
            fix="Make room, or let it be written there, and run again.",
        ) from fault
