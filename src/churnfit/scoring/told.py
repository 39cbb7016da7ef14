"""Reasons in words for many accounts: each sentence is made once and referred to by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.points import Categorical
from churnfit.scorecard.sentences import Sentences
from churnfit.scorecard.thresholds import colour_cuts
from churnfit.scorecard.words import PERCENTILE, SHARES
from churnfit.scoring import kernels
from churnfit.scoring.columns import Columns, Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Peers", "Told"]

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Lines: TypeAlias = NDArray[np.int16]
Peers: TypeAlias = Mapping[str, Mapping[str, float]]
"""Medians by segment, then by measure."""

_SENTENCES_KEPT = 1_000_000  # some 200 MB; beyond it words are made anew


class Told:
    """Puts the reasons of the batch in `columns` into words, peers by segment."""

    def __init__(
        self, card: Scorecard, columns: Columns, segments: Vocabulary, *, peers: Peers, top: int, rows: int
    ) -> None:
        self._card, self._columns, self._segments, self._peers = card, columns, segments, peers
        self._sentences = Sentences(card)
        self._made: dict[tuple[int, int], str] = {}
        self._row = np.array([columns.row[name] for name in card.weights], dtype=np.int64)
        self._said_by = np.array([_said_by(card, name) for name in card.weights]).reshape(-1, 5)
        self._slots = np.empty((top, 1 << (2 * rows - 1).bit_length()), dtype=np.int32)
        self._key = np.empty((top, rows, 2), dtype=np.int64)
        self._example = np.empty((top, rows), dtype=np.int64)
        self._numbers = np.empty((top, rows), dtype=np.int32)
        self._found = np.empty(top, dtype=np.int64)

    def words(self, which: Lines, points: Floats, segments: Codes) -> list[pa.DictionaryArray]:
        """Return the reasons of each account in words, rank by rank (n,).

        `which` is (top, n): lines, or -1 where there is no reason. `points` is (lines, n), `segments` (n,).
        """
        told_of = (self._row, self._columns.values, self._columns.states, points, segments)
        table, numbered = (self._slots, self._key, self._example), (self._numbers, self._found)
        kernels.said_alike(which, told_of, self._said_by, table, numbered)
        if len(self._made) > _SENTENCES_KEPT:
            self._made.clear()
        return [self._ranked(rank, lines, points, segments) for rank, lines in enumerate(which)]

    def _ranked(self, rank: int, which: Lines, points: Floats, segments: Codes) -> pa.DictionaryArray:
        """Return one reason of each account in words (n,), once they are numbered."""
        import pyarrow as pa

        found, numbers = int(self._found[rank]), self._numbers[rank, : len(which)]
        places: dict[str, int] = {}  # each sentence once: a dictionary that repeats itself is written five times slower
        renumbered = np.full(found + 1, -1, dtype=np.int32)
        met = zip(*self._key[rank, :found].T.tolist(), self._example[rank, :found].tolist(), strict=True)
        for number, (first, second, row) in enumerate(met):
            said = self._made.get((first, second))
            if said is None:
                said = self._made[first, second] = self._sentence(int(which[row]), row, points, int(segments[row]))
            renumbered[number] = places.setdefault(said, len(places))
        numbers[:] = renumbered[numbers]
        return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), pa.array(list(places), pa.string()))

    def _sentence(self, line: int, row: int, points: Floats, segment: int) -> str:
        measure, columns = self._card.measures[line], self._columns
        value: float | str = float(columns.values[self._row[line], row])
        state = None
        if np.isnan(value):
            code = columns.states[self._row[line], row]
            state = None if code < 0 else columns.states_said.texts[code]
        elif isinstance(measure.curve, Categorical):
            value = columns.texts_of(measure.name)[int(value)]
        peers = self._peers.get(self._segments.texts[segment], {}).get(measure.name) if segment >= 0 else None
        return self._sentences.say(measure.name, value, state, points=float(points[line, row]), peers=peers)


def _said_by(card: Scorecard, name: str) -> tuple[float, float, float, float, float]:
    """Return what the words of a line depend on, as `kernels.said_alike` wants it."""
    measure = card.measure(name)
    green_from, amber_above = colour_cuts(card, measure)
    whole = isinstance(measure.curve, Categorical) or measure.unit == PERCENTILE
    share = measure.unit in SHARES and not whole
    return measure.expected_points, green_from, amber_above, float(share), float(whole)
