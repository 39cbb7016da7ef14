"""Rows of day tables until there are enough of them to be written: a drawer for each selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.history.days.plan import COLUMNS, Rows

__all__ = ["Drawers", "Write"]

Write = Callable[[str, Rows], None]

_ROWS = 1 << 18  # in the drawers of a table together
_FEWEST_ROWS = 1 << 10  # in one: fewer are not worth a call


class Drawers:
    """The rows of one table.

    Parameters
    ----------
    table : str
        Its name.
    numbers : list of int
        Of the selections, by which the loops of `churnfit.history.days.kernels` know them by their place.
    write : callable
        Gets the name of the table and some of its rows, of one selection.
    """

    def __init__(self, table: str, numbers: list[int], write: Write) -> None:
        self._table, self._numbers, self._write = table, numbers, write
        self._room = max(_FEWEST_ROWS, _ROWS // max(1, len(numbers)))
        self._filled = np.zeros(len(numbers), dtype=np.int64)
        shape = (len(numbers), self._room)
        self._columns = {name: np.empty(shape, kind) for name, kind in COLUMNS[table].items() if name != "selection"}
        if "account" in self._columns:
            self._columns["account"][:, 0] = -1  # nobody's: the first event is in no row yet

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return what the loops fill: the place of each drawer's newest row, then the columns."""
        return self._filled, *self._columns.values()

    def write_full(self) -> None:
        """Write the rows of drawers with no room left."""
        self._write_of(np.flatnonzero(self._filled + 1 == self._room))

    def write_all(self) -> None:
        """Write all rows."""
        self._write_of(np.flatnonzero(self._filled))

    def _write_of(self, places: NDArray[np.int64]) -> None:
        for place in places:
            rows = {name: values[place, 1 : self._filled[place] + 1] for name, values in self._columns.items()}
            selection = np.full(self._filled[place], self._numbers[place], dtype=np.int32)
            self._write(self._table, {"selection": selection} | rows)
            self._filled[place] = 0
