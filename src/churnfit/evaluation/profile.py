"""What the measures look like, cohort by cohort, before anything is learned from them: `churnfit check --profile`.

Shown per measure: how many snapshots have a value and why others have none, its quartiles, and its *drift*, the
population stability index between the newest cohorts and all before them on the same days of the stage, missing states
included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.page import as_html
from churnfit.evaluation.prose import Section, number, percent
from churnfit.scorecard.plot import no_formula
from churnfit.scorecard.words import STATE_WORDS
from churnfit.spec import ScorecardSpec
from churnfit.tables import STATE_SUFFIX

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LABEL_STATUS", "profile_page", "stability_index"]

LABEL_STATUS = "label__status"
"""The column that says whether a row's label is known; no measure's name has two underscores."""

_PERIODS = 8  # columns of a table that a person reads at once
_BINS = 10
_DRIFTING, _MOVED = 0.1, 0.25  # the usual readings of the index: below 0.1 stable, from 0.25 another population
_CATEGORIES = 4  # lines that can be told apart
_HALF_ROW = 0.5  # an empty cell of the index counts as half a row, so that its logarithm exists
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: safe for all eyes
_INK = "#333333"


@dataclass(frozen=True, kw_only=True)
class _Period:
    """Consecutive cohorts that are shown together."""

    label: str
    rows: pd.DataFrame


def profile_page(rows: pd.DataFrame, spec: ScorecardSpec) -> str:
    """Return the profile as one HTML page.

    Parameters
    ----------
    rows : DataFrame
        A snapshot with ``cohort`` ("2024-03"), `LABEL_STATUS` and ``churned`` (null where unknown), not excluded.
    spec : ScorecardSpec
        Names and labels the measures.
    """
    periods = _periods(rows)
    drift = {name: _drift(name, periods) for name in spec.measures}
    sections = [_who(periods), _moved(drift, spec), _gaps(rows, spec)]
    figures = {}
    if len(periods) > 1:
        figures["measures"] = _figure(periods, spec)
    sections.append(
        Section(
            title="How the measures move",
            sentences=(
                "The line is the median, the band the middle half; of text, the shares of its commonest values. The "
                "youngest cohorts have been seen on early days of the stage only.",
            ),
            figures=("measures",),
        )
    )
    sections += [_measure(name, periods, spec) for name in spec.measures]
    return as_html(f"{spec.title or spec.name}: what is in the data", sections, figures)


def stability_index(before: pd.Series, after: pd.Series) -> float:
    """Return the population stability index of two samples, >= 0; below 0.1 is stable, from 0.25 another population.

    Numbers are compared over ten bins of equally many values of `before`, text over its values; gaps, or the missing
    states that stand in their place as text, are bins of their own.

    References
    ----------
    Siddiqi (2006), "Credit risk scorecards", ch. 8: Σ (after − before) · ln(after / before) over the bins' shares.

    Examples
    --------
    >>> stability_index(pd.Series([1.0, 2.0, 3.0, 4.0]), pd.Series([1.0, 2.0, 3.0, 4.0]))
    0.0
    """
    older, newer = _binned(before, before), _binned(after, before)
    bins = sorted({*older, *newer})
    if not len(older) or not len(newer):
        return float("nan")
    shares = []
    for sample in (older, newer):
        counts = pd.Series(sample).value_counts().reindex(bins, fill_value=0).to_numpy(dtype=np.float64)
        filled = np.maximum(counts, _HALF_ROW)
        shares.append(filled / filled.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _binned(sample: pd.Series, reference: pd.Series) -> NDArray[np.str_]:
    numbers = pd.to_numeric(sample, errors="coerce")
    known = pd.to_numeric(reference, errors="coerce").dropna()
    text = sample.astype(object).where(sample.notna(), "(gap)").astype(str)
    if known.empty:
        return text.to_numpy(dtype=str)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    places = pd.Series(np.searchsorted(edges, numbers.to_numpy(), side="right").astype(str), index=sample.index)
    return places.where(numbers.notna(), text).to_numpy(dtype=str)


def _periods(rows: pd.DataFrame) -> list[_Period]:
    cohorts = sorted(rows["cohort"].dropna().unique())
    parts = np.array_split(np.array(cohorts, dtype=object), min(_PERIODS, len(cohorts)))
    return [
        _Period(
            label=str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}",
            rows=rows[rows["cohort"].isin(part)],
        )
        for part in parts
    ]


def _with_states(name: str, rows: pd.DataFrame) -> pd.Series:
    return rows[name].astype(object).where(rows[name].notna(), rows[name + STATE_SUFFIX])


def _drift(name: str, periods: list[_Period]) -> float:
    if len(periods) < 2:
        return float("nan")
    older, newer = pd.concat([period.rows for period in periods[:-1]]), periods[-1].rows
    # young cohorts have not reached the later days of the stage: like is compared with like, day by day
    found, weights = [], []
    for day, rows in newer.groupby("stage_day", sort=True):
        index = stability_index(_with_states(name, older[older["stage_day"] == day]), _with_states(name, rows))
        if np.isfinite(index):
            found.append(index)
            weights.append(len(rows))
    return float(np.average(found, weights=weights)) if found else float("nan")


def _who(periods: list[_Period]) -> Section:
    rows = []
    for period in periods:
        matured = period.rows[period.rows[LABEL_STATUS] == "matured"]
        rate = percent(float(matured["churned"].mean())) if len(matured) else "not known yet"
        counts = (period.rows["account_id"].nunique(), len(period.rows), len(matured))
        rows.append((period.label, *(f"{count:,}" for count in counts), rate))
    return Section(
        title="Who is in it",
        sentences=(
            "Cohorts by the month their stage began. Snapshots of accounts that were there on the day are shown.",
        ),
        header=("cohorts", "accounts", "snapshots", "matured", "churned"),
        rows=tuple(rows),
    )


def _moved(drift: dict[str, float], spec: ScorecardSpec) -> Section:
    known = {name: value for name, value in drift.items() if np.isfinite(value)}
    ranked = sorted(known, key=lambda name: (-known[name], name))
    return Section(
        title="What moved",
        sentences=(
            "The newest cohorts against all before them on the same days of the stage, by the population stability "
            f"index, missing states included: from {_DRIFTING} drifting, from {_MOVED} another population than the "
            "card would be learned from."
            if known
            else "There is one cohort only: nothing to compare it with.",
        ),
        header=("measure", "index", "reading") if known else (),
        rows=tuple((spec.label_of(name), number(known[name]), _reading(known[name])) for name in ranked),
    )


def _reading(value: float) -> str:
    return "moved" if value >= _MOVED else "drifting" if value >= _DRIFTING else "stable"


def _gaps(rows: pd.DataFrame, spec: ScorecardSpec) -> Section:
    found = {name: rows[name + STATE_SUFFIX].value_counts() / len(rows) for name in spec.measures}
    states = [state for state in STATE_WORDS if any(state in shares for shares in found.values())]
    return Section(
        title="Why values are missing",
        sentences=("Share of all snapshots.",) if states else ("No value is missing.",),
        header=("measure", "has a value", *(STATE_WORDS[state] for state in states)) if states else (),
        rows=tuple(
            (
                spec.label_of(name),
                percent(float(rows[name].notna().mean())),
                *(percent(float(shares.get(state, 0.0))) if state in shares else "" for state in states),
            )
            for name, shares in found.items()
            if states
        ),
    )


def _measure(name: str, periods: list[_Period], spec: ScorecardSpec) -> Section:
    measure = spec.measures[name]
    numeric = pd.api.types.is_numeric_dtype(periods[0].rows[name].dtype) if periods else True
    head = ("lower quarter below", "median", "upper quarter above") if numeric else ("commonest", "its share", "values")
    rows = []
    for period in periods:
        known = period.rows[name].dropna()
        cells: tuple[str, ...] = ("", "", "")
        if len(known) and numeric:
            cells = tuple(f"{value:,.4g}" for value in known.quantile([0.25, 0.5, 0.75]))
        elif len(known):
            counts = known.value_counts()
            cells = (str(counts.index[0]), percent(float(counts.iloc[0] / len(known))), f"{len(counts):,}")
        rows.append((period.label, percent(len(known) / len(period.rows)), *cells))
    unit = f" Unit: {measure.unit}." if measure.unit else ""
    return Section(
        title=spec.label_of(name),
        sentences=(f"Group {spec.groups[measure.group].label}, aggregate {measure.aggregate}.{unit}",),
        header=("cohorts", "has a value", *head),
        rows=tuple(rows),
    )


def _figure(periods: list[_Period], spec: ScorecardSpec) -> Figure:
    from matplotlib.figure import Figure

    columns = 3
    lines = -(-len(spec.measures) // columns)
    figure = Figure(figsize=(3.4 * columns, 1.9 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for place, name in enumerate(spec.measures):
        axes = grid[place // columns, place % columns]
        axes.set_title(no_formula(spec.label_of(name)), loc="left", fontsize=9, color=_INK)
        if pd.api.types.is_numeric_dtype(periods[0].rows[name].dtype):
            _draw_quartiles(axes, [period.rows[name] for period in periods])
        else:
            _draw_shares(axes, [period.rows[name] for period in periods])
        lowest = place + columns >= len(spec.measures)
        labels = [period.label[:7] if lowest else "" for period in periods]
        axes.set_xticks(range(len(periods)), labels, rotation=60, fontsize=7)
        axes.tick_params(axis="y", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for place in range(len(spec.measures), lines * columns):
        grid[place // columns, place % columns].set_visible(False)
    return figure


def _draw_quartiles(axes: Axes, samples: list[pd.Series]) -> None:
    quarters = np.array([sample.quantile([0.25, 0.5, 0.75]).to_numpy(dtype=np.float64) for sample in samples])
    places = np.arange(len(samples))
    axes.fill_between(places, quarters[:, 0], quarters[:, 2], color=_COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(places, quarters[:, 1], color=_COLOURS[0], marker="o", markersize=3, linewidth=1.2)


def _draw_shares(axes: Axes, samples: list[pd.Series]) -> None:
    commonest = pd.concat(samples).value_counts().index[:_CATEGORIES]
    for colour, value in zip(_COLOURS, commonest, strict=False):
        shares = [float((sample == value).sum()) / max(1, int(sample.notna().sum())) for sample in samples]
        axes.plot(
            range(len(samples)),
            shares,
            color=colour,
            marker="o",
            markersize=3,
            linewidth=1.2,
            label=no_formula(str(value)),
        )
    axes.set_ylim(0, None)
    if len(commonest):
        axes.legend(fontsize=6, frameon=False)
