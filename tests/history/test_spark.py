"""Spark takes the readings that DuckDB takes: the same rows, to the last bit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.errors import SpecError
from churnfit.history.cohort import landmark_grid
from churnfit.history.events_sql import readings_over_events
from churnfit.history.readings import Reading, Selection, Taken, Window
from churnfit.history.snapshot import snapshot, snapshot_hash
from churnfit.history.sql import fetch_frame

pytest.importorskip("pyspark", reason="PySpark is an extra: pip install 'churnfit[spark]'")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java: apt install openjdk-17-jre-headless", allow_module_level=True)

LOGINS = Selection(kinds=("login",))
SELECTIONS = (
    LOGINS,
    Selection(kinds=("login", "answer"), features=("f1", "it's")),
    Selection(kinds=("answer",), users=()),
)
WINDOWS = (Window(), Window(days=7), Window(days=5, skip=5), Window(ever=True))
READINGS = {
    f"{taken}_{one}_{two}": Reading(taken=taken, selection=selection, window=window)
    for taken in get_args(Taken)
    for one, selection in enumerate(SELECTIONS)
    for two, window in enumerate(WINDOWS)
}
MEASURES = {"logins": {"aggregate": "count", "kinds": ["login"]}}


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[None]:
    """Stop the session after the module: it holds a Java process."""
    yield
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        running.stop()


def events(rows: int = 3_000, accounts: int = 40) -> pd.DataFrame:
    """Return events with late ones, ties, duplicates and gaps; one account has none."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "account_id": rng.choice([f"ä{number}" for number in range(accounts - 1)], rows),
            "day": rng.integers(-20, 60, rows) / 2,
            "kind": rng.choice(["login", "login", "answer", "other"], rows),
            "late": rng.choice([0, 0, 0, 0.5, 3], rows),
            "user_id": rng.choice(["u1", "u2", "u3", None], rows),
            "feature": rng.choice(["f1", "it's", "f3", None], rows),
            "value": rng.choice([0.1, 0.2, -7.25, 1e6, float("nan")], rows),
        }
    )
    table["seen"] = table["day"] + table["late"]
    return pd.concat([events_of(*table.to_dict("records"))] * 2, ignore_index=True)


def grid_of(accounts: pd.DataFrame) -> pd.DataFrame:
    """Return three looks at every account, as days since 1970-01-01."""
    day = (accounts["started_at"].dt.floor("D") - pd.Timestamp(0, tz="UTC")).dt.days
    looks = [accounts[["account_id"]].assign(start_day=day, as_of_day=day + later) for later in (5, 10, 30)]
    return pd.concat(looks, ignore_index=True)


def taken_by_both(root: Path, table: pd.DataFrame, source: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the readings of DuckDB and of Spark over one events source."""
    from churnfit.history.spark import readings_on_spark

    accounts = accounts_of(*({"account_id": f"ä{number}", "started_at": at(number % 4)} for number in range(40)))
    spec = spec_of(MEASURES, sources={"accounts": {"path": "accounts.parquet"}, "events": [source]})
    grid = grid_of(accounts)
    with opened(root, spec, accounts=accounts, events=table) as con:
        con.register("g", grid.assign(as_of=grid["as_of_day"]))
        duck = fetch_frame(con, readings_over_events(READINGS)).rename(columns={"as_of": "as_of_day"})
    found = readings_on_spark(READINGS, grid, spec=spec, root=root)
    keys = ["account_id", "as_of_day"]
    return tuple(frame.sort_values(keys, ignore_index=True) for frame in (duck, found))  # type: ignore[return-value]


def test_every_reading_is_the_same_from_both_engines(tmp_path: Path) -> None:
    """Whatever is taken, from whichever events, over whichever days: nothing differs, gaps included."""
    duck, spark = taken_by_both(tmp_path, events(), {"path": "events.parquet"})
    assert len(duck) > 100
    assert list(duck) == list(spark)
    for name in duck:
        left, right = (pd.Series(frame[name].to_numpy(dtype=object, na_value=None)) for frame in (duck, spark))
        assert left.isna().equals(right.isna()), name
        assert (left.dropna() == right.dropna()).all(), name


def test_spark_renames_columns_and_reads_local_times_as_duckdb_does(tmp_path: Path) -> None:
    """A source with names of its own, a constant kind and naive timestamps of Berlin gives the same readings."""
    table = events().rename(columns={"account_id": "customer"}).drop(columns=["kind", "recorded_at"])
    table["occurred_at"] = table["occurred_at"].dt.tz_localize(None)
    source = {
        "path": "events.parquet",
        "columns": {"account_id": "customer"},
        "kind": "login",
        "timezone": "Europe/Berlin",
    }
    duck, spark = taken_by_both(tmp_path, table, source)
    assert len(duck) > 100
    for name in duck:
        left, right = (frame[name].to_numpy(dtype=object, na_value=None).tolist() for frame in (duck, spark))
        assert left == right, name


def test_a_snapshot_is_the_same_from_spark(tmp_path: Path) -> None:
    """Every measure and state of every row, to the hash."""
    from churnfit.history.spark import SparkEngine

    measures = {
        "logins": {"aggregate": "count", "kinds": ["login"], "window_days": 9},
        "users": {"aggregate": "share_of_seats", "kinds": ["login"]},
        "minutes": {"aggregate": "mean", "kinds": ["login"]},
        "answer": {"aggregate": "last", "kinds": ["answer"], "asked_kind": "other", "validity_days": 9},
        "since": {"aggregate": "days_since_last", "kinds": ["answer"]},
        "peers": {"aggregate": "sum", "kinds": ["login"], "relative_to": "peers"},
    }
    spec = spec_of(measures, cohort={"landmark_days": [5, 12], "horizon_days": 20, "min_peers": 3})
    accounts = accounts_of(*({"account_id": f"ä{number}", "started_at": at(number % 4)} for number in range(40)))
    with opened(tmp_path, spec, accounts=accounts, events=events()) as con:
        grid = landmark_grid(con, spec)
        duck = snapshot(con, spec, grid)
        spark = snapshot(con, spec, grid, engine=SparkEngine(spec=spec, root=tmp_path))
    pd.testing.assert_frame_equal(duck, spark, check_exact=True)
    assert snapshot_hash(duck) == snapshot_hash(spark)


def test_what_spark_cannot_read_is_said(tmp_path: Path) -> None:
    """CSV files and `sql` sources are for the other engines."""
    from churnfit.history.spark import readings_on_spark

    accounts = accounts_of({"account_id": "A"})
    for source in ({"path": "events.csv", "timezone": "UTC"}, {"sql": "SELECT 1"}):
        spec = spec_of(MEASURES, sources={"accounts": {"path": "accounts.parquet"}, "events": [source]})
        with pytest.raises(SpecError, match=r"CF509 sources.events\[0\]: expected Parquet files that Spark can read"):
            readings_on_spark(READINGS, grid_of(accounts), spec=spec, root=tmp_path)
