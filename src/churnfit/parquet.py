"""Parquet files, written aside and renamed, so that a reader sees a whole file or none.

Text gaps become nulls and a NaN never reaches a file: engines disagree on NaN. Nothing that depends on the clock is
written: same table, same bytes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

__all__ = ["read_parquet", "write_parquet"]


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
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(pa.table(columns), aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the table in `path`."""
    return pd.read_parquet(path)
