"""Tables over bins: sums of rows, and rows pulled back to bins, by hand."""

import numpy as np
import pytest

from churnfit.learning.binned import pull_to_bins, sum_tables

CODES = np.array([[0, 2, 1, 2], [1, 1, 0, 0]], dtype=np.int32)


def test_a_row_is_the_constant_and_one_entry_of_every_table():
    """0.5 + 1 + 20, 0.5 + 4 + 20, 0.5 + 2 + 10, 0.5 + 4 + 10; the entry that pads the second table is never read."""
    values = np.array([[1.0, 2.0, 4.0], [10.0, 20.0, np.nan]])
    assert sum_tables(CODES, values, 0.5).tolist() == [21.5, 24.5, 12.5, 14.5]


def test_without_tables_a_row_is_the_constant():
    """A card of no measures says the same of everybody."""
    assert sum_tables(CODES[:0], np.empty((0, 1)), -1.5).tolist() == [-1.5] * 4


def test_a_bin_holds_the_amounts_of_its_rows():
    """The third bin of the first measure holds the rows of 2 and 8; the second measure has no third bin."""
    amounts = np.array([1.0, 2.0, 4.0, 8.0])
    assert pull_to_bins(CODES, amounts, 3).tolist() == [[1.0, 4.0, 10.0], [12.0, 3.0, 0.0]]


def test_pulling_back_is_the_transpose_of_summing():
    """⟨sums of tables, amounts⟩ = ⟨tables, amounts in bins⟩: gradients follow from values."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 7, (5, 200)).astype(np.int32)
    values, amounts = rng.normal(size=(5, 7)), rng.normal(size=200)
    by_row = sum_tables(codes, values, 0.0) @ amounts
    assert by_row == pytest.approx((values * pull_to_bins(codes, amounts, 7)).sum(), abs=1e-9)
