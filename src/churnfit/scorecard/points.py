"""Curves: what a measure's value adds to the health score.

Three forms. `Graded` draws straight lines between knots, `Stepped` jumps at cuts, `Categorical` looks values up.
Every curve starts at 0 points and peaks at the measure's weight. Points are kept on a grid of 1/1024, so that sums
of points are exact in any order and every engine computes the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["GRAIN", "Categorical", "Curve", "Graded", "Stepped", "on_grid", "text_values"]

Floats: TypeAlias = NDArray[np.float64]

GRAIN = 1024.0  # a power of two: multiples of 1/1024 below 2**43 add up without rounding


def on_grid(points: Floats) -> Floats:
    """Return `points` rounded half up to multiples of 1/1024, elementwise."""
    rounded: Floats = np.floor(points * GRAIN + 0.5) / GRAIN
    return rounded


def text_values(column: pd.Series) -> NDArray[np.object_]:
    """Return a column as text with None for gaps (n_rows,): what a `Categorical` looks up."""
    text = column.astype(str).to_numpy(dtype=object, copy=True)
    text[column.isna().to_numpy()] = None
    return text


@dataclass(frozen=True)
class Graded:
    """Straight lines between knots; constant beyond the outer ones.

    Parameters
    ----------
    knots : tuple of float
        Rising values of the measure, in its unit; at least two.
    points : tuple of float
        Points at the knots; the least is 0.

    Examples
    --------
    >>> Graded((0.0, 4.0, 10.0), (0.0, 12.0, 20.0)).at(np.array([-1.0, 2.0, 7.0, 99.0]))
    array([ 0.,  6., 16., 20.])
    """

    knots: tuple[float, ...]
    points: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.knots) < 2 or len(self.knots) != len(self.points):
            raise ValueError("a graded curve has at least two knots and one number of points for each")
        if any(right <= left for left, right in pairwise(self.knots)):
            raise ValueError("knots must rise")

    def at(self, values: Floats) -> Floats:
        """Return the points of `values` (n,); NaN gives NaN."""
        inner = np.clip(values, self.knots[0], self.knots[-1])
        return on_grid(np.interp(inner, self.knots, self.points))

    @property
    def levels(self) -> tuple[float, ...]:
        """The points between which everything lies."""
        return self.points


@dataclass(frozen=True)
class Stepped:
    """Constant between cuts: level i holds where exactly i cuts are <= the value.

    Examples
    --------
    >>> Stepped((1.0, 5.0), (0.0, 9.0, 3.0)).at(np.array([0.0, 1.0, 4.9, 5.0]))
    array([0., 9., 9., 3.])
    """

    cuts: tuple[float, ...]
    points: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.points) != len(self.cuts) + 1:
            raise ValueError("a stepped curve has one level more than cuts")
        if any(right <= left for left, right in pairwise(self.cuts)):
            raise ValueError("cuts must rise")

    def at(self, values: Floats) -> Floats:
        """Return the points of `values` (n,); NaN gives NaN."""
        level = np.searchsorted(np.asarray(self.cuts), values, side="right")
        points = on_grid(np.asarray(self.points)[level])
        return np.where(np.isnan(values), np.nan, points)

    @property
    def levels(self) -> tuple[float, ...]:
        """The points of the levels, in order of the value."""
        return self.points


@dataclass(frozen=True)
class Categorical:
    """A look-up of text values; a value never seen gives NaN, which the card scores as the average customer."""

    values: tuple[str, ...]
    points: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.points) or len(set(self.values)) != len(self.values):
            raise ValueError("a categorical curve has one number of points for each value, each value once")

    def at(self, values: NDArray[np.object_]) -> Floats:
        """Return the points of text `values` (n,); unknown or missing gives NaN."""
        points = np.append(on_grid(np.asarray(self.points, dtype=np.float64)), np.nan)  # index -1: unknown
        return points[pd.Index(self.values, dtype=object).get_indexer(pd.Index(values, dtype=object))]

    @property
    def levels(self) -> tuple[float, ...]:
        """The points of the values."""
        return self.points


Curve: TypeAlias = Graded | Stepped | Categorical
