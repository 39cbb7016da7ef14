"""A world small enough to reckon by hand: written to Parquet or CSV, opened with a spec of one's choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from churnfit.history.sources import open_sources
from churnfit.spec import ScorecardSpec

ACCOUNT_DTYPES = {"account_id": "str", "segment": "str", "owner": "str"}
EVENT_DTYPES = {"account_id": "str", "kind": "str", "user_id": "str", "feature": "str", "value": "float64"}


def at(day: float) -> pd.Timestamp:
    """Return midnight UTC of 2024-01-01 plus `day` days: day 0 is the first of January."""
    return pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(days=day)


def spec_of(measures: dict[str, dict[str, Any]], **changes: Any) -> ScorecardSpec:
    """Return a spec with these measures; `changes` replace whole sections."""
    sections: dict[str, Any] = {
        "name": "tiny",
        "sources": {"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events.parquet"}]},
        "cohort": {"landmark_days": [10], "horizon_days": 20},
        "groups": {"use": {"label": "Use", "playbook": "call"}},
        "measures": {name: {"group": "use"} | measure for name, measure in measures.items()},
        "bands": {band: {"action": "call", "cost": 10, "save_rate": 0.2} for band in ("red", "amber")},
        "playbooks": {"call": {"title": "Call", "steps": ["Call them."]}},
    }
    return ScorecardSpec.model_validate(sections | changes)


def accounts_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return an accounts table; a row needs account_id, the rest has defaults (started on day 0)."""
    columns = ("started_at", "churned_at", "observed_until")
    filled = [
        {"started_at": at(0), "churned_at": pd.NaT, "observed_until": pd.NaT, "segment": "smb", "arr": 100.0,
         "owner": "ann", "seats": 4} | row
        for row in rows
    ]  # fmt: skip
    frame = pd.DataFrame(filled)
    for column in columns:
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame.astype({name: kind for name, kind in ACCOUNT_DTYPES.items() if name in frame})


def events_of(*rows: tuple[str, float, str] | dict[str, Any]) -> pd.DataFrame:
    """Return an events table from (account_id, day, kind) or dicts with more; `seen` is the day of recording."""
    filled = []
    for row in rows:
        given = row if isinstance(row, dict) else dict(zip(("account_id", "day", "kind"), row, strict=True))
        filled.append(
            {"account_id": given["account_id"], "occurred_at": at(given["day"]), "kind": given["kind"],
             "recorded_at": at(given.get("seen", given["day"])), "user_id": given.get("user_id"),
             "feature": given.get("feature"), "value": given.get("value")}
        )  # fmt: skip
    names = ["account_id", "occurred_at", "kind", "recorded_at", "user_id", "feature", "value"]
    frame = pd.DataFrame(filled, columns=names).astype(EVENT_DTYPES)
    for column in ("occurred_at", "recorded_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def write(root: Path, **tables: pd.DataFrame) -> None:
    """Write each table to ``<name>.parquet`` under `root`.

    With DuckDB, because pyarrow touches what pandas 3.1 warns about in time zones.
    """
    with duckdb.connect() as con:
        con.execute("SET TimeZone='UTC'").fetchall()
        for name, table in tables.items():
            con.register("table_given", table)
            con.execute(f"COPY table_given TO '{root / name}.parquet' (FORMAT parquet)").fetchall()
            con.unregister("table_given")


@contextmanager
def opened(root: Path, spec: ScorecardSpec, **tables: pd.DataFrame) -> Iterator[duckdb.DuckDBPyConnection]:
    """Write the tables and yield the connection that `open_sources` gives."""
    write(root, **tables)
    with open_sources(spec, root) as con:
        yield con
