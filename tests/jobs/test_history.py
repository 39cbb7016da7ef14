"""The training cohort ends where the sources do."""

from __future__ import annotations

import pandas as pd

from churnfit.jobs.history import label_ledger
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace


def test_a_later_day_does_not_mature_labels_that_nobody_observed(demo_workspace: Workspace) -> None:
    """The history ends on 29 June; looked at half a year later, the open accounts still count as open."""
    _, then = label_ledger(demo_workspace, "onboarding", as_of=DEMO_DAY)
    _, later = label_ledger(demo_workspace, "onboarding", as_of=DEMO_DAY + pd.Timedelta(days=180))
    pd.testing.assert_frame_equal(then, later)
    assert then["immature"].sum() > 0
