"""Pictures of a judged card.

Are its probabilities right, whom would a call list catch, where do churners stand, does it hold from origin to origin?
Figures are made without pyplot: no window, no global state, and the caller closes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.ranking import ladder
from churnfit.learning.steadiness import DELAY_AT_MOST, REMOVED_AT_LEAST
from churnfit.scorecard.band_words import with_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from churnfit.evaluation.profit import Money
    from churnfit.evaluation.results import Backtest
    from churnfit.learning.steadiness import FlipCurve
    from churnfit.scorecard.bands import BandCuts

__all__ = ["calibration_figure", "flips_figure", "health_figure", "lift_figure", "origins_figure", "profit_figure"]

FloatArray = NDArray[np.float64]

_SHOWN = {"card": "card", "hand_made": "hand-made card", "challenger": "challenger"}
_COLOURS = {"card": "#0072B2", "hand_made": "#D55E00", "challenger": "#009E73"}  # Okabe and Ito: safe for all eyes
_BAND_COLOURS = {"red": "#b42318", "amber": "#b54708", "green": "#2b7a3d"}  # dark enough for text on white
_INK, _FAINT = "#333333", "#9a9a9a"
_BINS = 10
_Z90 = 1.6449  # 90 %, like every interval of the report
_LABELLED_SHARE = 0.30  # where the curves' heights are said in words


def calibration_figure(judged: pd.DataFrame) -> Figure:
    """Return the reliability diagram: churn rate against churn probability, one panel per model.

    Each point holds about a tenth of the rows; bars are 90 % Wilson intervals, the strip below counts rows. Where rows
    count differently, an interval is that of as many rows of equal weight as say the same.

    Parameters
    ----------
    judged : DataFrame
        As for `churnfit.evaluation.report.evaluate`: churned, p_card and, where present, p_hand_made, p_challenger,
        weight.

    References
    ----------
    Wilson (1927): the interval of rates p at which the count seen is within z standard errors.
    Kish (1965), "Survey Sampling": the number of rows of equal weight.
    """
    from matplotlib.figure import Figure

    models = [model for model in _SHOWN if f"p_{model}" in judged]
    churned = judged["churned"].to_numpy(dtype=np.float64)
    weight = _weight(judged)
    bins = {model: _reliability(churned, judged[f"p_{model}"].to_numpy(dtype=np.float64), weight) for model in models}
    top = min(1.0, 1.08 * max(float(table[["probability", "high"]].max().max()) for table in bins.values()))
    figure = Figure(figsize=(0.6 + 3.4 * len(models), 4.6), layout="constrained")
    grid = figure.subplots(2, len(models), squeeze=False, sharex="col", height_ratios=[5, 1])
    for place, model in enumerate(models):
        points, counts = grid[0, place], grid[1, place]
        _draw_reliability(points, bins[model], _COLOURS[model], top)
        points.set_title(_SHOWN[model], color=_COLOURS[model], loc="left", fontsize=11, fontweight="bold")
        _draw_counts(counts, judged[f"p_{model}"].to_numpy(dtype=np.float64), _COLOURS[model], top)
        if place:
            points.tick_params(labelleft=False)
            counts.tick_params(labelleft=False)
    grid[0, 0].set_ylabel("share that churned", color=_INK)
    grid[1, 0].set_ylabel("rows", color=_INK)
    figure.supxlabel("churn probability given", fontsize=10, color=_INK)
    figure.suptitle(
        f"Do accounts churn as often as predicted?  {len(judged):,} snapshots, {int(churned.sum()):,} churned",
        x=0.01,
        ha="left",
        fontsize=12,
        color=_INK,
    )
    return figure


def lift_figure(judged: pd.DataFrame, money: Money | None = None) -> Figure:
    """Return the share of churners caught against the share of accounts called, riskiest first.

    Parameters
    ----------
    judged : DataFrame
        As for `calibration_figure`, with band: the red band's share is marked.
    money : Money, optional
        Of the same rows: the card's curve with its 90 % intervals.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    churned = judged["churned"].to_numpy(dtype=np.float64)
    weight = _weight(judged)
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(86, 82, "by chance", color=_FAINT, ha="left", va="top", fontsize=9)
    curves = {}
    for model in (model for model in _SHOWN if f"p_{model}" in judged):
        steps = ladder(churned, judged[f"p_{model}"].to_numpy(dtype=np.float64), weight[np.newaxis, :])
        called, caught = (np.concatenate([[0.0], part[0] / part[0, -1]]) for part in (steps.all, steps.churned))
        curves[model] = (called, caught)
        axes.plot(
            100 * called,
            100 * caught,
            color=_COLOURS[model],
            linewidth=2.6 if model == "card" else 1.6,
            zorder=4 if model == "card" else 3,
        )
    if money is not None:
        low, high = ([100 * getattr(one, end) for one in money.caught] for end in ("low", "high"))
        axes.fill_between(np.arange(len(low)), low, high, color=_COLOURS["card"], alpha=0.15, linewidth=0)
    _label_curves(axes, curves)
    _mark_red(axes, judged, curves["card"])
    _plain_axes(axes)
    axes.set(xlim=(0, 100), ylim=(0, 101))
    axes.xaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_xlabel("accounts called, riskiest first", color=_INK)
    axes.set_ylabel("churners among them", color=_INK)
    axes.set_title("How many churners does a call list catch?", loc="left", fontsize=12, color=_INK)
    return figure


def health_figure(judged: pd.DataFrame) -> Figure:
    """Return where accounts stand on the health score: those who stayed above the line, those who churned below.

    Parameters
    ----------
    judged : DataFrame
        As for `churnfit.evaluation.report.evaluate`: churned, health and band. Heights are shares of each group.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.subplots()
    churned = judged["churned"].to_numpy(dtype=np.float64) == 1
    health = judged["health"].to_numpy(dtype=np.float64)
    edges = np.linspace(0, 100, 41)
    heights = {}
    for members, sign, colour in ((~churned, 1, _COLOURS["card"]), (churned, -1, _COLOURS["hand_made"])):
        shares = 100 * np.histogram(health[members], bins=edges)[0] / max(1, members.sum())
        axes.bar(edges[:-1], sign * shares, width=np.diff(edges), align="edge", color=colour, alpha=0.75)
        heights[sign] = float(shares.max())
    top, tallest = 1.2 * heights[1], max(1.0, heights[-1])
    axes.axhline(0, color=_INK, linewidth=0.8)
    for band, colour in _BAND_COLOURS.items():
        inside = health[judged["band"].to_numpy() == band]
        if len(inside):
            low, high = float(inside.min()), float(inside.max())
            axes.plot([low, high], [-1.08 * tallest] * 2, color=colour, linewidth=5, solid_capstyle="butt")
            axes.text((low + high) / 2, -1.2 * tallest, band, color=colour, ha="center", va="center", fontsize=9)
    above, below = f"stayed: {int((~churned).sum()):,} snapshots", f"churned: {int(churned.sum()):,} snapshots"
    axes.text(1, top, above, color=_COLOURS["card"], fontsize=9, va="top", ha="left")
    axes.text(99, -0.98 * tallest, below, color=_COLOURS["hand_made"], fontsize=9, va="bottom", ha="right")
    _plain_axes(axes)
    axes.set(xlim=(0, 100), ylim=(-1.3 * tallest, top))
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f} %")
    axes.set_xlabel("health", color=_INK)
    axes.set_ylabel("share of each group", color=_INK)
    figure.suptitle("Where do churners stand on the health score?", x=0.01, ha="left", fontsize=12, color=_INK)
    return figure


def profit_figure(money: Money, cuts: BandCuts) -> Figure:
    """Return what calling everybody below a health score earns, with 90 % intervals, and what the card expects.

    Parameters
    ----------
    money : Money
        Of judged rows.
    cuts : BandCuts
        The card's: red's cut is marked, its interval shaded.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    health = np.arange(len(money.by_cut))
    low, estimate, high = (np.array([getattr(one, end) for one in money.by_cut]) for end in ("low", "estimate", "high"))
    axes.axhline(0, color=_INK, linewidth=0.8)
    axes.fill_between(health, low, high, color=_COLOURS["card"], alpha=0.15, linewidth=0)
    axes.plot(health, estimate, color=_COLOURS["card"], linewidth=2.2, label="as accounts fared")
    axes.plot(health, money.said_by_cut, color=_INK, linewidth=1.2, linestyle=(0, (4, 3)), label="as the card expects")
    if cuts.red_interval is not None:
        axes.axvspan(*cuts.red_interval, color=_BAND_COLOURS["red"], alpha=0.12, linewidth=0)
    axes.axvline(cuts.red_below, color=_BAND_COLOURS["red"], linewidth=1.2)
    axes.text(
        cuts.red_below,
        1.01,
        f"red below {with_range(cuts.red_below, cuts.red_interval)}",
        color=_BAND_COLOURS["red"],
        fontsize=9,
        ha="center",
        va="bottom",
        transform=axes.get_xaxis_transform(),
    )
    axes.legend(frameon=False, fontsize=9, loc="upper right", labelcolor="linecolor")
    _plain_axes(axes)
    top = max(1.25 * float(high.max()), 1.0)
    axes.set(xlim=(0, 100), ylim=(-top, top))  # calling everybody may cost far more: that it does is enough to see
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("everybody below this health is called", color=_INK)
    axes.set_ylabel("value saved − cost, per 1,000 accounts", color=_INK)
    figure.suptitle("Where does a call stop paying?", x=0.01, ha="left", fontsize=12, color=_INK)
    return figure


def flips_figure(flips: FlipCurve) -> Figure:
    """Return what steadier bands do on a replay: flips removed against delay, every policy that was tried.

    Parameters
    ----------
    flips : FlipCurve
        The chosen policy is named; the limits of the choice are the dotted lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(100 * REMOVED_AT_LEAST, color=_FAINT, linewidth=1, linestyle=":")
    axes.axvline(DELAY_AT_MOST, color=_FAINT, linewidth=1, linestyle=":")
    tried, best = (
        ([one.delay_runs for one in some], [100 * one.flips_removed for one in some])
        for some in (flips.policies, flips.frontier)
    )
    axes.plot(*tried, "o", color=_FAINT, markersize=4)
    axes.plot([0, *best[0]], [0, *best[1]], color=_COLOURS["card"], linewidth=1.6, drawstyle="steps-post")
    if flips.chosen is not None:
        at = (flips.chosen.delay_runs, 100 * flips.chosen.flips_removed)
        axes.plot(*at, "o", color=_COLOURS["card"], markersize=9, zorder=5)
        said = f"chosen: at once from {flips.chosen.clear:g} points,\nelse after {flips.chosen.dwell_days} days"
        axes.annotate(said, at, xytext=(14, -30), textcoords="offset points", color=_COLOURS["card"], fontsize=9)
    _plain_axes(axes)
    axes.set(xlim=(0, None), ylim=(0, 101))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
    axes.set_xlabel("runs until a lasting change is shown", color=_INK)
    axes.set_ylabel("flips removed", color=_INK)
    figure.suptitle("What do steady bands cost?", x=0.01, ha="left", fontsize=12, color=_INK)
    return figure


def origins_figure(backtest: Backtest) -> Figure:
    """Return AUC and log-loss of every model at each origin with its interval, the card's pooled value as a line.

    Parameters
    ----------
    backtest : Backtest
        Origins that could not be judged keep their place, empty.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.2), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    places = np.arange(len(backtest.origins))
    models = list(backtest.pooled)
    for axes, (metric, title) in zip(panels, (("auc", "AUC"), ("log_loss", "log-loss")), strict=True):
        for offset, model in enumerate(models):
            judged = [(at, row.models[model][metric]) for at, row in enumerate(backtest.origins) if row.models]
            at = np.array([place for place, _ in judged]) + 0.12 * (offset - (len(models) - 1) / 2)
            axes.vlines(at, [i.low for _, i in judged], [i.high for _, i in judged], color=_COLOURS[model], alpha=0.6)
            axes.plot(at, [i.estimate for _, i in judged], "o", color=_COLOURS[model], label=_SHOWN[model])
        if models:
            axes.axhline(backtest.pooled["card"][metric].estimate, color=_COLOURS["card"], linewidth=0.8, alpha=0.6)
        axes.set_ylabel(title, color=_INK)
        _plain_axes(axes)
    if models:
        panels[0].legend(frameon=False, ncols=len(models), loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    panels[1].set_xticks(places, [row.origin for row in backtest.origins])
    panels[1].set(xlim=(-0.6, len(places) - 0.4))
    panels[1].set_xlabel("origin: the first stage start that is judged", color=_INK)
    figure.suptitle("Does it hold from origin to origin?", x=0.01, ha="left", fontsize=12, color=_INK)
    return figure


def _weight(judged: pd.DataFrame) -> FloatArray:
    return judged["weight"].to_numpy(dtype=np.float64) if "weight" in judged else np.ones(len(judged))


def _reliability(churned: FloatArray, probability: FloatArray, weight: FloatArray) -> pd.DataFrame:
    """Return one row per bin: mean probability, churn rate, and its Wilson interval."""
    ranks = pd.Series(probability).rank(method="min").to_numpy() - 1
    table = pd.DataFrame({"weight": weight, "square": weight**2, "probability": probability, "rate": churned})
    table[["probability", "rate"]] = table[["probability", "rate"]].mul(weight, axis=0)
    sums = table.groupby(ranks * _BINS // len(ranks)).sum()
    sums = sums[sums["weight"] > 0]
    bins = sums[["probability", "rate"]].div(sums["weight"], axis=0)
    rows = sums["weight"] ** 2 / sums["square"]
    shrink = 1 + _Z90**2 / rows
    centre = (bins["rate"] + _Z90**2 / (2 * rows)) / shrink
    variance = bins["rate"] * (1 - bins["rate"]) / rows + _Z90**2 / (4 * rows**2)
    half = _Z90 * np.sqrt(variance) / shrink
    return bins.assign(low=centre - half, high=centre + half)


def _draw_reliability(axes: Axes, bins: pd.DataFrame, colour: str, top: float) -> None:
    axes.plot([0, top], [0, top], color=_FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        0.78 * top,
        0.8 * top,
        "as predicted",
        color=_FAINT,
        ha="center",
        va="bottom",
        fontsize=8,
        rotation=45,
        rotation_mode="anchor",
        transform_rotates_text=True,
    )
    axes.vlines(bins["probability"], bins["low"], bins["high"], color=colour, linewidth=1.4, alpha=0.55, zorder=2)
    axes.plot(bins["probability"], bins["rate"], color=colour, marker="o", markersize=5, linewidth=1, zorder=3)
    _plain_axes(axes)
    axes.set(xlim=(0, top), ylim=(0, top))


def _draw_counts(axes: Axes, probability: FloatArray, colour: str, top: float) -> None:
    axes.hist(probability, bins=30, range=(0, top), color=colour, alpha=0.55, linewidth=0)
    _plain_axes(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])


def _label_curves(axes: Axes, curves: dict[str, tuple[FloatArray, FloatArray]]) -> None:
    """Name the curves in their own colours, best first, in the corner that curves above chance leave free."""
    at = {model: float(np.interp(_LABELLED_SHARE, *curve)) for model, curve in curves.items()}
    axes.text(60, 34, f"churners in the riskiest {100 * _LABELLED_SHARE:.0f} %", color=_INK, fontsize=9)
    for line, model in enumerate(sorted(at, key=lambda name: -at[name])):
        weight = "bold" if model == "card" else "normal"
        said: dict[str, Any] = {"color": _COLOURS[model], "fontsize": 10, "fontweight": weight}
        axes.text(60, 28 - 6 * line, f"{_SHOWN[model]}", **said)
        axes.text(97, 28 - 6 * line, f"{100 * at[model]:.0f} %", ha="right", **said)


def _mark_red(axes: Axes, judged: pd.DataFrame, card: tuple[FloatArray, FloatArray]) -> None:
    share = float(np.average(judged["band"] == "red", weights=_weight(judged)))
    if not share:
        return
    caught = float(np.interp(share, *card))
    axes.plot([100 * share] * 2, [0, 100 * caught], color=_INK, linewidth=0.8)
    axes.plot([100 * share], [100 * caught], color=_INK, marker="o", markersize=5, zorder=5)
    axes.text(
        100 * share + 1,
        2,
        f"red band: {100 * share:.0f} % called,\n{100 * caught:.0f} % caught",
        fontsize=9,
        color=_INK,
        va="bottom",
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )


def _plain_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=9, length=3)
