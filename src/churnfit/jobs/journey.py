"""journey: how long the steps of the stage take, who is late on a day, and the alerts that makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from churnfit.cta.rules import Alert
from churnfit.errors import UsageError
from churnfit.history.checks import check_sources, require_clean
from churnfit.history.quarantine import leave_out
from churnfit.history.sources import open_sources
from churnfit.jobs.history import now
from churnfit.jobs.workspace import Workspace
from churnfit.lifecycle.journey import (
    JourneyReport,
    journey_report,
    overdue,
    overstay_limits,
    overstaying,
    step_days,
)
from churnfit.spec import ScorecardSpec

__all__ = ["alerts", "journey"]

OVERSTAY, MILESTONE_LATE = "overstay", "milestone_late"


def journey(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> JourneyReport:
    """Return the times of the stage's steps by segment, and who is late on `as_of`.

    Raises
    ------
    UsageError
        CF703 when the spec describes no journey.
    DataError
        The first error of the sources' checks.
    """
    spec = workspace.spec(card)
    if spec.journey is None:
        raise UsageError(
            "CF703",
            where=f"card '{card}'",
            expected="the steps of its stage, [journey.steps] in its spec",
            came="none",
            fix="`churnfit init` writes a commented example.",
        )
    with open_sources(spec, workspace.root, summary=workspace.summary(spec)) as con:
        require_clean(check_sources(con, spec, observed_to=max(as_of, now())))
        days = step_days(con, spec, spec.journey, as_of=as_of, engine=workspace.engine(spec))
    return journey_report(days, spec.journey, as_of=as_of.date())


def alerts(
    workspace: Workspace, spec: ScorecardSpec, *, as_of: pd.Timestamp, without: Collection[str] = ()
) -> Mapping[str, tuple[Alert, ...]]:
    """Return what calls for action on `as_of` because an account is late; overstaying first, then the latest step.

    Accounts in `without`, which are set aside, are nobody's peers either. Empty where the journey has no playbook.
    """
    if spec.journey is None or not spec.journey.alerts:
        return {}
    with open_sources(spec, workspace.root, unreadable_as_gaps=True) as con:
        leave_out(con, without)
        days = step_days(con, spec, spec.journey, as_of=as_of, engine=workspace.engine(spec))
    found: dict[str, list[Alert]] = {}
    if spec.journey.playbook is not None:
        for late in overstaying(days, spec.journey, overstay_limits(days, spec.journey)):
            reason = (
                f"{late.label}: not yet on day {late.stage_day}; by day {late.limit_day:.0f} "
                f"{spec.journey.overstay:.0%} of its peers are past it"
            )
            alert = Alert(trigger=OVERSTAY, reason=reason, playbook=spec.journey.playbook)
            found.setdefault(late.account_id, []).append(alert)
    for late in overdue(days, spec.journey):
        playbook = spec.journey.steps[late.step].playbook
        if playbook is not None:
            reason = f"{late.label}: {late.days_late:.0f} days late, due by day {late.limit_day:.0f}"
            alert = Alert(trigger=MILESTONE_LATE, reason=reason, playbook=playbook)
            found.setdefault(late.account_id, []).append(alert)
    return {account_id: tuple(some) for account_id, some in found.items()}
