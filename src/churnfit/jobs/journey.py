"""journey: how long the steps of the stage take, and who is late on a day."""

from __future__ import annotations

import pandas as pd

from churnfit.errors import UsageError
from churnfit.history.checks import check_sources, require_clean
from churnfit.history.sources import open_sources
from churnfit.jobs.history import now
from churnfit.jobs.workspace import Workspace
from churnfit.lifecycle.journey import JourneyReport, journey_report, step_days

__all__ = ["journey"]


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
    with open_sources(spec, workspace.root) as con:
        require_clean(check_sources(con, spec, observed_to=max(as_of, now())))
        days = step_days(con, spec, spec.journey, as_of=as_of, engine=workspace.engine(spec))
    return journey_report(days, spec.journey, as_of=as_of.date())
