"""Rows that cannot be true, and what a night does about them: the accounts they touch are set aside, the others scored.

A *faulty row* has a value that cannot be read, is negative, infinite or too large where it may not be, is dated in the
future, has a gap where there must be none, or a key that another row has too. A fit stops at one, because what it
learns lasts. A night must not fail a hundred thousand accounts for one: the account of a faulty row is *set aside*
until the row is mended, since any of its measures may be wrong: it is not scored, and keeps its shown band and its CTA.
A faulty event that nothing in the spec reads touches nobody, and neither does a faulty intervention: they are listed.

Where a night finds more than ``sources.max_faulty_share`` of the accounts touched, or of the events faulty, it refuses
the lot: that is a broken export. What is wrong with a whole file, column or feed refuses the night as ever.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from churnfit.errors import DataError, count_and_examples
from churnfit.history.checks import check_sources, require_clean, rules_of
from churnfit.history.contracts import UNREADABLE_SUFFIX
from churnfit.history.files import cell
from churnfit.history.measures import column_of, event_kinds
from churnfit.history.sources import origins_of
from churnfit.history.sql import any_of, column_types, fetch_frame, identifier, literal
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["Quarantine", "leave_out", "set_aside"]

_COLUMNS = {
    "source": "VARCHAR",
    "row": "BIGINT",
    "account_id": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "column": "VARCHAR",
    "value": "VARCHAR",
    "code": "VARCHAR",
    "expected": "VARCHAR",
}
_MOMENT = {"accounts": "NULL", "events": "occurred_at", "measures": "as_of", "interventions": '"at"'}
_NOBODY = "account_id IS NULL OR trim(account_id) = ''"


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """The faulty rows of a night's sources, and the accounts that they touch.

    `rows`, sorted by their columns: source, row (its place in the source, from 1), account_id, at (the moment of an
    event or intervention, the as_of of a wide table's row), column, value, code and expected.
    """

    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_COLUMNS)))
    accounts: frozenset[str] = frozenset()


def set_aside(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp) -> Quarantine:
    """Check the sources, take the accounts that faulty rows touch out of them, and return what was found.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources` with `unreadable_as_gaps`.
    spec : ScorecardSpec
        It says which events matter, and in ``sources.max_faulty_share`` how much may be faulty.
    observed_to : pandas.Timestamp
        As in `churnfit.history.checks.check_sources`.

    Raises
    ------
    DataError
        The first error of the checks that is no fault of rows; the first fault of rows, where there are too many.
    """
    errors = [each for each in check_sources(con, spec, observed_to=observed_to) if each.severity == "error"]
    places = {(each.code, each.where) for each in errors}
    broken = [rule for rule in rules_of(con, spec, observed_to=observed_to) if (rule.code, rule.where) in places]
    listing = _Listing(con, spec)
    meant = {
        ("CF212", f"measures.{name}"): column
        for name, measure in spec.measures.items()
        if ("CF212", f"measures.{name}") in places
        and (column := column_of(name, measure)) is not None
        and listing.any_row(_no_number(column))  # a column that nobody filled with numbers is no fault of rows
    }
    of_rows = {(rule.code, rule.where) for rule in broken} | meant.keys()
    require_clean([each for each in errors if (each.code, each.where) not in of_rows])
    listing.unreadable()
    for rule in broken:
        listing.add(rule.table, rule.column, rule.rows or rule.broken, code=rule.code, expected=rule.expected)
    for column in dict.fromkeys(meant.values()):
        listing.add(listing.main, column, _no_number(column), code="CF212", expected="a finite number")
        number = f"CASE WHEN NOT ({_no_number(column)}) THEN TRY_CAST({cell(column)} AS DOUBLE) END"
        con.execute(f"ALTER TABLE {listing.main} ALTER {identifier(column)} TYPE DOUBLE USING {number}").fetchall()
    return listing.result()


def _no_number(column: str) -> str:
    """Return the SQL condition of cells that say something, and no finite number."""
    text = cell(column)
    return f"({text} IS NOT NULL AND NOT coalesce(isfinite(TRY_CAST({text} AS DOUBLE)), false))"


def leave_out(con: duckdb.DuckDBPyConnection, accounts: Collection[str]) -> None:
    """Delete `accounts` from the opened accounts, and rows that are nobody's."""
    con.execute(f"DELETE FROM accounts WHERE {_NOBODY} OR account_id IN {any_of(['', *sorted(accounts)])}").fetchall()


class _Listing:
    """The faulty rows of opened sources, as the table ``quarantine`` beside them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, spec: ScorecardSpec) -> None:
        self._con, self._spec = con, spec
        self.main = "accounts" if spec.sources.measures is None else "measures"
        columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in _COLUMNS.items())
        con.execute(f"CREATE TABLE quarantine ({columns}, of_table VARCHAR, touches BOOLEAN)").fetchall()

    def any_row(self, condition: str) -> bool:
        """Say whether the SQL condition holds of a row of the main table."""
        return self._number(f"SELECT count(*) FROM (SELECT 1 FROM {self.main} WHERE {condition} LIMIT 1)") > 0

    def unreadable(self) -> None:
        """List every cell that became a gap because it could not be read."""
        for table in _MOMENT:
            hidden = {
                name for origin in origins_of(self._con, table) for name in column_types(self._con, origin.relation)
            }
            for name in sorted(name for name in hidden if name.endswith(UNREADABLE_SUFFIX)):
                column, broken = name.removesuffix(UNREADABLE_SUFFIX), f"{identifier(name)} IS NOT NULL"
                self.add(table, column, broken, code="CF212", expected="a value of the column's type", hidden=True)

    def add(self, table: str, column: str, broken: str, *, code: str, expected: str, hidden: bool = False) -> None:
        """List the rows of `table` for which the SQL condition `broken` holds, because of what `column` says.

        With `hidden`, because it could not be read; without, such rows are left out: they are listed for that.
        """
        unreadable = identifier(column + UNREADABLE_SUFFIX)
        for origin in origins_of(self._con, table):
            value = f"CAST({identifier(column)} AS VARCHAR)"
            condition = f"({broken})"
            if column + UNREADABLE_SUFFIX in column_types(self._con, origin.relation):
                value = unreadable if hidden else value
                condition += "" if hidden else f" AND {unreadable} IS NULL"
            elif hidden:
                continue
            self._con.execute(
                f"INSERT INTO quarantine SELECT {literal(origin.where)}, place, account_id, {_MOMENT[table]}, "
                f"{literal(column)}, {value}, {literal(code)}, {literal(expected)}, {literal(table)}, "
                f"{self._touches(table)} "
                f"FROM (SELECT row_number() OVER () AS place, * FROM {origin.relation}) WHERE {condition}"
            ).fetchall()

    def _touches(self, table: str) -> str:
        """Return SQL that says whether a faulty row of `table` makes its account's score wrong."""
        if table != "events":
            return "FALSE" if table == "interventions" else "TRUE"
        kinds = {*event_kinds(self._spec.measures), *self._spec.cohort.churn_kinds}
        if self._spec.journey is not None:
            kinds.update(kind for step in self._spec.journey.steps.values() for kind in step.kinds)
        read = f"kind IS NULL OR kind IN {any_of(['', *sorted(kinds)])}"
        return f"({read}) AND account_id IN (SELECT account_id FROM accounts)"

    def result(self) -> Quarantine:
        """Take what is touched out of the tables, unless it is too much, and return the list."""
        names = ", ".join(identifier(name) for name in _COLUMNS)
        rows = fetch_frame(self._con, f"SELECT {names} FROM quarantine ORDER BY ALL")
        if rows.empty:
            return Quarantine()
        found = self._con.execute(
            "SELECT DISTINCT account_id FROM quarantine WHERE touches AND trim(account_id) <> ''"
        ).fetchall()
        touched = frozenset(str(row[0]) for row in found)
        self._refuse_too_many(rows, len(touched))
        if self.main == "accounts":
            leave_out(self._con, touched)
        else:
            keys = 'SELECT account_id, "at" FROM quarantine WHERE account_id IS NOT NULL AND "at" IS NOT NULL'
            faulty = f"{_NOBODY} OR (account_id, as_of) IN ({keys})"
            self._con.execute(f"DELETE FROM measures WHERE {faulty}").fetchall()
        return Quarantine(rows=rows, accounts=touched)

    def _refuse_too_many(self, rows: pd.DataFrame, touched: int) -> None:
        share = self._spec.sources.max_faulty_share
        faulty_rows = "SELECT count(DISTINCT (source, row)) FROM quarantine WHERE touches AND of_table"
        of_nobody = self._number(f"{faulty_rows} = {literal(self.main)} AND ({_NOBODY})")
        counts = {"accounts": (touched + of_nobody, f"SELECT count(DISTINCT account_id) FROM {self.main}")}
        if self.main == "accounts":
            counts["events"] = (self._number(f"{faulty_rows} = 'events'"), "SELECT count(*) FROM events")
        for what, (faulty, every) in counts.items():
            total = self._number(every)
            if faulty > _allowed(share, total):
                names = ", ".join(identifier(name) for name in _COLUMNS)
                touching = f"SELECT {names} FROM quarantine WHERE touches ORDER BY ALL LIMIT 1"
                first = fetch_frame(self._con, touching).iloc[0]
                same = rows[(rows["source"] == first["source"]) & (rows["column"] == first["column"])]
                examples = count_and_examples(same["value"].fillna("gaps").head(5), len(same))
                raise DataError(
                    str(first["code"]),
                    where=f"{first['source']}, column '{first['column']}'",
                    expected=str(first["expected"]),
                    came=f"{examples}; {faulty:,} of {total:,} {what} are faulty, and a night sets at most "
                    f"{share:.2%} aside",
                    fix="Write the export again, or raise sources.max_faulty_share; `churnfit check` lists all faults.",
                )

    def _number(self, query: str) -> int:
        return int(self._con.execute(query).fetchall()[0][0])


def _allowed(share: float, total: int) -> int:
    """Return how many of `total` may be faulty: the share of them, and one where any may."""
    return max(1, int(share * total)) if share > 0 else 0
