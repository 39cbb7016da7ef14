"""The training cohort ends where the sources do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.jobs.small_workspace import AS_OF, SPEC, accounts, events, make

from churnfit.jobs.history import label_ledger, training_set, write_profile
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace, find_workspace


def test_a_later_day_does_not_mature_labels_that_nobody_observed(demo_workspace: Workspace) -> None:
    """The history ends on 29 June; looked at half a year later, the open accounts still count as open."""
    _, then = label_ledger(demo_workspace, "onboarding", as_of=DEMO_DAY)
    _, later = label_ledger(demo_workspace, "onboarding", as_of=DEMO_DAY + pd.Timedelta(days=180))
    pd.testing.assert_frame_equal(then, later)
    assert then["immature"].sum() > 0


def test_a_measure_may_be_called_like_a_column_of_the_labels(tmp_path: Path) -> None:
    """`status` and `reason` are what people call columns; training rows and the profile hold the measure's values."""
    spec = SPEC.replace("[measures.logins]", "[measures.status]").replace("[measures.seats]", "[measures.reason]")
    workspace = find_workspace(make(tmp_path, spec=spec, accounts=accounts(), events=events()))
    as_of = pd.Timestamp(AS_OF, tz="UTC")
    assert set(training_set(workspace, "small", as_of=as_of).rows["status"]) == {0.0, 1.0}
    write_profile(workspace, "small", tmp_path / "profile.html", as_of=as_of)
    assert "status" in (tmp_path / "profile.html").read_text(encoding="utf-8")
