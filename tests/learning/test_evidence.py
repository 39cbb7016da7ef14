"""Evidence: what decides stays, what chance can do leaves."""

import numpy as np
import pandas as pd
import pytest

from churnfit.learning.codes import learn_bins, normalised
from churnfit.learning.evidence import measures_with_evidence
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import refit
from churnfit.learning.penalties import Settings, coded_rows, designs
from churnfit.scorecard.card import sigmoid

SETTINGS = Settings(shapes={}, max_knots=5, max_levels=8, penalties=(2.0,), folds=3, random_state=0)
SEEDS = 40


def kept(table, churned, groups=None):
    n = len(churned)
    accounts = [f"A{i:04}" for i in range(n)] if groups is None else groups
    cohort = Cohort(
        frame=normalised(pd.DataFrame(table)),
        churned=np.array(churned, dtype=float),
        weight=np.ones(n),
        groups=np.array(accounts, dtype=object),
    )
    binning = learn_bins(cohort.frame, cohort.weight)
    whole = coded_rows(binning, binning.encode(cohort.frame), cohort, np.ones(n, dtype=bool))
    *_, (_, design) = designs(whole, [2.0], SETTINGS)
    curves = refit(design, whole.churned, whole.weight, 2.0)
    return measures_with_evidence(whole, curves, cohort, [2.0], SETTINGS, penalty=2.0)


@pytest.fixture(scope="module")
def times_kept():
    """How often each measure stays: one decides, two are noise, one of them text of fifteen kinds."""
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        deciding, noise = rng.normal(size=400), rng.normal(size=400)
        kinds = rng.choice([f"kind {i}" for i in range(15)], 400)
        churned = rng.random(400) < sigmoid(-1.0 - 1.2 * deciding)
        found += kept({"deciding": deciding, "noise": noise, "kinds": kinds}, churned)
    return {name: found.count(name) for name in ("deciding", "noise", "kinds")}


def test_a_measure_that_decides_stays_in_every_draw(times_kept):
    """A step of 1.2 logits per standard deviation, 400 accounts."""
    assert times_kept["deciding"] == SEEDS


def test_noise_stays_in_few_draws(times_kept):
    """One in twenty is what it may beat by chance: of forty draws two, and more than six in one of a hundred cases."""
    assert times_kept["noise"] <= 6


def test_noise_in_many_categories_is_no_evidence_either(times_kept):
    """Ordered by the very churn it is judged by, it beat every copy that kept that order: 35 of 40 draws."""
    assert times_kept["kinds"] <= 12


def test_of_measures_that_say_the_same_one_stays():
    """Ten blurred readings of what decides: beside the nine others none passes, and in this draw all left."""
    rng = np.random.default_rng(1)
    deciding = rng.normal(size=200)
    readings = {f"reading {j}": deciding + rng.normal(size=200) for j in range(10)}
    assert len(kept(readings, rng.random(200) < sigmoid(-1.0 - 0.5 * deciding))) == 1


def test_where_few_churned_all_stay_that_tell_plainly_alone():
    """Four readings of what decides, each hardly blurred, and noise: beside the three others none is needed.

    The average of four is the better reading. Where many churned, the joint fit knows which it needs.
    """
    left = {}
    for n in (400, 2000):
        rng = np.random.default_rng(0)
        deciding = rng.normal(size=n)
        table = {f"reading {j}": deciding + 0.2 * rng.normal(size=n) for j in range(4)} | {"noise": rng.normal(size=n)}
        left[n] = set(kept(table, rng.random(n) < sigmoid(-0.5 - 1.2 * deciding)))
    assert left[400] == {f"reading {j}" for j in range(4)}
    assert left[2000] < left[400]


def test_rows_of_one_account_are_one_piece_of_evidence():
    """Forty accounts, ten equal rows each, churn drawn by account: 400 rows, and no more evidence than forty.

    Dealt out account by account the copies look just as telling; dealt out row by row they look like nothing beside
    the measure, and noise stays nearly always.
    """
    together = apart = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        account = np.repeat(np.arange(40), 10)
        table, churned = {"x": rng.normal(size=40)[account]}, (rng.random(40) < 0.4)[account]
        together += len(kept(table, churned, [f"A{i:02}" for i in account]))
        apart += len(kept(table, churned))
    assert together <= 6
    assert apart >= 30


def test_the_same_rows_give_the_same_answer():
    """Copies are dealt by the settings' random state."""
    rng = np.random.default_rng(0)
    table, churned = {f"x{i}": rng.normal(size=200) for i in range(6)}, rng.random(200) < 0.3
    assert kept(table, churned) == kept(table, churned)
