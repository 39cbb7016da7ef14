"""perception: who says one thing and does another in a published run, and the calls to action that makes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from churnfit.cta.rules import Alert
from churnfit.errors import UsageError
from churnfit.jobs.published import newest_run
from churnfit.jobs.workspace import Workspace
from churnfit.lifecycle.perception import perceptions
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.words import number_words
from churnfit.scoring.batch import ScoredRun, published_run
from churnfit.spec import Perception, ScorecardSpec

__all__ = ["MISMATCH", "mismatch_alerts", "perception"]

MISMATCH = "perception_mismatch"


def perception(workspace: Workspace, card: str, *, as_of: date | None = None) -> pd.DataFrame:
    """Return what `churnfit.lifecycle.perception.perceptions` says of the newest run, or of that of `as_of`.

    Raises
    ------
    UsageError
        CF703 when the spec names no survey, CF702 when there is no such run, or it did not measure the survey.
    """
    spec = workspace.spec(card)
    if spec.perception is None:
        raise UsageError(
            "CF703",
            where=f"card '{card}'",
            expected="the survey that says how content accounts are, [perception] in its spec",
            came="none",
            fix="`churnfit init` writes a commented example.",
        )
    run = newest_run(workspace, card, as_of)
    registry = workspace.registry()
    scored_by = registry.load(registry.resolve(card, run.version))
    found = published_run(workspace.folder / run.folder)
    if spec.perception.measure not in found.snapshot:
        raise UsageError(
            "CF702",
            where=f"run of {run.as_of}",
            expected=f"one that measured '{spec.perception.measure}'",
            came="one from before the spec named it",
            fix="churnfit score makes the next.",
        )
    return perceptions(scored_by, found.scores, found.snapshot, perception=spec.perception)


def mismatch_alerts(card: Scorecard, run: ScoredRun, spec: ScorecardSpec) -> Mapping[str, tuple[Alert, ...]]:
    """Return what calls for action in a run because an account says one thing and does another.

    Empty where the spec's survey has no playbook.
    """
    asked = spec.perception
    if asked is None or asked.playbook is None:
        return {}
    found = perceptions(card, run.scores, run.snapshot, perception=asked)
    rows: list[Any] = found[found["mismatch"]].to_dict("records")
    return {
        row["account_id"]: (Alert(trigger=MISMATCH, reason=_words(row, asked, spec), playbook=asked.playbook),)
        for row in rows
    }


def _words(row: dict[str, Any], asked: Perception, spec: ScorecardSpec) -> str:
    limit = (
        f"content from {number_words(asked.content_from)}"
        if row["says"] == "content"
        else f"discontent up to {number_words(asked.discontent_to)}"
    )
    return (
        f"{spec.label_of(asked.measure)}: says {number_words(row['answer'])} ({limit}), "
        f"but what it does is {row['does']}: health {row['health_without_answer']:.0f} without the answer"
    )
