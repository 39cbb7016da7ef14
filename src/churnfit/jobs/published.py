"""The published scoring runs of a card: those that are asked for, or an error that says there are none."""

from __future__ import annotations

from contextlib import closing
from datetime import date

from churnfit.cta.store import RunRow
from churnfit.errors import UsageError
from churnfit.jobs.workspace import Workspace

__all__ = ["newest_run", "newest_runs", "some_runs"]


def newest_run(workspace: Workspace, card: str, as_of: date | None = None) -> RunRow:
    """Return the newest run: of that date, or of the newest date.

    Raises
    ------
    UsageError
        CF702 when there is none.
    """
    with closing(workspace.store()) as store:
        run = store.latest_run(card, as_of)
    if run is None:
        raise _none(card, "a scoring run" + (f" of {as_of}" if as_of else ""))
    return run


def some_runs(workspace: Workspace, card: str, *, since: date | None = None) -> list[RunRow]:
    """Return the card's runs, of a date or later where one is given, in the order they were published.

    Raises
    ------
    UsageError
        CF702 when there is none.
    """
    with closing(workspace.store()) as store:
        runs = [run for run in store.runs(card) if since is None or run.as_of >= since]
    if not runs:
        raise _none(card, "a scoring run" + (f" since {since}" if since else ""))
    return runs


def newest_runs(workspace: Workspace, card: str) -> dict[date, RunRow]:
    """Return by date the run that was published last for it.

    Raises
    ------
    UsageError
        CF702 when there is none.
    """
    return {run.as_of: run for run in some_runs(workspace, card)}


def _none(card: str, expected: str) -> UsageError:
    return UsageError(
        "CF702",
        where=f"card '{card}'",
        expected=expected,
        came="none",
        fix="churnfit score makes one; churnfit runs lists them.",
    )
