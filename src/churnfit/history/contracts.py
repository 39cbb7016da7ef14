"""One table as its contract says: names, types, time zones; every structural fault raises here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnfit.errors import DataError, SpecError, count_and_examples
from churnfit.history.sql import column_types, identifier, literal
from churnfit.spec import Source, nearest
from churnfit.tables import Column, TableContract

if TYPE_CHECKING:
    import duckdb

__all__ = ["SQL_TYPES", "UNREADABLE_SUFFIX", "Origin", "contract_select", "origin_columns"]

UNREADABLE_SUFFIX = "__unreadable"
"""A column ``x__unreadable`` has the text of cells that are no ``x``, where these are read as gaps."""


SQL_TYPES = {"text": "VARCHAR", "number": "DOUBLE", "timestamp": "TIMESTAMPTZ"}
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "BOOLEAN",
)
_NESTED = ("STRUCT", "MAP", "UNION")
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")  # an id read so says "17.0", and another source's "17" is another account
_NO_TYPE = '"NULL"'  # of a Parquet column that never had a value
# a time of day before the offset: "2024-01-05" also ends in a sign and two digits
_AWARE = r".*\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|UTC|[+-]\d\d(:?\d\d)?)"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a contract's rows come from: a relation, its spec, and what errors call it."""

    relation: str
    source: Source
    where: str


def contract_select(
    con: duckdb.DuckDBPyConnection, origin: Origin, contract: TableContract, *, unreadable_as_gaps: bool = False
) -> str:
    """Return the SELECT that reads `origin` as `contract`: its columns in order, then any others.

    Absent optional columns are nulls; NaN is a null; timestamps are UTC. Other columns become numbers (booleans
    0 and 1) or text; tables without a key (events, interventions) drop them. With `unreadable_as_gaps` text that is no
    number or timestamp where one is due is a gap, and stands in a column of its own (`UNREADABLE_SUFFIX`) at the end.

    Raises
    ------
    DataError
        CF217 a column is missing, CF308 naive timestamps without `timezone`, CF212 a wrong type, or text that is no
        number or timestamp.
    SpecError
        CF504 `columns` names what the contract does not have, CF308 an unknown time zone.
    """
    types = column_types(con, origin.relation)
    _timezone_is_known(con, origin)
    wanted = origin_columns(origin, contract, types)
    listed, unreadable = [], []
    for column in contract.columns:
        name = wanted.get(column.name)
        if column.name == "kind" and origin.source.kind is not None:
            value = literal(origin.source.kind)
        elif name is None or types[name] == _NO_TYPE:
            value = f"CAST(NULL AS {SQL_TYPES[column.type]})"
        else:
            value, broken = _cast(con, origin, column, name=name, type_=types[name])
            if broken and not unreadable_as_gaps:
                raise _unreadable(con, origin, column, name=name, broken=broken)
            if broken:
                text = f"CASE WHEN {broken} THEN {identifier(name)} END"
                unreadable.append(f"{text} AS {identifier(column.name + UNREADABLE_SUFFIX)}")
        listed.append(f"{value} AS {identifier(column.name)}")
    if contract.key:
        listed += [
            f"{_plain(name, types[name])} AS {identifier(shown)}"
            for shown, name in _extras(origin, contract, types, wanted)
        ]
    return f"SELECT {', '.join([*listed, *unreadable])} FROM {origin.relation}"


def origin_columns(origin: Origin, contract: TableContract, types: dict[str, str]) -> dict[str, str]:
    """Return, for each contract column that the source has, the source's name for it."""
    actual = {name.lower(): name for name in types}
    names = [column.name for column in contract.columns]
    if not contract.key:
        for renamed in origin.source.columns:
            if renamed not in names:
                raise SpecError(
                    "CF504",
                    where=f"{origin.where}.columns",
                    expected=f"a column of {contract.name}",
                    came=f"'{renamed}'",
                    fix=f"Rename it; {nearest(renamed, names)}.",
                )
    found, absent = {}, []
    for column in contract.columns:
        declared = origin.source.columns.get(column.name)
        name = actual.get((declared or column.name).lower())
        given = column.name == "kind" and origin.source.kind is not None
        if name is not None:
            found[column.name] = name
        elif (declared or column.required) and not given:
            absent.append(declared or column.name)
    if absent:
        raise _missing(origin, absent, list(types))
    return found


def _missing(origin: Origin, names: list[str], present: list[str]) -> DataError:
    return DataError(
        "CF217",
        where=origin.where,
        expected="a column " + " and a column ".join(f"'{name}'" for name in names),
        came=f"{len(present)} columns without; " + "; ".join(nearest(name, present) for name in names[:5]),
        fix="Add it to the source, or say its name under `columns`.",
    )


def _extras(
    origin: Origin, contract: TableContract, types: dict[str, str], wanted: dict[str, str]
) -> list[tuple[str, str]]:
    """Return (name shown, name in the source) of the columns that the contract does not name."""
    actual = {name.lower(): name for name in types}
    taken = {column.name for column in contract.columns} | {name.lower() for name in wanted.values()}
    extras = []
    for shown, declared in origin.source.columns.items():
        if shown not in {column.name for column in contract.columns}:
            if declared.lower() not in actual:
                raise _missing(origin, [declared], list(types))
            extras.append((shown, actual[declared.lower()]))
            taken |= {shown.lower(), declared.lower()}
    return extras + [(name, name) for name in types if name.lower() not in taken]


def _timezone_is_known(con: duckdb.DuckDBPyConnection, origin: Origin) -> None:
    zone = origin.source.timezone
    if zone is None:
        return
    known = [row[0] for row in con.execute("SELECT name FROM pg_timezone_names() ORDER BY name").fetchall()]
    if zone not in known:
        hint = nearest(zone, known)
        raise SpecError(
            "CF308",
            where=f"{origin.where}.timezone",
            expected="an IANA time zone",
            came=f"'{zone}'",
            fix=f"Correct it; {hint}." if len(hint) < 100 else "Use 'Europe/Berlin', say.",
        )


def _plain(name: str, type_: str) -> str:
    quoted = identifier(name)
    return _number(quoted) if type_.startswith(_NUMBERS) and not type_.endswith("]") else f"CAST({quoted} AS VARCHAR)"


def _number(value: str) -> str:
    return f"CASE WHEN NOT isnan(CAST({value} AS DOUBLE)) THEN CAST({value} AS DOUBLE) END"


def _cast(con: duckdb.DuckDBPyConnection, origin: Origin, column: Column, *, name: str, type_: str) -> tuple[str, str]:
    """Return SQL for the column's values, and the condition of cells that cannot be read, "" where there are none."""
    quoted, where = identifier(name), f"{origin.where}, column '{name}'"
    if column.type == "text":
        if type_.startswith(_NESTED) or type_.endswith("]") or (column.filled and type_.startswith(_FRACTIONS)):
            raise _wrong_type(where, "text, or whole numbers", type_)
        return f"CAST({quoted} AS VARCHAR)", ""
    if column.type == "number" and type_.startswith(_NUMBERS) and not type_.endswith("]"):
        return _number(quoted), ""
    if column.type == "timestamp" and ("WITH TIME ZONE" in type_ or type_.startswith("TIMESTAMPTZ")):
        return f"CAST({quoted} AS TIMESTAMPTZ)", ""
    if column.type == "timestamp" and type_.startswith(("TIMESTAMP", "DATE")):
        _zone_is_given(origin, name, f"{type_} without a time zone")
        return f"timezone({literal(origin.source.timezone)}, CAST({quoted} AS TIMESTAMP))", ""
    if type_ != "VARCHAR":
        raise _wrong_type(where, f"a {column.type}", type_)
    text = f"nullif(trim({quoted}), '')"
    if column.type == "number":
        number = f"TRY_CAST({text} AS DOUBLE)"
        return _number(number), _broken(con, origin, name, cast=number)
    # a constant zone keeps the expression valid while it is checked; naive text is refused below
    naive = f"timezone({literal(origin.source.timezone or 'UTC')}, TRY_CAST({text} AS TIMESTAMP))"
    aware = f"regexp_full_match({text}, {literal(_AWARE)})"
    stamp = f"CASE WHEN {aware} THEN TRY_CAST({text} AS TIMESTAMPTZ) ELSE {naive} END"
    broken = _broken(con, origin, name, cast=stamp)
    if origin.source.timezone is None:
        unzoned = f"NOT {aware} AND ({stamp}) IS NOT NULL"
        bad = con.execute(f"SELECT count(*), min({text}, 5) FROM {origin.relation} WHERE {unzoned}").fetchall()[0]
        if bad[0]:
            _zone_is_given(origin, name, f"{count_and_examples(bad[1], bad[0])} without one")
    return stamp, broken


def _zone_is_given(origin: Origin, name: str, came: str) -> None:
    if origin.source.timezone is None:
        raise DataError(
            "CF308",
            where=f"{origin.where}, column '{name}'",
            expected="timestamps with a time zone",
            came=came,
            fix="Store UTC, or set `timezone` on the source (for example 'UTC').",
        )


def _wrong_type(where: str, expected: str, type_: str) -> DataError:
    return DataError(
        "CF212",
        where=where,
        expected=expected,
        came=f"the type {type_}",
        fix="Cast it in the source, or name the right column under `columns`.",
    )


def _broken(con: duckdb.DuckDBPyConnection, origin: Origin, name: str, *, cast: str) -> str:
    """Return the condition of cells that `cast` cannot read; empty where it reads them all."""
    # "NaN" reads as a number and is a gap, so it is no fault here
    broken = f"trim({identifier(name)}) <> '' AND {cast} IS NULL"
    return broken if con.execute(f"SELECT 1 FROM {origin.relation} WHERE {broken} LIMIT 1").fetchall() else ""


def _unreadable(con: duckdb.DuckDBPyConnection, origin: Origin, column: Column, *, name: str, broken: str) -> DataError:
    total, examples = con.execute(
        f"SELECT count(*), min({identifier(name)}, 5) FROM {origin.relation} WHERE {broken}"
    ).fetchall()[0]
    return DataError(
        "CF212",
        where=f"{origin.where}, column '{name}'",
        expected=f"a {column.type} in every row",
        came=f"text in {count_and_examples(examples, total)}",
        fix="Correct these rows, or name the right column under `columns`.",
    )
