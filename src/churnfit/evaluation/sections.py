"""How an evaluation reads: sections of sentences, tables and names of figures, the same for every rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnfit.evaluation.decision_sections import bands_section, flips_section, money_section
from churnfit.evaluation.metrics import METRIC_TITLES, MODEL_TITLES
from churnfit.evaluation.prose import Section, number, percent, with_interval

if TYPE_CHECKING:
    from churnfit.evaluation.interactions import Interactions, MissedInteraction
    from churnfit.evaluation.intervals import Interval
    from churnfit.evaluation.results import Backtest, EvaluationReport, OriginRow, Price, TrainingContext

__all__ = [
    "backtest_sections",
    "calibration",
    "models_table",
    "report_sections",
    "segments_table",
    "what_was_judged",
]

_CALIBRATION = ("calibration_slope", "calibration_in_the_large", "ece")


def report_sections(report: EvaluationReport) -> list[Section]:
    """Return the sections of a report, in order; what was not looked for has none."""
    sections = [what_was_judged(report), models_table(report)]
    if report.differences:
        sections.append(_differences(report))
    if report.price is not None:
        sections.append(_price(report.price))
        if report.price.interactions is not None:
            sections.append(_interactions(report.price.interactions))
    sections += [
        bands_section(report),
        *([flips_section(report.flips)] if report.flips else []),
        *([money_section(report.money)] if report.money else []),
        calibration(report),
        segments_table(report),
    ]
    return [*sections, *(backtest_sections(report.backtest) if report.backtest else [])]


def backtest_sections(backtest: Backtest) -> list[Section]:
    """Return the sections of a rolling backtest."""
    return [_origins(backtest), _pool(backtest)]


def what_was_judged(report: EvaluationReport) -> Section:
    """Return whom the card was learned from and judged on, and who was left out."""
    training = report.training
    sentences = [
        training.split,
        f"Learned from {training.rows:,} snapshots of {training.accounts:,} accounts; {training.churned_accounts:,} "
        f"of these accounts churned ({training.churned_rows:,} snapshots).",
        f"Judged on {report.judged_rows:,} snapshots of {report.judged_accounts:,} accounts; "
        f"{report.churned_accounts:,} of these accounts churned ({report.churned_rows:,} snapshots, base rate "
        f"{percent(report.base_rate)}).",
        f"Mean coverage {percent(report.mean_coverage)}.",
    ]
    if training.treated:
        sentences += _treatment(training)
    if training.immature:
        sentences.append(f"{training.immature:,} snapshots are not matured yet and were left out.")
    sentences.append(_brackets(report.resamples, report.random_state))
    return Section(title="What was judged", sentences=tuple(sentences))


def _treatment(training: TrainingContext) -> list[str]:
    left_out = f"{training.treated:,} snapshots of accounts that somebody called within the horizon were left out."
    if training.held_out:
        return [
            left_out,
            f"{training.held_out:,} held-out snapshots stand for them, so rows are weighted: together they say as much "
            f"as {training.effective:,.0f} of equal weight.",
        ]
    low, high = training.if_calls_saved
    return [
        left_out,
        "Without a holdout nobody knows how they would have fared: the churn rate of all is "
        f"{percent(low)} had the calls saved nobody, {percent(high)} had they saved everybody who stayed.",
    ]


def _brackets(resamples: int, random_state: int) -> str:
    return f"In brackets: 90 % intervals from {resamples:,} resamples of whole accounts (random_state {random_state})."


def models_table(report: EvaluationReport) -> Section:
    """Return every metric of every model."""
    return Section(
        title="Does it predict?",
        header=("", *(MODEL_TITLES[model] for model in report.models)),
        rows=tuple(
            (title, *(with_interval(numbers[name]) for numbers in report.models.values()))
            for name, title in METRIC_TITLES.items()
        ),
        figures=("lift",),
    )


def _differences(report: EvaluationReport) -> Section:
    return Section(
        title="The card against the others, on the same rows",
        sentences=(
            "Differences are card minus other: a higher AUC is better, a lower log-loss is better.",
            *_pairs(report),
        ),
        header=("card minus", "AUC", "log-loss"),
        rows=tuple(
            (MODEL_TITLES[model], with_interval(found["auc"]), with_interval(found["log_loss"], 4))
            for model, found in report.differences.items()
        ),
    )


def _pairs(report: EvaluationReport) -> tuple[str, ...]:
    if not report.pairs_asked:
        return ()
    return (
        f"The card with named pairs would join {', '.join(report.pairs_asked)}; learning.pairs = "
        f"{len(report.pairs_asked)} makes it so.",
    )


def _price(price: Price) -> Section:
    sentences = [
        f"The challenger's AUC is {with_interval(price.auc)} above the card's, its log-loss "
        f"{with_interval(price.log_loss, 4)} below (under 0 the card is the better one)."
    ]
    if price.missed_per_1000 is None:
        sentences.append("No account is red, so missed churners cannot be counted at the red band's share.")
    else:
        sentences.append(
            f"Calling the riskiest {percent(price.capacity)} (the red band's share), the card misses "
            f"{with_interval(price.missed_per_1000, 1)} churners per 1,000 scored accounts that the challenger catches."
        )
    return Section(title="The price of readability", sentences=tuple(sentences))


def _interactions(found: Interactions) -> Section:
    title = "What the card cannot say: interactions"
    chance = (
        f"On {found.histories} histories drawn without interactions, the same model finds pairs of up to "
        f"{number(found.chance_logit)}"
    )
    asked = (
        "A card adds up what each measure says. The challenger can also say that one measure counts differently where "
        f"another is high or low; this was looked at on {found.rows:,} judged snapshots of {found.accounts:,} accounts."
    )
    if found.strongest is None:
        return Section(title=title, sentences=(asked, "It joins no two measures: the card misses no interaction."))
    if not found.named:
        strongest = found.strongest
        return Section(
            title=title,
            sentences=(
                asked,
                f"No pair is clearly stronger than chance. The strongest of {found.pairs:,}, "
                f"{_pair(found, strongest)}, moves the churn logit by {with_interval(strongest.mean_abs_logit)} on "
                f"average. {chance}.",
            ),
        )
    return Section(
        title=title,
        sentences=(
            asked,
            f"{len(found.named):,} of {found.pairs:,} pairs are clearly stronger than chance (their whole interval), "
            f"strongest first. {chance}.",
            *(_sentence(found, pair) for pair in found.named),
        ),
        header=("measures", "share of all interaction", "mean effect in churn logits"),
        rows=tuple(
            (_pair(found, pair), percent(pair.share), with_interval(pair.mean_abs_logit)) for pair in found.named
        ),
    )


def _pair(found: Interactions, pair: MissedInteraction) -> str:
    return f"{found.labels[pair.first]} × {found.labels[pair.second]}"


def _sentence(found: Interactions, pair: MissedInteraction) -> str:
    first, second = found.labels[pair.first], found.labels[pair.second]
    if pair.riskiest is None:
        return f"{first} and {second} count together otherwise than apart."
    one, other = pair.riskiest
    return (
        f"{first} and {second} count together otherwise than apart: where {first} is {one} and {second} is {other}, "
        f"the challenger's churn logit is {number(pair.riskiest_logit, 2)} above their sum, on average."
    )


def calibration(report: EvaluationReport) -> Section:
    """Return how far probabilities can be taken at their word, for all and by segment."""
    card = report.models["card"]
    everybody = ("all", *(with_interval(card[name]) for name in _CALIBRATION))
    return Section(
        title="Calibration",
        sentences=(
            "Slope: 1 is right, below 1 the probabilities are too extreme, above 1 too timid. In the large, in logits: "
            "above 0, more churned than the card said.",
            "ECE: the mean distance of probability and churn rate over ten bins of equally many snapshots, corrected "
            "for what chance alone would show.",
        ),
        header=("segment", "slope", "in the large", "ECE"),
        rows=(
            everybody,
            *(
                (row.segment, *_cells(row.reason, (row.calibration_slope, row.calibration_in_the_large, row.ece)))
                for row in (report.segments if len(report.segments) > 1 else ())
            ),
        ),
        figures=("calibration",),
    )


def segments_table(report: EvaluationReport) -> Section:
    """Return the segments: how many, how well ranked."""
    return Section(
        title="Segments",
        header=("segment", "snapshots", "churned accounts", "AUC", "base rate"),
        rows=tuple(
            (
                row.segment,
                f"{row.rows:,}",
                f"{row.churned_accounts:,}",
                *_cells(row.reason, (row.auc, row.base_rate)),
            )
            for row in report.segments
        ),
    )


def _cells(reason: str, intervals: tuple[Interval | None, ...]) -> list[str]:
    """Return the intervals in words; where there are none, the reason why and then dashes."""
    if reason:
        return [reason, *["-"] * (len(intervals) - 1)]
    return [with_interval(interval) for interval in intervals if interval is not None]


def _origins(backtest: Backtest) -> Section:
    def cells(row: OriginRow) -> list[str]:
        shown = ("auc", "log_loss", "calibration_in_the_large")
        return _cells(row.reason, tuple(row.models["card"][name] if row.models else None for name in shown))

    count = len(backtest.origins)
    return Section(
        title="Rolling backtest: origin by origin",
        sentences=(
            f"At each of {count:,} origins a card is learned from the stages begun before it, without snapshots whose "
            f"{backtest.horizon_days}-day label was not known yet at the judged ones, and judged on the stages begun "
            "from it until the next origin."
            if count > 1
            else "One origin: the split of the evaluation. More origins roll: evaluation.origins.",
            _brackets(backtest.resamples, backtest.random_state),
        ),
        header=("origin", "trained", "embargoed", "judged", "churned accounts", "AUC", "log-loss", "in the large"),
        rows=tuple(
            (
                row.origin,
                f"{row.trained_rows:,}",
                f"{row.embargoed_rows:,}",
                f"{row.judged_rows:,}",
                f"{row.churned_accounts:,}",
                *cells(row),
            )
            for row in backtest.origins
        ),
        figures=("origins",),
    )


def _pool(backtest: Backtest) -> Section:
    title = "Rolling backtest: all origins together"
    if not backtest.pooled:
        return Section(title=title, sentences=("At no origin could a card be learned and judged.",))
    left_out = [f"{row.origin} ({row.reason})" for row in backtest.origins if not row.pooled]
    return Section(
        title=title,
        sentences=(
            f"{backtest.judged_rows:,} snapshots of {backtest.judged_accounts:,} accounts, each judged by the card of "
            "its origin. AUC compares accounts of one origin only, since each origin has a card of its own; errors of "
            "calibration that cancel between origins show only in the table above.",
            *([f"Left out: {', '.join(left_out)}."] if left_out else []),
        ),
        header=("", "AUC", "log-loss", "AUC, card minus this", "log-loss, card minus this"),
        rows=tuple(
            (
                MODEL_TITLES[model],
                with_interval(found["auc"]),
                with_interval(found["log_loss"]),
                *(
                    with_interval(backtest.differences[model][metric], 4) if model in backtest.differences else "-"
                    for metric in ("auc", "log_loss")
                ),
            )
            for model, found in backtest.pooled.items()
        ),
    )
