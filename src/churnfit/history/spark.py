"""Readings taken by Spark, for event logs that outgrow one machine; the only module that knows PySpark.

The query is that of `churnfit.history.events_sql`, transpiled, so that both engines give the same rows. One thing is
said differently: Spark multiplies every row by the number of distinct counts, so these are counted as sets.

A running session is used where there is one (``spark-submit``, Databricks, a notebook); without one Spark runs on this
machine, on the Java that is installed. Events must be Parquet files: what outgrows one machine is rarely anything else.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from sqlglot import exp, parse_one

from churnfit.errors import SpecError, UsageError
from churnfit.history.events_sql import readings_over_events, readings_taken
from churnfit.history.files import files_of
from churnfit.history.readings import Reading
from churnfit.history.sql import fetch_frame
from churnfit.spec import ScorecardSpec, Source
from churnfit.tables import EVENTS

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkEngine", "readings_on_spark", "session"]

_TAKEN = "taken_by_spark"

_SQL_TYPES = {"text": "STRING", "number": "DOUBLE", "timestamp": "TIMESTAMP"}
_OF_A_CLUSTER = ("PYSPARK_GATEWAY_PORT", "SPARK_HOME", "SPARK_CONF_DIR", "SPARK_REMOTE")
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",  # calendar days are UTC days
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


@dataclass(frozen=True, kw_only=True)
class SparkEngine:
    """Takes the readings of a spec's events on Spark: a `churnfit.history.snapshot.Engine`.

    Parameters
    ----------
    spec : ScorecardSpec
        Its event sources.
    root : Path
        The folder that relative paths start from.
    """

    spec: ScorecardSpec
    root: Path

    def __call__(self, con: duckdb.DuckDBPyConnection, readings: Mapping[str, Reading], grid: str) -> str:
        """Return a SELECT of account_id, as_of and the readings, for rows of the SELECT `grid` with known events."""
        rows = fetch_frame(con, f"SELECT account_id, as_of, as_of_day, start_day FROM ({grid})")
        with warnings.catch_warnings():
            # PySpark 4.3 warns of pandas 3; rows go to Spark and come back as Arrow tables, never through its pandas
            warnings.filterwarnings("ignore", message=".*does not yet fully support pandas", category=FutureWarning)
            found = readings_on_spark(readings, rows, spec=self.spec, root=self.root)
        con.register(_TAKEN, rows[["account_id", "as_of", "as_of_day"]].merge(found, on=["account_id", "as_of_day"]))
        return readings_taken(_TAKEN, readings)


def readings_on_spark(
    readings: Mapping[str, Reading], grid: pd.DataFrame, *, spec: ScorecardSpec, root: Path
) -> pd.DataFrame:
    """Return the readings of every grid row that has known events: account_id, as_of_day, and a column per reading.

    Parameters
    ----------
    readings : mapping of str to Reading
        By column name.
    grid : pandas.DataFrame
        account_id, as_of_day and start_day (whole days since 1970-01-01).
    spec : ScorecardSpec
        Its event sources.
    root : Path
        The folder that relative paths start from.

    Raises
    ------
    SpecError
        CF509 when a source is not Parquet, or its timestamps are text.
    UsageError
        CF510 when PySpark or Java is not installed.
    """
    import pyarrow as pa

    spark = session()
    _events(spark, spec, root).createOrReplaceTempView("events")
    columns = {
        "account_id": pa.array(grid["account_id"].astype(object), pa.string()),
        "as_of": pa.array(grid["as_of_day"], pa.int64()),
        "as_of_day": pa.array(grid["as_of_day"], pa.int64()),
        "start_day": pa.array(grid["start_day"], pa.int64()),
    }
    spark.createDataFrame(pa.table(columns)).createOrReplaceTempView("g")
    found: pd.DataFrame = spark.sql(_transpiled(readings_over_events(readings))).toArrow().to_pandas()
    return found.rename(columns={"as_of": "as_of_day"})


def session() -> SparkSession:
    """Return the running session, or a new one on this machine.

    Raises
    ------
    UsageError
        CF510 when PySpark or Java is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as fault:
        raise _lacks("PySpark", "Install it with `pip install 'churnfit[spark]'`.") from fault
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise _lacks("Java", "Install Java 17 (Debian: apt install openjdk-17-jre-headless), or set JAVA_HOME.")
    if not any(name in os.environ for name in _OF_A_CLUSTER):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # alone on this machine: nothing need reach it
    building = SparkSession.builder.appName("churnfit")
    for key, value in _SETTINGS.items():
        building = building.config(key, value)
    made = building.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def _lacks(what: str, fix: str) -> UsageError:
    return UsageError("CF510", where="history.engine", expected=f"an installed {what}", came="none", fix=fix)


def _transpiled(query: str) -> str:
    """Return a DuckDB query for Spark, distinct counts as sizes of sets."""
    return parse_one(query, dialect="duckdb").transform(_said_by_spark).sql(dialect="spark")


def _said_by_spark(node: exp.Expression) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "row":
        return exp.func("STRUCT", *(part.copy() for part in node.expressions), dialect="spark")
    if isinstance(node, exp.Filter) and isinstance(node.this, exp.Count) and isinstance(node.this.this, exp.Distinct):
        counted = node.this.this.expressions[0]
        chosen = exp.Case(ifs=[exp.If(this=node.expression.this.copy(), true=counted.copy())])
        return exp.func("SIZE", exp.func("COLLECT_SET", chosen, dialect="spark"), dialect="spark")
    return node


def _events(spark: SparkSession, spec: ScorecardSpec, root: Path) -> DataFrame:
    from pyspark.sql.functions import coalesce

    parts = [
        _source(spark, source, f"sources.events[{place}]", root) for place, source in enumerate(spec.sources.events)
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    filled: DataFrame = whole.withColumn("recorded_at", coalesce("recorded_at", "occurred_at"))
    return filled


def _source(spark: SparkSession, source: Source, where: str, root: Path) -> DataFrame:
    """Return one source as the contract of events, as `churnfit.history.contracts` does for DuckDB."""
    if source.path is None or not source.path.lower().endswith((".parquet", ".pq")):
        raise _unreadable(where, source.path or "a `sql` source", "Write the events to Parquet, or use another engine.")
    files = [file.as_uri() for file in files_of(source.path, root)]
    table = spark.read.option("mergeSchema", "true").parquet(*files)
    types = {field.name.lower(): (field.name, field.dataType.typeName()) for field in table.schema.fields}
    listed = []
    for column in EVENTS.columns:
        name, type_ = types.get(source.columns.get(column.name, column.name).lower(), (None, ""))
        if column.name == "kind" and source.kind is not None:
            value = exp.Literal.string(source.kind).sql(dialect="spark")
        elif name is None or type_ == "void":
            value = "NULL"
        else:
            value = _cast(exp.column(name, quoted=True).sql(dialect="spark"), column.type, type_, source, where)
        listed.append(f"CAST({value} AS {_SQL_TYPES[column.type]}) AS {column.name}")
    selected: DataFrame = table.selectExpr(*listed)
    return selected


def _cast(value: str, wanted: str, type_: str, source: Source, where: str) -> str:
    if wanted == "number":
        return f"CASE WHEN NOT isnan(CAST({value} AS DOUBLE)) THEN CAST({value} AS DOUBLE) END"
    if wanted == "timestamp" and type_ == "string":
        raise _unreadable(where, f"text in {value}", "Write timestamps as timestamps, or use another engine.")
    if wanted == "timestamp" and type_ in ("timestamp_ntz", "date"):
        zone = exp.Literal.string(source.timezone or "UTC").sql(dialect="spark")
        return f"to_utc_timestamp(CAST({value} AS TIMESTAMP), {zone})"
    return value


def _unreadable(where: str, came: str, fix: str) -> SpecError:
    return SpecError("CF509", where=where, expected="Parquet files that Spark can read", came=came, fix=fix)
