"""Two pictures of a judged card: are its probabilities right, and whom would a call list catch.

Figures are made without pyplot: no window, no global state, and the caller closes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.ranking import ladder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["calibration_figure", "lift_figure"]

FloatArray = NDArray[np.float64]

_SHOWN = {"card": "card", "hand_made": "hand-made card", "challenger": "challenger"}
_COLOURS = {"card": "#0072B2", "hand_made": "#D55E00", "challenger": "#009E73"}  # Okabe and Ito: safe for all eyes
_INK, _FAINT = "#333333", "#9a9a9a"
_BINS = 10
_Z90 = 1.6449  # 90 %, like every interval of the report
_LABELLED_SHARE = 0.30  # where the curves' heights are said in words


def calibration_figure(judged: pd.DataFrame) -> Figure:
    """Return the reliability diagram: churn rate against churn probability, one panel per model.

    Each point holds about a tenth of the rows; bars are 90 % Wilson intervals, the strip below counts rows.

    Parameters
    ----------
    judged : DataFrame
        As for `churnfit.evaluation.report.evaluate`: churned, p_card and, where present, p_hand_made, p_challenger.

    References
    ----------
    Wilson (1927): the interval of rates p at which the count seen is within z standard errors.
    """
    from matplotlib.figure import Figure

    models = [model for model in _SHOWN if f"p_{model}" in judged]
    churned = judged["churned"].to_numpy(dtype=np.float64)
    bins = {model: _reliability(churned, judged[f"p_{model}"].to_numpy(dtype=np.float64)) for model in models}
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


def lift_figure(judged: pd.DataFrame) -> Figure:
    """Return the share of churners caught against the share of accounts called, riskiest first.

    Parameters
    ----------
    judged : DataFrame
        As for `calibration_figure`, with band: the red band's share is marked.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    churned = judged["churned"].to_numpy(dtype=np.float64)
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(86, 82, "by chance", color=_FAINT, ha="left", va="top", fontsize=9)
    curves = {}
    for model in (model for model in _SHOWN if f"p_{model}" in judged):
        steps = ladder(churned, judged[f"p_{model}"].to_numpy(dtype=np.float64), np.ones((1, len(judged))))
        called, caught = (np.concatenate([[0.0], part[0] / part[0, -1]]) for part in (steps.all, steps.churned))
        curves[model] = (called, caught)
        axes.plot(
            100 * called,
            100 * caught,
            color=_COLOURS[model],
            linewidth=2.6 if model == "card" else 1.6,
            zorder=4 if model == "card" else 3,
        )
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


def _reliability(churned: FloatArray, probability: FloatArray) -> pd.DataFrame:
    """Return one row per bin: mean probability, churn rate, and its Wilson interval."""
    ranks = pd.Series(probability).rank(method="min").to_numpy() - 1
    table = pd.DataFrame({"bin": ranks * _BINS // len(ranks), "probability": probability, "rate": churned})
    bins = table.groupby("bin").agg(probability=("probability", "mean"), rate=("rate", "mean"), rows=("rate", "size"))
    shrink = 1 + _Z90**2 / bins["rows"]
    centre = (bins["rate"] + _Z90**2 / (2 * bins["rows"])) / shrink
    variance = bins["rate"] * (1 - bins["rate"]) / bins["rows"] + _Z90**2 / (4 * bins["rows"] ** 2)
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
    share = float((judged["band"] == "red").mean())
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
