"""The sources of a card, opened with what churnfit itself has done about the accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

from churnfit.history.sources import open_sources
from churnfit.jobs.workspace import Workspace
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["opened_history"]

_WITHIN_THE_DAY = pd.Timedelta(hours=12)  # scores are of midnight, calls of the day that follows


@contextmanager
def opened_history(workspace: Workspace, spec: ScorecardSpec) -> Iterator[DuckDBPyConnection]:
    """Yield the spec's sources, with the workspace's own calls to action among the interventions.

    Whoever was on a CSM's list may have been called, so such accounts stand for nobody who was not.
    """
    with open_sources(spec, workspace.root) as con:
        calls = workspace.calls()
        if calls:
            given = pd.DataFrame(calls, columns=["account_id", "at", "playbook"])
            given["at"] = pd.to_datetime(given["at"], utc=True) + _WITHIN_THE_DAY
            con.register("own_calls", given.astype({"account_id": "str", "playbook": "str"}))
            con.execute("INSERT INTO interventions BY NAME SELECT * FROM own_calls").fetchall()
            con.unregister("own_calls")
        yield con
