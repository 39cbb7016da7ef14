"""The cohort that is learned from, and its folds: blocks of cohorts in time, or accounts dealt out evenly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

from churnfit.errors import DataError

__all__ = ["HELD_BY_NONE", "Cohort", "Folds", "account_names", "dealt_in_turn", "dealt_to_others", "folds"]

Floats: TypeAlias = NDArray[np.float64]

_FEW_CHURNED = 300  # churned accounts below which a cohort is small
_AVERAGED = 1000  # churned accounts below which an average of resamples predicts better: of 1,600 it no longer does
_BLOCK = 40_000  # accounts: blocks of 10,000 choose other knots than 100,000 do, which doubled the intervals
_FEWEST = 200  # churned accounts in a block
_FOLDS_OF_FEW = 10
HELD_BY_NONE = -1  # a fold's number where nothing can be held out: every row is in the learning part


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Rows to learn from: measures, 0/1 labels, weights, each row's account.

    Where known: when its stage began, the health that a hand-made card gives it, higher is better, and how many rows it
    stands for.
    """

    frame: pd.DataFrame
    churned: Floats
    weight: Floats
    groups: NDArray[np.object_]
    began: NDArray[np.datetime64] | None = None
    prior_health: Floats | None = None
    stands_for: Floats | None = None

    @property
    def represented(self) -> Cohort:
        """The cohort that its rows stand for: what level, reference and base rate are about."""
        return self if self.stands_for is None else replace(self, weight=self.weight * self.stands_for)

    @property
    def base_rate(self) -> float:
        """The weighted share of churned rows."""
        return float(np.average(self.churned, weights=self.weight))

    @cached_property
    def account(self) -> NDArray[np.intp]:
        """The place of each row's account among all, in order of their names (n_rows,)."""
        return np.unique(self.groups, return_inverse=True)[1]

    @cached_property
    def lost(self) -> NDArray[np.bool_]:
        """Whether each account churned in any row (n_accounts,)."""
        lost = np.zeros(int(self.account.max()) + 1, dtype=bool)
        lost[self.account[self.churned > 0]] = True
        return lost

    @property
    def few_churned(self) -> bool:
        """Whether the cohort is small: it takes more folds and smaller prices, and leans on a prior card."""
        return int(self.lost.sum()) < _FEW_CHURNED

    @property
    def averaged(self) -> bool:
        """Whether its card says the average of resamples: one draw of its accounts still decides a lot."""
        return int(self.lost.sum()) < _AVERAGED

    @property
    def n_blocks(self) -> int:
        """The number of blocks of accounts to draw resamples from: 1 of an average, or up to tens of thousands."""
        return 1 if self.averaged else min(-(-len(self.lost) // _BLOCK), int(self.lost.sum()) // _FEWEST)

    def take(self, rows: NDArray[np.bool_]) -> Cohort:
        """Return the rows where `rows` is true."""
        return Cohort(
            frame=self.frame.loc[rows],
            churned=self.churned[rows],
            weight=self.weight[rows],
            groups=self.groups[rows],
            began=None if self.began is None else self.began[rows],
            prior_health=None if self.prior_health is None else self.prior_health[rows],
            stands_for=None if self.stands_for is None else self.stands_for[rows],
        )


def account_names(groups: ArrayLike | None, n_rows: int) -> NDArray[np.object_]:
    """Return the account of each row as text (n_rows,); without `groups` each row is its own.

    Raises
    ------
    DataError
        CF201 when a row has none: all such rows would be one account.
    """
    if groups is None:  # sorted by name they keep their order, whichever of them are used
        return np.char.zfill(np.arange(n_rows).astype(str), 12).astype(object)
    named = np.asarray(groups)
    check_consistent_length(named, np.empty(n_rows))
    missing = int(pd.isna(named).sum())
    if missing:
        raise DataError(
            "CF201",
            where="groups",
            expected="the account of every row",
            came=f"{missing:,} of {n_rows:,} rows without",
            fix="Drop those rows, or give each a name of its own.",
        )
    return named.astype(str).astype(object)


@dataclass(frozen=True, eq=False, kw_only=True)
class Folds:
    """The fold of each row (n_rows,), and whether a fold is a block of cohorts in time."""

    of_row: NDArray[np.int64]
    in_time: bool


def folds(cohort: Cohort, n_folds: int, random_state: int) -> Folds:
    """Return blocks of cohorts, or accounts dealt out evenly where they are not of several dates.

    Fewer folds where there are fewer cohorts, or where a class has fewer accounts; more where few accounts churned
    and none is dated: every fold then learns from nearly all of them.
    """
    blocks = _blocks_of_cohorts(cohort, n_folds)
    if blocks is not None:
        return Folds(of_row=blocks, in_time=True)
    dealt = _dealt_accounts(cohort, max(n_folds, _FOLDS_OF_FEW) if cohort.few_churned else n_folds, random_state)
    return Folds(of_row=dealt, in_time=False)


def _dealt_accounts(cohort: Cohort, n_folds: int, random_state: int) -> NDArray[np.int64]:
    """Return the fold of each row, the accounts dealt out in turn."""
    lost = cohort.lost
    n_folds = min(n_folds, int(lost.sum()), int((~lost).sum()))
    if n_folds < 2:
        return np.full(len(cohort.churned), HELD_BY_NONE)
    return dealt_in_turn(lost, n_folds, np.random.default_rng(random_state))[cohort.account]


def dealt_in_turn(lost: NDArray[np.bool_], n_hands: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the hand of each account (n_accounts,): shuffled and dealt out in turn, those that churned first."""
    shuffled = rng.permutation(len(lost))
    hand = np.empty(len(lost), dtype=np.int64)
    hand[shuffled[np.argsort(~lost[shuffled], kind="stable")]] = np.arange(len(lost)) % n_hands
    return hand


def _blocks_of_cohorts(cohort: Cohort, n_folds: int) -> NDArray[np.int64] | None:
    """Return the block of each row, blocks of about equal size in time order; None where two cannot be made.

    Of an account's moments the earliest counts: its rows stay together.
    """
    if cohort.began is None:
        return None
    first = np.full(len(cohort.lost), cohort.began.max())
    np.minimum.at(first, cohort.account, cohort.began)
    starts, position, rows = np.unique(first[cohort.account], return_inverse=True, return_counts=True)
    middle = (np.cumsum(rows) - rows / 2) / rows.sum()
    block = np.unique(np.floor(middle * n_folds), return_inverse=True)[1][position]
    lost = np.bincount(block, weights=cohort.churned)
    stayed = np.bincount(block) - lost
    learnable = len(lost) > 1 and lost.sum() > lost.max() and stayed.sum() > stayed.max()
    return block.astype(np.int64) if learnable and len(starts) > 1 else None


def dealt_to_others(account: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return for each row the row whose values it gets: rows of one account come from one account, in order.

    Parameters
    ----------
    account : ndarray of shape (n_rows,)
        The account of each row, as anything that sorts.
    """
    account_of = np.unique(account, return_inverse=True)[1]
    by_account = np.argsort(account_of, kind="stable")
    sizes = np.bincount(account_of)
    first = np.cumsum(sizes) - sizes
    giver = rng.permutation(len(sizes))[account_of[by_account]]
    nth = np.arange(len(account_of)) - first[account_of[by_account]]
    given = np.empty(len(account_of), dtype=np.intp)
    given[by_account] = by_account[first[giver] + nth % sizes[giver]]
    return given
