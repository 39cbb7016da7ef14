"""Resamples: the curves that other draws of the same accounts would have given.

A resample counts every account 0, 1, 2 … times, and the card's measures are learned from it again: order of the
categories, shapes, knots and heights, at the penalty that was chosen; cells of a pair keep their order. Beyond tens of
thousands of accounts a resample is drawn from one block of them, each counted so often that the resample is as large as
the whole (the bag of little bootstraps): the spread is that of the whole, the cost that of a block.

References
----------
Efron and Tibshirani (1993), "An introduction to the bootstrap". Kleiner, Talwalkar, Sarkar and Jordan (2014), "A
scalable bootstrap for massive data": spread around each block's own estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.binned import pull_to_bins
from churnfit.learning.codes import Binning, MeasureBins, ordered_by_risk
from churnfit.learning.folds import Cohort, dealt_in_turn
from churnfit.learning.penalties import CodedRows, Settings, card_design
from churnfit.learning.prior import leaning
from churnfit.learning.selection import Learned

__all__ = ["Resampled", "resampled_curves"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Resampled:
    """The curves of all resamples, in churn logits; then, where there are blocks, those of each block and the whole.

    Parameters
    ----------
    measures : tuple of MeasureBins
    tables : ndarray of shape (n_curves, n_measures, most bins)
        What each bin adds; state bins follow the value bins.
    means : ndarray of shape (n_curves, n_measures)
        What the average row gets of the cohort that the rows stand for.
    base_rates : ndarray of shape (n_curves,)
        The share of it that churned.
    mass : ndarray of shape (n_measures, most bins)
        Weight of the cohort's rows in each bin.
    block_of : ndarray of shape (n_resamples,)
        The block that each resample was drawn from.
    drew : ndarray of shape (n_resamples, n_accounts)
        Whether each resample drew each account, where their average is the card; else nobody asks (n_resamples, 0).
    """

    measures: tuple[MeasureBins, ...]
    tables: Floats
    means: Floats
    base_rates: Floats
    mass: Floats
    block_of: NDArray[np.int64]
    drew: NDArray[np.bool_]

    def place(self, name: str) -> int:
        """Return the index of the measure `name`."""
        return [measure.name for measure in self.measures].index(name)

    def first(self, n_resamples: int) -> Resampled:
        """Return the first resamples of a cohort that is one block; all where that is what there is."""
        if n_resamples >= len(self.block_of):
            return self
        first = slice(0, n_resamples)
        return replace(
            self,
            tables=self.tables[first],
            means=self.means[first],
            base_rates=self.base_rates[first],
            block_of=self.block_of[first],
            drew=self.drew[first],
        )

    def times(self, factor: float) -> Resampled:
        """Return the curves, each times `factor`."""
        return replace(self, tables=factor * self.tables, means=factor * self.means)

    def at_levels(self, index: int, level: NDArray[np.intp], n_levels: int) -> Floats:
        """Return the churn logits of measure `index` at each level, its bins by their weight (n_curves, n_levels).

        Parameters
        ----------
        level : ndarray of shape (n_bins,)
            The level of each value bin.
        """
        n_bins = len(level)
        member = (level[:, np.newaxis] == np.arange(n_levels)) * self.mass[index, :n_bins, np.newaxis]
        heights: Floats = self.tables[:, index, :n_bins] @ (member / np.maximum(member.sum(axis=0), 1e-12))
        return heights

    def spread(self, numbers: Floats) -> Floats:
        """Return what the resamples say of a number taken from every curve (n_curves, …): (n_resamples, …).

        A resample of a block differs from its block as one of the whole would from the whole.
        """
        n_resamples = len(self.block_of)
        if len(numbers) == n_resamples:
            return numbers
        spread: Floats = numbers[:n_resamples] - numbers[n_resamples + self.block_of] + numbers[-1]
        return spread


@dataclass(frozen=True, eq=False, kw_only=True)
class _Rows:
    codes: NDArray[np.int32]
    churned: Floats
    weight: Floats
    account: NDArray[np.intp]
    prior_health: Floats | None
    stands_for: Floats  # rows of the cohort


def resampled_curves(learned: Learned, cohort: Cohort, settings: Settings, n_resamples: int) -> Resampled | None:
    """Return the curves of `n_resamples` resamples of the accounts of `cohort`, drawn by ``settings.random_state``.

    None where there is nothing to draw: no resamples wanted, or no measure with evidence.
    """
    if not n_resamples or not learned.measures:
        return None
    rng = np.random.default_rng(settings.random_state)
    refits = _Refits(learned, settings, few_churned=cohort.few_churned)
    codes = learned.curves.design.codes
    stands_for = np.ones(len(cohort.churned)) if cohort.stands_for is None else cohort.stands_for
    account = cohort.account
    n_accounts = len(cohort.lost)
    n_blocks = cohort.n_blocks
    block_of = dealt_in_turn(cohort.lost, n_blocks, rng)
    drawn: list[tuple[Floats, Floats, Floats]] = []
    centres: list[tuple[Floats, Floats, Floats]] = []
    drew = np.zeros((n_resamples, n_accounts if cohort.averaged else 0), dtype=bool)
    for block in range(n_blocks):
        inside = np.flatnonzero(block_of == block)
        at = np.flatnonzero(block_of[account] == block)
        rows = _Rows(
            codes=np.ascontiguousarray(codes[:, at]),
            churned=cohort.churned[at],
            weight=cohort.weight[at],
            account=np.searchsorted(inside, account[at]),
            prior_health=None if cohort.prior_health is None else cohort.prior_health[at],
            stands_for=stands_for[at],
        )
        for _ in range(block, n_resamples, n_blocks):
            weight = _drawn_weight(rows, n_accounts, rng)
            if cohort.averaged:
                drew[len(drawn), inside[rows.account[weight > 0]]] = True
            drawn.append(refits.of(rows, weight))
        if n_blocks > 1:
            centres.append(refits.of(rows, rows.weight * (n_accounts / len(inside))))
    if n_blocks > 1:
        whole = _Rows(
            codes=codes,
            churned=cohort.churned,
            weight=cohort.weight,
            account=account,
            prior_health=cohort.prior_health,
            stands_for=stands_for,
        )
        centres.append(refits.summary(whole, cohort.weight, _padded(learned, refits.width)))
    tables, means, base_rates = (np.stack(part) for part in zip(*drawn, *centres, strict=True))
    return Resampled(
        measures=learned.measures,
        tables=tables,
        means=means,
        base_rates=base_rates,
        mass=pull_to_bins(codes, cohort.weight, refits.width),
        block_of=np.repeat(np.arange(n_blocks), [len(range(k, n_resamples, n_blocks)) for k in range(n_blocks)]),
        drew=drew,
    )


def _drawn_weight(rows: _Rows, n_accounts: int, rng: np.random.Generator) -> Floats:
    """Return the rows' weights in a resample of `n_accounts` of their accounts, in which both classes occur."""
    n_own = int(rows.account.max()) + 1
    while True:
        times = np.bincount(rng.integers(n_own, size=n_accounts), minlength=n_own)
        weight = rows.weight * times[rows.account]
        if 0 < float(weight @ rows.churned) < float(weight.sum()) and weight @ rows.stands_for:
            return weight


def _padded(learned: Learned, width: int) -> Floats:
    tables = learned.curves.design.tables(learned.curves.coefficients)
    return np.pad(tables, ((0, 0), (0, width - tables.shape[1])))


class _Refits:
    """What all resamples share: the measures of the card, the penalty and the slopes they earned."""

    def __init__(self, learned: Learned, settings: Settings, *, few_churned: bool) -> None:
        self.learned = learned
        self.few_churned = few_churned
        self.settings = settings
        self.width = max((m.n_bins + len(m.states) for m in learned.measures), default=1)

    def of(self, rows: _Rows, weight: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the tables, means and base rate learned from `rows` that count by `weight`."""
        learned = self.learned
        counted = weight > 0
        codes, churned, used = rows.codes[:, counted], rows.churned[counted], weight[counted]
        coded = ordered_by_risk(Binning(learned.measures), codes, churned, used)
        health = None if rows.prior_health is None else rows.prior_health[counted]
        part = leaning(CodedRows(coded=coded, churned=churned, weight=used, prior_health=health), learned.trust)
        design = card_design(part, [learned.path[-1]], self.settings, few_churned=self.few_churned)
        curves = learned.again(design, part)
        own = dict(zip((plan.name for plan in design.plans), design.tables(curves.coefficients), strict=True))
        tables = np.zeros((len(learned.measures), self.width))
        for j, (measure, recode) in enumerate(zip(learned.measures, coded.recodes, strict=True)):
            if measure.name in own:
                bins = recode[:-1]
                tables[j, : len(bins)] = own[measure.name][bins]
        return self.summary(rows, weight, tables)

    def summary(self, rows: _Rows, weight: Floats, tables: Floats) -> tuple[Floats, Floats, Floats]:
        """Return `tables`, what the average of `rows` gets from them, and the share that churned."""
        represented = weight * rows.stands_for
        mass = pull_to_bins(rows.codes, represented, self.width)
        means = (mass * tables).sum(axis=1) / represented.sum()
        return tables, means, np.array(represented @ rows.churned / represented.sum())
