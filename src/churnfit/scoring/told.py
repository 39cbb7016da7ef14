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
Peers: TypeAlias = Mapping[str, Mapping[str, float]]
"""Medians by segment, then by measure."""

_SENTENCES_KEPT = 500_000  # some 100 MB; beyond it words are made anew


class Told:
    """Puts the reasons of the batch in `columns` into words, peers by segment."""

    def __init__(
        self, card: Scorecard, columns: Columns, segments: Vocabulary, *, peers: Peers, top: int, rows: int
    ) -> None:
        self._card, self._columns, self._segments, self._peers = card, columns, segments, peers
        self._sentences = Sentences(card)
        self._sentences_made: dict[str, int]
        self._known: int
        self._row = np.array([columns.row[name] for name in card.weights], dtype=np.int64)
        self._said_by = np.array([_said_by(card, name) for name in card.weights]).reshape(-1, 5)
        most = _SENTENCES_KEPT + top * rows
        self._slots = np.empty(1 << (2 * most - 1).bit_length(), dtype=np.int32)
        self._key = np.empty((most + 1, 2), dtype=np.int64)
        self._example = np.empty((most + 1, 2), dtype=np.int64)
        self._sentence_of = np.empty(most + 1, dtype=np.int64)
        self._top = top
        self._forget()

    def words(self, points: Floats, segments: Codes) -> list[pa.DictionaryArray]:
        """Return the reasons of each account in words, those that cost most health first, null where there is none.

        `points` is (lines, at least n), `segments` (n,); one array of (n,) for each rank.
        """
        if self._known > _SENTENCES_KEPT:
            self._forget()
        numbers = np.empty((self._top, len(segments)), dtype=np.int32)
        told_of = (self._row, self._columns.values, self._columns.states, segments)
        table = (self._slots, self._key, self._example)
        known = kernels.reasons_alike(points, told_of, self._said_by, table, self._known, numbers)
        for number in range(self._known, known):
            line, row = self._example[number].tolist()
            said = self._sentence(line, row, float(points[line, row]), int(segments[row]))
            self._sentence_of[number] = self._sentences_made.setdefault(said, len(self._sentences_made))
        self._known = known
        made = np.array(list(self._sentences_made), dtype=object)
        return [_as_dictionary(self._sentence_of[of_rank], made) for of_rank in numbers]

    def _forget(self) -> None:
        self._slots[:] = -1
        self._known, self._sentence_of[0] = 1, 0
        self._sentences_made = {"": 0}  # no reason

    def _sentence(self, line: int, row: int, points: float, segment: int) -> str:
        measure, columns = self._card.measures[line], self._columns
        value: float | str = float(columns.values[self._row[line], row])
        state = None
        if np.isnan(value):
            code = columns.states[self._row[line], row]
            state = None if code < 0 else columns.states_said.texts[code]
        elif isinstance(measure.curve, Categorical):
            value = columns.texts_of(measure.name)[int(value)]
        peers = self._peers.get(self._segments.texts[segment], {}).get(measure.name) if segment >= 0 else None
        return self._sentences.say(measure.name, value, state, points=points, peers=peers)


def _said_by(card: Scorecard, name: str) -> tuple[float, float, float, float, float]:
    """Return what the words of a line depend on, as `kernels.reasons_alike` wants it."""
    measure = card.measure(name)
    green_from, amber_above = colour_cuts(card, measure)
    whole = isinstance(measure.curve, Categorical) or measure.unit == PERCENTILE
    share = measure.unit in SHARES and not whole
    return measure.expected_points, green_from, amber_above, float(share), float(whole)


def _as_dictionary(codes: Codes, made: NDArray[np.object_]) -> pa.DictionaryArray:
    """Return the sentences of `codes` (n,), null for 0; only those that occur, each once: so they are written fast."""
    import pyarrow as pa

    occurs = np.zeros(len(made), dtype=bool)
    occurs[codes] = True
    occurs[0] = False
    places = np.cumsum(occurs, dtype=np.int32) - 1
    indices = pa.array(places[codes], mask=codes == 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(made[occurs], pa.string()))
