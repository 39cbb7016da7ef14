import math

import numpy as np
import pytest
from scipy.special import expit

from churnfit.evaluation.calibration_error import bins_of, ece_interval
from churnfit.evaluation.intervals import bootstrap
from churnfit.evaluation.metrics import ece, every_metric


def simulated(seed, *, slope=1.0, shift=0.0, accounts=200):
    """Two snapshots per account with one fate: labels, probabilities, true rates, accounts."""
    generator = np.random.default_rng(seed)
    account = np.repeat(np.arange(accounts), 2)
    logits = generator.normal(-1.5, 1.2, accounts)[account] + generator.normal(0, 0.3, len(account))
    rate = expit(slope * logits + shift)
    churned = (generator.random(accounts)[account] < rate).astype(float)
    return churned, expit(logits), rate, account


def true_error(probability, rate):
    """Shares of the rows times the distance of mean probability and mean true rate, over the bins."""
    members = bins_of(probability)
    return sum(abs((probability - rate)[members == place].sum()) for place in set(members)) / len(probability)


@pytest.mark.recovery
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.8, 0.0), (0.6, 0.2)])
def test_the_interval_of_the_calibration_error_covers_the_truth(slope, shift):
    """Of sixty worlds the 90 % interval covers in at least 48 (54 expected, 2.3 the standard deviation), also at 0."""
    covered = 0
    for seed in range(60):
        churned, probability, rate, account = simulated(seed, slope=slope, shift=shift)
        found = ece_interval(churned, probability, account, n=100, random_state=7)
        covered += found.low <= true_error(probability, rate) + 1e-12 and true_error(probability, rate) <= found.high
    assert covered >= 48


def test_the_plain_error_would_not_cover_a_perfect_score():
    """Its resamples never come near the truth, which is 0: that is why the interval is corrected."""
    for seed in range(5):
        churned, probability, _, account = simulated(seed)
        plain = bootstrap(
            lambda w, y=churned, p=probability: {("ece",): every_metric(y, p, w)["ece"]}, account, n=100, random_state=7
        )[("ece",)]
        assert plain.low > 0.02
        assert ece_interval(churned, probability, account, n=100, random_state=7).estimate < plain.estimate


@pytest.mark.recovery
def test_the_interval_of_the_calibration_slope_covers_the_truth():
    """Churn follows 0.7 times the logit given: of forty worlds at least 32 intervals hold the slope 0.7."""
    covered = 0
    for seed in range(40):
        churned, probability, _, account = simulated(seed, slope=0.7, accounts=300)
        found = bootstrap(
            lambda w, y=churned, p=probability: {("slope",): every_metric(y, p, w)["calibration_slope"]},
            account,
            n=100,
            random_state=7,
        )[("slope",)]
        covered += found.low <= 0.7 <= found.high
    assert covered >= 32


def test_a_large_error_is_hardly_corrected():
    """0.9 said, a quarter churned, 400 rows: the error is 0.65 less next to nothing, and surely not 0."""
    churned = (np.arange(400) % 4 == 0).astype(float)
    found = ece_interval(churned, np.full(400, 0.9), np.arange(400), n=200, random_state=7)
    assert ece(churned, np.full(400, 0.9)) == pytest.approx(0.65)
    assert found.estimate == pytest.approx(0.65, abs=0.01)
    assert 0.55 < found.low < found.estimate < found.high < 0.75


def test_repeating_rows_of_an_account_adds_no_certainty():
    """Every row four times as one account: the same interval; as four accounts: a narrower one."""
    churned, probability, _, _ = simulated(1, slope=0.6, shift=0.3)
    ids = np.arange(len(churned))
    once = ece_interval(churned, probability, ids, n=200, random_state=7)
    together = ece_interval(*(np.repeat(a, 4) for a in (churned, probability, ids)), n=200, random_state=7)
    apart = ece_interval(
        np.repeat(churned, 4), np.repeat(probability, 4), np.arange(4 * len(ids)), n=200, random_state=7
    )
    assert (together.low, together.high) == pytest.approx((once.low, once.high))
    assert apart.high - apart.low < 0.7 * (once.high - once.low)


def test_one_class_has_no_calibration_error():
    """Where nobody churned nothing is claimed."""
    assert math.isnan(ece_interval(np.zeros(4), np.full(4, 0.1), list("ABCD"), n=10, random_state=7).estimate)


def test_bins_hold_equally_many_rows_and_equal_probabilities_share_one():
    """Twenty different probabilities in ten bins: two each; five rows of one value are one bin."""
    assert np.bincount(bins_of(np.linspace(0.9, 0.1, 20))).tolist() == [2] * 10
    assert set(bins_of(np.full(5, 0.3))) == {0}
