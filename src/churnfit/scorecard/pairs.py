"""Named pairs: two measures read together as one category, "tenure below 12 · monthly".

Where what one measure says depends on another, a card may hold a few combined measures. Each is a small table whose
cells are values of a `Categorical` curve, so it has a line, a weight and a reason of its own, and all sums stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.scorecard.points import text_values

__all__ = ["NO_DATA", "PAIR_SIGN", "Cells", "Pair"]

Texts: TypeAlias = NDArray[np.object_]

NO_DATA = "no data"
PAIR_SIGN = " × "


@dataclass(frozen=True, kw_only=True)
class Cells:
    """How one measure of a pair is divided: numbers at `cuts`, or categories into `groups`; gaps are a cell.

    Examples
    --------
    >>> Cells(measure="tenure", cuts=(6.0, 24.0)).labels
    ('below 6', '6 to 24', 'from 24')
    >>> Cells(measure="tenure", cuts=(6.0, 24.0)).of(pd.Series([3.0, 6.0, None])).tolist()
    ['below 6', '6 to 24', 'no data']
    """

    measure: str
    cuts: tuple[float, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The cells in words, gaps not among them."""
        if self.groups:
            plain = tuple("/".join(group) for group in self.groups)
            if len({*plain, NO_DATA}) > len(plain):
                return plain
            return tuple("/".join(f"'{value}'" for value in group) for group in self.groups)  # two cells read alike
        said = [f"{cut:.12g}" for cut in self.cuts]  # fewer digits: neighbouring large cuts would read the same
        inner = (f"{low} to {high}" for low, high in pairwise(said))
        return (f"below {said[0]}", *inner, f"from {said[-1]}")

    def of(self, column: pd.Series) -> Texts:
        """Return the cell of each row in words (n,); None for a category that was never seen."""
        labels = np.array([*self.labels, None], dtype=object)
        if self.groups:
            place = {value: cell for cell, group in enumerate(self.groups) for value in group}
            cells = np.array([place.get(value, -1) for value in text_values(column)], dtype=np.int64)
        else:
            numbers = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
            cells = np.searchsorted(np.asarray(self.cuts), np.nan_to_num(numbers), side="right")
        found: Texts = labels[cells]
        found[column.isna().to_numpy()] = NO_DATA
        return found


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two measures, each divided into cells; the pair's value is the cell of both."""

    first: Cells
    second: Cells

    @property
    def name(self) -> str:
        """The pair's name, "tenure × contract": the name of its line on the card."""
        return f"{self.first.measure}{PAIR_SIGN}{self.second.measure}"

    @property
    def members(self) -> tuple[str, str]:
        """The two measures."""
        return self.first.measure, self.second.measure

    def of(self, snapshot: pd.DataFrame) -> pd.Series:
        """Return the value of each row as text, None where a category was never seen; same index."""
        first, second = (cells.of(snapshot[cells.measure]) for cells in (self.first, self.second))
        joined = [None if a is None or b is None else cell_words(a, b) for a, b in zip(first, second, strict=True)]
        return pd.Series(joined, index=snapshot.index, name=self.name, dtype="object")


def cell_words(first: str, second: str) -> str:
    """Return two cells as one."""
    return f"{first} · {second}"
