"""The model card of a version: what it is for, whom it was learned from, how well it does for whom, and its limits.

References
----------
Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from churnfit.evaluation.decision_sections import bands_section
from churnfit.evaluation.gates import Verdict
from churnfit.evaluation.page import as_html
from churnfit.evaluation.prose import Section, as_markdown, percent, with_interval
from churnfit.evaluation.results import EvaluationReport
from churnfit.evaluation.sections import calibration, models_table, segments_table, what_was_judged
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.render import card_rows
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["model_card_html", "model_card_markdown", "model_card_sections"]

_CHANCE = 0.5


def model_card_sections(
    card: Scorecard, report: EvaluationReport, verdict: Verdict, spec: ScorecardSpec
) -> list[Section]:
    """Return the sections of the model card; what it says of the data and of accuracy are the report's own sections."""
    return [
        _what_it_is_for(card, spec),
        what_was_judged(report),
        _what_it_says(card),
        models_table(report),
        bands_section(report),
        calibration(report),
        segments_table(report),
        Section(title="Limits", sentences=_limits(card, report, verdict, spec)),
        verdict.section(),
    ]


def model_card_markdown(card: Scorecard, report: EvaluationReport, verdict: Verdict, spec: ScorecardSpec) -> str:
    """Return the model card as Markdown."""
    return as_markdown(_title(spec), model_card_sections(card, report, verdict, spec))


def model_card_html(
    card: Scorecard,
    report: EvaluationReport,
    verdict: Verdict,
    spec: ScorecardSpec,
    *,
    figures: Mapping[str, Figure],
) -> str:
    """Return the model card as one HTML page with those of `figures` that its sections name."""
    return as_html(_title(spec), model_card_sections(card, report, verdict, spec), figures)


def _title(spec: ScorecardSpec) -> str:
    return f"{spec.title or spec.name}: model card"


def _what_it_is_for(card: Scorecard, spec: ScorecardSpec) -> Section:
    first, last = spec.cohort.stage_days
    red, amber = spec.bands.red, spec.bands.amber
    return Section(
        title="What it is for",
        sentences=(
            f"It ranks the accounts in the stage '{spec.cohort.stage}' (its days {first:,} to {last:,}) by how likely "
            f"they are to churn within {card.horizon_days} days, so that people know whom to help first. Red: "
            f"{red.action}. Amber: {amber.action}.",
            "A person reads the reasons and decides; a score alone does nothing to an account.",
            "It is not for accounts outside that stage, for other horizons, for prices or terms of a contract, nor for "
            "judging the people who look after accounts.",
            "It says who is likely to leave, not whom a call would keep: the shares that calls save "
            f"({percent(red.save_rate)} in red, {percent(amber.save_rate)} in amber) come from the spec.",
            f"The card is {card.sha256}.",
        ),
    )


def _what_it_says(card: Scorecard) -> Section:
    return Section(
        title="What it says",
        sentences=(
            f"Points add up to a health from 0 to 100; the average account has {card.expected_health:.1f}.",
            *card.remarks,
        ),
        header=("measure", "weight", "points", "green"),
        rows=tuple((name, weight, points, green) for name, weight, points, _, _, green in card_rows(card)),
        figures=("points",),
    )


def _limits(card: Scorecard, report: EvaluationReport, verdict: Verdict, spec: ScorecardSpec) -> tuple[str, ...]:
    """Return every limit that the evaluation knows of, one sentence each."""
    said = [
        f"{answer.code}, {answer.title}: {answer.sentence}"
        for answer in verdict.answers
        if answer.code in spec.gates.waived
    ]
    unjudged = [row.segment for row in report.segments if row.reason]
    if unjudged:
        said.append(f"Too few churned to judge by itself in: {', '.join(unjudged)}.")
    chance = [row for row in report.segments if row.auc is not None and row.auc.low <= _CHANCE]
    said += [
        f"In {row.segment} it may do no better than chance: AUC {with_interval(row.auc)}." for row in chance if row.auc
    ]
    weak = [line.label for line in card.measures if line.certificate and line.certificate.grade == "weak"]
    if weak:
        said.append(f"Another sample of the same accounts would change what it says about: {', '.join(weak)}.")
    still = [line.label for line in card.measures if not line.actionable]
    if still:
        said.append(f"Nobody can act on: {', '.join(still)}; they explain, and never lead a call to action.")
    if report.training.treated and not report.training.held_out:
        said.append("Accounts that were called were left out and nobody was held out: see what was judged.")
    if report.training.judged_matured is None:
        said.append("The rows have no dates: it was judged on other accounts of the same time, not on later ones.")
    if report.price is not None and report.price.auc.low > 0:
        said.append(f"A model that nobody can read ranks better: by {with_interval(report.price.auc)} of AUC.")
    said.append(
        "What customers do changes: it is true for cohorts like those it was judged on, and wants to be refitted."
    )
    return tuple(said)
