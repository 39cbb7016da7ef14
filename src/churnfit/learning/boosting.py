"""LightGBM on measures: how a table becomes its design, and how one model is trained, the same every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.scorecard.points import text_values
from churnfit.tables import STATE_SUFFIX

__all__ = ["Encoding", "Task", "encoding_of", "row_weight"]

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

_ROUNDS = 400  # at a learning rate of 0.03 or more, early stopping ends long before
_PATIENCE = 30
_MANY_ROWS = 50_000  # below this a second thread costs more than it saves


@dataclass(frozen=True, eq=False, kw_only=True)
class Encoding:
    """The columns a model reads, in order, and the known levels of each text column; any other value is missing."""

    columns: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def categorical(self) -> tuple[int, ...]:
        """The places of the text columns."""
        return tuple(self.columns.index(name) for name in self.levels)

    def encoded(self, X: pd.DataFrame) -> FloatArray:
        """Return the design as floats; text becomes the place of its level, NaN where missing or never seen."""
        design: FloatArray = np.empty((len(X), len(self.columns)))
        for place, name in enumerate(self.columns):
            if name in self.levels:
                known = {level: float(code) for code, level in enumerate(self.levels[name])}
                design[:, place] = [known.get(value, np.nan) for value in text_values(X[name])]
            else:
                design[:, place] = X[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return design


def encoding_of(X: pd.DataFrame) -> Encoding:
    """Return the encoding of a table of measures and their states."""
    columns = tuple(str(name) for name in X.columns)
    return Encoding(columns=columns, levels={name: _levels(X[name]) for name in columns if _is_text(X[name])})


def row_weight(rows: pd.DataFrame) -> FloatArray | None:
    """Return what each of `rows` counts (n_rows,); None where every one counts once."""
    if "weight" not in rows or (rows["weight"] == 1).all():
        return None
    weight: FloatArray = rows["weight"].to_numpy(dtype=np.float64)
    return weight


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """Rows to learn churn from; `design` is encoded, `categorical` are its columns that hold places of levels.

    `weight` says what each row counts: once, when absent.
    """

    design: FloatArray
    labels: FloatArray
    categorical: tuple[int, ...]
    random_state: int
    weight: FloatArray | None = None

    def train(
        self,
        params: Mapping[str, Any],
        rounds: int = _ROUNDS,
        *,
        rows: Rows | None = None,
        judge: Rows | None = None,
        alone: Sequence[Sequence[int]] = (),
    ) -> Any:
        """Return a booster fitted on `rows`, or on all; with `judge`, stopped early by the log-loss there.

        Columns in different lists of `alone` never meet in one tree: the model is additive across the lists.
        """
        import lightgbm

        settings = {
            **params,
            "objective": "binary",
            "metric": "binary_logloss",
            "bagging_freq": 1,
            "min_data_per_group": 20,
            "seed": self.random_state,
            "num_threads": 2 if len(self.labels) > _MANY_ROWS else 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        if alone:
            settings["interaction_constraints"] = [list(columns) for columns in alone]
        data = self._data(np.arange(len(self.labels)) if rows is None else rows)
        if judge is None:
            return lightgbm.train(settings, data, rounds)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        judged = self._data(judge, reference=data)
        return lightgbm.train(settings, data, rounds, valid_sets=[judged], valid_names=["judged"], callbacks=[stop])

    def _data(self, rows: Rows, *, reference: Any = None) -> Any:
        import lightgbm

        return lightgbm.Dataset(
            self.design[rows],
            self.labels[rows],
            weight=None if self.weight is None else self.weight[rows],
            reference=reference,
            categorical_feature=list(self.categorical),
            params={"verbosity": -1},
        )


def _is_text(column: pd.Series) -> bool:
    return str(column.name).endswith(STATE_SUFFIX) or not pd.api.types.is_numeric_dtype(column)


def _levels(column: pd.Series) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in column.dropna().unique()}))
