"""How bands read in an evaluation: as they fared, as they are held steady, and what calling earns at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnfit.evaluation.metrics import MODEL_TITLES
from churnfit.evaluation.prose import Section, number, percent, with_interval
from churnfit.learning.steadiness import DELAY_AT_MOST, REMOVED_AT_LEAST, WITHIN_RUNS
from churnfit.scorecard.band_words import steadiness_words

if TYPE_CHECKING:
    from churnfit.evaluation.profit import Money
    from churnfit.evaluation.results import EvaluationReport
    from churnfit.learning.steadiness import FlipCurve

__all__ = ["bands_section", "flips_section", "money_section"]


def bands_section(report: EvaluationReport) -> Section:
    """Return how the judged rows fared, band by band."""
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
        figures=("health",),
    )


def flips_section(flips: FlipCurve) -> Section:
    """Return what steadier bands do on a replay, and which are shown."""
    chosen = flips.chosen
    said = [
        f"On a replay of {flips.accounts:,} accounts that the card was learned from, every {flips.days_apart} days, "
        f"bands flipped {flips.flips:,} times: they changed at a cut and were back within {WITHIN_RUNS} runs. "
        f"{flips.lasting:,} changes lasted.",
    ]
    if chosen is None:
        said.append("Too few flips to learn from: the shown band is the band of today's health.")
    else:
        said.append(f"Chosen: {steadiness_words(chosen)}.")
        if chosen.flips_removed < REMOVED_AT_LEAST:
            said.append(
                f"Nothing tried removes {percent(REMOVED_AT_LEAST)} with a delay of at most {DELAY_AT_MOST:g} run; "
                "this removes most."
            )
    return Section(
        title="Do bands hold?",
        sentences=tuple(said),
        header=("at once from", "else after", "flips removed", "delay in runs"),
        rows=tuple(
            (
                f"{one.clear:g} points" + (" (chosen)" if one == chosen else ""),
                f"{one.dwell_days} days",
                percent(one.flips_removed),
                number(one.delay_runs, 2),
            )
            for one in flips.frontier
        ),
        figures=("flips",),
    )


def money_section(money: Money) -> Section:
    """Return what calling earns, whatever the cut, model by model."""
    first, second = money.save_rates
    doubt = f"save rates of Beta({number(first, 1)}, {number(second, 1)})" if first else "the spec's save rate"
    best = max(range(len(money.by_cut)), key=lambda cut: money.by_cut[cut].estimate)
    return Section(
        title="What calling earns",
        sentences=(
            "Expected maximum profit (EMP): value saved minus cost per 1,000 scored accounts when each model calls as "
            f"many as pay best, averaged over {doubt}. No cut was chosen before these accounts were seen, so it says "
            "what the ranking is worth, not what the bands earned.",
            f"By hindsight the best cut for calls is health {best}, earning {with_interval(money.by_cut[best], 0)}; "
            f"the card expected {number(money.said_by_cut[best], 0)}.",
        ),
        header=("", "EMP", "accounts called", "EMP, card minus this"),
        rows=tuple(
            (
                MODEL_TITLES[model],
                with_interval(found, 0),
                with_interval(money.called[model], 2),
                with_interval(money.differences[model], 0) if model in money.differences else "-",
            )
            for model, found in money.emp.items()
        ),
        figures=("profit",),
    )
