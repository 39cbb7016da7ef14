"""What an evaluation found, as frozen values, and how it reads: plain text, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.metrics import METRIC_TITLES
from churnfit.evaluation.prose import Section, as_markdown, as_text, json_safe, percent, with_interval

__all__ = [
    "MODEL_TITLES",
    "BandRow",
    "EvaluationReport",
    "Price",
    "Profit",
    "SegmentRow",
    "TrainingContext",
]

MODEL_TITLES = {
    "card": "card",
    "hand_made": "hand-made card",
    "champion": "champion",
    "challenger": "challenger (LightGBM)",
}
"""The models a report can hold; the probabilities of ``m`` are the column ``p_m``."""


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """What the card was learned from: snapshots and accounts, how they were split off, and who was left out.

    `churned_rows` are snapshots that end in churn, `churned_accounts` the accounts behind them; `split` is the
    sentence of the split; `treated` and `immature` count snapshots that could not be used.
    """

    rows: int
    accounts: int
    churned_rows: int
    churned_accounts: int
    split: str
    treated: int = 0
    immature: int = 0


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """How the card does in one segment; the intervals are None where `reason` says why."""

    segment: str
    rows: int
    churned_accounts: int
    auc: Interval | None
    base_rate: Interval | None
    calibration_in_the_large: Interval | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class BandRow:
    """One band: its rows and their share of all, its churners and their share of all, churn rate, lift over base."""

    band: str
    rows: int
    share: float
    churned_rows: int
    share_of_churners: float
    churn_rate: Interval
    lift: Interval


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of readability: what the challenger does better than the card.

    `auc` is the challenger's minus the card's, `log_loss` the card's minus the challenger's, `missed_per_1000` the
    churners per 1,000 scored accounts that the card misses and the challenger catches, each calling the riskiest
    `capacity` (the red band's share); None where nobody is red. Below 0 the card is the better one.
    """

    auc: Interval
    log_loss: Interval
    capacity: float
    missed_per_1000: Interval | None


@dataclass(frozen=True, kw_only=True)
class Profit:
    """Value saved minus cost, per 1,000 scored accounts: acting by band, and the red action for everybody."""

    by_band_per_1000: Interval
    everybody_per_1000: Interval


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """The judged rows in numbers. `models` and `differences` (card minus other) are keyed by model, then metric."""

    name: str
    training: TrainingContext
    judged_rows: int
    judged_accounts: int
    churned_rows: int
    churned_accounts: int
    base_rate: float
    mean_coverage: float
    resamples: int
    random_state: int
    models: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    segments: tuple[SegmentRow, ...]
    bands: tuple[BandRow, ...]
    profit: Profit
    price: Price | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-safe values: what is unknown is None, never NaN."""
        safe: dict[str, Any] = json_safe(self)
        return safe

    def to_text(self) -> str:
        """Return the report as aligned plain text."""
        return as_text(f"{self.name}: evaluation", _sections(self))

    def to_markdown(self) -> str:
        """Return the report as Markdown."""
        return as_markdown(f"{self.name}: evaluation", _sections(self))


def _sections(report: EvaluationReport) -> list[Section]:
    sections = [_what_was_judged(report), _models(report)]
    if report.differences:
        sections.append(_differences(report))
    if report.price is not None:
        sections.append(_price(report.price))
    return [*sections, _bands(report), _segments(report)]


def _what_was_judged(report: EvaluationReport) -> Section:
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
        sentences.append(
            f"{training.treated:,} snapshots of accounts that somebody called within the horizon were left out."
        )
    if training.immature:
        sentences.append(f"{training.immature:,} snapshots are not matured yet and were left out.")
    sentences.append(
        f"In brackets: 90 % intervals from {report.resamples:,} resamples of whole accounts "
        f"(random_state {report.random_state})."
    )
    return Section(title="What was judged", sentences=tuple(sentences))


def _models(report: EvaluationReport) -> Section:
    return Section(
        title="Does it predict?",
        header=("", *(MODEL_TITLES[model] for model in report.models)),
        rows=tuple(
            (title, *(with_interval(numbers[name]) for numbers in report.models.values()))
            for name, title in METRIC_TITLES.items()
        ),
    )


def _differences(report: EvaluationReport) -> Section:
    return Section(
        title="The card against the others, on the same rows",
        sentences=("Differences are card minus other: a higher AUC is better, a lower log-loss is better.",),
        header=("card minus", "AUC", "log-loss"),
        rows=tuple(
            (MODEL_TITLES[model], with_interval(found["auc"]), with_interval(found["log_loss"], 4))
            for model, found in report.differences.items()
        ),
    )


def _price(price: Price) -> Section:
    sentences = [
        f"The challenger's AUC is {with_interval(price.auc)} above the card's, its log-loss "
        f"{with_interval(price.log_loss, 4)} below."
    ]
    if price.missed_per_1000 is None:
        sentences.append("No account is red, so missed churners cannot be counted at the red band's share.")
    else:
        sentences.append(
            f"Calling the riskiest {percent(price.capacity)} (the red band's share), the card misses "
            f"{with_interval(price.missed_per_1000, 1)} churners per 1,000 scored accounts that the challenger catches."
        )
    return Section(title="The price of readability", sentences=tuple(sentences))


def _bands(report: EvaluationReport) -> Section:
    profit = report.profit
    return Section(
        title="Bands",
        sentences=(
            "Value saved minus cost, per 1,000 scored accounts: "
            f"{with_interval(profit.by_band_per_1000, 0)} when acting by band, "
            f"{with_interval(profit.everybody_per_1000, 0)} when everybody gets the red action, 0 when nobody does.",
        ),
        header=("band", "snapshots", "share", "churned", "share of churners", "churn rate", "lift"),
        rows=tuple(
            (
                row.band,
                f"{row.rows:,}",
                percent(row.share),
                f"{row.churned_rows:,}",
                percent(row.share_of_churners),
                with_interval(row.churn_rate),
                with_interval(row.lift, 2),
            )
            for row in report.bands
        ),
    )


def _segments(report: EvaluationReport) -> Section:
    def cell(row: SegmentRow, interval: Interval | None) -> str:
        return row.reason if interval is None else with_interval(interval)

    return Section(
        title="Segments",
        sentences=("Calibration in the large is in logits: above 0, more churned than the card said.",),
        header=("segment", "snapshots", "churned accounts", "AUC", "base rate", "calibration in the large"),
        rows=tuple(
            (
                row.segment,
                f"{row.rows:,}",
                f"{row.churned_accounts:,}",
                cell(row, row.auc),
                cell(row, row.base_rate),
                cell(row, row.calibration_in_the_large),
            )
            for row in report.segments
        ),
    )
