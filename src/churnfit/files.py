"""Files, written aside and renamed, so that a reader sees a whole file or none.

In Parquet, text gaps become nulls and a NaN never reaches a file: engines disagree on NaN. Nothing that depends on the
clock is written: same table, same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pandas as pd

from churnfit.errors import UsageError

__all__ = ["aside", "by_ending", "read_parquet", "refuse_existing", "write_parquet", "write_text"]

Kind = TypeVar("Kind")


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


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it there when all went well, remove it when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
