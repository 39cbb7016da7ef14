"""The joint refit: heights and states, by hand."""

import numpy as np
import pytest

from churnfit.learning.calibration import matched_loss
from churnfit.learning.codes import MeasureBins
from churnfit.learning.curves import CurvePlan
from churnfit.learning.joint import Curves, make_design, nearest, refit, refit_problem

GRADED = CurvePlan(
    name="x", graded=True, places=(0.0, 2.0, 4.0), start=(0.0, 1.0, 0.0), signs=(1, -1), states=("never",)
)
STEP = CurvePlan(name="flag", graded=False, places=(1.0,), start=(0.0, 1.0), signs=(1,))
X = MeasureBins(name="x", numeric=True, cuts=np.arange(4) + 0.5, middles=np.arange(5.0), states=("never",))
FLAG = MeasureBins(name="flag", numeric=True, cuts=np.array([0.5]), middles=np.array([0.0, 1.0]))
NEVER = 5  # the state's bin, behind the five values of x


def design_of(plans, measures, rows, weight=None):
    codes = np.array(rows, dtype=np.int32)
    return make_design(plans, measures, codes, np.ones(codes.shape[1]) if weight is None else np.array(weight))


def even_rows(n=400):
    """x is 0 … 4 or a gap, the flag 0 or 1, both drawn; churn follows the flag alone: 1 in 10 and 1 in 2, exactly."""
    at = np.random.default_rng(5).permutation(n)
    flag = np.arange(n) % 2
    nth = np.arange(n) // 2
    churned = np.where(flag == 1, nth % 2 == 0, nth % 10 == 0).astype(float)
    return np.array([at % 6, flag], dtype=np.int32), churned


def test_the_design_holds_increments_and_states():
    """x = 3 has come 1 and ½; a gap stands at the mean of the measured rows (0 and 3) and has a column of its own."""
    design = design_of((GRADED,), (X,), [[0, 3, NEVER]])
    assert design.mean_increments[0].tolist() == [0.5, 0.25]
    assert design.steps[0].tolist() == [
        [0.0, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [1.0, 0.5, 0.0],
        [1.0, 1.0, 0.0],
        [0.5, 0.25, 1.0],
    ]
    assert design.signs.tolist() == [1, -1, 0]
    assert design.is_state.tolist() == [False, False, True]
    assert design.start.tolist() == [1.0, -1.0, 0.0]
    assert design.measure_of.tolist() == [0, 0, 0]


def written_down(design):
    """The matrix that the design never writes down, the intercept's column last."""
    rows = [[table[code] for code in codes] for table, codes in zip(design.steps, design.codes, strict=True)]
    return np.column_stack([*(np.array(part) for part in rows), np.ones(design.codes.shape[1])])


def test_the_design_multiplies_as_the_matrix_it_stands_for():
    """Logits, pulls and squares are those of the written-down rows."""
    codes, _ = even_rows()
    design = design_of((GRADED, STEP), (X, FLAG), codes)
    rng = np.random.default_rng(0)
    theta, amounts, matrix = rng.normal(size=5), rng.uniform(size=400), written_down(design)
    assert design.logit(theta) == pytest.approx(matrix @ theta)
    assert design.pull(amounts) == pytest.approx(matrix.T @ amounts)
    assert design.gram(amounts) == pytest.approx(matrix.T @ (matrix * amounts[:, np.newaxis]))


def test_a_design_of_fewer_measures_is_as_if_the_others_were_never_there():
    """The flag alone: one column and the intercept; nothing at all: the intercept."""
    codes, _ = even_rows()
    both = design_of((GRADED, STEP), (X, FLAG), codes)
    alone, theta = both.only({"flag"}), np.array([2.0, -1.0])
    assert [plan.name for plan in alone.plans] == ["flag"]
    assert alone.logit(theta).tolist() == design_of((STEP,), (FLAG,), codes[1:]).logit(theta).tolist()
    nothing = both.only(set())
    assert nothing.logit(np.array([0.5])).tolist() == [0.5] * 400
    assert nothing.pull(np.ones(400)).tolist() == [400.0]


def test_means_count_by_weight():
    """x = 0 weighs 3, x = 2 weighs 1: the mean of the first increment is 1/4."""
    assert design_of((GRADED,), (X,), [[0, 2]], [3.0, 1.0]).mean_increments[0].tolist() == [0.25, 0.0]


def test_heights_are_sums_of_increments_and_states_stand_beside_the_average():
    """Increments 2 and −0.5: heights 0, 2, 1.5. The average row has come ½ and ¼: 0.875, and its state adds 1."""
    design = design_of((GRADED,), (X,), [[0, 3, NEVER]])
    curves = Curves(design=design, intercept=0.0, coefficients=np.array([2.0, -0.5, 1.0]))
    knots, states = curves.heights(0)
    assert knots.tolist() == [0.0, 2.0, 1.5]
    assert states.tolist() == [0.875 + 1.0]
    rows = np.array([[3, NEVER]], dtype=np.int32)
    assert curves.contributions(rows).tolist() == [[1.75, 1.875]]
    assert curves.shrunk({"x": 0.5}).contributions(rows).tolist() == [[0.875, 0.9375]]


def test_the_refit_keeps_signs_and_finds_the_rates():
    """Almost without a price the flag's step is ln(1) − ln(1/9) = 2.197 logits; x decides nothing."""
    codes, churned = even_rows()
    design = design_of((GRADED, STEP), (X, FLAG), codes)
    curves = refit(design, churned, np.ones(400), 1e-6)
    assert curves.coefficients[0] >= 0 >= curves.coefficients[1]
    knots, _ = curves.heights(1)
    assert knots[1] == pytest.approx(np.log(9.0), abs=0.35)
    p = 1 / (1 + np.exp(-curves.logit))
    assert p.sum() == pytest.approx(churned.sum(), rel=1e-4)


def test_a_price_beyond_all_gain_flattens_every_increment():
    """Only the base rate is left."""
    codes, churned = even_rows()
    curves = refit(design_of((STEP,), (FLAG,), codes[1:]), churned, np.ones(400), 1e6)
    assert curves.coefficients.tolist() == [0.0]
    assert curves.intercept == pytest.approx(np.log(churned.mean() / (1 - churned.mean())), abs=1e-4)


def test_a_card_of_no_measures_is_the_base_rate():
    """Nothing to refit but the intercept: ln(0.3 / 0.7)."""
    codes, churned = even_rows()
    curves = refit(design_of((STEP,), (FLAG,), codes[1:]).only(set()), churned, np.ones(400), 1.0)
    assert churned.mean() == 0.3
    assert curves.intercept == pytest.approx(np.log(0.3 / 0.7), abs=1e-6)
    assert curves.contributions(codes[:0]).shape == (0, 400)


def test_squares_of_many_rows_are_estimated_from_some_and_the_minimum_is_the_same():
    """Of 60,000 rows a sixth is summed over; the flag's exact rates, 1 in 10 and 1 in 2, come back all the same."""
    codes, churned = even_rows(60_000)
    design = design_of((STEP,), (FLAG,), codes[1:])
    matrix, amounts = written_down(design), np.random.default_rng(1).uniform(0.5, 1.5, 60_000)
    exact = matrix.T @ (matrix * amounts[:, np.newaxis])
    assert design.gram(amounts) == pytest.approx(exact, rel=0.05)
    assert not np.array_equal(design.gram(amounts), exact)
    curves = refit(design, churned, np.ones(60_000), 0.0)
    assert curves.heights(0)[0][1] == pytest.approx(np.log(9.0), abs=1e-3)


def test_the_ridge_falls_as_more_churned():
    """Widest up to a hundred churned rows, least from 333 on; where the rows are some of more, theirs."""
    design, churned = design_of((STEP,), (FLAG,), [[0, 1]]), np.array([1.0, 0.0])
    for n_churned, ridge in ((50.0, 1.0), (200.0, 0.5), (1_000.0, 0.3)):
        assert refit_problem(design, churned, np.array([n_churned, 1.0]), 0.0).ridge[0] == pytest.approx(ridge)
        assert refit_problem(design, churned, np.ones(2), 0.0, n_churned=n_churned).ridge[0] == pytest.approx(ridge)


def test_what_curves_said_is_said_again():
    """Increments come back within the little that the ridge takes; a state of twelve rows loses a good part of 2."""
    codes, _ = even_rows(2000)
    codes[0, np.flatnonzero(codes[0] == NEVER)[12:]] = 1
    design = design_of((GRADED, STEP), (X, FLAG), codes)
    said = Curves(design=design, intercept=-1.0, coefficients=np.array([1.5, -0.8, 2.0, 0.6]))
    again = nearest(design, 1 / (1 + np.exp(-said.logit)), np.ones(2000))
    assert again.coefficients[[0, 1, 3]] == pytest.approx(said.coefficients[[0, 1, 3]], abs=0.01)
    assert 1.0 < again.coefficients[2] < 1.7
    assert again.intercept == pytest.approx(-1.0, abs=0.01)


def test_what_no_curve_can_say_is_met_halfway_by_all():
    """An effect of both x and the flag: the card as a whole is closer to it than each curve that leaves it out."""
    codes, _ = even_rows()
    design = design_of((GRADED, STEP), (X, FLAG), codes)
    bent = design.logit(np.array([1.5, -0.8, 0.3, 0.6, -1.0])) + 0.8 * (codes[0] == 1) * (codes[1] == 1)
    probability, weight = 1 / (1 + np.exp(-bent)), np.ones(400)
    together = nearest(design, probability, weight)
    apart = Curves(design=design, intercept=-1.0, coefficients=np.array([1.5, -0.8, 0.3, 0.6]))
    assert matched_loss(together.logit, probability, weight) < matched_loss(apart.logit, probability, weight) - 0.1
