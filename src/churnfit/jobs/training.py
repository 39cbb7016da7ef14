"""fit and backtest: from a card's history to a registered candidate with its report and verdict."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnfit import __version__
from churnfit.errors import DataError
from churnfit.evaluation.backtest import Split, split
from churnfit.evaluation.figures import (
    calibration_figure,
    flips_figure,
    health_figure,
    lift_figure,
    origins_figure,
    profit_figure,
)
from churnfit.evaluation.gates import Verdict, Weeks, judge
from churnfit.evaluation.interactions import missed_interactions
from churnfit.evaluation.model_card import model_card_html, model_card_markdown
from churnfit.evaluation.report import EvaluationReport, TrainingContext, evaluate
from churnfit.evaluation.results import Backtest
from churnfit.history.labels import ledger
from churnfit.jobs.history import Say, TrainingSet, training_set
from churnfit.jobs.judging import challenged, judged_rows, roll
from churnfit.jobs.replaying import newest_day, replay_weeks
from churnfit.jobs.steadying import steadied
from churnfit.jobs.waiting import with_the_date
from churnfit.jobs.workspace import Workspace
from churnfit.learning.challenger import ChallengerFit
from churnfit.learning.fitting import learn_card
from churnfit.registry import RunRecord, Version
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.plot import points_figure
from churnfit.scorecard.render import to_markdown
from churnfit.scorecard.shap import summary_figure
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from churnfit.learning.steadiness import FlipCurve

__all__ = ["FitResult", "backtest", "fit"]

_PAIRS_ASKED = 3  # what a card without pairs is told it would gain: more tables than that nobody reads


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What one fit made."""

    version: Version
    card: Scorecard
    report: EvaluationReport
    verdict: Verdict


def fit(workspace: Workspace, card: str, *, as_of: pd.Timestamp, say: Say) -> FitResult:
    """Learn, judge and register a candidate; a card that fails its gates is registered as refused.

    Raises
    ------
    DataError
        When the data breaks a contract, leaks, or is too little to learn from; nothing is registered.
    """
    spec = workspace.spec(card)
    training = training_set(workspace, card, as_of=as_of, say=say)
    found = split(training.rows, spec)
    learning, judging = training.rows.iloc[found.train_rows], training.rows.iloc[found.judge_rows]
    learned, flips = _learned(workspace, spec, learning, training, say)
    pairs_asked: tuple[str, ...] = ()
    registry = workspace.registry()
    judged = judged_rows(learning, judging, learned, spec=spec)
    version = registry.champion(card)
    champion = registry.load(version) if version else None
    lacking = champion.unread(judging.columns, spec.definitions) if champion else []
    if champion is not None and not lacking:
        judged["p_champion"] = champion.churn_probability(judging)
    if not spec.learning.pairs:
        say("Asking what named pairs would gain")
        paired = learn_card(learning, spec, pairs=_PAIRS_ASKED, certify=0)
        if paired.pairs:
            judged["p_paired"] = paired.churn_probability(judging)
            pairs_asked = tuple(pair.name for pair in paired.pairs)
    figures = {}
    challenger, interactions = None, None
    if spec.challenger.trials:
        say(f"Tuning the LightGBM challenger, {spec.challenger.trials} trials")
        challenger = challenged(learning, spec, workspace.folder / "studies" / f"{card}.journal")
        design = judging[list(challenger.columns)]
        judged["p_challenger"] = challenger.predict(design)
        figures["challenger_shap"] = summary_figure(challenger.contributions(design), design)
        say("Looking for interactions the card misses")
        interactions = missed_interactions(challenger, learning, judging, spec=spec)
    rolled = None
    if spec.evaluation.origins > 1:
        rolled = roll(training.rows, spec, origins=spec.evaluation.origins, say=say)
        figures["origins"] = origins_figure(rolled)
    say("Judging it on newer accounts" if found.method == "out_of_time" else "Judging it on held-out accounts")
    report = evaluate(
        judged,
        spec=spec,
        context=_context(learning, judging, training, found),
        interactions=interactions,
        backtest=rolled,
        pairs_asked=pairs_asked,
        flips=flips,
    )
    verdict = judge(
        report,
        learned,
        spec,
        has_champion=champion is not None,
        champion_lacks=lacking,
        leaks=training.leaks,
        weeks=_weeks(workspace, spec, learned, as_of=as_of, say=say) if training.dated else None,
    )
    say("Registering the candidate")
    figures |= _figures(judged, report, learned)
    record = RunRecord(
        params=_params(spec, workspace.cards[card], training, challenger),
        metrics=_metrics(report, challenger),
        figures=figures,
        texts={
            "card.md": to_markdown(learned),
            "report.html": report.to_html(figures=figures),
            "report.json": json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            "report.md": report.to_markdown(figures=figures),
            "report.txt": report.to_text(),
            "gates.md": verdict.to_markdown(),
            "gates.txt": verdict.to_text(),
            "model_card.html": model_card_html(learned, report, verdict, spec, figures=figures),
            "model_card.md": model_card_markdown(learned, report, verdict, spec),
            "ledger.csv": ledger(training.answers).to_csv(index=False),
        },
        gates_passed=verdict.passed,
        champion_sha256=champion.sha256 if champion else "",
    )
    return FitResult(version=registry.register(learned, record), card=learned, report=report, verdict=verdict)


def backtest(workspace: Workspace, card: str, *, origins: int | None, as_of: pd.Timestamp, say: Say) -> Backtest:
    """Return the rolling backtest of the card's learner, at the spec's number of origins where none is given.

    Raises
    ------
    DataError
        As `training_set`; CF110 when the spec holds out accounts: there are no cohorts to roll over.
    """
    spec = workspace.spec(card)
    training = training_set(workspace, card, as_of=as_of, say=say)
    return roll(training.rows, spec, origins=origins or spec.evaluation.origins, say=say)


def _learned(
    workspace: Workspace, spec: ScorecardSpec, learning: pd.DataFrame, training: TrainingSet, say: Say
) -> tuple[Scorecard, FlipCurve | None]:
    """Return the card with its bands held steady, and the curve by which they are; a refusal names a date."""
    say("Learning the scorecard")
    try:
        card = learn_card(learning, spec, snapshot_sha256=training.sha256)
    except DataError as refusal:
        if refusal.code == "CF103":
            raise with_the_date(refusal, learning, training.maturing, evaluation=spec.evaluation) from refusal
        raise
    say("Replaying its weeks")
    return steadied(workspace, spec, card, learning)


def _figures(judged: pd.DataFrame, report: EvaluationReport, card: Scorecard) -> dict[str, Figure]:
    figures = {
        "calibration": calibration_figure(judged),
        "health": health_figure(judged),
        "lift": lift_figure(judged, report.money),
    }
    if report.money is not None:
        figures["profit"] = profit_figure(report.money, card.bands)
    if report.flips is not None:
        figures["flips"] = flips_figure(report.flips)
    if card.measures:
        figures["points"] = points_figure(card)
    return figures


def _weeks(
    workspace: Workspace, spec: ScorecardSpec, card: Scorecard, *, as_of: pd.Timestamp, say: Say
) -> Weeks | None:
    """Return what the card would have asked in the spec's last weeks; None where fewer than two can be replayed."""
    until = newest_day(workspace, spec, by=as_of)
    weeks = spec.gates.replay_weeks
    played = replay_weeks(workspace, spec, None, card, until=until, weeks=weeks, say=say, checked=True)
    if played.candidate is None or len(played.accounts) < 2:
        return None
    asked = played.candidate.asked
    first, *later = sorted(asked.opened)
    return Weeks(
        weeks=(later[-1] - first).days // 7,
        opened=sum(len(asked.opened[day]) for day in later),
        owners=asked.owners,
        flips=asked.flips,
        account_weeks=asked.account_weeks,
    )


def _context(learning: pd.DataFrame, judging: pd.DataFrame, training: TrainingSet, found: Split) -> TrainingContext:
    churned = learning[learning["churned"] == 1]
    return TrainingContext(
        rows=len(learning),
        accounts=learning["account_id"].nunique(),
        churned_rows=len(churned),
        churned_accounts=churned["account_id"].nunique(),
        split=found.sentence,
        judged_matured=_judged_matured(judging, training.answers) if training.dated else None,
        **_left_out(training.answers),
    )


def _judged_matured(judging: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Return the share of the judged accounts' snapshots whose label is known."""
    due = answers[answers["account_id"].isin(judging["account_id"]) & answers["status"].isin(("matured", "immature"))]
    return float((due["status"] == "matured").mean())


def _left_out(answers: pd.DataFrame) -> dict[str, Any]:
    """Return what the context says of treated, held-out and immature rows."""
    every = ledger(answers.assign(cohort="all")).iloc[0]
    return {
        **{name: int(every[name]) for name in ("treated", "immature", "held_out")},
        "effective": float(every["effective"]),
        "if_calls_saved": (float(every["base_rate_low"]), float(every["base_rate_high"])),
    }


def _params(
    spec: ScorecardSpec, path: Path, training: TrainingSet, challenger: ChallengerFit | None
) -> dict[str, str | int | float]:
    params: dict[str, str | int | float] = {
        "churnfit_version": __version__,
        "spec_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "snapshot_sha256": training.sha256,
        "rows": len(training.rows),
        "horizon_days": spec.cohort.horizon_days,
        "random_state": spec.learning.random_state,
    }
    if challenger is not None:
        params |= {f"challenger_{name}": value for name, value in challenger.best_params.items()}
    return params


def _metrics(report: EvaluationReport, challenger: ChallengerFit | None) -> dict[str, float]:
    found = {} if challenger is None else {"challenger.cv_log_loss": challenger.cv_log_loss}
    for model, metrics in report.models.items():
        for name, interval in metrics.items():
            found[f"{model}.{name}"] = interval.estimate
            found[f"{model}.{name}.low"] = interval.low
            found[f"{model}.{name}.high"] = interval.high
    return found
