"""Health some days ago: what a significant drop is measured from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import pandas as pd

from churnfit.files import read_parquet
from churnfit.jobs.workspace import Workspace
from churnfit.spec import ScorecardSpec

__all__ = ["health_before"]


def health_before(
    workspace: Workspace, spec: ScorecardSpec, *, as_of: pd.Timestamp, card_sha256: str
) -> Mapping[str, float]:
    """Return each account's health (0–100) in the oldest run of the last ``queue.drop_days`` days before `as_of`.

    A run whose files are gone is passed over: `churnfit reproduce` says so, a night need not fail for it.

    Empty where the spec asks for no drops, or there is no such run of the same card: what another version says is no
    drop.
    """
    if spec.queue.drop_points is None:
        return {}
    since = (as_of - pd.Timedelta(days=spec.queue.drop_days)).date()
    with closing(workspace.store()) as store:
        runs = [run for run in store.runs(spec.name) if since <= run.as_of < as_of.date()]
    alike = sorted((run for run in reversed(runs) if run.card_sha256 == card_sha256), key=lambda run: run.as_of)
    published = (workspace.folder / run.folder / "scores.parquet" for run in alike)
    oldest = next((path for path in published if path.is_file()), None)
    if oldest is None:
        return {}
    scores = read_parquet(oldest)
    return dict(zip(scores["account_id"], scores["health"], strict=True))
