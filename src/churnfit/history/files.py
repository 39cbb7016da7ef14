"""One file or glob, opened as a DuckDB view that stays readable after external access is switched off."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnfit.errors import DataError, count_and_examples
from churnfit.history.csv_files import csv_columns, csv_relation
from churnfit.history.sql import column_types, identifier, literal

if TYPE_CHECKING:
    import duckdb

__all__ = ["OpenedFile", "cell", "complaint", "files_of", "open_file", "parquet_relation"]

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_JSON = (".json", ".jsonl", ".ndjson")
_GLOB = "*?["
_FOLDERS = re.compile(r"(?<=[\"'])/(?:[^\"'/]+/)+")  # of a quoted path
_WHAT_OF_A_LINE = ("Expected Number", "Value with", "Invalid unicode")

_GAPS = ("", "na", "n/a", "nan", "null", "none", "-", "?")  # what exports write where a number is missing
_ID = re.compile(r"(^|_)(id|ID)$|[a-z](Id|ID)$")  # account_id, userId; not amount_paid
# a number as a program writes it: a leading zero ("007", a postcode) says that the column is a name
_NUMBER = r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?"


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """A view over files, and the paths DuckDB must stay allowed to read for it."""

    relation: str
    paths: tuple[str, ...]


def open_file(con: duckdb.DuckDBPyConnection, path: str, *, root: Path, name: str, text: frozenset[str]) -> OpenedFile:
    """Return the view ``files.<name>`` over the file or glob `path`.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        With the schemas ``files`` and ``texts``.
    path : str
        Relative to `root`; Parquet, CSV or JSON by its name. A glob only where no file has that very name.
    name : str
        The view's name, and what errors call it.
    text : frozenset of str
        Lower-case columns that stay text whatever they look like ("007", "1e5"), and all that end in ``id``.

    Raises
    ------
    DataError
        CF401 when there is no such file or it is empty, CF402 when it cannot be read as what its name says, CF218 when
        two of its columns have one name.
    """
    import duckdb

    found = _resolve(path, root, name)
    where = f"source '{name}' ({path})"
    paths = {_escaped(str(file)): file for file in found}
    view = f"files.{identifier(name)}"
    try:
        reader = _reader(paths, where)
        _refuse_doubles(found, where)
        if found[0].name.lower().endswith(_CSV):
            raw = f"texts.{identifier(name)}"
            con.execute(f"CREATE VIEW {raw} AS SELECT * FROM {reader}").fetchall()
            con.execute(f"CREATE VIEW {view} AS SELECT {_typed(con, raw, text)} FROM {raw}").fetchall()
        else:
            con.execute(f"CREATE VIEW {view} AS SELECT * FROM {reader}").fetchall()
    except DataError:
        raise
    except (duckdb.Error, ValueError) as fault:
        raise DataError(
            "CF402",
            where=where,
            expected="a file that can be read as what its name says",
            came=complaint(fault),
            fix="Write it again, or give it the ending of its format.",
        ) from fault
    return OpenedFile(relation=view, paths=(*paths, *(str(file) for file in found)))


def complaint(fault: Exception) -> str:
    """Return what DuckDB complains of, without folders, the line it quotes and the options it recommends."""
    first, *others = str(fault).splitlines()
    said = " ".join([first, *(line for line in others if line.startswith(_WHAT_OF_A_LINE))])
    return _FOLDERS.sub("", said)[:200]


def files_of(path: str, root: Path) -> list[Path]:
    """Return the files that `path` means under `root`: the one of that very name, or those of a glob, sorted."""
    literally = root / path
    found = [literally] if literally.is_file() else []
    if not found and any(sign in path for sign in _GLOB):
        anchor = Path(Path(path).anchor) if Path(path).is_absolute() else root
        pattern = path.removeprefix(str(anchor)) if anchor != root else path
        found = sorted(file for file in anchor.glob(pattern) if file.is_file())
    return [file.resolve() for file in found]


def parquet_relation(paths: list[Path]) -> str:
    """Return SQL for the rows of Parquet files that are open already."""
    # can_have_nan: DuckDB 2.0 otherwise trusts min/max statistics and folds isnan() to false
    listed = ", ".join(literal(_escaped(str(path))) for path in paths)
    return f"read_parquet([{listed}], can_have_nan=true, union_by_name=true, hive_types_autocast=false)"


def _resolve(path: str, root: Path, name: str) -> list[Path]:
    where = f"source '{name}' ({path})"
    found = files_of(path, root)
    if not found:
        raise DataError(
            "CF401", where=where, expected=f"a file under {root}", came="none", fix="Correct `path`, or write the file."
        )
    empty = [file.name for file in found if file.stat().st_size == 0]
    if empty:
        raise DataError(
            "CF401",
            where=where,
            expected="files with content",
            came=f"{count_and_examples(empty)} of 0 bytes",
            fix="Write the export again.",
        )
    return found


def _escaped(path: str) -> str:
    # DuckDB reads "a[1].csv" as a pattern, and would open "a1.csv"
    return "".join(f"[{sign}]" if sign in _GLOB else sign for sign in path)


def _reader(paths: dict[str, Path], where: str) -> str:
    found = list(paths.values())
    file_name = found[0].name.lower()
    if file_name.endswith(_PARQUET):
        return parquet_relation(found)
    if file_name.endswith(_CSV):
        return csv_relation(paths)
    if file_name.endswith(_JSON):
        listed = ", ".join(literal(each) for each in paths)
        return f"read_json([{listed}], union_by_name=true)"
    raise DataError(
        "CF402",
        where=where,
        expected=f"a name ending in {', '.join(_PARQUET + _CSV + _JSON)}",
        came=file_name,
        fix="Give the file the ending of its format.",
    )


def _refuse_doubles(files: list[Path], where: str) -> None:
    """Raise CF218 when two columns of a file have one name: DuckDB would rename one, and read the other."""
    for file in files:
        seen: set[str] = set()
        for name in (name.lower() for name in _columns(file)):
            if name in seen:
                raise DataError(
                    "CF218",
                    where=where,
                    expected="columns whose names differ, in more than case",
                    came=f"'{name}' twice in {file.name}",
                    fix="Rename or remove one in the export.",
                )
            seen.add(name)


def _columns(file: Path) -> list[str]:
    if file.name.lower().endswith(_CSV):
        return csv_columns(file)
    if file.name.lower().endswith(_PARQUET):
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_schema

        with suppress(ArrowInvalid):  # no Parquet: DuckDB says so
            return list(read_schema(file).names)
    return []


def cell(column: str) -> str:
    """Return SQL for a CSV cell: trimmed, and empty where it says that there is nothing."""
    trimmed = f"trim({identifier(column)})"
    return f"CASE WHEN lower({trimmed}) IN ({', '.join(literal(gap) for gap in _GAPS)}) THEN NULL ELSE {trimmed} END"


def _typed(con: duckdb.DuckDBPyConnection, raw: str, text: frozenset[str]) -> str:
    """Return the SELECT list that makes numbers and booleans of CSV columns that hold nothing else."""
    columns = list(column_types(con, raw))
    tests = []
    for column in columns:
        said = cell(column)
        number = f"regexp_full_match({said}, {literal(_NUMBER)}) AND TRY_CAST({said} AS DOUBLE) IS NOT NULL"
        for test in (number, f"lower({said}) IN ('true', 'false')"):
            tests.append(f"bool_and({test}) FILTER (WHERE {said} IS NOT NULL)")
    answers = con.execute(f"SELECT {', '.join(tests)} FROM {raw}").fetchall()[0]
    listed = []
    for position, column in enumerate(columns):
        quoted, stays_text = identifier(column), column.lower() in text or bool(_ID.search(column))
        if answers[2 * position] and not stays_text:
            listed.append(f"TRY_CAST({cell(column)} AS DOUBLE) AS {quoted}")
        elif answers[2 * position + 1] and not stays_text:
            listed.append(f"TRY_CAST({cell(column)} AS BOOLEAN) AS {quoted}")
        else:
            listed.append(quoted)
    return ", ".join(listed)
