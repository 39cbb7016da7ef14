"""Steady bands: a learned card replayed over the weeks of accounts it was learned from, and its bands held steady."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from churnfit.history.cohort import weekly_grid
from churnfit.history.snapshot import snapshot
from churnfit.history.sources import open_sources
from churnfit.jobs.workspace import Workspace
from churnfit.learning.steadiness import FlipCurve, flip_curve
from churnfit.scorecard.band_words import steadiness_words
from churnfit.scorecard.card import Scorecard
from churnfit.spec import ScorecardSpec

__all__ = ["steadied"]

_ACCOUNTS = 300  # replayed: some hundred flips, enough to tell policies apart, in a few seconds
_DAYS_APART = 7


def steadied(
    workspace: Workspace, spec: ScorecardSpec, card: Scorecard, learning: pd.DataFrame
) -> tuple[Scorecard, FlipCurve | None]:
    """Return the card with steady bands, and what every policy did on the replay it was chosen on.

    Replayed are accounts of the rows `learning`, on every seventh day of their stage up to the newest of these rows.
    A wide table has no weeks: its card stays as it is, and there is no curve.
    """
    weeks = _weeks(workspace, spec, learning)
    if weeks.empty or not card.measures:
        return card, None
    health = weeks.assign(
        health=card.health(weeks), run=(weeks["stage_day"] - spec.cohort.stage_days[0]) // _DAYS_APART
    ).pivot(index="account_id", columns="run", values="health")
    every_run = np.arange(int(health.columns.max()) + 1)
    curve = flip_curve(card.bands, health.reindex(columns=every_run).to_numpy(np.float64), days_apart=_DAYS_APART)
    if curve.chosen is None:
        return card, curve
    remarks = (*card.remarks, steadiness_words(curve.chosen))
    return replace(card, bands=replace(card.bands, steadiness=curve.chosen), remarks=remarks), curve


def _weeks(workspace: Workspace, spec: ScorecardSpec, learning: pd.DataFrame) -> pd.DataFrame:
    """Return the measures of some accounts of `learning`, picked by a hash of their id, week by week."""
    picked = sorted(learning["account_id"].unique(), key=lambda name: hashlib.sha256(str(name).encode()).digest())
    with open_sources(spec, workspace.root) as con:
        grid = weekly_grid(con, spec, until=learning["as_of"].max())
        grid = grid[grid["account_id"].isin(picked[:_ACCOUNTS])].reset_index(drop=True)
        return grid if grid.empty else snapshot(con, spec, grid, engine=workspace.engine(spec))
