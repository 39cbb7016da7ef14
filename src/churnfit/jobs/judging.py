"""Cards and their rivals on the same rows: what `fit` and `backtest` judge, and the reports that were logged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.results import Backtest
from churnfit.evaluation.rolling import Learn, rolling_backtest
from churnfit.files import by_ending, refuse_existing, write_text
from churnfit.jobs.workspace import Workspace
from churnfit.learning.baseline import hand_made_health, hand_made_probability
from churnfit.learning.boosting import row_weight
from churnfit.learning.challenger import ChallengerFit, fit_challenger
from churnfit.learning.fitting import learn_card, measure_columns, tells_segments
from churnfit.scorecard.card import Scorecard
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from churnfit.jobs.history import Say

__all__ = ["MODEL_CARDS", "REPORTS", "challenged", "judged_rows", "logged_report", "roll", "write_report"]

REPORTS = {".html": "report.html", ".md": "report.md", ".txt": "report.txt", ".json": "report.json"}
"""The renderings of a report, as `fit` logs them with the run, by the ending of a file they can be written to."""

MODEL_CARDS = {".html": "model_card.html", ".md": "model_card.md"}
"""Those of a model card."""


def judged_rows(learning: pd.DataFrame, judging: pd.DataFrame, card: Scorecard, *, spec: ScorecardSpec) -> pd.DataFrame:
    """Return the judged rows with the card's health, band, coverage and p_card, and p_hand_made where there is one."""
    judged = judging[["account_id", "as_of", "segment", "churned", "weight", "arr"]].reset_index(drop=True)
    health = card.health(judging)
    judged["health"] = health
    judged["band"] = card.bands.band(health)
    judged["coverage"] = card.coverage(judging)
    judged["p_card"] = card.probability_of(health, judging["segment"])
    if spec.baseline:
        judged["p_hand_made"] = _hand_made(learning, judging, spec)
    return judged


def challenged(learning: pd.DataFrame, spec: ScorecardSpec, journal: Path) -> ChallengerFit:
    """Return the challenger, tuned on the rows that the card was learned from; its study is kept in `journal`."""
    columns = measure_columns(learning, spec)
    if tells_segments(learning):
        columns.append("segment")
    return fit_challenger(
        learning[columns],
        learning["churned"],
        learning["account_id"],
        spec=spec.challenger,
        random_state=spec.learning.random_state,
        journal=journal,
        weight=row_weight(learning),
    )


def roll(rows: pd.DataFrame, spec: ScorecardSpec, *, origins: int, say: Say) -> Backtest:
    """Return the rolling backtest of the learner and of the hand-made card."""

    def learn(training: pd.DataFrame, judging: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
        say(f"Learning from {len(training):,} snapshots, judging {len(judging):,}")
        found = {"card": learn_card(training, spec).churn_probability(judging)}
        if spec.baseline:
            found["hand_made"] = _hand_made(training, judging, spec)
        return found

    checked: Learn = learn
    return rolling_backtest(rows, spec=spec, learn=checked, origins=origins)


def logged_report(workspace: Workspace, card: str, reference: str, *, name: str = "report.txt") -> str:
    """Return one rendering of the report of a version, as it was logged with its run.

    Raises
    ------
    UsageError
        CF602 when there is no such version.
    """
    registry = workspace.registry()
    return registry.text(registry.resolve(card, reference), name)


def write_report(
    workspace: Workspace, card: str, reference: str, path: Path, *, renderings: Mapping[str, str] = REPORTS
) -> None:
    """Write the report of a version to `path`, by its ending one of `renderings`.

    Raises
    ------
    UsageError
        CF703 for another ending, CF506 when the file is there already, CF602 when there is no such version.
    """
    name = by_ending(path, renderings)
    refuse_existing(path)
    write_text(logged_report(workspace, card, reference, name=name), path)


def _hand_made(learning: pd.DataFrame, judging: pd.DataFrame, spec: ScorecardSpec) -> NDArray[np.float64]:
    health = hand_made_health(learning, spec.baseline)
    asked = hand_made_health(judging, spec.baseline)
    return hand_made_probability(health, learning["churned"], asked, weight=learning["weight"])
