"""wins: the good news of the last days, for the CSM whose accounts they are.

A win is a better band than in the last run of the same card before those days, clearly beyond the cut between them,
with what raised health most; or a step of the journey that was reached since. Accounts that are held out are left out:
congratulating them would be a call.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnfit.cta.holdout import held_out
from churnfit.cta.store import RunRow
from churnfit.jobs.published import newest_run, some_runs
from churnfit.jobs.scoring import opened_for_scoring
from churnfit.jobs.workspace import Workspace
from churnfit.lifecycle.journey import step_days
from churnfit.scorecard.bands import band_rank
from churnfit.scoring.batch import ScoredRun, published_run
from churnfit.spec import ScorecardSpec

__all__ = ["wins"]

_COLUMNS = ["owner", "account_id", "what", "why"]


def wins(workspace: Workspace, card: str, *, days: int = 7, owner: str | None = None) -> pd.DataFrame:
    """Return the wins of the `days` before the newest run: owner, account_id, what and why, in this order.

    Raises
    ------
    UsageError
        CF702 when nothing was published.
    """
    spec = workspace.spec(card)
    newest = newest_run(workspace, card)
    found = pd.concat(
        [
            pd.DataFrame(columns=_COLUMNS),
            _risen(workspace, spec, newest, days=days),
            _reached(workspace, spec, newest, days=days),
        ]
    )
    found = found.assign(owner=found["owner"].fillna(""))
    if spec.queue.holdout > 0:
        left_alone = [held_out(card, account_id, spec.queue.holdout) for account_id in found["account_id"]]
        found = found[~pd.Series(left_alone, index=found.index, dtype=bool)]
    if owner is not None:
        found = found[found["owner"] == owner]
    return found.sort_values(_COLUMNS).reset_index(drop=True)


def _risen(workspace: Workspace, spec: ScorecardSpec, newest: RunRow, *, days: int) -> pd.DataFrame:
    """Return the accounts in a better band than so many days ago, and the measure that raised health most."""
    before = [
        run
        for run in some_runs(workspace, spec.name)
        if run.card_sha256 == newest.card_sha256 and (newest.as_of - run.as_of).days >= days
    ]
    if not before:
        return pd.DataFrame(columns=_COLUMNS)
    since = max(before, key=lambda run: run.as_of)  # of several of a date, the first: a rise must not be a correction
    then, now = (_by_account(published_run(workspace.folder / run.folder)) for run in (since, newest))
    here = now.index.intersection(then.index)
    then, now = then.loc[here], now.loc[here]
    registry = workspace.registry()
    cuts = registry.load(registry.resolve(spec.name, newest.version)).bands
    bands = cuts.shown_band(then["band"].to_numpy(dtype=object), now["health"].to_numpy(), np.zeros(len(now)))
    now = now.assign(band=bands)
    risen = band_rank(bands) > band_rank(then["band"].to_numpy(dtype=object))
    points = [column for column in now.columns if column.startswith("points_")]
    gains = (now.loc[risen, points] - then.loc[risen, points]).rename(columns=lambda name: name.removeprefix("points_"))
    table = now.loc[risen].assign(
        was=then["band"],
        health_was=then["health"],
        led_by=gains.idxmax(axis=1) if not gains.empty else "",
        gain=gains.max(axis=1),
    )
    rows = [
        {
            "owner": row["owner"],
            "account_id": row["account_id"],
            "what": f"{row['band']}, {row['was']} on {since.as_of}",
            "why": f"health {row['health_was']:.0f} to {row['health']:.0f}, "
            f"most by {_label(spec, row['led_by'])} (+{row['gain']:.0f})",
        }
        for row in table.reset_index().to_dict("records")
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _by_account(run: ScoredRun) -> pd.DataFrame:
    return run.scores.set_index("account_id")


def _label(spec: ScorecardSpec, line: str) -> str:
    """Return the label of a line of the card; a pair's name says both of its measures."""
    return spec.label_of(line) if line in spec.measures else line


def _reached(workspace: Workspace, spec: ScorecardSpec, newest: RunRow, *, days: int) -> pd.DataFrame:
    """Return the steps of the journey that accounts in the stage reached in the last so many days."""
    if spec.journey is None:
        return pd.DataFrame(columns=_COLUMNS)
    as_of = pd.Timestamp(newest.as_of, tz="UTC")
    with opened_for_scoring(workspace, spec, until=as_of) as opened:
        table = step_days(opened.con, spec, spec.journey, as_of=as_of, engine=workspace.engine(spec))
    rows = [
        {
            "owner": row["owner"],
            "account_id": row["account_id"],
            "what": f"{spec.journey.label_of(step)} reached",
            "why": f"on day {row[step]:.0f}"
            + (f", due by day {of_step.due_day}" if of_step.due_day is not None else ""),
        }
        for step, of_step in spec.journey.steps.items()
        for row in table[table["here"] & (table["seen"] - table[step] < days)].to_dict("records")
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
