"""The event log: what it consists of, what is new in it since a build, and its events in batches.

A log of plain Parquet files is read row group by row group, straight from the files: what a build has read is known by
its row groups (their sizes and statistics, column by column), so a log that only grew is read from where it grew. Any
other log (CSV, a SELECT, text that needs casting) is read whole, through DuckDB, whenever a file of it has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnfit.history.contracts import Origin, origin_columns
from churnfit.history.days.blocks import BATCH_EVENTS
from churnfit.history.files import files_of
from churnfit.history.sql import any_of, identifier
from churnfit.spec import ScorecardSpec, Source
from churnfit.tables import EVENTS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["Log", "log_of"]

_READ_WHOLE = "read whole"  # in place of the row groups of a file that is no plain Parquet
_READ_AS_DICTIONARY = ("account_id", "kind", "feature")  # users are too many for it to pay
_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float", "double")
_TEXT = ("string", "large_string")
_MOMENTS = ("timestamp[us, tz=UTC]", "timestamp[ms, tz=UTC]")


@dataclass(frozen=True, kw_only=True)
class _PlainFile:
    """A Parquet file that needs nothing but renaming: its name for each column of the contract that it has."""

    path: Path
    columns: dict[str, str]
    kind: str | None


@dataclass(frozen=True, kw_only=True)
class Log:
    """The events of a spec.

    Parameters
    ----------
    declared : str
        Hash of how the sources are declared.
    files : dict of str to list of str
        By path: size and time of change, then a fingerprint of each row group; "read whole" where not plain Parquet.
    plain : dict of str to _PlainFile
        All files, by path, where they are plain Parquet; else empty.
    """

    declared: str
    files: dict[str, list[str]]
    plain: dict[str, _PlainFile]

    def grown_from(self, before: dict[str, list[str]]) -> dict[str, list[int]] | None:
        """Return the row groups by path that are not in `before`; None where the log is not `before` and more."""
        new: dict[str, list[int]] = {}
        for path, (stamp, *groups) in self.files.items():
            known_stamp, *known = before.get(path, [""])
            if stamp == known_stamp:
                continue
            # a file that was written again without new rows may say something else in the old ones
            if path not in self.plain or len(groups) <= len(known) or groups[: len(known)] != known:
                return None
            new[path] = list(range(len(known), len(groups)))
        return new if set(before) <= set(self.files) else None

    def batches(
        self,
        con: duckdb.DuckDBPyConnection,
        columns: list[str],
        *,
        kinds: list[str],
        groups: dict[str, list[int]] | None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the events, of at least the `kinds`, in batches; only `groups` where given.

        Files without ``recorded_at`` have none in their batches: all became known as they occurred.
        """
        if not self.plain:
            listed = ", ".join(identifier(column) for column in columns)
            query = f"SELECT {listed} FROM events WHERE kind IN {any_of(kinds)}"
            yield from con.sql(query).to_arrow_reader(BATCH_EVENTS)
            return
        for path, file in self.plain.items():
            wanted = None if groups is None else groups.get(path, [])
            if wanted is None or wanted:
                yield from _read(file, columns, wanted)


def log_of(spec: ScorecardSpec, root: Path, *, before: Mapping[str, list[str]]) -> Log:
    """Return the log of `spec`, whose paths start from `root`; files that are as in `before` are not looked into."""
    sources = spec.sources
    declared = [source.model_dump() for source in sources.events]
    paths = {path for source in sources.events if source.path for path in files_of(source.path, root)}
    if any(source.sql for source in sources.events):
        paths |= {path for given in sources.files.values() for path in files_of(given, root)}
    plain = _plain_files(sources.events, root)
    return Log(
        declared=hashlib.sha256(json.dumps([declared, sources.files], sort_keys=True).encode()).hexdigest(),
        files={str(path): _known(path, before.get(str(path), []), plain=bool(plain)) for path in sorted(paths)},
        plain=plain,
    )


def _known(path: Path, before: list[str], *, plain: bool) -> list[str]:
    if not plain:
        return [_stamp(path), _READ_WHOLE]
    if before[:1] == [_stamp(path)] and before[1:] != [_READ_WHOLE]:
        return before
    return [_stamp(path), *_fingerprints(path)]


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _fingerprints(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    found = []
    for number in range(metadata.num_row_groups):
        content = json.dumps(metadata.row_group(number).to_dict(), sort_keys=True, default=str)
        found.append(hashlib.sha256(content.encode()).hexdigest()[:32])
    return found


def _plain_files(sources: list[Source], root: Path) -> dict[str, _PlainFile]:
    """Return all files of `sources` when each is plain Parquet and belongs to one source; else none."""
    found: dict[str, _PlainFile] = {}
    for source in sources:
        paths = files_of(source.path, root) if source.path else []
        for path in paths:
            plain = _plain_file(path, source)
            if plain is None or str(path) in found:
                return {}
            found[str(path)] = plain
        if not paths or len({json.dumps(found[str(path)].columns) for path in paths}) > 1:
            return {}
    return found


def _plain_file(path: Path, source: Source) -> _PlainFile | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # a folder named "day=2024-01-01" is a column to DuckDB
    if path.suffix.lower() not in (".parquet", ".pq") or any("=" in part for part in path.parts):
        return None
    schema = pq.read_schema(path)
    types = {
        field.name: str(field.type.value_type if pa.types.is_dictionary(field.type) else field.type) for field in schema
    }
    columns = origin_columns(Origin(relation="", source=source, where=source.path or ""), EVENTS, types)
    if source.kind is not None:
        columns.pop("kind", None)
    readable = {"text": _TEXT, "timestamp": _MOMENTS, "number": _WHOLE}
    of_type = {column.name: readable[column.type] for column in EVENTS.columns}
    if any(types[name] not in of_type[column] for column, name in columns.items()):
        return None
    return _PlainFile(path=path, columns=columns, kind=source.kind)


def _read(file: _PlainFile, columns: list[str], groups: list[int] | None) -> Iterator[pa.RecordBatch]:
    """Yield the batches of one file as the contract has them."""
    import pyarrow.parquet as pq

    own = [file.columns[column] for column in columns if column in file.columns]
    as_dictionary = [file.columns[column] for column in _READ_AS_DICTIONARY if column in file.columns]
    with pq.ParquetFile(file.path, read_dictionary=as_dictionary) as opened:
        # one at a time: over several row groups pyarrow keeps what it has read of the file
        for group in range(opened.num_row_groups) if groups is None else groups:
            for batch in opened.iter_batches(BATCH_EVENTS, row_groups=[group], columns=own, use_threads=False):
                yield _as_contract(batch, file, columns)


def _as_contract(batch: pa.RecordBatch, file: _PlainFile, columns: list[str]) -> pa.RecordBatch:
    import pyarrow as pa

    made: dict[str, Any] = {}
    for column in columns:
        if column in file.columns:
            made[column] = batch.column(file.columns[column])
        elif column != "recorded_at":
            made[column] = pa.nulls(len(batch), pa.float64() if column == "value" else pa.string())
    if file.kind is not None:
        made["kind"] = pa.DictionaryArray.from_arrays(pa.array([0] * len(batch), pa.int32()), [file.kind])
    if "recorded_at" in made and made["recorded_at"].null_count:
        made["recorded_at"] = made["recorded_at"].fill_null(made["occurred_at"])
    return pa.RecordBatch.from_pydict(made)
