"""Codes: every measure as ordered fine bins, plus one bin per missing state.

Numbers are cut midway between neighbouring values into at most 64 bins of about equal weight; no label is looked at, so
one binning serves every fold. Categories are ordered by their smoothed churn rate, fold by fold, rare ones standing
with the level nearest the base rate. Everything after works on bins: a row is a column of small whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.scorecard.points import text_values
from churnfit.tables import STATE_SUFFIX

__all__ = [
    "MISSING",
    "Binning",
    "Coded",
    "MeasureBins",
    "learn_bins",
    "measure_names",
    "normalised",
    "ordered_by_risk",
    "state_array",
    "value_array",
]

Floats: TypeAlias = NDArray[np.float64]

MISSING = "missing"
_RARE = 8.0  # rows: a category seen less often says nothing of its own
_PRIOR_ROWS = 20.0  # a category's rate is smoothed with this many rows at the base rate


def measure_names(columns: list[str]) -> list[str]:
    """Return the columns that are measures: all but the state columns of other measures."""
    present = set(columns)
    return [c for c in columns if not (c.endswith(STATE_SUFFIX) and c.removesuffix(STATE_SUFFIX) in present)]


def normalised(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table the learner works on: numbers as floats with NaN, text and states as objects with None.

    Done once per fit: converting pandas' text columns is the costliest step of every fold otherwise.
    """
    return pd.DataFrame({name: _plain(frame[name]) for name in frame.columns}, index=frame.index)


def _plain(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    return pd.Series(text_values(column), index=column.index, dtype="object")


def value_array(frame: pd.DataFrame, name: str) -> NDArray[Any]:
    """Return a measure's values in a normalised frame (n_rows,): floats with NaN, or text with None."""
    values: NDArray[Any] = frame[name].to_numpy()
    return values


@dataclass(frozen=True, kw_only=True)
class MeasureBins:
    """The fine bins of one measure.

    Parameters
    ----------
    cuts, middles : ndarray of shape (n_bins − 1,) and (n_bins,)
        For numbers: cuts between bins, and the weighted median of each bin.
    levels : tuple of str
        For categories: the values that have a bin of their own.
    states : tuple of str
        Why values are missing; their bins follow the value bins.
    whole : bool
        All values seen were whole numbers.
    in_order : bool
        The levels stand in the order that the fit must keep.
    """

    name: str
    numeric: bool
    cuts: Floats
    middles: Floats
    levels: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    whole: bool = False
    in_order: bool = False

    @property
    def n_bins(self) -> int:
        """Number of value bins; state bins follow."""
        return len(self.middles) if self.numeric else max(1, len(self.levels))

    def encode(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        """Return the bin of each row (n_rows,); −1 for a category without a bin.

        A state never seen in training stands in the middle bin.
        """
        values = value_array(frame, self.name)
        gone = pd.isna(values)
        if self.numeric:
            known = np.where(gone, 0.0, values).astype(np.float64)
            bins = np.searchsorted(self.cuts, known, side="right").astype(np.int64)
        else:
            bins = pd.Index(self.levels, dtype=object).get_indexer(pd.Index(values, dtype=object))
        if gone.any():
            state_bins = {state: self.n_bins + i for i, state in enumerate(self.states)}
            states = state_array(frame, self.name)
            bins[gone] = [state_bins.get(state, self.n_bins // 2) for state in states[gone]]
        return bins.astype(np.int32)


@dataclass(frozen=True)
class Binning:
    """The bins of all measures, in column order."""

    measures: tuple[MeasureBins, ...]

    def encode(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        """Return the bins, shape (n_measures, n_rows)."""
        return np.stack([measure.encode(frame) for measure in self.measures])


@dataclass(frozen=True, eq=False, kw_only=True)
class Coded:
    """Rows as bins, value bins in the order of the fit.

    Parameters
    ----------
    measures : tuple of MeasureBins
        Categories in order of risk, least first.
    codes, bins : ndarray of shape (n_measures, n_rows)
        In the order of the fit, and in that of `Binning.encode`; pairs have no row of their own in `bins`.
    recodes : tuple of ndarray
        Per measure the bin that stands for each bin of `Binning.encode`; the last entry is for categories without one.
    """

    measures: tuple[MeasureBins, ...]
    codes: NDArray[np.int32]
    bins: NDArray[np.int32]
    recodes: tuple[NDArray[np.int32], ...]

    def take(self, rows: NDArray[np.intp]) -> Coded:
        """Return these rows."""
        return replace(self, codes=self.codes[:, rows], bins=self.bins[:, rows])

    def recode(self, bins: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return bins of `Binning.encode` (n_measures, n_rows) in the order of the fit."""
        return np.stack([recode[row] for recode, row in zip(self.recodes, bins, strict=True)])

    @property
    def n_bins(self) -> NDArray[np.int64]:
        """Value bins per measure."""
        return np.array([measure.n_bins for measure in self.measures], dtype=np.int64)

    @property
    def n_states(self) -> NDArray[np.int64]:
        """State bins per measure."""
        return np.array([len(measure.states) for measure in self.measures], dtype=np.int64)


def state_array(frame: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return why `name` is missing in each row; ``missing`` where nothing says why."""
    column = frame.get(name + STATE_SUFFIX)
    if column is None:
        return np.full(len(frame), MISSING, dtype=object)
    states = column.to_numpy()
    return np.where(pd.isna(states), MISSING, states)


def learn_bins(frame: pd.DataFrame, weight: Floats, *, max_bins: int = 64) -> Binning:
    """Return the bins of every measure of `frame`, categories in order of name.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Measures and their state columns, normalised.
    weight : ndarray of shape (n_rows,)
        Row weights >= 0. Rows of weight 0 leave no trace.
    max_bins : int
        More bins: finer candidate thresholds, slower.
    """
    kept = weight > 0
    frame, weight = frame.loc[kept], weight[kept]
    found = []
    for name in measure_names([str(column) for column in frame.columns]):
        values = value_array(frame, name)
        gone = pd.isna(values)
        states = tuple(sorted(set(state_array(frame, name)[gone]))) if gone.any() else ()
        known = values[~gone]
        if values.dtype == object:
            bins = MeasureBins(
                name=name,
                numeric=False,
                cuts=np.empty(0),
                middles=np.empty(0),
                levels=_common_levels(known, weight[~gone]),
                states=states,
            )
        else:
            cuts, middles = _quantile_bins(known.astype(np.float64), weight[~gone], max_bins)
            bins = MeasureBins(
                name=name,
                numeric=True,
                cuts=cuts,
                middles=middles,
                states=states,
                whole=bool(len(known)) and bool(np.all(known == np.round(known))),
            )
        found.append(bins)
    return Binning(tuple(found))


def _quantile_bins(values: Floats, weight: Floats, max_bins: int) -> tuple[Floats, Floats]:
    """Return cuts midway between neighbouring values, and the weighted median of each bin."""
    distinct, position = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        return np.empty(0), distinct if len(distinct) else np.zeros(1)
    between = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    mass = np.cumsum(np.bincount(position, weights=weight, minlength=len(distinct)))
    if len(distinct) <= max_bins:
        return between, distinct
    wanted = np.linspace(0.0, mass[-1], max_bins + 1)[1:-1]
    last = np.unique(np.searchsorted(mass, wanted, side="left"))
    last = last[last < len(between)]  # the last distinct value of each bin but the outermost
    ends, starts = np.append(mass[last], mass[-1]), np.append(0.0, mass[last])
    return between[last], distinct[np.searchsorted(mass, (starts + ends) / 2, side="left")]


def _common_levels(values: NDArray[np.object_], weight: Floats) -> tuple[str, ...]:
    seen = pd.Series(weight).groupby(values.astype(str)).sum()
    return tuple(sorted(str(level) for level in seen.index[seen >= _RARE]))


def ordered_by_risk(binning: Binning, bins: NDArray[np.int32], churned: Floats, weight: Floats) -> Coded:
    """Return the rows `bins` (n_measures, n_rows) with each category's levels in order of their smoothed churn rate.

    Levels that are rare among these rows stand with the level nearest the base rate, like those without a bin.
    """
    base = float(np.average(churned, weights=weight))
    measures, recodes = [], []
    for measure, row in zip(binning.measures, bins, strict=True):
        places = np.arange(measure.n_bins)
        fallback = 0
        if measure.levels and not measure.in_order:
            own = (row >= 0) & (row < measure.n_bins)
            rows = np.bincount(row[own], weights=weight[own], minlength=measure.n_bins)
            lost = np.bincount(row[own], weights=(weight * churned)[own], minlength=measure.n_bins)
            rate = (lost + _PRIOR_ROWS * base) / (rows + _PRIOR_ROWS)
            order = np.array([i for i in np.argsort(rate, kind="stable") if rows[i] >= _RARE], dtype=np.int64)
            fallback = int(np.argmin(np.abs(rate[order] - base))) if len(order) else 0
            places = np.full(measure.n_bins, fallback)
            places[order] = np.arange(len(order))
            measure = replace(measure, levels=tuple(measure.levels[i] for i in order))  # noqa: PLW2901
        states = measure.n_bins + np.arange(len(measure.states))
        measures.append(measure)
        recodes.append(np.concatenate([places, states, [fallback]]).astype(np.int32))
    codes = np.stack([recode[row] for recode, row in zip(recodes, bins, strict=True)])
    return Coded(measures=tuple(measures), codes=codes, bins=bins, recodes=tuple(recodes))
