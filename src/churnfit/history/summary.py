"""What checks need of the events, kept between runs: a log is looked through once, then only the files that are new.

The *summary* of some events is a few rows like them: for each account, and for each kind and feature, one with its
newest dates (an account's kind is that of its newest event); and of each rule that some row breaks, one that does. A
rule that no row of the summary breaks, no event breaks; which accounts, kinds and features there are, and the newest
fact, are the same. The summary of a summary and of further events is that of all: so a file is read when it is new, and
all are when one has changed or is gone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnfit.files import aside
from churnfit.history.contracts import Origin, contract_select
from churnfit.history.files import files_of, parquet_relation
from churnfit.history.rules import row_rules
from churnfit.spec import ScorecardSpec
from churnfit.tables import EVENTS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["summarise_events"]

_KEY = b"churnfit"
_DIGEST = hashlib.sha256().digest_size
_COLUMNS = ", ".join(column.name for column in EVENTS.columns)
_NEWEST = "max(occurred_at) AS occurred_at, max(recorded_at) AS recorded_at"
_BY_ACCOUNT = f"SELECT account_id, arg_max(kind, (occurred_at, kind)) AS kind, {_NEWEST} FROM told GROUP BY account_id"
_BY_KIND = f"SELECT min(account_id) AS account_id, kind, feature, {_NEWEST} FROM told GROUP BY kind, feature"


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """A stored summary: of which files, by path their size, time and row groups; under which declarations and rules."""

    declared: str
    files: dict[str, list[str]]
    rows: pa.Table


def summarise_events(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, root: Path, *, kept: Path | None) -> None:
    """Create ``events_summary`` beside ``events``: their summary where one can be kept, else all of them.

    It can be kept of a log of plain Parquet (`churnfit.history.days.log`) without events of the future, which become
    facts as time passes.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Has ``events``.
    spec : ScorecardSpec
        Whose events.
    root : Path
        The folder that the spec's paths start from.
    kept : Path, optional
        The file that has the summary of earlier runs, and gets this one's. It may be removed at any time.
    """
    rows = _brought_up_to_date(con, spec, root, kept) if kept is not None else None
    if rows is None:
        con.execute("CREATE VIEW events_summary AS SELECT * FROM events").fetchall()
        return
    con.register("summary_given", rows)
    con.execute("CREATE TABLE events_summary AS SELECT * FROM summary_given").fetchall()
    con.unregister("summary_given")


def _brought_up_to_date(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, root: Path, path: Path) -> pa.Table | None:
    """Return the summary of the whole log after storing it in `path`; None where it cannot be kept."""
    from churnfit.history.days.log import log_of  # numba loads with it

    before = _stored(path)
    log = log_of(spec, root, before=before.files if before else {})
    if not log.plain:
        return None
    declared = hashlib.sha256(f"{log.declared} {_BY_ACCOUNT} {_BY_KIND} {_broken_by_any()}".encode()).hexdigest()
    new = log.grown_from(before.files) if before and before.declared == declared else None
    if before and new == {}:
        return before.rows
    if before and new:
        con.register("summary_before", before.rows)
        rows = _summary(
            con, f"{_events_in(con, spec, root, list(new))} UNION ALL SELECT {_COLUMNS} FROM summary_before"
        )
        con.unregister("summary_before")
    else:
        rows = _summary(con, "SELECT * FROM events")
    if rows is not None:
        _store(_Kept(declared=declared, files=log.files, rows=rows), path)
    return rows


def _broken_by_any() -> list[str]:
    """Return the conditions of rows that break a rule, whatever the day they are checked on."""
    import pandas as pd

    never = pd.Timestamp("9000-01-01", tz="UTC")  # how new a fact may be is asked of the newest, day by day
    rules = row_rules(wide=False, extra_numbers=[], observed_to=never)
    return [rule.broken for rule in rules if rule.relation == EVENTS.name]


def _summary(con: duckdb.DuckDBPyConnection, query: str) -> pa.Table | None:
    """Return the summary of the events of a SELECT, sorted; None where some are of the future."""
    broken = _broken_by_any()
    counts = ", ".join(f"count(*) FILTER (WHERE {each})" for each in broken)
    told = f"WITH told AS ({query})"
    *totals, future = con.execute(
        f"{told} SELECT {counts}, count(*) FILTER (WHERE recorded_at >= now()) FROM told"
    ).fetchall()[0]
    if future:
        return None
    rows = [_BY_ACCOUNT, _BY_KIND]
    rows += [f"(SELECT * FROM told WHERE {each} LIMIT 1)" for each, total in zip(broken, totals, strict=True) if total]
    together = " UNION ALL BY NAME ".join(["SELECT * FROM told WHERE false", *rows])
    return con.sql(f"{told} SELECT {_COLUMNS} FROM ({together}) ORDER BY ALL").to_arrow_table()


def _events_in(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, root: Path, paths: list[str]) -> str:
    """Return the SELECT of the events of some of the log's files."""
    selects = []
    for source in spec.sources.events:
        its = [path for path in files_of(str(source.path), root) if str(path) in paths]
        if its:
            origin = Origin(relation=parquet_relation(its), source=source, where=f"sources.events ({source.path})")
            selects.append(contract_select(con, origin, EVENTS))
    union = " UNION ALL ".join(selects)
    return f"SELECT * REPLACE (coalesce(recorded_at, occurred_at) AS recorded_at) FROM ({union})"


def _stored(path: Path) -> _Kept | None:
    """Return what `path` has; None where there is nothing, or not what was written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    stored = path.read_bytes()
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        return None
    rows = pq.read_table(pa.BufferReader(content))
    return _Kept(**json.loads(rows.schema.metadata[_KEY]), rows=rows)


def _store(kept: _Kept, path: Path) -> None:
    """Write the rows as Parquet, the rest as its metadata, and before both their SHA-256."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    told = json.dumps({"declared": kept.declared, "files": kept.files}, sort_keys=True)
    content = pa.BufferOutputStream()
    pq.write_table(kept.rows.replace_schema_metadata({_KEY: told}), content)
    written = content.getvalue().to_pybytes()
    with aside(path) as beside:
        beside.write_bytes(hashlib.sha256(written).digest() + written)
