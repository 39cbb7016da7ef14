import math

import numpy as np
import pytest

from churnfit.errors import DataError
from churnfit.evaluation import metrics

CHURNED = [1, 0, 1, 0, 0]
PROBABILITY = [0.9, 0.6, 0.6, 0.3, 0.1]


def test_auc_counts_equal_probabilities_half():
    """Of 2 x 3 pairs the churner is higher in 5 and equal in 1: (5 + 0.5) / 6."""
    assert metrics.auc(CHURNED, PROBABILITY) == pytest.approx(5.5 / 6)


def test_average_precision_takes_ties_as_one_step():
    """First step: recall 1/2 at precision 1; second (two tied): recall +1/2 at precision 2/3."""
    assert metrics.average_precision(CHURNED, PROBABILITY) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_losses_by_hand():
    """Log-loss is minus the mean log of what was given to what happened; Brier the mean squared distance."""
    given = [0.9, 0.4, 0.6, 0.7, 0.9]
    assert metrics.log_loss(CHURNED, PROBABILITY) == pytest.approx(-np.log(given).mean())
    assert metrics.brier(CHURNED, PROBABILITY) == pytest.approx((0.01 + 0.36 + 0.16 + 0.09 + 0.01) / 5)


def test_log_loss_of_a_certain_mistake_is_large_but_finite():
    """A probability of exactly 0 for a churner does not make the report infinite."""
    assert 10 < metrics.log_loss([1, 0], [0.0, 0.0]) < 20


def test_calibration_recovers_a_known_slope_and_intercept():
    """Rates 0.2 and 0.8 are logits -/+ ln 4; given 1/17 and 16/17 (-/+ 2 ln 4) the slope is 1/2, the intercept 0."""
    churned = [1, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    intercept, slope = metrics.calibration(churned, [1 / 17] * 5 + [16 / 17] * 5)
    assert slope == pytest.approx(0.5, abs=1e-7)
    assert intercept == pytest.approx(0.0, abs=1e-7)


def test_calibration_is_unknown_where_no_finite_slope_fits():
    """Constant and perfectly separating probabilities have no maximum-likelihood slope."""
    for probability in ([0.3, 0.3, 0.3, 0.3], [0.1, 0.2, 0.8, 0.9]):
        assert all(math.isnan(part) for part in metrics.calibration([0, 0, 1, 1], probability))


def test_calibration_in_the_large_adds_the_missing_logits():
    """One in two churned where one in five was said: logit 1/2 - logit 1/5 = ln 4."""
    assert metrics.calibration_in_the_large([1, 0], [0.2, 0.2]) == pytest.approx(math.log(4))


def test_ece_weighs_the_distance_of_each_bin():
    """Two bins of two: |0.2 - 0.5| and |0.7 - 1.0|, each half of the rows."""
    assert metrics.ece([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2) == pytest.approx(0.3)


def test_ece_keeps_equal_probabilities_in_one_bin():
    """One value only is one bin: 0.5 said, 0.25 churned."""
    assert metrics.ece([1, 0, 0, 0], [0.5] * 4, bins=4) == pytest.approx(0.25)


def test_caught_and_lift_count_ties_at_the_cut_in_part():
    """40 % of five rows are two: the first (a churner), and one of two tied rows of which half churn: 1.5 of 2."""
    assert metrics.caught_at(CHURNED, PROBABILITY, share=0.4) == pytest.approx(0.75)
    assert metrics.lift_at(CHURNED, PROBABILITY, share=0.4) == pytest.approx(0.75 / 0.4)


def test_a_weight_of_two_is_a_row_twice():
    """Every metric treats weights as multiplicities."""
    generator = np.random.default_rng(3)
    probability = np.round(generator.random(60), 1).clip(0.05, 0.95)
    churned = (generator.random(60) < probability).astype(float)
    weight = generator.integers(0, 3, 60).astype(float)
    repeated = np.repeat(np.arange(60), weight.astype(int))
    weighted = metrics.every_metric(churned, probability, weight[np.newaxis])
    plain = metrics.every_metric(churned[repeated], probability[repeated], np.ones((1, len(repeated))))
    for name in set(metrics.METRIC_TITLES) - {"ece"}:  # the bins of ece are those of the rows, not of the weights
        assert weighted[name] == pytest.approx(plain[name], abs=1e-6), name


def test_many_weightings_at_once_equal_one_by_one():
    """A block of resamples gives what each resample gives alone; a resample without churners gives NaN."""
    generator = np.random.default_rng(4)
    probability = generator.random(80)
    churned = (generator.random(80) < probability).astype(float)
    weights = np.vstack([generator.integers(0, 3, (4, 80)), 1 - churned]).astype(float)
    together = metrics.every_metric(churned, probability, weights)
    for row in range(4):
        alone = metrics.every_metric(churned, probability, weights[row : row + 1])
        for name in metrics.METRIC_TITLES:
            assert together[name][row] == pytest.approx(alone[name][0], abs=1e-6), name
    for name in ("auc", "average_precision", "calibration_slope", "calibration_in_the_large", "caught_at_20"):
        assert math.isnan(together[name][4]), name


def test_the_order_of_rows_does_not_matter():
    """Reversing the rows leaves every metric as it is, ties included."""
    churned, probability = np.array(CHURNED, dtype=float), np.array(PROBABILITY)
    forward = metrics.every_metric(churned, probability, np.ones((1, 5)))
    backward = metrics.every_metric(churned[::-1], probability[::-1], np.ones((1, 5)))
    for name, value in forward.items():
        assert value == pytest.approx(backward[name], nan_ok=True, abs=1e-7), name


@pytest.mark.parametrize("churned", [[0, 0, 0], [1, 1, 1]])
def test_one_class_is_an_error(churned):
    """Nothing can be ranked where nobody, or everybody, churned."""
    with pytest.raises(DataError, match=rf"CF102.*3 rows, of which {sum(churned)} churned"):
        metrics.auc(churned, [0.1, 0.2, 0.3])
