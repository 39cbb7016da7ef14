"""Refusals: a small cohort must tell more than the same labels dealt to other accounts."""

import numpy as np
import pandas as pd
import pytest

from churnfit.errors import DataError
from churnfit.learning.codes import normalised
from churnfit.learning.folds import Cohort, account_names
from churnfit.learning.refusals import chance_probability, refuse_too_few


def cohort_of(frame, churned, *, groups=None, prior_health=None):
    return Cohort(
        frame=normalised(pd.DataFrame(frame)),
        churned=np.asarray(churned, dtype=float),
        weight=np.ones(len(churned)),
        groups=account_names(groups, len(churned)),
        prior_health=prior_health,
    )


def noise(seed, n=80):
    """Four measures that say nothing: numbers, gaps, and text; 20 of 80 churned."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.poisson(3, n) * 1.0, "c": rng.choice(list("xyz"), n)})
    frame["d"] = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    return frame, rng.permutation(np.arange(n) % 4 == 0)


LEFT = np.arange(80) < 20
TELLING = {
    "a number": {"x": np.arange(80.0)},
    "both ends of a number": {"x": np.abs(np.arange(80.0) - 10)[::-1] * np.where(np.arange(80) % 2, 1, -1)},
    "a category": {"x": np.where(LEFT, "paid by card", "by invoice")},
    "a gap": {"x": np.where(LEFT, np.nan, np.random.default_rng(0).normal(size=80))},
}


@pytest.mark.parametrize("kind", TELLING)
def test_what_tells_churners_apart_is_never_dealt_by_chance(kind):
    """The first twenty left, and a measure knows them: of 200 deals only the truth says as much, 1 / 200."""
    told = {**noise(0)[0], **TELLING[kind]}
    assert chance_probability(cohort_of(told, LEFT)) == pytest.approx(1 / 200)


def test_one_cohort_of_noise_in_ten_tells_too_much():
    """Of 60 cohorts whose labels were dealt out, 6 are expected at 0.1; 13 or more in less than one of 100 cases."""
    found = [chance_probability(cohort_of(*noise(seed))) for seed in range(60)]
    assert sum(one <= 0.1 for one in found) <= 12
    assert 0.35 < np.mean(found) < 0.65


def test_measures_that_say_nothing_at_all_are_chance():
    """A column of gaps and one of ones: every deal says as much."""
    assert chance_probability(cohort_of({"gaps": [np.nan] * 80, "ones": [1.0] * 80}, LEFT)) == 1.0


def test_rows_of_one_account_count_once():
    """Ten accounts of eight rows, three of which left: 1 in 120 deals of whole accounts is the truth, not 1 in 200."""
    account = np.arange(80) // 8
    apart = chance_probability(cohort_of({"x": account * 1.0}, account < 3))
    together = chance_probability(cohort_of({"x": account * 1.0}, account < 3, groups=account))
    assert apart == pytest.approx(1 / 200)
    assert together > apart


def test_a_hand_made_card_that_is_right_is_signal():
    """Measures are noise; the health is low where accounts left. Upside down it is none."""
    frame, churned = noise(1)
    health = 50 - 30.0 * churned + np.random.default_rng(2).normal(0, 10, 80)
    assert chance_probability(cohort_of(frame, churned)) > 0.1
    assert chance_probability(cohort_of(frame, churned, prior_health=health)) <= 3 / 200  # one deal leads each answer
    assert chance_probability(cohort_of(frame, churned, prior_health=-health)) > 0.1


def test_a_small_cohort_of_noise_is_refused_and_says_why():
    """Enough accounts and churners, but nothing told; without the floor, or with 100 churners, it is learned from."""
    with pytest.raises(DataError, match=r"CF103.*tell 20 churned accounts.*beyond chance; came what \d+ of 100 deals"):
        refuse_too_few(cohort_of(*noise(1)), 60, 12)
    refuse_too_few(cohort_of(*noise(1)), 60, 0)
    refuse_too_few(cohort_of(*noise(1, n=400)), 60, 12)
    refuse_too_few(cohort_of({"x": np.arange(80.0)}, LEFT), 60, 12)
