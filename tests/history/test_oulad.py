"""The whole way on real data: 31,437 enrolments of the Open University, 569,663 events."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.history.tiny_world import spec_of

from churnfit.history.checks import check_sources, require_clean
from churnfit.history.cohort import landmark_grid
from churnfit.history.days.engine import DayTables
from churnfit.history.labels import labels, ledger
from churnfit.history.leaks import suspects
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
