"""Folds: accounts stay together, cohorts are blocks in time, shuffled values stay with an account."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnfit.learning.folds import HELD_BY_NONE, Cohort, dealt_to_others, folds

DAYS = np.array(["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"], dtype="datetime64[us]")


def fold_of(cohort, n_folds, random_state):
    return folds(cohort, n_folds, random_state).of_row


def cohort_of(groups, churned, *, began=None, weight=None):
    return Cohort(
        frame=pd.DataFrame({"x": np.arange(float(len(groups)))}),
        churned=np.array(churned, dtype=float),
        weight=np.ones(len(groups)) if weight is None else np.array(weight, dtype=float),
        groups=np.array(groups, dtype=object),
        began=began,
    )


def test_rows_of_an_account_stay_together_and_churners_are_dealt_evenly():
    """Twelve accounts of three rows, four of them churned: few churners take as many folds as can hold one each."""
    account = np.repeat([f"A{i:02}" for i in range(12)], 3)
    lost = np.isin(account, ["A01", "A04", "A07", "A10"])
    fold = fold_of(cohort_of(account, lost), 3, 0)
    by_account = pd.Series(fold).groupby(account)
    assert (by_account.nunique() == 1).all()
    assert by_account.first().value_counts().to_dict() == {0: 3, 1: 3, 2: 3, 3: 3}
    churners = pd.Series(fold[lost]).groupby(account[lost]).first().value_counts()
    assert churners.tolist() == [1, 1, 1, 1]


def test_folds_do_not_depend_on_the_order_of_rows():
    """Accounts are dealt by name: a row keeps its fold wherever it stands; another random state deals anew."""
    account = np.array([f"A{i // 2:02}" for i in range(40)])
    lost = np.array([i // 2 % 3 == 0 for i in range(40)])
    order = np.random.default_rng(0).permutation(40)
    fold = fold_of(cohort_of(account, lost), 4, 5)
    assert fold_of(cohort_of(account[order], lost[order]), 4, 5).tolist() == fold[order].tolist()
    assert fold_of(cohort_of(account, lost), 4, 6).tolist() != fold.tolist()


def test_there_are_no_more_folds_than_churned_accounts():
    """Two churners: two folds; one churner: nothing can be held out. The same where two stay, or one."""
    names = [f"A{i}" for i in range(8)]
    assert set(fold_of(cohort_of(names, [1, 1, 0, 0, 0, 0, 0, 0]), 4, 0)) == {0, 1}
    assert set(fold_of(cohort_of(names, [1, 0, 0, 0, 0, 0, 0, 0]), 4, 0)) == {HELD_BY_NONE}
    assert set(fold_of(cohort_of(names, [0, 0, 1, 1, 1, 1, 1, 1]), 4, 0)) == {0, 1}
    assert set(fold_of(cohort_of(names, [0, 1, 1, 1, 1, 1, 1, 1]), 4, 0)) == {HELD_BY_NONE}


def test_dated_cohorts_are_blocks_in_time():
    """Four months of four rows in two folds: the first two months and the last two, however the rows are mixed."""
    month = np.array([3, 0, 2, 1] * 4)
    cohort = cohort_of([f"A{i}" for i in range(16)], np.arange(16) // 4 % 2, began=DAYS[month])
    assert fold_of(cohort, 2, 0).tolist() == (month >= 2).astype(int).tolist()
    assert fold_of(cohort, 4, 0).tolist() == month.tolist()


def test_blocks_hold_about_as_many_rows_whatever_the_months_hold():
    """Ten rows in January, two in each later month: January is a block, the other three are one."""
    month = np.array([0] * 10 + [1] * 2 + [2] * 2 + [3] * 2)
    cohort = cohort_of([f"A{i}" for i in range(16)], np.arange(16) % 2, began=DAYS[month])
    assert fold_of(cohort, 2, 0).tolist() == [0] * 10 + [1] * 6


@pytest.mark.parametrize("churned", [[1, 0, 1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 1, 1, 1, 1]], ids=["churners", "stayers"])
def test_blocks_that_leave_one_class_to_learn_from_are_not_made(churned):
    """Everybody of one class is in January: without it there is nothing to learn, so accounts are dealt out."""
    began = DAYS[[0, 0, 0, 0, 1, 1, 1, 1]]
    names = [f"A{i}" for i in range(8)]
    assert (
        fold_of(cohort_of(names, churned, began=began), 2, 0).tolist()
        == fold_of(cohort_of(names, churned), 2, 0).tolist()
    )


def test_one_month_is_no_block():
    """All began on one day: accounts are dealt out as if nothing were dated."""
    names, churned = [f"A{i}" for i in range(8)], [1, 0] * 4
    dated = cohort_of(names, churned, began=DAYS[np.zeros(8, dtype=int)])
    assert fold_of(dated, 2, 0).tolist() == fold_of(cohort_of(names, churned), 2, 0).tolist()


def test_a_part_of_a_cohort_is_its_rows_and_their_rate():
    """Of four rows the first and the last, weighing 1 and 3, one of them churned: 3 in 4."""
    whole = cohort_of(["a", "b", "c", "d"], [0, 1, 0, 1], began=DAYS, weight=[1, 2, 2, 3])
    part = whole.take(np.array([True, False, False, True]))
    assert part.frame["x"].tolist() == [0.0, 3.0]
    assert part.groups.tolist() == ["a", "d"]
    assert part.began.tolist() == DAYS[[0, 3]].tolist()
    assert part.base_rate == 0.75
    assert cohort_of(["a", "b"], [0, 1]).take(np.array([True, False])).began is None


def test_every_row_gets_the_values_of_one_giver_in_order():
    """Accounts a (3 rows), b (1) and c (2): a's rows get one account's rows from its first on, again when they run out.

    By hand: from c they are its first, second and first again; from b, its one row three times.
    """
    groups = np.array(["a", "c", "a", "b", "c", "a"], dtype=object)
    rows_of = {"a": [0, 2, 5], "b": [3], "c": [1, 4]}
    seen = set()
    for seed in range(60):
        given_rows = dealt_to_others(groups, np.random.default_rng(seed))
        for account, own in rows_of.items():
            giver = groups[given_rows[own[0]]]
            theirs = rows_of[giver]
            assert given_rows[own].tolist() == [theirs[i % len(theirs)] for i in range(len(own))]
            seen.add((account, giver))
    assert len(seen) == 9  # every account gives to every one sooner or later, itself included


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(0, 1000))
def test_dealing_is_a_permutation_of_accounts(names, seed):
    """Each account gives to exactly one; accounts of equal size only exchange their rows."""
    groups = np.array([f"A{n}" for n in names], dtype=object)
    taken = groups[dealt_to_others(groups, np.random.default_rng(seed))]
    pairs = set(zip(groups, taken, strict=True))
    assert len(pairs) == len({giver for _, giver in pairs}) == len(set(groups))
    if len(set(pd.Series(groups).value_counts())) == 1:
        assert sorted(dealt_to_others(groups, np.random.default_rng(seed))) == list(range(len(groups)))


@pytest.mark.parametrize(
    ("n_accounts", "n_churned", "averaged", "n_blocks"),
    [
        (30_000, 999, True, 1),
        (30_000, 1_000, False, 1),
        (90_000, 999, True, 1),
        (90_000, 1_000, False, 3),
        (400_000, 1_000, False, 5),
    ],
)
def test_fewer_than_a_thousand_churned_are_averaged_and_more_are_drawn_in_blocks(
    n_accounts, n_churned, averaged, n_blocks
):
    """Blocks of at most 40,000 accounts, with at least 200 churned in each."""
    cohort = cohort_of(np.arange(n_accounts).astype(str), np.arange(n_accounts) < n_churned)
    assert (cohort.averaged, cohort.n_blocks) == (averaged, n_blocks)


def test_an_account_of_two_moments_counts_by_the_earlier_one():
    """Every account comes back two months later: its rows are in one block all the same."""
    groups = [f"A{i}" for i in range(8)] * 2
    cohort = cohort_of(groups, np.arange(16) // 2 % 2, began=DAYS[[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]])
    assert fold_of(cohort, 2, 0).tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 2
