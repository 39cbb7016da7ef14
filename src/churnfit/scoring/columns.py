"""The columns of an Arrow batch as numbers: measures as float64, text as codes, and why what is missing is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.scorecard.pairs import NO_DATA, Cells, Pair, cell_words
from churnfit.tables import STATE_SUFFIX

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Columns", "Gaps", "Vocabulary"]

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]


class Vocabulary:
    """Texts in the order in which they were first met; a text keeps its code from batch to batch."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}

    def codes(self, column: pa.Array) -> Codes:
        """Return the code of each text (n,), -1 for a gap."""
        import pyarrow as pa

        if pa.types.is_null(column.type):
            return np.full(len(column), -1)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        known = [self._code(text) for text in column.dictionary.to_pylist()]
        places = column.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        codes: Codes = np.array([*known, -1], dtype=np.int64)[places]
        return codes

    def _code(self, text: str | None) -> int:
        if text is None:
            return -1
        code = self._codes.setdefault(text, len(self.texts))
        if code == len(self.texts):
            self.texts.append(text)
        return code


@dataclass(frozen=True)
class Gaps:
    """Where a column has gaps: their row numbers (n,) and the code of each one's state (n,), -1 for none."""

    rows: Codes
    states: Codes


class Columns:
    """The columns of one batch after another, in memory that is used again.

    `values` is (columns, n): numbers, or the codes of texts; NaN where there is a gap, and there `states` has the code
    of its state, -1 for none; `codes` has those of texts as whole numbers, -1 for a gap. A pair is a column of texts,
    made of its members. `row` says which row is whose.
    """

    def __init__(self, kinds: dict[str, str], pairs: tuple[Pair, ...], rows: int) -> None:
        self.row = {name: row for row, name in enumerate([*kinds, *(pair.name for pair in pairs)])}
        self.values = np.empty((len(self.row), rows))
        self.states = np.full((len(self.row), rows), -1, dtype=np.int32)
        self.states_said = Vocabulary()
        self.gaps: dict[str, Gaps] = {}
        self.codes: dict[str, Codes] = {}
        self._kinds, self._pairs = kinds, pairs
        self._texts = {name: Vocabulary() for name, kind in kinds.items() if kind == "string"}
        self._cells = {pair.name: _cell_texts(pair) for pair in pairs}

    def load(self, batch: pa.RecordBatch) -> None:
        """Take over the columns of `batch`."""
        n = len(batch)
        self.gaps = {}
        for name in self._kinds:
            if name in self._texts:
                self._fill_codes(name, self._texts[name].codes(batch.column(name)))
            else:
                self.values[self.row[name], :n] = _numbers(batch.column(name))
            self._find_gaps(name, n, batch)
        for pair in self._pairs:
            first, second = (self._cell_codes(cells, n) for cells in (pair.first, pair.second))
            joined = first * (len(pair.second.labels) + 1) + second
            self._fill_codes(pair.name, np.where((first < 0) | (second < 0), -1, joined))
            self._find_gaps(pair.name, n, batch)

    def texts_of(self, name: str) -> list[str]:
        """Return the texts that the codes of column `name` stand for."""
        return self._cells[name] if name in self._cells else self._texts[name].texts

    def _fill_codes(self, name: str, codes: Codes) -> None:
        self.codes[name] = codes
        values = self.values[self.row[name], : len(codes)]
        values[:] = codes
        values[codes < 0] = np.nan

    def _find_gaps(self, name: str, n: int, batch: pa.RecordBatch) -> None:
        rows = np.flatnonzero(np.isnan(self.values[self.row[name], :n]))
        if not len(rows):
            return
        state = name + STATE_SUFFIX
        known = state in batch.schema.names
        states = self.states_said.codes(batch.column(state).take(rows)) if known else np.full(len(rows), -1)
        self.states[self.row[name], rows] = states
        self.gaps[name] = Gaps(rows, states)

    def _cell_codes(self, cells: Cells, n: int) -> Codes:
        """Return the place among ``[*labels, NO_DATA]`` of each row's cell (n,), -1 for a text never seen."""
        no_data = len(cells.labels)
        if cells.groups:
            place = {value: cell for cell, group in enumerate(cells.groups) for value in group}
            by_code = [place.get(text, -1) for text in self._texts[cells.measure].texts]
            return np.array([*by_code, no_data], dtype=np.int64)[self.codes[cells.measure]]
        values = self.values[self.row[cells.measure], :n]
        found = np.searchsorted(np.array(cells.cuts), values, side="right")
        return np.where(np.isnan(values), no_data, found)


def _cell_texts(pair: Pair) -> list[str]:
    """Return the texts of a pair's cells, in the order of their codes."""
    first, second = ([*cells.labels, NO_DATA] for cells in (pair.first, pair.second))
    return [cell_words(one, other) for one in first for other in second]


def _numbers(column: pa.Array) -> Floats:
    """Return a column of numbers as float64 (n,), NaN for gaps."""
    import pyarrow as pa

    if not pa.types.is_float64(column.type):
        column = column.cast(pa.float64())
    found: Floats = column.to_numpy(zero_copy_only=False)
    return found
