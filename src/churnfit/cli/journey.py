"""journey: how long the steps of the stage take, and who is late."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from churnfit.cli.app import AsJson, AsOf, CardOption, app, day, opened
from churnfit.cli.output import print_document, print_lines, print_table

if TYPE_CHECKING:
    from churnfit.lifecycle.journey import JourneyReport, Late

__all__ = ["journey"]

_SHOWN = 20  # of each list of late accounts; --json has all


@app.command()
def journey(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print how long the steps of the stage take by segment, which holds accounts up, and who is late or overstays."""
    from churnfit.evaluation.prose import json_safe
    from churnfit.jobs.journey import journey as report

    workspace, name = opened(card)
    found = report(workspace, name, as_of=day(as_of))
    if as_json:
        print_document(card=name, **json_safe(found))
        return
    header = ("segment", "step", "accounts", "reached", "half by day", "due", "not by then", "wait")
    print_table(header, _times(found), title=f"{name}: the journey on {found.as_of}")
    print_lines("Days as if nobody churned first (Kaplan–Meier), in brackets 90 % intervals; * the longest wait.", "")
    _print_late("Overstaying", found.overstaying)
    _print_late("Past a due day", found.overdue)


def _times(found: JourneyReport) -> list[tuple[str, ...]]:
    return [
        (
            time.segment,
            time.label,
            f"{time.accounts:,}",
            f"{time.reached:,}",
            f"{_day(time.median)} ({_day(time.low)} to {_day(time.high)})",
            "" if time.due_day is None else str(time.due_day),
            "" if time.late is None else f"{time.late:.0%}",
            _day(time.wait) + (" *" if time.slowest else ""),
        )
        for time in found.times
    ]


def _day(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "never"


def _print_late(title: str, late: tuple[Late, ...]) -> None:
    if not late:
        print_lines(f"{title}: nobody.")
        return
    rows = [
        (one.account_id, one.owner, one.segment, one.label, f"{one.limit_day:.0f}", f"{one.days_late:.0f}")
        for one in late[:_SHOWN]
    ]
    more = f", the first {_SHOWN} of {len(late):,}" if len(late) > _SHOWN else ""
    print_table(("account", "owner", "segment", "step", "by day", "days late"), rows, title=f"{title}{more}")
