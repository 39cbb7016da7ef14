"""The tables of a spec, opened read-only in DuckDB as the contracts of `churnfit.tables` say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from churnfit.errors import ChurnfitError, DataError, SpecError
from churnfit.history.contracts import SQL_TYPES, UNREADABLE_SUFFIX, Origin, contract_select
from churnfit.history.files import complaint, open_file
from churnfit.history.sql import any_of, column_types, identifier, literal
from churnfit.history.summary import summarise_events
from churnfit.spec import SNAPSHOT_NAMES, ScorecardSpec, Source, nearest
from churnfit.tables import ACCOUNTS, EVENTS, INTERVENTIONS, MEASURES, TableContract

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["CONSTANT_AS_OF", "open_sources", "origins_of"]

CONSTANT_AS_OF = "2000-01-01T00:00:00+00:00"
"""The as_of of every row of a wide table without dates.

Such a table can only be judged on held-out accounts. Its snapshot still needs a key, and a constant that is plainly
no export date cannot be mistaken for knowledge of when the rows were taken.
"""

_COMPUTED = {("accounts", name) for name in SNAPSHOT_NAMES}  # of an export they are not what queries mean by them
_CONTRACTS = (ACCOUNTS, EVENTS, MEASURES, INTERVENTIONS)
_TEXT_COLUMNS = frozenset(
    column.name for contract in _CONTRACTS for column in contract.columns if column.type != "number"
)


@contextmanager
def open_sources(
    spec: ScorecardSpec,
    root: Path,
    *,
    interventions: pd.DataFrame | None = None,
    unreadable_as_gaps: bool = False,
    summary: Path | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an in-memory DuckDB connection with the spec's tables as contracts.

    ``accounts`` (its ``churned_at`` no later than the first event of ``cohort.churn_kinds``), ``events`` and their
    ``events_summary``, and ``interventions``, or ``measures`` and ``interventions``: contract columns first, in order,
    typed and in UTC; then, in ``accounts`` and ``measures``, whatever else the source has. After the files are opened
    DuckDB can read nothing but them, and its configuration is locked.

    Parameters
    ----------
    spec : ScorecardSpec
        Its `sources` say where each table is. A wide table without ``as_of`` gets `CONSTANT_AS_OF` when
        ``evaluation.method`` is ``held_out_accounts``, because such a table has no dates to tell apart.
    root : Path
        The folder that relative paths start from.
    interventions : pandas.DataFrame, optional
        More interventions than ``sources.interventions`` has, with its contract's columns (`at` aware). One that the
        source has too (account, UTC day, held out or not, and playbook where the source says one) counts once.
    unreadable_as_gaps : bool
        Read text that is no number or timestamp, where one is due, as a gap; `churnfit.history.quarantine` lists it.
    summary : Path, optional
        Where the summary of the events is kept between runs (`churnfit.history.summary`). Without it checks look
        through all events.

    Raises
    ------
    DataError
        The first structural fault, with all others in ``also``: CF401, CF402, CF110, CF217, CF218, CF308, CF212; CF402
        where a row cannot be read once it is asked for.
    SpecError
        CF505 when ``sql`` is not one SELECT, CF504 when it names a table that is not in ``[sources.files]``.
    """
    import duckdb

    con = duckdb.connect(":memory:")
    try:
        con.execute("SET TimeZone='UTC'").fetchall()
        for schema in ("files", "texts", "origins"):
            con.execute(f"CREATE SCHEMA {schema}").fetchall()
        faults: list[ChurnfitError] = []
        origins = _open_files(con, spec, root, faults)
        for table, contract in _tables(spec).items():
            with _noted(faults):
                _create(con, table, contract, origins.get(table, []), spec=spec, unreadable_as_gaps=unreadable_as_gaps)
        _raise_all(faults)
        if spec.sources.measures is None:
            summarise_events(con, spec, root, kept=summary)
        if interventions is not None and not interventions.empty:
            _add_interventions(con, interventions)
        if spec.cohort.churn_kinds:
            _churned_by_events(con, spec.cohort.churn_kinds)
        with _pages_can_be_read():
            yield con
    finally:
        con.close()


@contextmanager
def _pages_can_be_read() -> Iterator[None]:
    """Raise CF402 where a file that could be opened turns out to be damaged when its rows are read."""
    import duckdb

    try:
        yield
    except duckdb.Error as fault:
        # what DuckDB's Parquet reader finds in a page is of no class of its own
        if isinstance(fault, (duckdb.IOException, duckdb.InvalidInputException)) or type(fault) is duckdb.Error:
            raise DataError(
                "CF402",
                where="sources",
                expected="files whose every row can be read",
                came=complaint(fault),
                fix="Write the export again.",
            ) from fault
        raise


def _tables(spec: ScorecardSpec) -> dict[str, TableContract]:
    wide = spec.sources.measures is not None
    tables = {"measures": MEASURES} if wide else {"accounts": ACCOUNTS, "events": EVENTS}
    return tables | {"interventions": INTERVENTIONS}


def _declared(spec: ScorecardSpec) -> dict[str, list[Source]]:
    sources = spec.sources
    single = {"accounts": sources.accounts, "measures": sources.measures, "interventions": sources.interventions}
    return {"events": sources.events} | {table: [source] for table, source in single.items() if source is not None}


@contextmanager
def _noted(faults: list[ChurnfitError]) -> Iterator[None]:
    """Add a structural fault to `faults` instead of stopping at it, so that all are said at once."""
    try:
        yield
    except (DataError, SpecError) as fault:
        faults.append(fault)


def _raise_all(faults: list[ChurnfitError]) -> None:
    if faults:
        first, *others = faults
        parts = {part: getattr(first, part) for part in ("code", "where", "expected", "came", "fix")}
        raise type(first)(**parts, also=others) from first


def _open_files(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, root: Path, faults: list[ChurnfitError]
) -> dict[str, list[Origin]]:
    """Open every file, lock DuckDB, and return the origins of each table; what cannot be opened joins `faults`."""
    allowed: list[str] = []
    for name, path in spec.sources.files.items():
        with _noted(faults):
            allowed += open_file(con, path, root=root, name=name, text=_TEXT_COLUMNS).paths
    origins: dict[str, list[Origin]] = {}
    unopened = bool(faults)  # a SELECT over a file that is not there would only say the same again
    for table, sources in _declared(spec).items():
        for position, source in enumerate(sources):
            where = f"sources.{table}" + (f"[{position}]" if table == "events" else "")
            with _noted(faults):
                if source.path is not None:
                    names = {source.columns[name].lower() for name in _TEXT_COLUMNS if name in source.columns}
                    opened = open_file(con, source.path, root=root, name=where, text=_TEXT_COLUMNS | names)
                    allowed += opened.paths
                    origin = Origin(relation=opened.relation, source=source, where=f"{where} ({source.path})")
                    origins.setdefault(table, []).append(origin)
                elif not unopened:
                    query = _one_select(str(source.sql), where, list(spec.sources.files))
                    origin = Origin(relation=f"({query})", source=source, where=f"{where} (sql)")
                    origins.setdefault(table, []).append(origin)
    con.execute(f"SET allowed_paths=[{', '.join(literal(path) for path in sorted(set(allowed)))}]").fetchall()
    con.execute("SET enable_external_access=false").fetchall()
    con.execute("SET lock_configuration=true").fetchall()
    return origins


def _one_select(text: str, where: str, files: list[str]) -> str:
    """Return `text` with its tables qualified as ``files.<name>``; they may be called accounts or events."""
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    try:
        statements = [statement for statement in parse(text, dialect="duckdb") if statement is not None]
    except SqlglotError as fault:
        raise _not_one_select(where, str(fault).splitlines()[0][:200]) from fault
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _not_one_select(where, f"{len(statements)} statements: {', '.join(s.key for s in statements[:5])}")
    query = statements[0]
    for scope in traverse_scope(query):
        for table in scope.sources.values():
            if isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier):
                if table.name not in files or table.db:
                    hint = nearest(table.name, files)
                    raise SpecError(
                        "CF504",
                        where=where,
                        expected="tables declared under [sources.files]",
                        came=f"'{table.name}'",
                        fix=f"Declare it; {hint}.",
                    )
                table.set("db", exp.to_identifier("files"))
    return query.sql(dialect="duckdb")


def _not_one_select(where: str, came: str) -> SpecError:
    return SpecError(
        "CF505",
        where=f"{where}.sql",
        expected="exactly one SELECT",
        came=came,
        fix="Write one SELECT over the names of [sources.files].",
    )


def origins_of(con: duckdb.DuckDBPyConnection, table: str) -> list[Origin]:
    """Return the sources of one of the opened tables, each as the contract has it, in order."""
    views = con.execute(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = 'origins' ORDER BY view_oid"
    ).fetchall()
    of_table = re.compile(rf"sources\.{table}\b")
    names = [str(row[0]) for row in views if of_table.match(str(row[0]))]
    return [Origin(relation=_origin(name), source=Source(path=name), where=name) for name in names]


def _origin(where: str) -> str:
    return f"origins.{identifier(where)}"


def _create(
    con: duckdb.DuckDBPyConnection,
    table: str,
    contract: TableContract,
    origins: list[Origin],
    *,
    spec: ScorecardSpec,
    unreadable_as_gaps: bool,
) -> None:
    """Create one contract table; events over plain Parquet stay a view, so that memory does not grow with them."""
    import duckdb

    where = f"sources.{table}"
    try:
        selects = []
        for origin in origins:
            where = origin.where
            dated = _with_constant_as_of(con, origin, spec) if table == "measures" else origin
            select = contract_select(con, dated, contract, unreadable_as_gaps=unreadable_as_gaps)
            if table != "interventions":
                _has_rows(con, origin)
            if table == "events":
                select = f"SELECT * REPLACE (coalesce(recorded_at, occurred_at) AS recorded_at) FROM ({select})"
            con.execute(f"CREATE VIEW {_origin(where)} AS {select}").fetchall()
            names = (name for name in column_types(con, _origin(where)) if _is_kept(name, table))
            selects.append(f"SELECT {', '.join(map(identifier, names))} FROM {_origin(where)}")
        query = " UNION ALL ".join(selects) or _no_rows(contract)
        plain = all(str(origin.source.path).lower().endswith((".parquet", ".pq")) for origin in origins)
        shape = "VIEW" if table == "events" and plain else "TABLE"
        con.execute(f"CREATE {shape} {table} AS {query}").fetchall()
    except duckdb.PermissionException as fault:
        raise SpecError(
            "CF505",
            where=where,
            expected="a SELECT over the names of [sources.files]",
            came=complaint(fault),
            fix="Declare the file under [sources.files].",
        ) from fault
    except duckdb.Error as fault:
        raise DataError(
            "CF402",
            where=where,
            expected="rows that can be read",
            came=complaint(fault),
            fix="Correct the source.",
        ) from fault


def _is_kept(name: str, table: str) -> bool:
    return not name.endswith(UNREADABLE_SUFFIX) and (table, name.lower()) not in _COMPUTED


def _add_interventions(con: duckdb.DuckDBPyConnection, more: pd.DataFrame) -> None:
    names = ", ".join(identifier(column.name) for column in INTERVENTIONS.columns)
    con.register("more_given", more)
    con.execute(f"""
        INSERT INTO interventions ({names}) SELECT {names} FROM more_given AS more WHERE NOT EXISTS (
            SELECT 1 FROM interventions AS known WHERE known.account_id = more.account_id
                AND date_trunc('day', known."at") = date_trunc('day', more."at")
                AND coalesce(known.held_out, 0) = more.held_out
                AND coalesce(known.playbook, more.playbook) = more.playbook
        )""").fetchall()
    con.unregister("more_given")


def _churned_by_events(con: duckdb.DuckDBPyConnection, kinds: list[str]) -> None:
    """Make the first event of one of `kinds` an account's churn, where it comes before ``churned_at``."""
    ended = f"SELECT account_id, min(occurred_at) AS at_event FROM events WHERE kind IN {any_of(kinds)} GROUP BY ALL"
    con.execute(
        "CREATE OR REPLACE TABLE accounts AS SELECT a.* REPLACE (least(a.churned_at, ended.at_event) AS churned_at) "
        f"FROM accounts AS a LEFT JOIN ({ended}) AS ended USING (account_id)"
    ).fetchall()


def _no_rows(contract: TableContract) -> str:
    nulls = (f"CAST(NULL AS {SQL_TYPES[column.type]}) AS {identifier(column.name)}" for column in contract.columns)
    return f"SELECT {', '.join(nulls)} WHERE false"


def _with_constant_as_of(con: duckdb.DuckDBPyConnection, origin: Origin, spec: ScorecardSpec) -> Origin:
    names = {name.lower() for name in column_types(con, origin.relation)}
    dated = "as_of" in names or "as_of" in origin.source.columns
    if dated or spec.evaluation.method != "held_out_accounts":
        return origin
    stamp = f"CAST({literal(CONSTANT_AS_OF)} AS TIMESTAMPTZ)"
    return Origin(
        relation=f"(SELECT *, {stamp} AS as_of FROM {origin.relation})", source=origin.source, where=origin.where
    )


def _has_rows(con: duckdb.DuckDBPyConnection, origin: Origin) -> None:
    if not con.execute(f"SELECT 1 FROM {origin.relation} LIMIT 1").fetchall():
        raise DataError(
            "CF110",
            where=origin.where,
            expected="at least one row",
            came="none",
            fix="Check the export, or the query's filter: only a header is left.",
        )
