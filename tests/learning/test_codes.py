"""Codes: values as ordered bins, missing states behind them."""

import numpy as np
import pandas as pd

from churnfit.learning.codes import learn_codes, measure_names, normalised, state_array


def coded(table, churned, weight=None, **settings):
    frame = normalised(pd.DataFrame(table))
    weight = np.ones(len(frame)) if weight is None else np.array(weight, dtype=float)
    return learn_codes(frame, np.array(churned, dtype=float), weight, **settings), frame


def test_state_columns_are_no_measures_unless_their_measure_is_absent():
    """`a__state` explains `a`; `b__state` explains nothing and is a measure of its own."""
    assert measure_names(["a", "a__state", "b__state"]) == ["a", "b__state"]


def test_numbers_are_cut_midway_between_neighbours():
    """Values 1, 2 and 5: cuts at 1.5 and 3.5, three bins."""
    coding, frame = coded({"x": [5.0, 1.0, 2.0, 1.0]}, [0, 1, 0, 1])
    assert coding.measures[0].cuts.tolist() == [1.5, 3.5]
    assert coding.encode(frame).tolist() == [[2, 0, 1, 0]]
    assert coding.n_bins.tolist() == [3]


def test_many_values_share_bins_of_equal_weight():
    """A hundred values in four bins: 25 each; where one value holds half the weight, it has a bin of its own."""
    coding, frame = coded({"x": np.arange(100.0)}, [0, 1] * 50, max_bins=4)
    assert np.bincount(coding.encode(frame)[0]).tolist() == [25, 25, 25, 25]
    heavy = [1.0] * 99 + [99.0]
    coding, frame = coded({"x": np.arange(100.0)}, [0, 1] * 50, heavy, max_bins=4)
    assert coding.encode(frame)[0][-1] > coding.encode(frame)[0][-2]


def test_states_stand_behind_the_value_bins_in_order_of_name():
    """Two value bins, then `missing` (nothing said why) and `never`."""
    coding, frame = coded({"x": [1.0, 2.0, None, None], "x__state": [None, None, "never", None]}, [0, 1, 1, 0])
    assert coding.measures[0].states == ("missing", "never")
    assert coding.encode(frame).tolist() == [[0, 1, 3, 2]]
    assert coding.n_states.tolist() == [2]


def test_a_state_never_seen_in_training_stands_in_the_middle_bin():
    """Three value bins: the middle one is 1."""
    coding, _ = coded({"x": [1.0, 2.0, 3.0]}, [0, 1, 0])
    later = normalised(pd.DataFrame({"x": [None, 3.0], "x__state": ["stale", None]}).astype({"x": float}))
    assert coding.encode(later).tolist() == [[1, 2]]


def test_categories_are_ordered_by_their_smoothed_churn_rate():
    """Base 12/30. With 20 prior rows at 0.4: good (2 + 8)/(10 + 20) < fair (4 + 8)/30 < bad (6 + 8)/30."""
    values = ["bad"] * 10 + ["good"] * 10 + ["fair"] * 10
    churned = [1] * 6 + [0] * 4 + [1] * 2 + [0] * 8 + [1] * 4 + [0] * 6
    coding, _ = coded({"plan": values}, churned)
    assert coding.measures[0].order == ("good", "fair", "bad")


def test_rare_and_unknown_categories_stand_with_the_level_nearest_the_base_rate():
    """Seven rows are too few for a level of one's own; fair churns like everybody."""
    values = ["bad"] * 10 + ["good"] * 10 + ["fair"] * 10 + ["rare"] * 7
    churned = [1] * 8 + [0] * 2 + [0] * 10 + [1] * 4 + [0] * 6 + [1] * 3 + [0] * 4
    coding, _ = coded({"plan": values}, churned)
    assert coding.measures[0].order == ("good", "fair", "bad")
    later = normalised(pd.DataFrame({"plan": ["rare", "unheard of", "good"]}))
    assert coding.encode(later).tolist() == [[1, 1, 0]]


def test_rows_of_weight_zero_leave_no_trace():
    """The value 9 was seen, but counts for nothing: no cut leads to it."""
    coding, _ = coded({"x": [1.0, 2.0, 9.0]}, [0, 1, 1], [1, 1, 0])
    assert coding.measures[0].cuts.tolist() == [1.5]


def test_a_measure_that_is_never_there_has_one_empty_bin_and_its_states():
    """All numbers missing, and all categories missing."""
    table = {"x": np.array([np.nan, np.nan]), "plan": pd.Series([None, None], dtype=object)}
    coding, frame = coded(table, [0, 1])
    assert coding.n_bins.tolist() == [1, 1]
    assert coding.encode(frame).tolist() == [[1, 1], [1, 1]]


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
