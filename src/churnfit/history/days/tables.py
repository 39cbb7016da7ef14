"""Day tables on disk: Parquet files named after their content, and a manifest that says which of them count.

Files are written aside and renamed; the manifest is replaced last. Until then the old tables are whole and valid, and
files that no manifest names are not read. Every file is held against its hash before it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.errors import IntegrityError
from churnfit.files import write_text
from churnfit.history.days.plan import COLUMNS, Rows

__all__ = ["Manifest", "Part", "PartWriter", "read_manifest", "read_rows", "write_manifest"]

_MANIFEST = "manifest.json"
_FORMAT = 4  # of the tables; others are built anew


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file: rows of one table, of one build."""

    build: int
    table: str
    file: str
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Which tables there are, and of what.

    Parameters
    ----------
    plan : str
        Hash of what the readings need.
    sources : str
        Hash of how the sources are declared.
    files : dict of str to list of str
        What was read of each source file: its size and time, then the fingerprint of each row group.
    built_to : int
        The day after the newest on which one of the events became known, in days since 1970-01-01; 0 without events.
    parts : tuple of Part
    """

    plan: str
    sources: str
    files: dict[str, list[str]]
    built_to: int
    parts: tuple[Part, ...]

    @property
    def builds(self) -> list[int]:
        """Return the numbers of the builds, oldest first."""
        return sorted({part.build for part in self.parts})

    def of(self, table: str) -> list[Part]:
        """Return the parts of one table, oldest first."""
        return sorted((part for part in self.parts if part.table == table), key=lambda part: part.build)

    def only(self, builds: Collection[int]) -> Manifest:
        """Return the manifest without the parts of all other builds."""
        return replace(self, parts=tuple(part for part in self.parts if part.build in builds))


class PartWriter:
    """Writes rows of all tables of one build into files of `folder`; nothing counts before a manifest names it."""

    def __init__(self, folder: Path, *, build: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._build = folder, build
        self._writers: dict[str, Any] = {}
        self._waiting: dict[str, Rows] = {}
        self._rows: dict[str, int] = defaultdict(int)

    def write(self, table: str, rows: Rows) -> None:
        """Add rows of `table`, which wait until there are row groups of them: of one selection each, or of few."""
        if table not in self._waiting:
            self._waiting[table] = {name: np.empty(_MOST_WAITING, kind) for name, kind in COLUMNS[table].items()}
        begin, end = 0, len(next(iter(rows.values())))
        while begin < end:
            waiting = self._rows[table] % _MOST_WAITING
            new = min(end - begin, _MOST_WAITING - waiting)
            for name, values in self._waiting[table].items():
                values[waiting : waiting + new] = rows[name][begin : begin + new]
            begin += new
            self._rows[table] += new
            if waiting + new == _MOST_WAITING:
                self._put(table, _MOST_WAITING)

    def close(self) -> tuple[Part, ...]:
        """Return the files, named after their content; tables without rows have none."""
        parts = []
        for table in sorted(self._waiting):
            self._put(table, self._rows[table] % _MOST_WAITING)
        for table in sorted(self._writers):
            self._writers[table].close()
            aside = self._aside(table)
            sha256 = _sha256(aside)
            file = f"{table}-{sha256[:16]}.parquet"
            aside.replace(self._folder / file)
            parts.append(Part(build=self._build, table=table, file=file, rows=self._rows[table], sha256=sha256))
        return tuple(parts)

    def discard(self) -> None:
        """Remove what was not finished."""
        for table in self._writers:
            self._aside(table).unlink(missing_ok=True)

    def _put(self, table: str, n_rows: int) -> None:
        """Write the first `n_rows` that wait, by selection."""
        import pyarrow as pa

        if not n_rows:
            return
        rows = {name: values[:n_rows] for name, values in self._waiting[table].items()}
        runs = _runs_by_selection(rows["selection"]) if "selection" in rows else [slice(None)]
        columns = {name: pa.chunked_array([values[run] for run in runs]) for name, values in rows.items()}
        # no cell is empty; a schema that says so spares writer and reader the marks of what is
        fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
        content = pa.table(list(columns.values()), schema=pa.schema(fields))
        if table not in self._writers:
            self._writers[table] = _writer(self._aside(table), content.schema)
        self._writers[table].write_table(content, row_group_size=_ROW_GROUP)

    def _aside(self, table: str) -> Path:
        return self._folder / f".{table}.{os.getpid()}.tmp"


def _runs_by_selection(selection: NDArray[np.int32]) -> list[slice]:
    """Return by selection where its rows are, those of one as they came; mostly those of one come together."""
    edges = [0, *(np.flatnonzero(np.diff(selection)) + 1).tolist(), len(selection)]
    return [slice(*run) for run in sorted(pairwise(edges), key=lambda run: selection[run[0]])]


_ROW_GROUP = 1 << 17  # rows that are worth one
_MOST_WAITING = 8 * _ROW_GROUP  # rows


def _writer(path: Path, schema: Any) -> Any:
    import pyarrow.parquet as pq

    # byte by byte: the upper bytes of numbers that lie close together are the same, and compress to nothing at once
    return pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=False,
        use_byte_stream_split=True,
        write_statistics=["selection", "day", "block"],
    )


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of `folder`; None when there is none, or one of another format.

    Raises
    ------
    IntegrityError
        CF403 when it is not as it was written.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        sha256, content = stored["sha256"], stored["manifest"]
    except (ValueError, KeyError, TypeError) as fault:
        raise _changed(path) from fault
    if sha256 != _hash_of(content):
        raise _changed(path)
    if content["format"] != _FORMAT:
        return None
    parts = tuple(Part(**part) for part in content["parts"])
    return Manifest(**{name: value for name, value in content.items() if name != "format"} | {"parts": parts})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make `manifest` the one that counts, and remove the tables that it does not name."""
    content = {"format": _FORMAT, **asdict(manifest)}
    content["parts"] = list(content["parts"])
    stored = {"sha256": _hash_of(content), "manifest": content}
    write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", folder / _MANIFEST)
    kept = {part.file for part in manifest.parts}
    for file in folder.glob("*.parquet"):
        if file.name not in kept:
            file.unlink(missing_ok=True)


def read_rows(
    folder: Path, part: Part, *, days: NDArray[np.int64] | None = None, columns: list[str] | None = None
) -> Iterator[Rows]:
    """Yield the rows of `part`, a row group at a time.

    Parameters
    ----------
    folder, part
        Where, and which.
    days : ndarray of shape (n_selections, 2), optional
        By selection, from which day to before which other its rows are wanted; row groups without any are left out.
    columns : list of str, optional
        Only these.

    Raises
    ------
    IntegrityError
        CF403 when the file is missing or not as it was written.
    """
    import pyarrow.parquet as pq

    path = folder / part.file
    if not path.is_file() or _sha256(path) != part.sha256:
        raise _changed(path)
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            if days is None or _touches(file.metadata.row_group(group), days):
                read = file.read_row_group(group, columns=columns, use_threads=False)
                yield {name: read.column(name).to_numpy() for name in read.column_names}


def _touches(group: Any, days: NDArray[np.int64]) -> bool:
    """Return whether a row group has a day that is wanted of one of its selections."""
    reach = {}
    for number in range(group.num_columns):
        column = group.column(number)
        width = {"selection": 1, "day": 1, "block": 64}.get(column.path_in_schema)
        if width is not None:
            reach[column.path_in_schema] = column.statistics.min * width, column.statistics.max * width + width
    first, last = reach.get("day") or reach["block"]
    wanted = days[slice(*reach["selection"])]
    return bool(((wanted[:, 0] < last) & (wanted[:, 1] > first)).any())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _changed(path: Path) -> IntegrityError:
    return IntegrityError(
        "CF403",
        where=str(path),
        expected="the file that was written",
        came="another, or none",
        fix="Remove the folder; the next run builds the day tables anew.",
    )
