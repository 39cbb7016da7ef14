"""CSV files as their header says: UTF-8, one separator, every line as many cells; nothing is guessed from the rows.

The separator is the one of comma, semicolon, tab and bar that the header has most of; quotes are as in RFC 4180. DuckDB
would guess all this from the first rows, and where one of them is broken take another dialect, or skip the header.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from pathlib import Path
from typing import TextIO, cast

from churnfit.history.sql import literal

__all__ = ["csv_columns", "csv_relation"]

_SEPARATORS = ",;\t|"


def csv_columns(path: Path) -> list[str]:
    """Return the names in the header of `path`, in order; ``column<n>`` where it leaves one empty.

    Raises
    ------
    ValueError
        When the header is not UTF-8, or cannot be read otherwise.
    """
    return _header(path)[0]


def csv_relation(paths: dict[str, Path]) -> str:
    """Return SQL for the rows of CSV files, every cell text, their columns matched by name; `paths` by DuckDB's name.

    Raises
    ------
    ValueError
        When a header is not UTF-8, or cannot be read otherwise.
    """
    return f"({' UNION ALL BY NAME '.join(f'SELECT * FROM {_read(name, path)}' for name, path in paths.items())})"


def _read(name: str, path: Path) -> str:
    columns, separator = _header(path)
    typed = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns)
    return (
        f"read_csv({literal(name)}, auto_detect=false, header=true, columns={{{typed}}}, "
        f"delim={literal(separator)}, quote='\"', escape='\"', hive_types_autocast=false)"
    )


def _header(path: Path) -> tuple[list[str], str]:
    try:
        with _opened(path) as file:
            line = file.readline()
            separator = max(_SEPARATORS, key=re.sub('"[^"]*"', "", line).count)
            file.seek(0)
            names = next(csv.reader(file, delimiter=separator), [])
    except (OSError, EOFError, zlib.error, csv.Error) as fault:
        raise ValueError(f"{type(fault).__name__}: {fault}") from fault
    if any("\n" in name for name in names):
        raise ValueError("a name in the header goes over several lines: a quote is open")
    return [name.strip() or f"column{place}" for place, name in enumerate(names)], separator


def _opened(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")
