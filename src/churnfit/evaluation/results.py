"""What an evaluation found, as frozen values; `churnfit.evaluation.sections` says how they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.page import as_html
from churnfit.evaluation.prose import as_markdown, as_text, json_safe
from churnfit.evaluation.sections import backtest_sections, report_sections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from churnfit.evaluation.interactions import Interactions
    from churnfit.evaluation.profit import Money
    from churnfit.learning.steadiness import FlipCurve

__all__ = [
    "Backtest",
    "BandRow",
    "EvaluationReport",
    "OriginRow",
    "Price",
    "Profit",
    "SegmentRow",
    "TrainingContext",
]


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """What the card was learned from: snapshots and accounts, how they were split off, and who was left out.

    `churned_rows` are snapshots that end in churn, `churned_accounts` the accounts behind them; `split` is the
    sentence of the split; `treated` and `immature` count snapshots that could not be used. `held_out` of the matured
    snapshots stand for treated ones, and all matured ones together say as much as `effective` of equal weight.
    `if_calls_saved` is the churn rate of matured and treated snapshots had the calls saved nobody, and had they saved
    everybody who stayed. `judged_matured` is the share of the judged accounts' snapshots whose label is known; None
    where labels have no dates.
    """

    rows: int
    accounts: int
    churned_rows: int
    churned_accounts: int
    split: str
    treated: int = 0
    immature: int = 0
    held_out: int = 0
    effective: float = 0.0
    if_calls_saved: tuple[float, float] = (0.0, 0.0)
    judged_matured: float | None = None


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """How the card does in one segment; the intervals are None where `reason` says why.

    The three of calibration are as in `churnfit.evaluation.metrics`, `ece` corrected for chance.
    """

    segment: str
    rows: int
    churned_accounts: int
    auc: Interval | None
    base_rate: Interval | None
    calibration_slope: Interval | None
    calibration_in_the_large: Interval | None
    ece: Interval | None
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
    `capacity` (the red band's share); None where nobody is red. Below 0 the card is the better one. `interactions` are
    what an additive card cannot say; None where they were not looked for.
    """

    auc: Interval
    log_loss: Interval
    capacity: float
    missed_per_1000: Interval | None
    interactions: Interactions | None = None


@dataclass(frozen=True, kw_only=True)
class Profit:
    """Value saved minus cost, per 1,000 scored accounts: acting by band, and the red action for everybody."""

    by_band_per_1000: Interval
    everybody_per_1000: Interval


@dataclass(frozen=True, kw_only=True)
class OriginRow:
    """One origin of a rolling backtest: a card learned from what lay before it, judged on the cohorts that followed.

    `origin` is the first stage start that judges, `until` the first that no longer does ("" for the last origin).
    `models` holds every model's metrics; it is empty where `reason` says why the origin cannot be judged by itself.
    `pooled` says whether its rows are in the pool: they are wherever a card could be learned.
    """

    origin: str
    until: str
    trained_rows: int
    embargoed_rows: int
    judged_rows: int
    judged_accounts: int
    churned_accounts: int
    pooled: bool
    models: Mapping[str, Mapping[str, Interval]]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """A rolling backtest: its origins, oldest first, and all their judged rows together.

    `pooled` is keyed by model, then metric: log-loss is the mean over all rows; AUC compares accounts of one origin
    only, because each origin has a card of its own. `differences` are card minus other, paired on the same rows.
    """

    name: str
    horizon_days: int
    origins: tuple[OriginRow, ...]
    judged_rows: int
    judged_accounts: int
    pooled: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    resamples: int
    random_state: int

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"{self.name}: rolling backtest"

    def as_dict(self) -> dict[str, Any]:
        """Return the backtest as JSON-safe values: what is unknown is None, never NaN."""
        safe: dict[str, Any] = json_safe(self)
        return safe

    def to_text(self) -> str:
        """Return the backtest as aligned plain text."""
        return as_text(self.title, backtest_sections(self))

    def to_markdown(self, *, figures: Mapping[str, Figure] | None = None) -> str:
        """Return the backtest as Markdown; a figure is linked as ``figures/<name>.png``."""
        return as_markdown(self.title, backtest_sections(self), figures or {})

    def to_html(self, *, figures: Mapping[str, Figure] | None = None) -> str:
        """Return the backtest as one HTML file that needs no other, the figures drawn inside."""
        return as_html(self.title, backtest_sections(self), figures or {})


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """The judged rows in numbers. `models` and `differences` (card minus other) are keyed by model, then metric.

    Its sections are written once, in `churnfit.evaluation.sections`; text, Markdown and HTML are renderings of these.
    """

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
    money: Money | None = None
    price: Price | None = None
    backtest: Backtest | None = None
    pairs_asked: tuple[str, ...] = ()
    flips: FlipCurve | None = None

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"{self.name}: evaluation"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-safe values: what is unknown is None, never NaN."""
        safe: dict[str, Any] = json_safe(self)
        return safe

    def to_text(self) -> str:
        """Return the report as aligned plain text."""
        return as_text(self.title, report_sections(self))

    def to_markdown(self, *, figures: Mapping[str, Figure] | None = None) -> str:
        """Return the report as Markdown; a figure is linked as ``figures/<name>.png``."""
        return as_markdown(self.title, report_sections(self), figures or {})

    def to_html(self, *, figures: Mapping[str, Figure] | None = None) -> str:
        """Return the report as one HTML file that needs no other, the figures drawn inside."""
        return as_html(self.title, report_sections(self), figures or {})
