"""The card as a picture: each measure's points over its values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scorecard.words import STATE_WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["no_formula", "points_figure"]

_LINE, _STATE = "#1b4f72", "#a04000"  # dark blue and rust: told apart in print and by colour-blind readers
_PER_ROW = 3


def points_figure(card: Scorecard) -> Figure:
    """Return one small panel per measure, heaviest first, all on the same scale of points."""
    from matplotlib.figure import Figure

    rows = max(1, math.ceil(len(card.measures) / _PER_ROW))
    figure = Figure(figsize=(10, 2.4 * rows + 0.6), layout="constrained")
    figure.suptitle(f"{card.name}: points per measure (the most a measure can add is its weight)")
    top = max(card.weights.values(), default=1.0)
    grid = figure.subplots(rows, _PER_ROW, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for axes, measure in zip(grid.flat, card.measures, strict=False):
        axes.set_visible(True)
        _draw(axes, measure)
        axes.set_ylim(-0.04 * top, 1.1 * top)
        axes.set_title(f"{no_formula(measure.label)} · {measure.weight:g}", fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure


def _draw(axes: Axes, measure: CardMeasure) -> None:
    curve = measure.curve
    if isinstance(curve, Categorical):
        places = range(len(curve.values))
        axes.bar(places, curve.points, color=_LINE, width=0.6)
        axes.set_xticks(list(places), [no_formula(value[:12]) for value in curve.values], rotation=30, ha="right")
    elif isinstance(curve, Graded):
        axes.plot(curve.knots, curve.points, color=_LINE, marker="o", markersize=3.5)
    else:
        ends = [*curve.cuts] or [0.0]
        span = (ends[-1] - ends[0]) or 1.0
        edges = [ends[0] - span / 2, *curve.cuts, ends[-1] + span / 2] if curve.cuts else [-1.0, 1.0]
        axes.stairs(curve.points, edges, color=_LINE, baseline=None)
    if not isinstance(curve, Categorical):
        axes.set_xlabel(no_formula(measure.unit), fontsize=8)
    for state, points in measure.missing:
        axes.axhline(points, color=_STATE, linewidth=0.9, linestyle=":")
        axes.annotate(
            STATE_WORDS.get(state, state),
            (1, points),
            xycoords=("axes fraction", "data"),
            fontsize=7,
            color=_STATE,
            ha="right",
            va="bottom",
        )


def no_formula(text: str) -> str:
    """Return `text` as it is to be read: between two dollars matplotlib would read a formula."""
    return text.replace("$", r"\$")
