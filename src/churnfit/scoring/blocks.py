"""The card applied to Arrow batches: the numbers of `Scorecard` to the last bit, with memory for one batch.

Measures become rows of one matrix, so that each curve is one compiled loop over one row. Reasons are put into words
once for all accounts that are told the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.scorecard.card import CardMeasure, Scorecard, sigmoid
from churnfit.scorecard.contract import input_columns
from churnfit.scorecard.coverage import INAPPLICABLE_STATES, KNOWN_STATES
from churnfit.scorecard.points import Categorical, Graded, on_grid
from churnfit.scoring import kernels
from churnfit.scoring.columns import Columns, Vocabulary
from churnfit.scoring.told import Peers, Told

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BANDS", "BlockScorer"]

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
BANDS = ("red", "amber", "green")


class BlockScorer:
    """Scores Arrow batches of at most `rows` accounts.

    Parameters
    ----------
    card : Scorecard
        What is applied.
    context : list of str
        Columns that are handed through.
    peers : mapping
        Medians by segment and measure, for the words of reasons.
    top : int
        How many reasons are told at most: those that cost most health.
    rows : int
        The largest batch; memory is about 500 bytes a row for 20 measures.
    """

    def __init__(self, card: Scorecard, *, context: list[str], peers: Peers, top: int, rows: int) -> None:
        kinds = {name: kind for name, (kind, required) in input_columns(card).items() if required}
        self.card, self.context = card, context
        self._columns = Columns(kinds, card.pairs, rows)
        self._segments = Vocabulary()
        self._points = np.empty((len(card.measures), rows))
        self._told = Told(card, self._columns, self._segments, peers=peers, top=top, rows=rows)

    def scored(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the scores of `batch`, in its order; they hold until the next batch is scored.

        Columns: those of the context; health, churn_probability, band, coverage; ``points_<measure>`` in the
        card's order; reason_1 to reason_<top> in words, worst first, null where fewer measures cost health.
        """
        import pyarrow as pa

        n = len(batch)
        self._columns.load(batch)
        has_segment = "segment" in batch.schema.names
        segments = self._segments.codes(batch.column("segment")) if has_segment else np.full(n, -1)
        points = self._points[:, :n]
        for measure, out in zip(self.card.measures, points, strict=True):
            self._earn(measure, out)
        health: Floats = points.sum(axis=0)
        reckoned = {
            "health": pa.array(health),
            "churn_probability": pa.array(self._probability(health, segments if has_segment else None)),
            "band": self._bands(health),
            "coverage": pa.array(self._coverage(n)),
            **{f"points_{name}": pa.array(out) for name, out in zip(self.card.weights, points, strict=True)},
        }
        told = {f"reason_{rank}": words for rank, words in enumerate(self._told.words(self._points, segments), start=1)}
        fields = [batch.schema.field(name) for name in self.context]
        fields += [pa.field(name, column.type, nullable=False) for name, column in reckoned.items()]
        fields += [pa.field(name, column.type) for name, column in told.items()]
        handed_through = [batch.column(name) for name in self.context]
        return pa.table([*handed_through, *reckoned.values(), *told.values()], schema=pa.schema(fields))

    def _earn(self, measure: CardMeasure, out: Floats) -> None:
        """Fill `out` (n,) with the points of one line."""
        curve, columns = measure.curve, self._columns
        values = columns.values[columns.row[measure.name], : len(out)]
        if isinstance(curve, Graded):
            knots, points = np.array(curve.knots), np.array(curve.points)
            kernels.graded(values, knots, points, np.append(np.diff(points) / np.diff(knots), 0.0), out)
        elif isinstance(curve, Categorical):
            levels = curve.at(np.array(columns.texts_of(measure.name), dtype=object))
            known = np.where(np.isnan(levels), measure.unknown_points, levels)
            out[:] = np.append(known, np.nan)[columns.codes[measure.name]]
        else:
            kernels.stepped(values, np.array(curve.cuts), on_grid(np.array(curve.points)), out)
        if gaps := columns.gaps.get(measure.name):
            states = [measure.state_points(state) for state in columns.states_said.texts]
            out[gaps.rows] = np.array([*states, measure.state_points(None)])[gaps.states]

    def _probability(self, health: Floats, segments: Codes | None) -> Floats:
        offsets = dict(self.card.segment_offsets)
        if segments is None or not offsets:
            return sigmoid(self.card.logit_with(0.0, health))
        by_code = np.array([offsets.get(segment, 0.0) for segment in (*self._segments.texts, "")])  # code -1: none
        return sigmoid(self.card.logit_with(by_code[segments], health))

    def _bands(self, health: Floats) -> pa.DictionaryArray:
        import pyarrow as pa

        cuts = self.card.bands
        codes = (health >= cuts.red_below).astype(np.int8) + (health >= cuts.green_from)
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(BANDS))

    def _coverage(self, n: int) -> Floats:
        """Return what `Scorecard.coverage` does (n,), line after line in the same order."""
        backed, applicable = np.zeros(n), np.zeros(n)
        states = [*self._columns.states_said.texts, "missing"]  # a gap without a state has code -1
        counts_as_known = np.array([state in KNOWN_STATES for state in states])
        could_be_known = np.array([state not in INAPPLICABLE_STATES for state in states])
        members = {pair.name: pair.members for pair in self.card.pairs}
        for measure in self.card.measures:
            names = members.get(measure.name, (measure.name,))
            with_gaps = [self._columns.gaps[name] for name in names if name in self._columns.gaps]
            known, applies = np.ones((2, n if with_gaps else 1), dtype=bool)
            for gaps in with_gaps:
                known[gaps.rows] &= counts_as_known[gaps.states]
                applies[gaps.rows] &= could_be_known[gaps.states]
            backed += measure.weight * (known & applies)
            applicable += measure.weight * applies
        return np.where(applicable > 0, backed / np.maximum(applicable, 1e-9), 0.0)
