"""An export that lost accounts: who was scored last and is nowhere now would have their calls closed for no reason."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING

import pandas as pd

from churnfit.errors import DataError, count_and_examples
from churnfit.files import read_parquet
from churnfit.jobs.workspace import Workspace
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["known_accounts", "require_nobody_vanished"]


def known_accounts(con: DuckDBPyConnection, spec: ScorecardSpec, *, set_aside: Collection[str]) -> frozenset[str]:
    """Return every account of the opened sources, whatever its stage, and those `set_aside` from them.

    Of a wide table nobody: its accounts come and go.
    """
    if spec.sources.measures is not None:
        return frozenset()
    return frozenset(str(row[0]) for row in con.execute("SELECT account_id FROM accounts").fetchall()).union(set_aside)


def require_nobody_vanished(
    workspace: Workspace, spec: ScorecardSpec, as_of: pd.Timestamp, *, known: frozenset[str]
) -> None:
    """Return when the `known` accounts, where there are any, have those that the newest run up to `as_of` scored.

    Up to ``sources.max_faulty_share`` of them may be gone, as accounts are merged and test accounts deleted.

    Raises
    ------
    DataError
        CF315 when more are gone.
    """
    with closing(workspace.store()) as store:
        runs = [run for run in store.runs(spec.name) if run.as_of <= as_of.date()]
    if not runs or not known:
        return
    newest = max(runs, key=lambda run: run.as_of)
    published = workspace.folder / newest.folder / "scores.parquet"
    if not published.is_file():
        return  # `churnfit reproduce` says so; a night need not fail for it
    scored = read_parquet(published)["account_id"].tolist()
    gone = sorted(set(scored) - known)
    if len(gone) > max(1, spec.sources.max_faulty_share * len(scored)):
        raise DataError(
            "CF315",
            where="sources.accounts",
            expected=f"the accounts that the run of {newest.as_of} scored; at most "
            f"{spec.sources.max_faulty_share:.2%} of them may be gone (sources.max_faulty_share)",
            came=f"{count_and_examples(gone)} of {len(scored):,} gone",
            fix="Export all accounts, churned ones too; if they were deleted, raise the share for one night.",
        )
