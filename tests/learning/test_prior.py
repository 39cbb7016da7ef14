"""The prior card: a small cohort leans on what people typed in, a large one does not, and a wrong card does no harm."""

import numpy as np
import pandas as pd
import pytest

from churnfit.learning.codes import Binning, MeasureBins, ordered_by_risk
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.penalties import CodedRows
from churnfit.learning.prior import leaning, leaving_is_safe, prior_probability
from churnfit.scorecard.card import sigmoid

QUICK = {"penalties": (1.0, 4.0, 16.0), "certify": 0}
SAID = "Leans on the hand-made card"


def rows_of(churned, weight=None, health=None):
    """Rows with one measure of two bins, in turn."""
    churned = np.asarray(churned, dtype=float)
    weight = np.ones(len(churned)) if weight is None else np.asarray(weight, dtype=float)
    x = MeasureBins(name="x", numeric=True, cuts=np.array([0.5]), middles=np.array([0.0, 1.0]))
    bins = (np.arange(len(churned)) % 2).astype(np.int32)[np.newaxis]
    coded = ordered_by_risk(Binning((x,)), bins, churned, weight)
    health = None if health is None else np.asarray(health, dtype=float)
    return CodedRows(coded=coded, churned=churned, weight=weight, prior_health=health)


def customers(n, seed):
    """Eight measures that each count a little; the hand-made card adds up all of them, as it should."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"m{j}" for j in range(8)])
    good = X.sum(axis=1).to_numpy()
    churned = (rng.random(n) < sigmoid(-1.0 - 0.6 * good)).astype(int)
    return X, churned, 50 + 5 * good


def log_loss(learner, X, y):
    p = learner.predict_proba(X)[:, 1]
    return -np.mean(np.where(y == 1, np.log(p), np.log1p(-p)))


def test_without_trust_or_without_a_card_the_rows_are_what_they_were():
    """The same object, not a copy that weighs as much."""
    with_card, without = rows_of([1, 0, 0, 1], health=[10, 90, 80, 20]), rows_of([1, 0, 0, 1])
    assert leaning(with_card, 0.0) is with_card
    assert leaning(without, 4.0) is without


def test_a_row_leans_by_trust_times_its_weight():
    """All have the same health: prior 1/4, trust 4. A churner of weight 2 counts 10 at (1 + 4 · ¼) / 5 = 0.4."""
    rows = rows_of([1, 0, 0], weight=[2, 2, 4], health=[50, 50, 50])
    leant = leaning(rows, 4.0)
    assert leant.weight.tolist() == [10.0, 10.0, 20.0]
    assert leant.churned.tolist() == pytest.approx([0.4, 0.2, 0.2])
    assert leant.weight @ leant.churned / leant.weight.sum() == pytest.approx(0.25)
    assert rows.churned.tolist() == [1.0, 0.0, 0.0]


def test_the_healthier_by_hand_the_less_likely_to_leave():
    """Of 40 at health 0, 30 left, of 40 at 100, 10: the prior falls, keeps the base rate, is drawn a little inward."""
    churned = np.r_[np.ones(30), np.zeros(10), np.ones(10), np.zeros(30)]
    prior = prior_probability(rows_of(churned), np.repeat([0.0, 100.0], 40))
    assert prior[:40] == pytest.approx(1 - prior[40:], abs=1e-6)
    assert 0.70 < prior[0] < 0.75
    assert prior.mean() == pytest.approx(0.5, abs=1e-6)


def test_the_unit_of_the_hand_made_card_does_not_matter():
    """Health in percent or in thousands: the same probabilities."""
    rng = np.random.default_rng(0)
    health = rng.normal(size=200)
    rows = rows_of(rng.random(200) < sigmoid(-health))
    assert prior_probability(rows, health) == pytest.approx(prior_probability(rows, 300 + 1000 * health), abs=1e-6)


def test_a_card_that_is_upside_down_says_the_base_rate():
    """The healthy leave: the slope stays at 0, all get 2 of 6; so weighed, 4 of 8."""
    churned, health = [0, 0, 0, 0, 1, 1], [10, 20, 30, 40, 90, 95]
    assert prior_probability(rows_of(churned), np.array(health, float)) == pytest.approx(1 / 3, abs=1e-6)
    weighed = rows_of(churned, weight=[1, 1, 1, 1, 2, 2])
    assert prior_probability(weighed, np.array(health, float)) == pytest.approx(0.5, abs=1e-6)


def test_a_small_cohort_with_a_good_card_leans_on_it_and_predicts_better():
    """Eighty accounts, eight measures, five draws: log-loss on fresh rows falls on average, and the card says why."""
    fresh, later, _ = customers(4000, seed=1000)
    gains, leant = [], []
    for seed in range(5):
        X, y, health = customers(80, seed)
        alone = ScorecardClassifier(**QUICK).fit(X, y)
        leaning_on = ScorecardClassifier(**QUICK).fit(X, y, prior_health=health)
        gains.append(log_loss(alone, fresh, later) - log_loss(leaning_on, fresh, later))
        leant.append(any(said.startswith(SAID) for said in leaning_on.card_.remarks))
        assert alone.card_.remarks == ()
    assert np.mean(gains) > 0.02
    assert sum(leant) >= 4


def test_a_small_cohort_does_not_lean_on_a_card_that_is_upside_down():
    """The healthy leave: three draws give the very cards that are learned without it."""
    for seed in range(3):
        X, y, health = customers(80, seed)
        alone, misled = (ScorecardClassifier(**QUICK).fit(X, y, prior_health=h).card_ for h in (None, -health))
        assert misled.to_json() == alone.to_json()


def test_the_card_is_left_where_leaving_it_cannot_cost_two_in_a_hundred():
    """100 accounts gain 0.2 ± 0.5: 20 in all, give or take 3 · 5 = 15; at 0.1 only 10, and 2 % of 300 is 6."""
    swing = np.tile([-0.5, 0.5], 50)
    assert leaving_is_safe(0.2 + swing, loss=0)
    assert not leaving_is_safe(0.1 + swing, loss=200)
    assert leaving_is_safe(0.1 + swing, loss=300)  # 10 + 6 beats 15
    assert not leaving_is_safe(np.zeros(100) + swing, loss=300)


def test_a_large_cohort_does_not_lean():
    """With 300 churned accounts and more the rows speak for themselves: the same card, hand-made health or none."""
    X, y, health = customers(1200, seed=4)
    assert y.sum() >= 300
    one = {"penalties": (2.0,), "folds": 2, "certify": 0}
    alone, told = (ScorecardClassifier(**one).fit(X, y, prior_health=h).card_ for h in (None, health))
    assert told.remarks == ()
    assert told.to_json() == alone.to_json()


def test_a_card_that_leans_can_be_certified():
    """Resamples lean as the card does."""
    X, y, health = customers(80, seed=0)
    card = ScorecardClassifier(penalties=(2.0,), certify=20).fit(X, y, prior_health=health).card_
    assert card.measures
    assert all(line.certificate for line in card.measures)
