import math

import numpy as np
import pytest

from churnfit.evaluation.intervals import Interval, bootstrap, resamples
from churnfit.evaluation.metrics import every_metric


def rate_of(churned):
    """The churn rate as a statistic."""
    return lambda weights: {("rate",): weights @ churned / weights.sum(axis=1)}


def test_rows_of_one_account_come_and_go_together():
    """Every row of an account has the account's multiplicity, and as many accounts are drawn as there are."""
    ids = ["B", "A", "B", "C"]
    for weights in resamples(ids, n=20, random_state=1):
        assert weights[0] == weights[2]
        assert weights[1] + weights[0] + weights[3] == 3


def test_the_same_seed_gives_the_same_interval_whatever_the_row_order():
    """Bootstrap is a function of the set of rows and the seed; another seed is another draw."""
    generator = np.random.default_rng(0)
    churned, ids = (generator.random(50) < 0.3).astype(float), np.array([f"A{i}" for i in range(50)])
    first = bootstrap(rate_of(churned), ids, n=100, random_state=7)
    assert first == bootstrap(rate_of(churned), ids, n=100, random_state=7)
    backward = bootstrap(rate_of(churned[::-1]), ids[::-1], n=100, random_state=7)[("rate",)]
    assert backward.low == pytest.approx(first[("rate",)].low)
    assert first != bootstrap(rate_of(churned), ids, n=100, random_state=8)


def test_repeating_rows_of_an_account_adds_no_certainty():
    """Every row four times: as clusters the interval stays; as if independent it shrinks to about half."""
    generator = np.random.default_rng(0)
    churned = (generator.random(100) < 0.3).astype(float)
    ids = np.array([f"A{i}" for i in range(100)])
    once = bootstrap(rate_of(churned), ids, n=400, random_state=7)[("rate",)]
    clustered = bootstrap(rate_of(np.repeat(churned, 4)), np.repeat(ids, 4), n=400, random_state=7)[("rate",)]
    apart = bootstrap(rate_of(np.repeat(churned, 4)), np.arange(400), n=400, random_state=7)[("rate",)]
    assert clustered.high - clustered.low == pytest.approx(once.high - once.low)
    assert (apart.high - apart.low) / (clustered.high - clustered.low) == pytest.approx(0.5, abs=0.15)


def test_a_paired_difference_is_surer_than_its_parts():
    """Two nearly equal scores on the same rows differ surely, though each is unsure by itself."""
    generator = np.random.default_rng(1)
    signal = generator.random(300)
    churned = (generator.random(300) < signal).astype(float)
    other = np.clip(signal + generator.normal(0, 0.02, 300), 0.01, 0.99)

    def statistics(weights):
        first, second = (every_metric(churned, p, weights)["auc"] for p in (signal, other))
        return {("first",): first, ("difference",): first - second}

    found = bootstrap(statistics, np.arange(300), n=200, random_state=7)
    width = {key: interval.high - interval.low for key, interval in found.items()}
    assert width[("difference",)] < width[("first",)] / 5


def test_a_statistic_that_most_resamples_lack_has_no_interval():
    """One churner among three accounts is missing from about 8/27 of the resamples: no interval is claimed."""
    churned = np.array([1.0, 0.0, 0.0])
    found = bootstrap(
        lambda weights: {("auc",): every_metric(churned, np.array([0.9, 0.5, 0.1]), weights)["auc"]},
        ["A", "B", "C"], n=100, random_state=7,
    )[("auc",)]  # fmt: skip
    assert found.estimate == 1.0
    assert not found.known
    assert math.isnan(found.low)


def test_an_interval_holds_its_estimate():
    """Calibration error grows when rows repeat; the interval is widened down to the estimate."""
    probability = np.linspace(0.05, 0.95, 200)
    churned = (np.random.default_rng(2).random(200) < probability).astype(float)
    found = bootstrap(
        lambda weights: {("ece",): every_metric(churned, probability, weights)["ece"]},
        np.arange(200), n=200, random_state=7,
    )[("ece",)]  # fmt: skip
    assert found.low <= found.estimate <= found.high
    assert Interval(0.1, 0.2, 0.3).known
