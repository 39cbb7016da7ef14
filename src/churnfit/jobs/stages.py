"""stages: who is ready for the next stage, who has moved there and with what, and whom nobody scores any more.

The stage of an account is an input: churnfit proposes a move, and somebody makes it where the accounts come from. What
an account is handed over with is what the last run before its move said of it; nothing is stored a second time.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from churnfit.cta.store import RunRow
from churnfit.errors import UsageError
from churnfit.history.cohort import out_of_stage
from churnfit.history.conditions import ready_to_move
from churnfit.jobs.published import newest_runs
from churnfit.jobs.scoring import opened_for_scoring
from churnfit.jobs.workspace import Workspace
from churnfit.scoring.batch import ScoredRun, published_run, words_of
from churnfit.spec import ScorecardSpec

__all__ = ["StageReport", "stages"]

_LOOKED_BACK_DAYS = 30
_FACTS = ["account_id", "owner", "segment", "stage_day", "health", "band"]
_HANDED_OVER = [*_FACTS, "stage", "last_scored_on", "version", "ready", "reasons", "cta_id", "cta_status"]


@dataclass(frozen=True, eq=False, kw_only=True)
class StageReport:
    """Who stands where on the date of the newest run.

    `ready`: account_id, owner, segment, stage_day, health and band of those that fulfil the condition and have not
    moved, the longest in the stage first. `moved`: the same of those that runs scored and that are in another stage
    now, as their last run had it, with that `stage`, last_scored_on, version, ready (whether they fulfilled the
    condition then), reasons (in words, worst first) and their newest CTA of this stage (cta_id, cta_status; "" without
    one). `beyond`: account_id, owner and stage_day of those that are in the stage and past its last scored day, the
    latest to leave it first.
    """

    as_of: date
    next_stage: str
    ready: pd.DataFrame
    moved: pd.DataFrame
    beyond: pd.DataFrame


def stages(workspace: Workspace, card: str, *, since: date | None = None) -> StageReport:
    """Return who stands where; of those that moved, whom a run scored on `since` (30 days back) or later.

    Raises
    ------
    UsageError
        CF703 when the spec names no next stage, CF702 when nothing was published.
    """
    spec = workspace.spec(card)
    if spec.next_stage is None:
        raise UsageError(
            "CF703",
            where=f"card '{card}'",
            expected="the stage that follows, [next_stage] in its spec",
            came="none",
            fix="`churnfit init` writes a commented example.",
        )
    by_date = newest_runs(workspace, card)
    newest = by_date[max(by_date)]
    as_of = pd.Timestamp(newest.as_of, tz="UTC")
    with opened_for_scoring(workspace, spec, until=as_of) as opened:
        out = out_of_stage(opened.con, spec, as_of)
    moved = out.loc[out["moved"]].set_index("account_id")["stage"]
    found = published_run(workspace.folder / newest.folder)
    ready = found.scores["account_id"].isin(sorted(set(_fulfilled(found, spec)) - set(moved.index)))
    first = since or newest.as_of - timedelta(days=_LOOKED_BACK_DAYS)
    looked_at = [by_date[day] for day in sorted(by_date, reverse=True) if day >= first]
    return StageReport(
        as_of=newest.as_of,
        next_stage=spec.next_stage.stage,
        ready=found.scores.loc[ready, _FACTS].sort_values(["stage_day", "account_id"], ascending=[False, True]),
        moved=_handed_over(workspace, spec, moved, looked_at),
        beyond=out.loc[~out["moved"], ["account_id", "owner", "stage_day"]].sort_values(["stage_day", "account_id"]),
    )


def _handed_over(workspace: Workspace, spec: ScorecardSpec, moved: pd.Series, runs: list[RunRow]) -> pd.DataFrame:
    """Return `StageReport.moved`, of the `runs`, newest first."""
    registry = workspace.registry()
    left, parts = set(moved.index), [pd.DataFrame(columns=_HANDED_OVER)]
    for run in runs:
        found = published_run(workspace.folder / run.folder)
        here = found.scores[found.scores["account_id"].isin(sorted(left))]
        if here.empty:
            continue
        ids = here["account_id"].tolist()
        said = words_of(registry.load(registry.resolve(run.card, run.version)), found, ids)
        fulfilled = _fulfilled(found, spec)
        parts.append(
            here[_FACTS].assign(
                stage=here["account_id"].map(moved),
                last_scored_on=run.as_of,
                version=run.version,
                ready=here["account_id"].isin(fulfilled),
                reasons=pd.Series([tuple(said[name]) for name in ids], index=here.index),
            )
        )
        left -= set(ids)
    with closing(workspace.store()) as store:
        ctas = {cta.account_id: cta for cta in store.ctas(spec.name)}  # of several of an account, the newest
    table = pd.concat(parts, ignore_index=True)
    of_each = [ctas.get(name) for name in table["account_id"]]
    return table.assign(
        cta_id=["" if cta is None else cta.cta_id for cta in of_each],
        cta_status=["" if cta is None else cta.status for cta in of_each],
    )


def _fulfilled(found: ScoredRun, spec: ScorecardSpec) -> list[str]:
    """Return who was ready in a run; nobody in one that did not measure what the condition reads."""
    measured = set(spec.measures) <= set(found.snapshot.columns)
    return sorted(ready_to_move(found.snapshot, spec)) if measured else []
