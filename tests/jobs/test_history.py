"""The training cohort ends where the sources do."""

from __future__ import annotations

import sqlite3
from contextlib import closing

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


def test_accounts_on_a_list_of_calls_stand_for_nobody_who_was_not(workspace: Workspace) -> None:
    """A call to action within the horizon makes a row treated, as an intervention of the sources does."""
    before, _ = label_ledger(workspace, "onboarding", as_of=DEMO_DAY)
    database = workspace.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE ctas SET opened_on = '2026-02-20'")
        called = {row[0] for row in connection.execute("SELECT account_id FROM ctas")}
    after, _ = label_ledger(workspace, "onboarding", as_of=DEMO_DAY)
    turned = after[(before["status"] == "matured") & (after["status"] == "treated")]
    day = pd.Timestamp("2026-02-20", tz="UTC")
    assert len(turned) > 0
    assert set(turned["account_id"]) <= called
    assert turned["as_of"].between(day - pd.Timedelta(days=90), day).all()
    assert turned["reason"].str.endswith("on 2026-02-20").all()
    others = ~after["account_id"].isin(called)
    pd.testing.assert_frame_equal(before[others], after[others])
