"""All measures of every grid row, from what was known at its as_of; the same for training and for scoring."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from churnfit.errors import DataError
from churnfit.history.checks import columns_exist, require_clean
from churnfit.history.cohort import STAGE_START, peer_grid
from churnfit.history.events_sql import day_of, events_engine
from churnfit.history.expressions import ACCOUNT_COLUMNS, parse_expression
from churnfit.history.measures import MeasureParts, column_of, measure_parts, states_of_any
from churnfit.history.peers import TOO_FEW_PEERS, percentiles
from churnfit.history.readings import Reading
from churnfit.history.sql import column_types, fetch_frame, identifier, literal
from churnfit.spec import ScorecardSpec
from churnfit.tables import STATE_SUFFIX

if TYPE_CHECKING:
    import duckdb

__all__ = ["KEYS", "Engine", "snapshot", "snapshot_hash"]

KEYS = ("account_id", "as_of", "segment", "stage_day", "owner", "arr")
"""The columns of a snapshot before its measures."""

Engine: TypeAlias = "Callable[[duckdb.DuckDBPyConnection, Mapping[str, Reading], str], str]"
"""Takes readings: of a connection, the readings by column, and the SELECT of the grid (account_id, as_of, as_of_day,
start_day), it returns a SELECT of account_id, as_of and one column per reading, for the rows that have known events."""


def snapshot(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, grid: pd.DataFrame, *, engine: Engine = events_engine
) -> pd.DataFrame:
    """Return every measure of every grid row: key (account_id, as_of), sorted by it.

    As-of rule: an event counts when it occurred before as_of *and* was recorded before as_of. Account columns (segment,
    seats, attributes) are taken as facts that do not change. Identical knowledge gives identical bytes, whatever the
    engine. One scan of the kinds that are needed serves all measures and all as_ofs.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`.
    spec : ScorecardSpec
        Its measures, in order.
    grid : pandas.DataFrame
        Columns account_id, as_of (aware), each pair once; from `churnfit.history.cohort`.
    engine : Engine
        Takes what measures read from events: by a scan of them (small logs), or `churnfit.history.days.engine`.

    Returns
    -------
    pandas.DataFrame
        account_id, as_of (UTC), segment, stage_day (whole days, 0 for wide tables), owner, arr, the measures
        (float64 or text), then ``<measure>__state`` of each: null where there is a value, else why there is none;
        then ``<measure>__peers`` (Int64) of each that is relative to its peers: how many it was compared with.

    Raises
    ------
    DataError
        CF217 an attribute or column does not exist; CF104 a grid row has no account, or two.
    """
    table = "accounts" if spec.sources.measures is None else "measures"
    types = column_types(con, table)
    require_clean(columns_exist(spec, table, list(types)))
    measuring = _Measuring(con=con, spec=spec, types=types, engine=engine)
    frame = measuring.of(grid)
    relative = [name for name, measure in spec.measures.items() if measure.relative_to == "peers"]
    return _among_peers(measuring, frame) if relative else frame


@dataclass(frozen=True, kw_only=True)
class _Measuring:
    """What measures a grid: every measure of the spec, peers aside."""

    con: duckdb.DuckDBPyConnection
    spec: ScorecardSpec
    types: dict[str, str]
    engine: Engine

    def of(self, grid: pd.DataFrame) -> pd.DataFrame:
        """Return every measure of every grid row, sorted by (account_id, as_of)."""
        plain = pd.DataFrame(
            {"account_id": grid["account_id"].astype("str"), "as_of": pd.to_datetime(grid["as_of"], utc=True)}
        )
        measures = self.spec.measures
        parts = {name: measure_parts(name, measure) for name, measure in measures.items() if measure.sql is None}
        readings = {name: reading for part in parts.values() for name, reading in part.readings.items()}
        self.con.register("grid_given", plain)
        try:
            taken = self.engine(self.con, readings, _grid(self.spec)) if readings else ""
            frame = fetch_frame(self.con, _query(self.spec, parts, self.types, taken))
        finally:
            self.con.unregister("grid_given")
        if len(frame) != len(grid):
            raise DataError(
                "CF104",
                where="snapshot",
                expected="one account for each of the grid's rows",
                came=f"{len(frame):,} for {len(grid):,}",
                fix="`churnfit check` lists accounts that are missing or double.",
            )
        return frame


def _among_peers(measuring: _Measuring, frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with relative measures as percentiles, and the number of peers as ``<measure>__peers``."""
    keys = ["account_id", "as_of"]
    spec = measuring.spec
    looks = peer_grid(measuring.con, spec, frame).merge(frame[keys], on=keys, how="outer", indicator="of")
    others = measuring.of(looks.loc[looks["of"] == "left_only", keys])
    every = pd.concat([frame, others], ignore_index=True)
    churned = looks.loc[looks["of"] == "right_only", keys]  # looked at after it had churned: nobody's peer
    there = ~pd.MultiIndex.from_frame(every[keys]).isin(pd.MultiIndex.from_frame(churned))
    found = {}
    for name in (name for name, measure in spec.measures.items() if measure.relative_to == "peers"):
        every_percentile, every_peers = percentiles(every[name].where(there), every, peer_days=spec.cohort.peer_days)
        percentile, peers = (pd.Series(column[: len(frame)]) for column in (every_percentile, every_peers))
        enough = peers >= spec.cohort.min_peers
        state = name + STATE_SUFFIX
        found[name] = percentile.where(enough)
        found[state] = frame[state].where(frame[name].isna() | enough, TOO_FEW_PEERS)
        found[f"{name}__peers"] = peers.where(frame[name].notna()).astype("Int64")
    return frame.assign(**found)


def snapshot_hash(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a snapshot's column names and values, in hexadecimal.

    Numbers count as little-endian float64 with one NaN and one zero, times as microseconds, text as UTF-8 with its
    length.

    Examples
    --------
    >>> import pandas as pd
    >>> snapshot_hash(pd.DataFrame({"a": [0.0]})) == snapshot_hash(pd.DataFrame({"a": [-0.0]}))
    True
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            kind, content = "time", _time_bytes(column)
        elif pd.api.types.is_numeric_dtype(column.dtype):
            numbers = column.to_numpy("float64", na_value=np.nan) + 0.0  # turns -0.0 into 0.0
            kind, content = "number", np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()
        else:
            kind, content = "text", _text_bytes(column)
        digest.update(f"{name}\0{kind}\0{len(column)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _time_bytes(column: pd.Series) -> bytes:
    moments = pd.to_datetime(column, utc=True).dt.tz_convert(None).to_numpy("datetime64[us]")
    return moments.astype("<i8").tobytes()


def _text_bytes(column: pd.Series) -> bytes:
    texts = ["" if missing else str(text) for text, missing in zip(column, column.isna(), strict=True)]
    encoded = [text.encode() for text in texts]
    lengths = np.array([len(text) for text in encoded], dtype="<i8")
    # a length of -1 tells a gap from an empty text
    return np.where(column.isna().to_numpy(), -1, lengths).astype("<i8").tobytes() + b"".join(encoded)


def _query(spec: ScorecardSpec, parts: dict[str, MeasureParts], types: dict[str, str], taken: str) -> str:
    """Return the whole SELECT: grid rows, the readings `taken`, values and states."""
    table, same_row = _table(spec)
    ctes = [f"g AS ({_grid(spec)})"]
    joins = f"g JOIN {table} AS a {same_row}"
    if taken:
        ctes.append(f"seen AS ({taken})")
        joins += " LEFT JOIN seen USING (account_id, as_of)"
    keys = [f"g.{name}" for name in KEYS]
    account = [f"g.{name} AS {identifier(f'account__{name}')}" for name in ACCOUNT_COLUMNS]
    computed = [f"{part.value} AS {identifier(f'{name}__value')}" for name, part in parts.items()]
    computed += [f"{_state(part)} AS {identifier(name + STATE_SUFFIX)}" for name, part in parts.items()]
    ctes.append(f"computed AS (SELECT {', '.join([*keys, *account, *computed])} FROM {joins})")
    values = [_value(name, spec, types) for name in parts]
    states = [identifier(name + STATE_SUFFIX) for name in parts]
    account = [identifier(f"account__{name}") for name in ACCOUNT_COLUMNS]
    ctes.append(f"measured AS (SELECT {', '.join([*KEYS, *account, *values, *states])} FROM computed)")
    reckoned = [column for name in spec.measures for column in _reckoned(name, spec, list(parts))]
    ctes.append(f"reckoned AS (SELECT {', '.join(['*', *reckoned])} FROM measured AS g)")
    columns = [*KEYS, *(_shown(name, spec) for name in spec.measures)]
    columns += [identifier(name + STATE_SUFFIX) for name in spec.measures]
    return f"WITH {', '.join(ctes)} SELECT {', '.join(columns)} FROM reckoned ORDER BY account_id, as_of"


def _reckoned(name: str, spec: ScorecardSpec, measures: list[str]) -> list[str]:
    """Return value and state of a measure that is arithmetic over others; nothing for one that is read."""
    measure = spec.measures[name]
    if measure.sql is None:
        return []
    readable = [other for other in measures if spec.measures[other].relative_to is None]
    expression = parse_expression(measure.sql, where=f"measures.{name}.sql", measures=readable)
    value = f"TRY(CAST({expression.sql} AS DOUBLE))"
    value = f"CASE WHEN isfinite({value}) THEN {value} END"  # a division by zero is no number
    why = ", ".join([*(identifier(other + STATE_SUFFIX) for other in expression.measures), "'missing'"])
    cases = " ".join(f"WHEN {condition} THEN {literal(state)}" for condition, state in states_of_any(measure))
    state = f"CASE {cases} WHEN ({value}) IS NULL THEN coalesce({why}) END"
    return [f"{value} AS {identifier(f'{name}__value')}", f"{state} AS {identifier(name + STATE_SUFFIX)}"]


def _shown(name: str, spec: ScorecardSpec) -> str:
    if spec.measures[name].sql is None:
        return identifier(name)
    value = identifier(f"{name}__value")
    return f"CASE WHEN {identifier(name + STATE_SUFFIX)} IS NULL THEN {value} END AS {identifier(name)}"


def _table(spec: ScorecardSpec) -> tuple[str, str]:
    """Return the table that has the accounts' facts, and how a grid row finds its own."""
    wide = spec.sources.measures is not None
    return ("measures", "USING (account_id, as_of)") if wide else ("accounts", "USING (account_id)")


def _grid(spec: ScorecardSpec) -> str:
    table, same_row = _table(spec)
    if spec.sources.measures is not None:
        facts = "CAST(0 AS BIGINT) AS stage_day, NULL AS start_day, NULL AS as_of_day, NULL AS seats, NULL AS goal"
    else:
        facts = (
            f"date_sub('day', {STAGE_START}, as_of) AS stage_day, {day_of('started_at')} AS start_day, "
            f"{day_of('as_of')} AS as_of_day, seats, goal"
        )
    return f"SELECT account_id, as_of, segment, owner, arr, {facts} FROM grid_given JOIN {table} {same_row}"


def _state(part: MeasureParts) -> str:
    cases = " ".join(f"WHEN {condition} THEN {literal(state)}" for condition, state in part.states)
    return f"CASE {cases} WHEN ({part.value}) IS NULL THEN 'missing' END"


def _value(name: str, spec: ScorecardSpec, types: dict[str, str]) -> str:
    column = column_of(name, spec.measures[name])
    by_name = {known.lower(): type_ for known, type_ in types.items()}
    text = column is not None and by_name[column.lower()] == "VARCHAR"
    value = identifier(f"{name}__value")
    if column is not None and by_name[column.lower()] not in ("VARCHAR", "DOUBLE"):
        value, text = f"CAST({value} AS VARCHAR)", True
    kind = "VARCHAR" if text else "DOUBLE"
    return f"CASE WHEN {identifier(name + STATE_SUFFIX)} IS NULL THEN CAST({value} AS {kind}) END AS {identifier(name)}"
