"""The joint refit: heights, states and worth, by hand."""

import numpy as np
import pandas as pd
import pytest

from churnfit.learning.curves import CurvePlan
from churnfit.learning.joint import Curves, make_design, refit, worth

GRADED = CurvePlan(
    name="x", graded=True, places=(0.0, 2.0, 4.0), start=(0.0, 1.0, 0.0), signs=(1, -1), states=("never",)
)
STEP = CurvePlan(name="flag", graded=False, places=(1.0,), start=(0.0, 1.0), signs=(1,))


def even_table(n=400):
    """x is 0 … 4 or a gap, the flag 0 or 1, both drawn; churn follows the flag alone: 1 in 10 and 1 in 2, exactly."""
    at = np.random.default_rng(5).permutation(n)
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, np.nan])[at % 6]
    flag = (np.arange(n) % 2).astype(float)
    state = np.where(np.isnan(x), "never", None).astype(object)
    nth = np.arange(n) // 2
    churned = np.where(flag == 1, nth % 2 == 0, nth % 10 == 0).astype(float)
    return pd.DataFrame({"x": x, "x__state": state, "flag": flag}), churned


def test_the_design_holds_increments_and_states():
    """Row x = 3 has come 1 and ½; a gap stands at the mean of the measured rows and raises its state's flag."""
    table = pd.DataFrame({"x": [0.0, 3.0, np.nan], "x__state": pd.Series([None, None, "never"], dtype=object)})
    design = make_design((GRADED,), table, np.ones(3))
    assert design.mean_increments["x"].tolist() == [0.5, 0.25]
    assert design.matrix.tolist() == [[0.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.5, 0.25, 1.0]]
    assert design.signs.tolist() == [1, -1, 0]
    assert design.is_state.tolist() == [False, False, True]
    assert design.start.tolist() == [1.0, -1.0, 0.0]


def test_means_count_by_weight():
    """x = 0 weighs 3, x = 2 weighs 1: the mean of the first increment is 1/4."""
    table = pd.DataFrame({"x": [0.0, 2.0]})
    assert make_design((GRADED,), table, np.array([3.0, 1.0])).mean_increments["x"].tolist() == [0.25, 0.0]


def test_heights_are_sums_of_increments_and_states_stand_beside_the_average():
    """Increments 2 and −0.5: heights 0, 2, 1.5. The average row has come ½ and ¼: 0.875, and its state adds 1."""
    curves = Curves(
        plans=(GRADED,),
        intercept=0.0,
        coefficients=np.array([2.0, -0.5, 1.0]),
        measure_of=np.array([0, 0, 0]),
        mean_increments={"x": np.array([0.5, 0.25])},
    )
    knots, states = curves.heights(0)
    assert knots.tolist() == [0.0, 2.0, 1.5]
    assert states.tolist() == [0.875 + 1.0]
    table = pd.DataFrame({"x": [3.0, np.nan], "x__state": pd.Series([None, "never"], dtype=object)})
    assert curves.logit(table).tolist() == [1.75, 1.875]
    assert curves.contributions(table)["x"].tolist() == [1.75, 1.875]
    assert curves.shrunk({"x": 0.5}).logit(table).tolist() == [0.875, 0.9375]


def test_the_refit_keeps_signs_and_finds_the_rates():
    """Almost without a price the flag's step is ln(1) − ln(1/9) = 2.197 logits; x decides nothing."""
    table, churned = even_table()
    curves = refit(make_design((GRADED, STEP), table, np.ones(len(table))), churned, np.ones(len(table)), 1e-6)
    assert curves.coefficients[0] >= 0 >= curves.coefficients[1]
    knots, _ = curves.heights(1)
    assert knots[1] == pytest.approx(np.log(9.0), abs=0.35)
    p = 1 / (1 + np.exp(-curves.logit(table)))
    assert p.sum() == pytest.approx(churned.sum(), rel=1e-4)


def test_a_price_beyond_all_gain_flattens_every_increment():
    """Only the base rate is left."""
    table, churned = even_table()
    curves = refit(make_design((STEP,), table, np.ones(len(table))), churned, np.ones(len(table)), 1e6)
    assert curves.coefficients.tolist() == [0.0]
    assert curves.intercept == pytest.approx(np.log(churned.mean() / (1 - churned.mean())), abs=1e-4)


def test_worth_tells_a_deciding_measure_from_an_idle_one():
    """The flag is worth tens of log-likelihood units, x next to none; a held coefficient is worth nothing."""
    table, churned = even_table()
    weight = np.ones(len(table))
    design = make_design((GRADED, STEP), table, weight)
    idle, deciding = worth(design, refit(design, churned, weight, 0.01), churned, weight, 0.01)
    assert deciding > 20
    assert idle < 4
    flat = refit(design, churned, weight, 1e6)
    assert worth(design, flat, churned, weight, 1e6)[1] == 0.0


def test_worth_is_the_loss_of_dropping_the_measure():
    """To second order: within a third of the likelihood it gains over the base rate."""
    table, churned = even_table()
    weight = np.ones(len(table))
    design = make_design((STEP,), table, weight)
    units = worth(design, refit(design, churned, weight, 1e-6), churned, weight, 1e-6)[0]

    def entropy(p):
        return -(p * np.log(p) + (1 - p) * np.log(1 - p))

    split = sum((table["flag"] == f).sum() * entropy(churned[table["flag"] == f].mean()) for f in (0, 1))
    gained = len(churned) * entropy(churned.mean()) - split
    assert units == pytest.approx(gained, rel=0.34)
