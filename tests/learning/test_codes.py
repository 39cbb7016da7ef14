"""Codes: values as ordered bins, missing states behind them."""

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from churnfit.learning.codes import learn_bins, measure_names, normalised, ordered_by_risk, state_array


def binned(table, weight=None, **settings):
    """The bins of a table, and the table as the learner sees it."""
    frame = normalised(pd.DataFrame(table))
    weight = np.ones(len(frame)) if weight is None else np.array(weight, dtype=float)
    return learn_bins(frame, weight, **settings), frame


def coded(table, churned):
    """The rows of a table in order of risk, and the bins that they came from."""
    binning, frame = binned(table)
    return ordered_by_risk(binning, binning.encode(frame), np.array(churned, dtype=float), np.ones(len(frame))), binning


def test_state_columns_are_no_measures_unless_their_measure_is_absent():
    """`a__state` explains `a`; `b__state` explains nothing and is a measure of its own."""
    assert measure_names(["a", "a__state", "b__state"]) == ["a", "b__state"]


def test_numbers_are_cut_midway_between_neighbours():
    """Values 1, 2 and 5: cuts at 1.5 and 3.5, three bins, each standing at its value."""
    binning, frame = binned({"x": [5.0, 1.0, 2.0, 1.0]})
    assert binning.measures[0].cuts.tolist() == [1.5, 3.5]
    assert binning.measures[0].middles.tolist() == [1.0, 2.0, 5.0]
    assert binning.encode(frame).tolist() == [[2, 0, 1, 0]]
    assert binning.measures[0].n_bins == 3


def test_many_values_share_bins_of_equal_weight():
    """A hundred values in four bins: 25 each; where one value holds half the weight, it has a bin of its own."""
    binning, frame = binned({"x": np.arange(100.0)}, max_bins=4)
    assert np.bincount(binning.encode(frame)[0]).tolist() == [25, 25, 25, 25]
    heavy = [1.0] * 99 + [99.0]
    binning, frame = binned({"x": np.arange(100.0)}, heavy, max_bins=4)
    assert binning.encode(frame)[0][-1] > binning.encode(frame)[0][-2]


def test_a_bin_stands_at_its_weighted_median():
    """Values 0 … 7 in two bins of four rows: the lower medians are 1 and 5; a 0 that weighs 9 is its bin's median."""
    assert binned({"x": np.arange(8.0)}, max_bins=2)[0].measures[0].middles.tolist() == [1.0, 5.0]
    heavy = binned({"x": np.arange(8.0)}, [9.0, 1, 1, 1, 4, 4, 4, 0.5], max_bins=2)[0].measures[0]
    assert heavy.cuts.tolist() == [4.5]  # half of the 24.5 is 12.25: up to 3 it is 12, so the value 4 belongs below
    assert heavy.middles.tolist() == [0.0, 6.0]  # 8 of 16, and 16 + 4.25 of 24.5: the values 4 and 5 hold 20


def test_whole_numbers_are_known_as_such():
    """Counts are whole, gaps or not; a half is not; a measure that is never there is nothing."""
    table = {"n": [1.0, 2.0, None], "half": [1.0, 1.5, 2.0], "void": np.full(3, np.nan)}
    assert [measure.whole for measure in binned(table)[0].measures] == [True, False, False]


def test_states_stand_behind_the_value_bins_in_order_of_name():
    """Two value bins, then `missing` (nothing said why) and `never`."""
    table = {"x": [1.0, 2.0, None, None], "x__state": [None, None, "never", None]}
    binning, frame = binned(table)
    assert binning.measures[0].states == ("missing", "never")
    assert binning.encode(frame).tolist() == [[0, 1, 3, 2]]
    by_risk, _ = coded(table, [0, 1, 1, 0])
    assert (by_risk.n_bins.tolist(), by_risk.n_states.tolist()) == ([2], [2])
    assert by_risk.codes.tolist() == [[0, 1, 3, 2]]


def test_a_state_never_seen_in_training_stands_in_the_middle_bin():
    """Three value bins: the middle one is 1."""
    binning, _ = binned({"x": [1.0, 2.0, 3.0]})
    later = normalised(pd.DataFrame({"x": [None, 3.0], "x__state": ["stale", None]}).astype({"x": float}))
    assert binning.encode(later).tolist() == [[1, 2]]


def test_categories_are_ordered_by_their_smoothed_churn_rate():
    """Base 12/30. With 20 prior rows at 0.4: good (2 + 8)/(10 + 20) < fair (4 + 8)/30 < bad (6 + 8)/30."""
    values = ["bad"] * 10 + ["good"] * 10 + ["fair"] * 10
    churned = [1] * 6 + [0] * 4 + [1] * 2 + [0] * 8 + [1] * 4 + [0] * 6
    by_risk, binning = coded({"plan": values}, churned)
    assert binning.measures[0].levels == ("bad", "fair", "good")  # no label is looked at: by name
    assert by_risk.measures[0].levels == ("good", "fair", "bad")
    assert by_risk.codes[0].tolist() == [2] * 10 + [0] * 10 + [1] * 10


def test_rare_and_unknown_categories_stand_with_the_level_nearest_the_base_rate():
    """Seven rows are too few for a level of one's own; fair churns like everybody."""
    values = ["bad"] * 10 + ["good"] * 10 + ["fair"] * 10 + ["rare"] * 7
    churned = [1] * 8 + [0] * 2 + [0] * 10 + [1] * 4 + [0] * 6 + [1] * 3 + [0] * 4
    by_risk, binning = coded({"plan": values}, churned)
    assert by_risk.measures[0].levels == ("good", "fair", "bad")
    later = binning.encode(normalised(pd.DataFrame({"plan": ["rare", "unheard of", "good"]})))
    assert later.tolist() == [[-1, -1, 2]]
    assert by_risk.recode(later).tolist() == [[1, 1, 0]]


def test_a_category_that_is_rare_in_a_fold_has_no_level_there():
    """Ten rows of `new` in all, two in this half: they stand with fair, whose rate is nearest the base rate."""
    values = ["bad"] * 20 + ["fair"] * 20 + ["good"] * 20 + ["new"] * 10
    churned = np.array([1] * 16 + [0] * 4 + [1] * 10 + [0] * 10 + [1] * 3 + [0] * 17 + [1] * 5 + [0] * 5, dtype=float)
    binning, frame = binned({"plan": values})
    assert binning.measures[0].levels == ("bad", "fair", "good", "new")
    half = np.append(np.ones(60, dtype=bool), [True, False, False, False, False] * 2)
    by_risk = ordered_by_risk(binning, binning.encode(frame)[:, half], churned[half], np.ones(62))
    assert by_risk.measures[0].levels == ("good", "fair", "bad")
    assert by_risk.codes[0].tolist() == [2] * 20 + [1] * 20 + [0] * 20 + [1] * 2


def test_rows_of_weight_zero_leave_no_trace():
    """The value 9 was seen, but counts for nothing: no cut leads to it."""
    binning, _ = binned({"x": [1.0, 2.0, 9.0]}, [1, 1, 0])
    assert binning.measures[0].cuts.tolist() == [1.5]


def test_a_measure_that_is_never_there_has_one_empty_bin_and_its_states():
    """All numbers missing, and all categories missing."""
    table = {"x": np.array([np.nan, np.nan]), "plan": pd.Series([None, None], dtype=object)}
    by_risk, _ = coded(table, [0, 1])
    assert by_risk.n_bins.tolist() == [1, 1]
    assert by_risk.codes.tolist() == [[1, 1], [1, 1]]


def test_normalised_tables_hold_floats_and_objects_only():
    """Nullable integers and booleans become floats, text objects with None."""
    table = pd.DataFrame(
        {"n": pd.array([1, None], dtype="Int64"), "b": [True, False], "t": pd.array(["a", None], dtype="str")}
    )
    plain = normalised(table)
    assert [str(dtype) for dtype in plain.dtypes] == ["float64", "float64", "object"]
    assert np.isnan(plain.loc[1, "n"])
    assert plain.loc[1, "t"] is None
    assert state_array(plain, "n").tolist() == ["missing", "missing"]


NUMBERS = st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 1000) | st.integers(-5, 5).map(float), min_size=1)


@settings(deadline=None, max_examples=60)
@given(NUMBERS, NUMBERS, st.integers(2, 9))
def test_bins_keep_the_order_of_the_values(seen, later, max_bins):
    """Whatever was seen: a greater value never stands in a lower bin, and bins stand at rising values of their own."""
    binning, _ = binned({"x": seen}, max_bins=max_bins)
    [measure] = binning.measures
    bins = binning.encode(normalised(pd.DataFrame({"x": sorted(later)})))[0]
    assert (np.diff(bins) >= 0).all()
    assert bins.min() >= 0
    assert bins.max() < measure.n_bins <= max_bins
    assert all(low < high for low, high in pairwise(measure.middles))
    assert binning.encode(pd.DataFrame({"x": measure.middles}))[0].tolist() == list(range(measure.n_bins))
