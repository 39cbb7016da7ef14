"""Slopes that contributions deserve, the intercept that matches, and the map that unseen rows speak for."""

import numpy as np
import pytest

from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.calibration import (
    _LEARNERS,
    best_calibration,
    earned_slope,
    earned_slopes,
    matched_intercept,
)
from churnfit.scorecard.calibration import CALIBRATIONS, Calibration
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


def test_a_whole_card_of_many_churners_keeps_what_it_earned():
    """Twice as large as the truth: ½; honest: 1, give or take a hundredth."""
    for stretch, factor in ((2.0, 0.5), (1.0, 1.0)):
        logit, churned = drawn(20_000, (stretch,))
        assert earned_slope(logit[:, 0], churned, np.ones(len(churned))) == pytest.approx(factor, abs=0.03)


def test_a_whole_card_of_few_churners_is_drawn_to_the_base_rate():
    """At ±1 churn 15 of 20 and 5 of 20. Logits would earn ln 3 = 1.10; at 0.65 predicted churners are 0.657 of 20.

    There 40 · (0.75 − 0.657) = 3.7 log-likelihood units a factor are to be had, and 2 · 0.65 = 1.3 are to be paid: it
    goes on to 0.88, where 40 · (0.75 − 0.706) = 1.8 = 2 · 0.88. Without any evidence nothing is left.
    """
    logit, churned = np.repeat([1.0, -1.0], 20), np.repeat([1.0, 0.0, 1.0, 0.0], [15, 5, 5, 15])
    assert earned_slope(logit, churned, np.ones(40)) == pytest.approx(0.877, abs=0.01)
    assert earned_slope(np.zeros(40), churned, np.ones(40)) == 0.0


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


def judged(n, truth, seed):
    """Churn logits around −1.5, and labels drawn where `truth` of them is the real logit."""
    rng = np.random.default_rng(seed)
    said = rng.normal(size=n) * 1.5 - 1.5
    return said, (rng.random(n) < sigmoid(truth(said))).astype(float)


def chosen(said, churned, *, weight=None, n_folds=4, groups=None, few_churned=False):
    n = len(said)
    return best_calibration(
        said,
        churned,
        np.ones(n) if weight is None else weight,
        fold=np.arange(n) % n_folds,
        account=np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1],
        few_churned=few_churned,
    ).calibration


def saturated(said):
    """Above a logit of −1 nobody is at greater risk."""
    return np.minimum(said, -1.0)


def test_where_the_logits_are_right_nothing_is_chosen():
    """Forty draws of 1,000 rows: a map that nobody needs is chosen once at most."""
    methods = [chosen(*judged(1000, lambda said: said, seed)).method for seed in range(40)]
    assert methods.count("none") >= 39


def test_few_churners_bend_sooner():
    """Of twenty cohorts of 200 whose risk saturates more get a map than by the usual bar; of straight ones, few do."""
    bent, bent_usually, needless = (
        sum(chosen(*judged(200, truth, seed), few_churned=few).method != "none" for seed in range(20))
        for truth, few in ((saturated, True), (saturated, False), (lambda said: said, True))
    )
    assert bent > bent_usually + 2
    assert needless <= 2


@pytest.mark.parametrize("seed", range(5))
def test_a_bent_truth_is_found_and_pays_on_fresh_rows(seed):
    """Risk saturates: a bent map is chosen, not a straight one, and lowers the log-loss of 20,000 other rows.

    It says less than the raw logits of the riskiest, and a third of a logit from the truth at most.
    """
    calibration = chosen(*judged(4000, saturated, seed))
    assert calibration.method in {"beta", "isotonic", "venn_abers"}
    said, churned = judged(20_000, saturated, 1000 + seed)
    ones = np.ones(len(said))
    assert log_loss_sum(calibration.of(said), churned, ones) < log_loss_sum(said, churned, ones) - 100
    at = np.array([-3.0, -2.0, -1.0, 0.0, 1.0])
    assert calibration.of(at) == pytest.approx(saturated(at), abs=0.45)


def test_a_slope_that_is_off_takes_the_straight_line():
    """Twice too sure: logistic, the simplest map that says so, halves the distance between two logits."""
    calibration = chosen(*judged(4000, lambda said: -1.5 + 0.5 * (said + 1.5), 0))
    assert calibration.method == "logistic"
    assert np.diff(calibration.of(np.array([-2.5, -0.5])))[0] == pytest.approx(1.0, abs=0.15)


def test_a_step_takes_a_map_without_a_formula():
    """Risk jumps at −1.5 and is flat beside it: no straight line and no beta curve does that."""
    calibration = chosen(*judged(4000, lambda said: np.where(said < -1.5, -3.0, 0.0), 0))
    assert calibration.method in {"isotonic", "venn_abers"}
    assert calibration.of(np.array([-3.0, 0.0])) == pytest.approx([-3.0, 0.0], abs=0.4)


@pytest.mark.parametrize("n_churned", [1, 2, 6, 12])
def test_few_churners_choose_nothing(n_churned):
    """Twenty draws of 300 rows with churners where the logits say: too few to speak for a map.

    Levels are matched before, as the learner does.
    """
    for seed in range(20):
        rng = np.random.default_rng(seed)
        said = rng.normal(size=300) - 4.0
        churned = np.zeros(300)
        churned[rng.choice(300, n_churned, replace=False, p=sigmoid(said) / sigmoid(said).sum())] = 1.0
        assert chosen(said + matched_intercept(said, churned, np.ones(300)), churned) == Calibration()


def test_copies_of_a_row_in_one_account_are_no_more_evidence():
    """A doubtful gain stays doubtful when each row stands ten times: errors are paired by account, not by row."""
    picked = [[], []]
    for seed in range(30):
        said, churned = judged(60, saturated, seed)
        account = [f"A{i:02}" for i in range(60)]
        ten = np.tile(np.arange(60), 10)
        fold = np.arange(60) % 4
        for found, names in ((picked[0], np.array(account)[ten]), (picked[1], [f"B{i:03}" for i in range(600)])):
            calibration = best_calibration(
                said[ten],
                churned[ten],
                np.ones(600),
                fold=fold[ten],
                account=np.unique(names, return_inverse=True)[1],
                few_churned=False,
            ).calibration
            found.append(calibration.method != "none")
    assert sum(picked[0]) < sum(picked[1])


def test_without_folds_accounts_are_dealt_out():
    """One fold for all: a bent truth is still found, by accounts that judge each other."""
    said, churned = judged(4000, saturated, 3)
    assert chosen(said, churned, n_folds=1).method != "none"


METHODS = CALIBRATIONS[1:]


def test_every_calibration_a_card_may_name_can_be_learned():
    """In the same order: simplest first."""
    assert tuple(_LEARNERS) == METHODS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("truth", [saturated, lambda said: -said, lambda said: 3 * said + 2, lambda said: 0 * said - 2])
@pytest.mark.parametrize("n", [40, 3000])
def test_every_map_rises_strictly_and_turns_back(method, truth, n):
    """Also where the truth is flat, or the logits point the wrong way: within the rows' range and far outside."""
    calibration = _LEARNERS[method](*judged(n, truth, 5), np.ones(n))
    logit = np.linspace(-12.0, 12.0, 481)
    mapped = calibration.of(logit)
    assert (np.diff(mapped) > 0).all()
    assert np.isfinite(mapped).all()
    assert calibration.back(mapped) == pytest.approx(logit, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_maps_follow_the_rates_of_rows_that_share_a_logit(method):
    """A card of three scores, 200 rows each: 10, 30 and 70 churn, whichever rows stand first.

    Their logits are ln(10/190) = −2.94, ln(30/170) = −1.73 and ln(70/130) = −0.62.
    """
    said = np.repeat([-3.0, -1.5, 0.0], 200)
    churned = np.concatenate([np.arange(200) < lost for lost in (10, 30, 70)]).astype(float)
    maps = [
        _LEARNERS[method](said[order], churned[order], np.ones(600)).of(np.array([-3.0, -1.5, 0.0]))
        for order in (np.arange(600), np.argsort(churned, kind="stable"), np.argsort(-churned, kind="stable"))
    ]
    assert maps[0] == pytest.approx([-2.94, -1.73, -0.62], abs=0.16)
    assert maps[1] == pytest.approx(maps[0], abs=1e-3)
    assert maps[2] == pytest.approx(maps[0], abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_one_logit_have_no_map(method):
    """A card without measures says one thing of all: there is nothing to bend, and nothing breaks."""
    calibration = _LEARNERS[method](np.full(50, -1.0), (np.arange(50) % 4 == 0).astype(float), np.ones(50))
    assert np.isfinite(calibration.of(np.array([-1.0]))).all()
