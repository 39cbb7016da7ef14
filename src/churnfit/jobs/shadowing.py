"""shadow: a candidate beside the champion on the nights that were published, and on what came of them.

Every night's snapshot is kept as it was known then, so a candidate need not have existed to be compared: both cards
score the kept snapshots, and where labels have matured since, both are judged on the same rows. Nothing is written and
no call to action opens. A candidate that was learned from these very accounts looks better here than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.intervals import Interval, Key, bootstrap
from churnfit.evaluation.metrics import every_metric
from churnfit.evaluation.rolling import too_few
from churnfit.files import read_parquet
from churnfit.jobs.history import Say, labelled
from churnfit.jobs.published import some_runs
from churnfit.jobs.replaying import Night, Replay, replay_on
from churnfit.jobs.workspace import Workspace
from churnfit.registry import Version
from churnfit.registry.ledger import moves_in
from churnfit.scorecard.card import Scorecard
from churnfit.spec import ScorecardSpec

__all__ = ["Judged", "Shadow", "shadow"]

_COMPARED = ("auc", "log_loss")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What has matured of the nights: rows, churned accounts, candidate minus champion (None: see `reason`).

    A higher AUC is better, a lower log-loss is better; 90 % intervals from resamples of whole accounts.
    """

    rows: int
    churned_accounts: int
    differences: Mapping[str, Interval] | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """A candidate beside the champion: the replay of the published nights, and what matured of them."""

    candidate: Version
    champion: Version
    replay: Replay
    judged: Judged


def shadow(
    workspace: Workspace,
    card: str,
    reference: str = "latest",
    *,
    since: date | None = None,
    as_of: pd.Timestamp,
    say: Say = lambda _: None,
) -> Shadow:
    """Return what `reference` would have said and asked on every published night, beside the champion of today.

    Parameters
    ----------
    since : date, optional
        The first night; all by default.
    as_of : pandas.Timestamp
        Labels are those that have matured by then.

    Raises
    ------
    UsageError
        CF702 when no night was published, CF602 when there is no champion or no such version.
    """
    spec = workspace.spec(card)
    registry = workspace.registry()
    version, champion_version = registry.resolve(card, reference), registry.resolve(card, "champion")
    candidate, champion = registry.load(version), registry.load(champion_version)
    nights = _published(workspace, card, since)
    played = replay_on(workspace, spec, champion, candidate, nights, say=say)
    say("Judging what has matured")
    judged = _judged(workspace, spec, champion, candidate, nights, as_of=as_of)
    return Shadow(candidate=version, champion=champion_version, replay=played, judged=judged)


def _published(workspace: Workspace, card: str, since: date | None) -> list[Night]:
    """Return every published date, oldest first, as the version of that night measured it; of a date the newest run."""
    runs = {pd.Timestamp(run.as_of, tz="UTC"): run for run in some_runs(workspace, card, since=since)}
    moves = moves_in(workspace.ledger().rows(card))
    learned = {row.card_sha256: dict(Scorecard.from_json(row.card_json).definitions) for row in moves}
    return [
        Night(
            day,
            read_parquet(workspace.folder / runs[day].folder / "snapshot.parquet"),
            learned.get(runs[day].card_sha256, {}),
        )
        for day in sorted(runs)
    ]


def _judged(
    workspace: Workspace,
    spec: ScorecardSpec,
    champion: Scorecard,
    candidate: Scorecard,
    nights: Sequence[Night],
    *,
    as_of: pd.Timestamp,
) -> Judged:
    comparable = [
        night.measured
        for night in nights
        if not any(one.unread(night.measured.columns, night.definitions) for one in (candidate, champion))
    ]
    if not comparable:
        return Judged(rows=0, churned_accounts=0, differences=None, reason="no night has what both cards read")
    rows = pd.concat(comparable, ignore_index=True)
    known = labelled(workspace, spec, rows[["account_id", "as_of"]], as_of=as_of)
    known = known.loc[known["status"] == "matured", ["account_id", "as_of", "churned", "weight"]]
    rows = rows.merge(known, on=["account_id", "as_of"], validate="1:1")
    churned_accounts = int(rows.loc[rows["churned"] == 1, "account_id"].nunique())
    reason = too_few(rows)
    if reason:
        return Judged(rows=len(rows), churned_accounts=churned_accounts, differences=None, reason=reason)
    churned = rows["churned"].to_numpy(dtype=np.float64)
    said = {name: card.churn_probability(rows) for name, card in (("candidate", candidate), ("champion", champion))}

    def statistics(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        found = {name: every_metric(churned, probability, weights) for name, probability in said.items()}
        return {(metric,): found["candidate"][metric] - found["champion"][metric] for metric in _COMPARED}

    found = bootstrap(
        statistics,
        rows["account_id"],
        n=spec.evaluation.bootstrap,
        random_state=spec.learning.random_state,
        row_weight=rows["weight"].to_numpy(dtype=np.float64),
    )
    differences = {metric: found[(metric,)] for metric in _COMPARED}
    return Judged(rows=len(rows), churned_accounts=churned_accounts, differences=differences)
