"""Pairs: the combined measures that an additive card lacks most, found one after the other.

A pair is proposed from what the card so far leaves unexplained: over the coarse bins of every two measures the
residuals are summed, and the two cuts whose four cells differ most, beyond what either measure alone would explain,
win. The cells get more cuts while these pay; then they are learned like any category, jointly with all other measures.

References
----------
Lou, Caruana, Gehrke and Hooker (2013), "Accurate intelligible models with pairwise interactions": the search (FAST).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from churnfit.learning.binned import sum_tables
from churnfit.learning.codes import Coded, MeasureBins
from churnfit.learning.curves import sayable
from churnfit.learning.joint import Curves, Design, Prices, refit
from churnfit.learning.penalties import CodedRows, Settings, card_design
from churnfit.scorecard.card import sigmoid
from churnfit.scorecard.pairs import NO_DATA, Cells, Pair, cell_words

__all__ = ["Grown", "PairBins", "grown"]

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int32]

_COARSE = 16  # bins per measure in the search: cuts are found to a sixteenth of the evidence
_MOST_CUTS = 3  # per measure of a pair: more is a table nobody reads
_CUT_GAIN = 4.0  # log-likelihood units a further cut must gain
_PROPOSAL_GAIN = 6.0  # units a pair must gain to be proposed at all: hundreds of pairs compete
_PRIOR = 2.0  # curvature that draws a small cell's residual to nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class PairBins:
    """A pair as bins: the two measures' places, and the pair's bin for every two of their bins.

    `table` has the shape (bins of the first + 1, bins of the second + 1) in the order of `Binning.encode`, the last
    ones standing for categories without a bin.
    """

    pair: Pair
    first: int
    second: int
    table: Codes
    levels: tuple[str, ...]

    def encode(self, bins: Codes) -> Codes:
        """Return the pair's bin of rows whose bins are `bins` (n_measures, n_rows)."""
        coded: Codes = self.table[bins[self.first], bins[self.second]]
        return coded


@dataclass(frozen=True, eq=False, kw_only=True)
class Grown:
    """Curves, the pairs among them, and the rows they were learned from."""

    rows: CodedRows
    pairs: tuple[PairBins, ...]
    curves: Curves

    @classmethod
    def plain(cls, rows: CodedRows, curves: Curves) -> Grown:
        """Return curves without pairs."""
        return cls(rows=rows, pairs=(), curves=curves)

    def contributions(self, bins: Codes) -> Floats:
        """Return what each curve adds to the logit of rows of `Binning.encode` (n_curves, n_rows)."""
        coded = self.rows.coded.recode(np.vstack([bins, *(pair.encode(bins) for pair in self.pairs)]))
        return self.curves.contributions(coded[self._places()])

    def logit(self) -> Floats:
        """Return the churn logits of the rows the curves were learned from."""
        codes = self.rows.coded.codes[self._places()]
        return sum_tables(codes, self.curves.design.tables(self.curves.coefficients), self.curves.intercept)

    def only(self, names: set[str], prices: Prices) -> Grown:
        """Return the refit on the measures `names` and the pairs."""
        return self._refitted(self.curves.design.only(names | {pair.pair.name for pair in self.pairs}), prices)

    def at(self, prices: Prices) -> Grown:
        """Return the refit at other prices."""
        return self._refitted(self.curves.design, prices)

    def _refitted(self, design: Design, prices: Prices) -> Grown:
        return replace(self, curves=refit(design, self.rows.churned, self.rows.weight, prices.of(design)))

    def _places(self) -> list[int]:
        place = {measure.name: j for j, measure in enumerate(self.rows.coded.measures)}
        return [place[plan.name] for plan in self.curves.plans]


def grown(
    start: Grown, path: Sequence[float], prices: Prices, settings: Settings, *, most: int, few_churned: bool
) -> list[Grown]:
    """Return the curves of `start`, then with one pair, and so on up to `most`; fewer where no further pair shows.

    Parameters
    ----------
    path, prices : sequence of float, Prices
        Prices of the fine fit, most penalised first, and of the refit.
    """
    found = [start]
    while len(found) <= most:
        last = found[-1]
        proposal = _proposed(last, start.rows.coded)
        if proposal is None:
            break
        rows = replace(last.rows, coded=_with_pair(last.rows.coded, proposal))
        design = card_design(rows, path, settings, few_churned=few_churned)
        curves = refit(design, rows.churned, rows.weight, prices.of(design))
        found.append(Grown(rows=rows, pairs=(*last.pairs, proposal), curves=curves))
    return found


def _with_pair(coded: Coded, pair: PairBins) -> Coded:
    n_levels = len(pair.levels)
    measure = MeasureBins(
        name=pair.pair.name, numeric=False, in_order=True, cuts=np.empty(0), middles=np.empty(0), levels=pair.levels
    )
    as_it_is = np.append(np.arange(n_levels), 0).astype(np.int32)
    return Coded(
        measures=(*coded.measures, measure),
        codes=np.vstack([coded.codes, pair.encode(coded.bins)]),
        recodes=(*coded.recodes, as_it_is),
        bins=coded.bins,
    )


def _proposed(so_far: Grown, coded: Coded) -> PairBins | None:
    """Return the pair that explains most of what the curves so far leave unexplained; None where none shows."""
    rows = so_far.rows
    p = sigmoid(so_far.logit())
    residual, curvature = rows.weight * (rows.churned - p), rows.weight * np.maximum(p * (1 - p), 1e-6)
    coarse = [_Coarse.of(measure, row, curvature) for measure, row in zip(coded.measures, coded.codes, strict=True)]
    taken = {(pair.first, pair.second) for pair in so_far.pairs}
    best: tuple[int, int, Floats, int, int] | None = None
    best_gain = _PROPOSAL_GAIN
    for first, second in combinations(range(len(coarse)), 2):
        if (first, second) in taken or min(coarse[first].n_values, coarse[second].n_values) < 2:
            continue
        sums = _pair_sums(coarse[first].codes, coarse[second].codes, residual, curvature)
        gain, cut, other = _best_quadrants(sums, coarse[first].n_values, coarse[second].n_values)
        if gain > best_gain:
            best, best_gain = (first, second, sums, cut, other), gain
    if best is None:
        return None
    first, second, sums, cut, other = best
    cuts = _more_cuts(sums, (coarse[first].n_values, coarse[second].n_values), ([cut], [other]))
    return _pair_bins(coded, (first, second), (coarse[first], coarse[second]), cuts, sums)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Coarse:
    """A measure in at most `_COARSE` runs of value bins of about equal evidence; all states are one more run."""

    of_bin: Codes
    n_values: int
    codes: Codes

    @classmethod
    def of(cls, measure: MeasureBins, codes: Codes, curvature: Floats) -> _Coarse:
        mass = np.bincount(codes, weights=curvature, minlength=measure.n_bins)[: measure.n_bins]
        middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), 1e-300)
        n_coarse = min(_COARSE, measure.n_bins)
        few = measure.n_bins <= _COARSE
        run = np.arange(measure.n_bins) if few else np.minimum(np.floor(middle * n_coarse), n_coarse - 1)
        run = np.unique(run, return_inverse=True)[1]
        n_values = int(run.max()) + 1
        of_bin = np.append(run, np.full(len(measure.states), n_values)).astype(np.int32)
        return cls(of_bin=of_bin, n_values=n_values, codes=of_bin[codes])


@njit(cache=True)
def _pair_sums(
    first: NDArray[np.int32], second: NDArray[np.int32], residual: NDArray[np.float64], curvature: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return residual and curvature summed over every two coarse bins (2, bins of first, bins of second)."""
    sums = np.zeros((2, _COARSE + 1, _COARSE + 1))
    for i in range(len(first)):
        sums[0, first[i], second[i]] += residual[i]
        sums[1, first[i], second[i]] += curvature[i]
    return sums


@njit(cache=True)
def _best_quadrants(sums: NDArray[np.float64], n_first: int, n_second: int) -> tuple[float, int, int]:
    """Return the gain of the best two cuts beyond that of each cut alone, and the cuts."""
    table = np.zeros((2, n_first + 1, n_second + 1))
    for k in range(2):
        for i in range(n_first):
            for j in range(n_second):
                table[k, i + 1, j + 1] = table[k, i, j + 1] + table[k, i + 1, j] - table[k, i, j] + sums[k, i, j]
    best, best_first, best_second = 0.0, 1, 1
    g, h = table[0], table[1]
    for i in range(1, n_first):
        for j in range(1, n_second):
            gain = 0.0
            for quadrant in range(4):
                low_i, high_i = (0, i) if quadrant < 2 else (i, n_first)
                low_j, high_j = (0, j) if quadrant % 2 == 0 else (j, n_second)
                gq = g[high_i, high_j] - g[low_i, high_j] - g[high_i, low_j] + g[low_i, low_j]
                hq = h[high_i, high_j] - h[low_i, high_j] - h[high_i, low_j] + h[low_i, low_j]
                gain += 0.5 * gq * gq / (hq + _PRIOR)
            for low, high in ((0, i), (i, n_first)):
                gq, hq = g[high, n_second] - g[low, n_second], h[high, n_second] - h[low, n_second]
                gain -= 0.5 * gq * gq / (hq + _PRIOR)
            for low, high in ((0, j), (j, n_second)):
                gq, hq = g[n_first, high] - g[n_first, low], h[n_first, high] - h[n_first, low]
                gain -= 0.5 * gq * gq / (hq + _PRIOR)
            if gain > best:
                best, best_first, best_second = gain, i, j
    return best, best_first, best_second


def _more_cuts(sums: Floats, sizes: tuple[int, int], cuts: tuple[list[int], list[int]]) -> tuple[list[int], list[int]]:
    """Return the cuts with further ones, while each gains enough."""
    explained = _explained(sums, sizes, cuts)
    while True:
        trials = []
        for axis in (0, 1):
            for cut in range(1, sizes[axis]):
                if len(cuts[axis]) < _MOST_CUTS and cut not in cuts[axis]:
                    tried = [list(run) for run in cuts]
                    tried[axis] = sorted([*tried[axis], cut])
                    trials.append((_explained(sums, sizes, (tried[0], tried[1])), (tried[0], tried[1])))
        best = max(trials, key=lambda trial: trial[0], default=None)
        if best is None or best[0] - explained < _CUT_GAIN:
            return cuts
        explained, cuts = best


def _explained(sums: Floats, sizes: tuple[int, int], cuts: tuple[list[int], list[int]]) -> float:
    cells = sums[:, : sizes[0], : sizes[1]]
    for axis in (0, 1):
        cells = np.add.reduceat(cells, [0, *cuts[axis]], axis=axis + 1)
    return float((0.5 * cells[0] ** 2 / (cells[1] + _PRIOR)).sum())


def _pair_bins(
    coded: Coded,
    places: tuple[int, int],
    coarse: tuple[_Coarse, _Coarse],
    cuts: tuple[list[int], list[int]],
    sums: Floats,
) -> PairBins | None:
    """Return the pair with these cuts, its cells in order of what the card so far leaves unexplained.

    None where two cells would read alike: levels "a" and "a · b" beside "b · c" and "c".
    """
    members = [_cells(coded.measures[j], c, run) for j, c, run in zip(places, coarse, cuts, strict=True)]
    pair = Pair(first=members[0][0], second=members[1][0])
    words = [
        [*cells.labels, NO_DATA] if coded.measures[j].states else [*cells.labels]
        for j, (cells, _) in zip(places, members, strict=True)
    ]
    first, second = (
        np.append(np.searchsorted(run, np.arange(c.n_values), side="right"), len(run) + 1)
        for c, run in zip(coarse, cuts, strict=True)
    )
    cells = np.zeros((2, len(cuts[0]) + 2, len(cuts[1]) + 2))
    for total, part in zip(cells, sums, strict=True):
        np.add.at(total, np.ix_(first, second), part[: len(first), : len(second)])
    residual, mass = cells[:, : len(words[0]), : len(words[1])]
    order = np.argsort((residual / (mass + _PRIOR)).ravel(), kind="stable")
    rank = np.argsort(order).reshape(residual.shape)
    of_bin = [cell_of[recode] for (_, cell_of), recode in zip(members, (coded.recodes[j] for j in places), strict=True)]
    table = rank[of_bin[0][:, np.newaxis], of_bin[1][np.newaxis, :]].astype(np.int32)
    levels = [cell_words(a, b) for a in words[0] for b in words[1]]
    if len(set(levels)) < len(levels):
        return None
    return PairBins(pair=pair, first=places[0], second=places[1], table=table, levels=tuple(levels[i] for i in order))


def _cells(measure: MeasureBins, coarse: _Coarse, cuts: list[int]) -> tuple[Cells, NDArray[np.int64]]:
    """Return the cells of one measure, and the cell of each of its bins (states: the last)."""
    values = coarse.of_bin[: measure.n_bins]
    of_value = np.searchsorted(cuts, values, side="right")
    of_bin = np.append(of_value, np.full(len(measure.states), len(cuts) + 1))
    if not measure.numeric:
        groups = tuple(
            tuple(sorted(level for level, cell in zip(measure.levels, of_value, strict=True) if cell == k))
            for k in range(len(cuts) + 1)
        )
        return Cells(measure=measure.name, groups=groups), of_bin
    firsts = [int(np.flatnonzero(of_value == k)[0]) for k in range(1, len(cuts) + 1)]
    said = tuple(_said_cut(measure, first) for first in firsts)
    return Cells(measure=measure.name, cuts=said), of_bin


def _said_cut(measure: MeasureBins, first: int) -> float:
    """Return a sayable number that divides bin `first` from the one before it."""
    cut, below, above = (float(v) for v in (measure.cuts[first - 1], *measure.middles[first - 1 : first + 1]))
    return float(np.ceil(cut)) if measure.whole else sayable(cut, 0.5 * min(above - cut, cut - below))
