"""A Parquet snapshot in, a Parquet table of scores out: a block of rows at a time, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnfit.errors import DataError
from churnfit.files import aside, refuse_existing
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import input_columns
from churnfit.spec import nearest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from churnfit.scoring.told import Peers

__all__ = ["BLOCK", "FileScores", "batches", "layout", "opened", "score_file"]

BLOCK = 1 << 16
"""Rows: enough that many share their words, few enough to stay under half a gigabyte."""
_PEERS = 100_000  # rows that the medians of peers are taken from: they are said in two digits
_READ = 1 << 20  # bytes of a column in memory at once
_CONTEXT = {
    "account_id": "any",
    "as_of": "any",
    "segment": "string",
    "stage_day": "any",
    "owner": "string",
    "arr": "any",
}


@dataclass(frozen=True, kw_only=True)
class FileScores:
    """What was written: rows, and how many of them are in each band."""

    rows: int
    bands: dict[str, int]


def score_file(
    card: Scorecard, source: Path, *, target: Path, top: int = 3, replace: bool = False, block: int = BLOCK
) -> FileScores:
    """Score every row of the snapshot in `source`, in its order, and write `target`.

    Columns: account_id, as_of, segment, stage_day, owner and arr as far as `source` has them; health,
    churn_probability, band, coverage; ``points_<measure>`` in the card's order; reason_1 to reason_<top> in words,
    worst first, null where fewer measures cost health. Peers are the accounts of the same segment, among 100,000 rows
    spread over the file. Memory is bounded by the `block`, not by the file.

    Raises
    ------
    UsageError
        CF506 when `target` is there and `replace` is not set.
    DataError
        CF401 when there is no `source`, CF402 when it is no Parquet file, CF217 when it lacks a column, CF212 when one
        holds text instead of numbers or the reverse.
    """
    import pyarrow.parquet as pq

    from churnfit.scoring.blocks import BANDS, BlockScorer

    if not replace:
        refuse_existing(target)
    kinds = _columns_to_read(card, source)
    text = [name for name, kind in kinds.items() if kind == "string"]
    rows, bands = 0, dict.fromkeys(BANDS, 0)
    with opened(source, text=text) as file, aside(target) as path:
        context = [name for name in _CONTEXT if name in kinds]
        with _reading(source):
            peers = _peers(card, file, kinds)
        scorer = BlockScorer(card, context=context, peers=peers, top=top, rows=block)
        writer: pq.ParquetWriter | None = None
        try:
            for batch in _readable(source, batches(file, list(kinds), block)):
                scores = scorer.scored(batch)
                writer = writer or pq.ParquetWriter(path, scores.schema, **layout(scores.schema))
                writer.write_table(scores)
                rows += len(batch)
                for band, count in zip(BANDS, np.bincount(scores["band"].chunk(0).indices, minlength=3), strict=True):
                    bands[band] += int(count)
        finally:
            if writer is not None:
                writer.close()
    return FileScores(rows=rows, bands=bands)


def opened(source: Path, *, text: list[str]) -> pq.ParquetFile:
    """Return the Parquet file `source`, its columns `text` read as dictionaries, and no more of any than asked for."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(source, read_dictionary=text, pre_buffer=False, buffer_size=_READ)


def batches(file: pq.ParquetFile, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the file's rows in batches of at most `rows`; of an empty file, one batch without rows."""
    import pyarrow as pa

    for group in range(file.num_row_groups):  # asked for all at once, pyarrow keeps the bytes of those it is done with
        yield from file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
    if not file.metadata.num_rows:
        yield pa.RecordBatch.from_pylist([], schema=pa.schema([file.schema_arrow.field(name) for name in columns]))


def _readable(source: Path, found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with _reading(source):
        yield from found


def layout(schema: pa.Schema) -> dict[str, object]:
    """Return how scores are written: words as a dictionary of any size, numbers byte by byte, which packs them well."""
    import pyarrow as pa

    return {
        "use_dictionary": [field.name for field in schema if pa.types.is_dictionary(field.type)],
        "dictionary_pagesize_limit": 1 << 26,
        "use_byte_stream_split": [field.name for field in schema if pa.types.is_floating(field.type)],
        "write_statistics": False,
        "store_schema": False,  # read back, words are plain text
    }


def _columns_to_read(card: Scorecard, source: Path) -> dict[str, str]:
    """Return the columns of `source` that are read, each with its kind, checked."""
    import pyarrow.parquet as pq

    with _reading(source):
        schema = pq.read_schema(source)
    there = {field.name: field.type for field in schema}
    needed = {"account_id": ("any", True), **input_columns(card)}
    for name, (kind, required) in needed.items():
        if required and name not in there:
            raise DataError(
                "CF217",
                where=str(source),
                expected=f"a column '{name}'",
                came="none",
                fix=f"Add it; {nearest(name, list(there))}.",
            )
        if name in there and not _is(kind, there[name]):
            raise DataError(
                "CF212",
                where=f"{source}, column '{name}'",
                expected="text" if kind == "string" else "numbers",
                came=str(there[name]),
                fix="Convert it in the source, or refit with it as it is.",
            )
    kinds = {**_CONTEXT, **{name: kind for name, (kind, _) in input_columns(card).items()}}
    return {name: kind for name, kind in kinds.items() if name in there}


def _is(kind: str, found: pa.DataType) -> bool:
    import pyarrow as pa

    of = pa.types
    value = found.value_type if of.is_dictionary(found) else found
    if kind == "any" or of.is_null(value):
        return True
    if kind == "string":
        return bool(of.is_string(value) or of.is_large_string(value) or of.is_string_view(value))
    return bool(of.is_floating(found) or of.is_integer(found) or of.is_boolean(found) or of.is_decimal(found))


def _peers(card: Scorecard, file: pq.ParquetFile, kinds: dict[str, str]) -> Peers:
    """Return the median of each measure in each segment, of the first rows of every row group."""
    numeric = [name for name in card.weights if kinds.get(name) == "double"]
    groups = file.num_row_groups
    if "segment" not in kinds or not numeric or not groups:
        return {}
    each = -(-_PEERS // groups)
    firsts = (file.iter_batches(each, row_groups=[group], columns=["segment", *numeric]) for group in range(groups))
    parts = [part.to_pandas() for first in firsts for part in islice(first, 1)]
    if not parts:
        return {}
    frame = pd.concat(parts, ignore_index=True)
    medians = frame.astype(dict.fromkeys(numeric, "float64")).groupby("segment", observed=True)[numeric].median()
    return {str(segment): dict(zip(numeric, row, strict=True)) for segment, *row in medians.itertuples()}


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Say what is wrong with `source` where it cannot be read."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as fault:
        raise DataError(
            "CF401", where=str(source), expected="a Parquet file", came="none", fix="Check the path."
        ) from fault
    except (pa.ArrowInvalid, OSError) as fault:
        raise DataError(
            "CF402",
            where=str(source),
            expected="a Parquet file",
            came=str(fault).splitlines()[0][:200],
            fix="Write it again.",
        ) from fault
