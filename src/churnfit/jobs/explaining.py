"""explain: why an account scored as it did, and what moved it since another run; read from what was published."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from churnfit.cta.overrides import Override, in_force, said_by
from churnfit.cta.store import RunRow
from churnfit.errors import UsageError
from churnfit.jobs.published import newest_run
from churnfit.jobs.scoring import ruled_bands
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.words import healthy_words, value_words
from churnfit.scoring.batch import ScoredRun, published_run
from churnfit.scoring.changes import SEGMENT, changes, read_by
from churnfit.tables import STATE_SUFFIX

__all__ = ["Changed", "Explanation", "explain", "explain_change"]

_FACTS = ("account_id", "segment", "stage_day", "owner", "arr", "health", "churn_probability", "band", "coverage")


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One account's score on a date and every measure's reason; health points sum to health − expected health.

    `override` is what a person, or else a rule, says the account is to be shown as on that date.
    """

    score: dict[str, Any]
    expected_health: float
    reasons: pd.DataFrame
    override: Override | None = None


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What moved one account between two runs.

    `before` and `after` are its scores, as in `Explanation`. `changes`: what `churnfit.scoring.changes.changes`
    returns for it, and in words label, value_before and value_after; a version has none of the two.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    changes: pd.DataFrame


def explain(workspace: Workspace, card: str, account_id: str, *, as_of: date | None = None) -> Explanation:
    """Return why an account scored as it did in the newest run, or in that of `as_of`.

    Raises
    ------
    UsageError
        CF702 when there is no such run, or no such account in it.
    """
    run = newest_run(workspace, card, as_of)
    found = _account_of(workspace, run, account_id)
    scored_by = _card_of(workspace, run)
    row = found.snapshot.iloc[0]
    said = found.reasons[["rank", "measure", "health_points", "probability_points"]].copy()
    lines = [scored_by.measure(name) for name in said["measure"]]
    said["label"] = [line.label for line in lines]
    said["value"] = [_value(scored_by, line.name, row) for line in lines]
    said["healthy"] = [healthy_words(scored_by, line) for line in lines]
    return Explanation(
        score=_facts(found, run),
        expected_health=scored_by.expected_health,
        reasons=said.reset_index(drop=True),
        override=_override(workspace, run, found.snapshot, account_id, known_on=as_of),
    )


def _override(
    workspace: Workspace, run: RunRow, snapshot: pd.DataFrame, account_id: str, *, known_on: date | None
) -> Override | None:
    """Return who overruled the account's band; of people only what they had said by `known_on`, where it is given."""
    with closing(workspace.store()) as store:
        said = store.overrides(run.card)
    if known_on is not None:
        said = said_by(said, known_on)
    by_people = in_force(said, run.as_of)
    return by_people.get(account_id) or ruled_bands(snapshot, workspace.spec(run.card)).get(account_id)


def explain_change(
    workspace: Workspace, card: str, account_id: str, *, since: date, as_of: date | None = None
) -> Changed:
    """Return what moved an account from the run of `since` to the newest, or to that of `as_of`.

    Raises
    ------
    UsageError
        CF702 when there is no such run, or the account is not in both; CF703 when `since` is not the earlier date.
    """
    later, earlier = newest_run(workspace, card, as_of), newest_run(workspace, card, since)
    if earlier.as_of >= later.as_of:
        raise UsageError(
            "CF703",
            where="--since",
            expected=f"a scored date before {later.as_of}",
            came=str(since),
            fix="Give an earlier one; churnfit runs lists them.",
        )
    before, after = (_account_of(workspace, run, account_id) for run in (earlier, later))
    old, new = _card_of(workspace, earlier), _card_of(workspace, later)
    moved = changes(before, after, cards=(old, new))
    then, today = before.snapshot.iloc[0], read_by(old, after.snapshot, drawn_by=new).iloc[0]
    by_data = [
        name if cause != "version" else None for name, cause in zip(moved["measure"], moved["cause"], strict=True)
    ]
    moved["label"] = [_label(old, new, name) for name in moved["measure"]]
    moved["value_before"] = [name and _value(old, name, then) for name in by_data]
    moved["value_after"] = [name and _value(old, name, today) for name in by_data]
    return Changed(before=_facts(before, earlier), after=_facts(after, later), changes=moved.drop(columns="account_id"))


def _account_of(workspace: Workspace, run: RunRow, account_id: str) -> ScoredRun:
    """Return what a run says of one account; CF702 when it says nothing."""
    found = published_run(workspace.folder / run.folder).of(account_id)
    if found.scores.empty:
        raise UsageError(
            "CF702",
            where=f"run of {run.as_of}",
            expected=f"account '{account_id}'",
            came="no such account",
            fix="Check the id; accounts outside the stage are not scored.",
        )
    return found


def _card_of(workspace: Workspace, run: RunRow) -> Scorecard:
    registry = workspace.registry()
    return registry.load(registry.resolve(run.card, run.version))


def _facts(found: ScoredRun, run: RunRow) -> dict[str, Any]:
    score = found.scores.iloc[0]
    return {**{name: score[name] for name in _FACTS}, "as_of": run.as_of.isoformat(), "version": run.version}


def _label(old: Scorecard, new: Scorecard, name: str | None) -> str:
    if name is None:
        return "Churn probability at the same health"
    labels = {line.name: line.label for card in (old, new) for line in card.measures}
    return labels.get(name, "Segment")


def _value(card: Scorecard, name: str, row: pd.Series) -> str:
    """Return in words what a row of a snapshot says of a line of the card, or of the segment."""
    if name == SEGMENT and name not in card.weights:
        return "none" if pd.isna(row[name]) else str(row[name])
    state = row.get(name + STATE_SUFFIX)
    return value_words(card.measure(name), row[name], None if state is None or pd.isna(state) else str(state))
