"""The whole way on real data: 31,437 enrolments of the Open University, 569,663 events."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.history.tiny_world import spec_of

from churnfit.history.checks import check_sources, require_clean
from churnfit.history.cohort import landmark_grid
from churnfit.history.days.engine import DayTables
from churnfit.history.labels import labels, ledger
from churnfit.history.leaks.too_good import suspects
from churnfit.history.snapshot import snapshot, snapshot_hash
from churnfit.history.sources import open_sources

OULAD = Path(__file__).parents[2].parent / "shared" / "data" / "oulad"
NOW = pd.Timestamp("2016-01-01", tz="UTC")


@pytest.mark.real_data
@pytest.mark.skipif(not OULAD.exists(), reason="../shared/data/oulad is absent")
def test_real_enrolments_become_snapshots_and_labels() -> None:
    """On day 28 about one in eight of those still enrolled leave within 120 days; the data is clean."""
    spec = spec_of(
        {
            "submitted": {"aggregate": "count", "kinds": ["assessment_submitted"]},
            "score": {"aggregate": "mean", "kinds": ["assessment_submitted"]},
            "visits_before": {"aggregate": "sum", "kinds": ["pre_course_visit"], "window_days": 365},
            "deprivation": {"aggregate": "attribute", "column": "imd_band_cd", "actionable": False},
        },
        cohort={"landmark_days": [28], "horizon_days": 120},
    )
    with open_sources(spec, OULAD) as con:
        found = check_sources(con, spec, observed_to=NOW)
        require_clean(found)
        grid = landmark_grid(con, spec)
        frame = snapshot(con, spec, grid)
        table = labels(con, spec, grid, observed_to=NOW)
    assert [(finding.code, finding.came[:38]) for finding in found] == [
        ("CF107", "churn at or before the start of: 3,005")
    ]
    assert len(frame) == 31_437
    assert set(table["status"]) == {"matured", "excluded"}
    training = frame.merge(table.loc[table["status"] == "matured", ["account_id", "as_of", "churned"]])
    assert 0.12 < training["churned"].mean() < 0.13
    stayed, left = training.groupby("churned")["submitted"].mean()
    assert stayed > left
    assert (frame["visits_before"] > 0).sum() > 20_000
    assert suspects(training, spec) == []
    assert ledger(table)["cohort"].tolist() == ["2013-02", "2013-10", "2014-02", "2014-10"]


MEASURES = {
    "submitted": {"aggregate": "count", "kinds": ["assessment_submitted"], "window_days": 60},
    "total": {"aggregate": "sum", "kinds": ["assessment_submitted"]},
    "score": {"aggregate": "mean", "kinds": ["assessment_submitted"]},
    "last": {"aggregate": "last", "kinds": ["assessment_submitted"]},
    "days": {"aggregate": "active_days", "kinds": ["pre_course_visit"], "window_days": 365},
    "since": {"aggregate": "days_since_last", "kinds": ["assessment_due"]},
    "first": {"aggregate": "days_to_first", "kinds": ["assessment_submitted"]},
    "trend": {"aggregate": "trend", "kinds": ["assessment_submitted"], "window_days": 30},
    "answered": {"aggregate": "rate", "kinds": ["assessment_submitted"], "per_kinds": ["assessment_due"]},
}
LOOKS = {"landmark_days": [28, 90], "horizon_days": 120}


@pytest.mark.real_data
@pytest.mark.skipif(not OULAD.exists(), reason="../shared/data/oulad is absent")
def test_every_measure_of_real_students_agrees_with_pandas() -> None:
    """Two looks at 31,437 enrolments: what one SQL scan gives is what masks and groupby give."""
    spec = spec_of(MEASURES, cohort=LOOKS)
    with open_sources(spec, OULAD) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec))
    accounts, events = (pd.read_parquet(OULAD / f"{name}.parquet") for name in ("accounts", "events"))
    events["day"] = events["occurred_at"].dt.floor("D")
    recorded = events["recorded_at"] if "recorded_at" in events else events["occurred_at"]
    events["known"] = events["occurred_at"].where(events["occurred_at"] > recorded, recorded).dt.floor("D")
    events["recorded"] = recorded
    for landmark in LOOKS["landmark_days"]:
        began = accounts.set_index("account_id")["started_at"].dt.floor("D").sort_index()
        as_of = began + pd.Timedelta(days=landmark)
        seen = events.assign(began=events["account_id"].map(began), as_of=events["account_id"].map(as_of))
        seen = seen[seen["known"] < seen["as_of"]]
        got = frame[frame["stage_day"] == landmark].set_index("account_id").sort_index()
        for name, expected in _with_pandas(seen, began.index).items():
            pd.testing.assert_series_equal(
                got[name], expected, check_names=False, check_dtype=False, rtol=1e-9, obj=name
            )


def _with_pandas(seen: pd.DataFrame, accounts: pd.Index) -> dict[str, pd.Series]:
    """Return each measure by masks and groupby, one value per account."""
    age = (seen["as_of"] - seen["day"]).dt.days
    stage, kind = seen["day"] >= seen["began"], seen["kind"]
    submitted, visited, due = (kind == name for name in ("assessment_submitted", "pre_course_visit", "assessment_due"))

    def per_account(mask: pd.Series) -> pd.core.groupby.DataFrameGroupBy:
        return seen[mask].groupby("account_id")

    def counted(mask: pd.Series) -> pd.Series:
        return per_account(mask).size().reindex(accounts, fill_value=0).astype("float64")

    answers = per_account(submitted & stage)["value"]
    total = answers.sum(min_count=1).reindex(accounts)
    newest = seen[submitted & stage & seen["value"].notna()].sort_values(["occurred_at", "recorded", "value"])
    newer, older = counted(submitted & (age <= 30)), counted(submitted & (age > 30) & (age <= 60))
    is_due = seen["as_of"] - seen["began"] >= pd.Timedelta(days=60)
    return {
        "submitted": counted(submitted & (age <= 60)),
        "total": total.where(counted(submitted & stage) > 0, 0.0),
        "score": answers.mean().reindex(accounts),
        "last": newest.groupby("account_id")["value"].last().reindex(accounts),
        "days": per_account(visited & (age <= 365))["day"].nunique().reindex(accounts, fill_value=0).astype("float64"),
        "since": age[due & stage].groupby(seen["account_id"]).min().reindex(accounts).astype("float64"),
        "first": (seen["day"] - seen["began"])
        .dt.days[submitted & stage]
        .groupby(seen["account_id"])
        .min()
        .reindex(accounts)
        .astype("float64"),
        "trend": ((newer - older) / (newer + older)).where(is_due.groupby(seen["account_id"]).any().reindex(accounts)),
        "answered": counted(submitted & stage) / counted(due & stage).where(lambda tried: tried > 0),
    }


@pytest.mark.real_data
@pytest.mark.skipif(not OULAD.exists(), reason="../shared/data/oulad is absent")
def test_spark_measures_real_students_alike() -> None:
    """The same bytes from Spark as from DuckDB, for 62,874 rows."""
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt install openjdk-17-jre-headless")
    from churnfit.history.spark import SparkEngine

    spec = spec_of(MEASURES, cohort=LOOKS)
    with open_sources(spec, OULAD) as con:
        grid = landmark_grid(con, spec)
        duck = snapshot(con, spec, grid)
        spark = snapshot(con, spec, grid, engine=SparkEngine(spec=spec, root=OULAD))
    assert snapshot_hash(duck) == snapshot_hash(spark)


@pytest.mark.real_data
@pytest.mark.skipif(not OULAD.exists(), reason="../shared/data/oulad is absent")
def test_day_tables_measure_real_enrolments_to_the_same_bytes(tmp_path: Path) -> None:
    """Counts, sums, distinct features, dates and trends of three landmark days, from both engines."""
    visits = ["assessment_submitted", "pre_course_visit"]
    spec = spec_of(
        {
            "submitted": {"aggregate": "count", "kinds": ["assessment_submitted"]},
            "score": {"aggregate": "mean", "kinds": ["assessment_submitted"]},
            "last_score": {"aggregate": "last", "kinds": ["assessment_submitted"]},
            "visits_before": {"aggregate": "sum", "kinds": ["pre_course_visit"], "window_days": 365},
            "features": {"aggregate": "distinct_features", "kinds": visits, "window_days": 60},
            "days": {"aggregate": "active_days", "kinds": visits, "window_days": 60},
            "since": {"aggregate": "days_since_last", "kinds": ["assessment_submitted"], "validity_days": 20},
            "trend": {"aggregate": "trend", "kinds": ["assessment_submitted"], "window_days": 14},
        },
        cohort={"landmark_days": [14, 28, 60], "horizon_days": 120},
    )
    days = DayTables(folder=tmp_path, spec=spec, root=OULAD)
    with open_sources(spec, OULAD) as con:
        grid = landmark_grid(con, spec)
        expected, found = snapshot(con, spec, grid), snapshot(con, spec, grid, engine=days)
    pd.testing.assert_frame_equal(expected, found, check_exact=True)
    assert snapshot_hash(expected) == snapshot_hash(found)
