"""Names and values, quoted for DuckDB: nothing from a spec or from data enters SQL in any other way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["Value", "any_of", "column_types", "fetch_frame", "identifier", "literal"]

Value = str | int | float | bool | datetime | None


def identifier(name: str) -> str:
    """Return `name` as a quoted DuckDB identifier.

    Examples
    --------
    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(value: Value) -> str:
    """Return `value` as a DuckDB literal; numbers as doubles or integers, aware datetimes in UTC.

    Examples
    --------
    >>> literal("O'Neil"), literal(3), literal(27.8), literal(None)
    ("'O''Neil'", '3', '27.8e0', 'NULL')
    """
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        # an exponent makes DuckDB read a DOUBLE; without one it reads a DECIMAL and rounds
        text = repr(float(value))
        return text if "e" in text else f"{text}e0"
    if isinstance(value, datetime):
        return f"CAST({literal(value.isoformat())} AS TIMESTAMPTZ)"
    return "'" + value.replace("'", "''") + "'"


def any_of(values: Iterable[str]) -> str:
    """Return a parenthesised list of text literals, for ``IN``.

    Examples
    --------
    >>> any_of(["login", "ticket"])
    "('login', 'ticket')"
    """
    return f"({', '.join(literal(value) for value in values)})"


def column_types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return the column names of `relation` (quoted SQL, or a SELECT in parentheses), with their DuckDB types."""
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def fetch_frame(con: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """Return the rows of one SELECT, timestamps as ``datetime64[us, UTC]`` and text as ``str``.

    Through Arrow: DuckDB's own ``.df()`` warns under pandas 3.
    """
    frame: pd.DataFrame = con.sql(query).to_arrow_table().to_pandas()
    return frame
