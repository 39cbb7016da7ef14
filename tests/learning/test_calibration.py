"""Slopes that contributions deserve, and the intercept that matches."""

import numpy as np
import pytest

from churnfit.learning.calibration import earned_slopes, matched_intercept
from churnfit.scorecard.card import sigmoid


def drawn(n, stretch, seed=0):
    """Contributions `stretch` times as large as the logits that decide."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, len(stretch))) * 1.5
    churned = (rng.random(n) < sigmoid(true.sum(axis=1) - 1.0)).astype(float)
    return true * np.array(stretch), churned


def test_stretched_logits_earn_the_factor_that_unstretches_them():
    """Twice as large as the truth: ½; honest ones keep 1."""
    contributions, churned = drawn(20_000, (2.0, 1.0))
    slopes = earned_slopes(contributions, churned, np.ones(len(churned)))
    assert slopes == pytest.approx([0.5, 1.0], abs=0.05)


def test_evidence_may_shrink_a_curve_and_never_stretch_it():
    """Half as large as the truth would deserve 2, and gets 1."""
    contributions, churned = drawn(20_000, (0.5,))
    assert earned_slopes(contributions, churned, np.ones(len(churned))).tolist() == [1.0]


def test_what_points_the_wrong_way_earns_nothing():
    """A measure that misleads is held at 0; without it the other one predicts less surely, and earns less than 1."""
    contributions, churned = drawn(5_000, (-1.0, 1.0))
    slopes = earned_slopes(contributions, churned, np.ones(len(churned)))
    assert slopes[0] == 0.0
    assert 0.6 < slopes[1] < 0.8  # what is left out has a spread of 1.5 logits: about 1 / √(1 + 0.346 · 1.5²) = 0.75


def test_without_evidence_a_curve_keeps_its_height():
    """All contributions 0: the prior of 1 stands."""
    assert earned_slopes(np.zeros((50, 2)), np.arange(50) % 2 * 1.0, np.ones(50)) == pytest.approx([1.0, 1.0])


def test_a_weight_of_two_is_the_row_twice():
    """Weights double the evidence of the first half."""
    contributions, churned = drawn(300, (2.0, 1.5), seed=4)
    weight = np.repeat([2.0, 1.0], 150)
    twice = np.concatenate([np.arange(300), np.arange(150)])
    by_weight = earned_slopes(contributions, churned, weight)
    assert by_weight == pytest.approx(earned_slopes(contributions[twice], churned[twice], np.ones(450)), abs=1e-4)


@pytest.mark.parametrize("shift", [-9.0, 0.0, 9.0])
def test_the_matched_intercept_makes_predicted_churners_equal_observed_ones(shift):
    """By weight, from far away on either side."""
    rng = np.random.default_rng(1)
    logit = rng.normal(size=400) + shift
    churned, weight = (rng.random(400) < 0.2).astype(float), rng.uniform(0.1, 3.0, 400)
    p = sigmoid(logit + matched_intercept(logit, churned, weight))
    assert (weight * p).sum() == pytest.approx((weight * churned).sum(), rel=1e-9)


def test_the_matched_intercept_of_equal_logits_is_the_base_rate():
    """One in four at logit 0: ln(1/3)."""
    churned = np.array([1.0, 0.0, 0.0, 0.0])
    assert matched_intercept(np.zeros(4), churned, np.ones(4)) == pytest.approx(np.log(1 / 3))
