"""Who is late on the demo's journey, and the calls to action that makes."""

from __future__ import annotations

import pandas as pd
from tests.conftest import CARD

from churnfit.jobs.journey import alerts, journey
from churnfit.jobs.workspace import Workspace

DAY = pd.Timestamp("2026-06-30", tz="UTC")


def test_who_overstays_calls_for_action_and_nobody_else(demo_workspace: Workspace) -> None:
    """One alert per overstaying account, with day, limit and playbook; steps without a playbook make none."""
    spec = demo_workspace.spec(CARD)
    report = journey(demo_workspace, CARD, as_of=DAY)
    found = alerts(demo_workspace, spec, as_of=DAY)
    assert set(found) == {late.account_id for late in report.overstaying} != set()
    first = report.overstaying[0]
    [alert] = found[first.account_id]
    assert (alert.trigger, alert.playbook) == ("overstay", "go_live_plan")
    assert alert.reason == (
        f"Go-live: not yet on day {first.stage_day}; by day {first.limit_day:.0f} 90% of its peers are past it"
    )


def test_every_late_step_with_a_playbook_calls_for_action(demo_workspace: Workspace) -> None:
    """The overstaying alert comes first, then the latest step."""
    spec = demo_workspace.spec(CARD)
    assert spec.journey is not None
    steps = {name: step.model_copy(update={"playbook": "success_call"}) for name, step in spec.journey.steps.items()}
    asking = spec.model_copy(update={"journey": spec.journey.model_copy(update={"steps": steps})})
    found = alerts(demo_workspace, asking, as_of=DAY)
    report = journey(demo_workspace, CARD, as_of=DAY)
    assert set(found) == {late.account_id for late in (*report.overstaying, *report.overdue)}
    both = found[report.overstaying[0].account_id]
    assert [alert.trigger for alert in both][:2] == ["overstay", "milestone_late"]
    silent = asking.model_copy(update={"journey": None})
    assert alerts(demo_workspace, silent, as_of=DAY) == {}
