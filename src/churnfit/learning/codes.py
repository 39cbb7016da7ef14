"""Codes: every measure as ordered fine bins, plus one bin per missing state.

Numbers are cut midway between neighbouring values into at most 64 bins of about equal weight; categories are ordered
by their smoothed churn rate, rare ones standing with the level nearest the base rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.scorecard.points import text_values
from churnfit.tables import STATE_SUFFIX

__all__ = [
    "MISSING",
    "Coding",
    "MeasureCodes",
    "learn_codes",
    "measure_names",
    "normalised",
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
class MeasureCodes:
    """How one measure is coded: `cuts` for numbers, `order` for categories, `states` behind the value bins."""

    name: str
    numeric: bool
    cuts: Floats
    order: tuple[str, ...]
    fallback: int
    states: tuple[str, ...]

    @property
    def n_bins(self) -> int:
        """Number of value bins; state bins follow."""
        return len(self.cuts) + 1 if self.numeric else max(1, len(self.order))

    def encode(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        """Return the bin of each row (n_rows,); a state never seen in training stands in the middle bin."""
        values = value_array(frame, self.name)
        gone = pd.isna(values)
        if self.numeric:
            bins = np.searchsorted(self.cuts, np.where(gone, 0.0, values).astype(np.float64), side="right").astype(
                np.int64
            )
        else:
            bins = pd.Index(self.order, dtype=object).get_indexer(pd.Index(values, dtype=object))
            bins[bins < 0] = self.fallback
        if gone.any():
            state_bins = {state: self.n_bins + i for i, state in enumerate(self.states)}
            states = state_array(frame, self.name)
            bins[gone] = [state_bins.get(state, self.n_bins // 2) for state in states[gone]]
        return bins.astype(np.int32)


@dataclass(frozen=True)
class Coding:
    """The codes of all measures, in column order."""

    measures: tuple[MeasureCodes, ...]

    def encode(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        """Return the bins, shape (n_measures, n_rows)."""
        return np.stack([measure.encode(frame) for measure in self.measures])

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


def learn_codes(frame: pd.DataFrame, churned: Floats, weight: Floats, *, max_bins: int = 64) -> Coding:
    """Return the coding of every measure of `frame`.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Measures and their state columns.
    churned, weight : ndarray of shape (n_rows,)
        0/1 labels; row weights >= 0. Rows of weight 0 leave no trace.
    max_bins : int
        More bins: finer candidate thresholds, slower.
    """
    kept = weight > 0
    frame, churned, weight = frame.loc[kept], churned[kept], weight[kept]
    coded = []
    for name in measure_names([str(column) for column in frame.columns]):
        values = value_array(frame, name)
        gone = pd.isna(values)
        states = tuple(sorted(set(state_array(frame, name)[gone]))) if gone.any() else ()
        if values.dtype == object:
            order, fallback = _ordered_categories(values[~gone], churned[~gone], weight[~gone])
            cuts = np.empty(0)
        else:
            order, fallback = (), 0
            cuts = _quantile_cuts(values[~gone].astype(np.float64), weight[~gone], max_bins)
        coded.append(
            MeasureCodes(
                name=name, numeric=values.dtype != object, cuts=cuts, order=order, fallback=fallback, states=states
            )
        )
    return Coding(tuple(coded))


def _quantile_cuts(values: Floats, weight: Floats, max_bins: int) -> Floats:
    distinct, position = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        return np.empty(0)
    between = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    if len(distinct) <= max_bins:
        return between
    mass = np.cumsum(np.bincount(position, weights=weight, minlength=len(distinct)))
    wanted = np.linspace(0.0, mass[-1], max_bins + 1)[1:-1]
    at = np.unique(np.searchsorted(mass, wanted, side="left"))
    return between[at[at < len(between)]]


def _ordered_categories(values: NDArray[np.object_], churned: Floats, weight: Floats) -> tuple[tuple[str, ...], int]:
    if not len(values):
        return (), 0
    base = float(np.average(churned, weights=weight))
    table = pd.DataFrame({"value": values.astype(str), "rows": weight, "churned": weight * churned})
    sums = table.groupby("value", sort=True).sum()
    sums = sums[sums["rows"] >= _RARE]
    rate = (sums["churned"] + _PRIOR_ROWS * base) / (sums["rows"] + _PRIOR_ROWS)
    order = tuple(str(value) for value in rate.sort_values(kind="stable").index)
    fallback = int(np.argmin(np.abs(np.sort(rate.to_numpy()) - base))) if order else 0
    return order, fallback
