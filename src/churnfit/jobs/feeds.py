"""feeds: how fresh each kind of event is on a date, and the refusal to score on one that has stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnfit.errors import DataError
from churnfit.history.feeds import all_are_fresh
from churnfit.history.feeds import feeds as of_kinds
from churnfit.history.sources import open_sources
from churnfit.jobs.workspace import Workspace
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["feeds", "require_running"]


def feeds(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return `churnfit.history.feeds.feeds` of the card's sources."""
    spec = workspace.spec(card)
    with open_sources(spec, workspace.root, unreadable_as_gaps=True) as con:
        return of_kinds(con, spec, as_of)


def require_running(con: DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> None:
    """Return when no kind of event in the opened sources has stopped.

    Raises
    ------
    DataError
        CF314 when one has, while others may have gone on.
    """
    if all_are_fresh(con, spec, as_of):
        return
    kinds = of_kinds(con, spec, as_of)
    stopped = kinds[kinds["stopped"]]
    if stopped.empty:
        return
    raise DataError(
        "CF314",
        where=f"card '{spec.name}' on {as_of:%Y-%m-%d}",
        expected="every kind of event to go on, or to pause at most twice as long as it ever did in a year",
        came="; ".join(
            f"'{row.kind}' silent for {row.age_days:.0f} days, at most {row.longest_pause_days:.0f} before"
            for row in stopped.itertuples()
        ),
        fix="Bring the source up to date, or name the kind in cohort.may_stop; `churnfit feeds` says what reads it.",
    )
