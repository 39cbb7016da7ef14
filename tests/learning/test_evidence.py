"""Evidence: what decides stays, what chance can do leaves."""

from dataclasses import replace

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


def kept(table, churned, groups=None, *, price=2.0, shapes=None):
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
    settings = replace(SETTINGS, shapes=shapes or {})
    *_, (_, design) = designs(whole, [price], settings)
    curves = refit(design, whole.churned, whole.weight, price)
    return measures_with_evidence(whole, curves, cohort, [price], settings, penalty=price)


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


def test_where_few_churned_for_each_measure_all_stay_that_tell_plainly_alone():
    """Eight readings of what decides, each hardly blurred, and noise: beside the others none is needed.

    The average of eight is the better reading. With ten churned for each, the joint fit knows which it needs.
    """
    left = {}
    for n in (200, 400):
        rng = np.random.default_rng(0)
        deciding = rng.normal(size=n)
        table = {f"reading {j}": deciding + 0.2 * rng.normal(size=n) for j in range(8)} | {"noise": rng.normal(size=n)}
        left[n] = set(kept(table, rng.random(n) < sigmoid(-0.5 - 1.2 * deciding)))
    assert left[200] == {f"reading {j}" for j in range(8)}
    assert left[400] < left[200]


@pytest.mark.parametrize("shape", ["free", "lower_is_better"])
def test_copies_have_the_shape_that_was_declared(shape):
    """A free curve finds more in noise than one with a single turn: held against copies as free, noise leaves."""
    found = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        table = {f"noise {j}": rng.normal(size=300) for j in range(12)}
        found += len(kept(table, rng.random(300) < 0.35, price=1.0, shapes=dict.fromkeys(table, shape)))
    assert found <= 8  # of 48; one in ten is what they may beat by chance


def test_of_many_accounts_all_that_churned_are_heard():
    """Of 40,000 accounts 81 churned: what decides stays, all four readings of it, and of six noisy ones few.

    Of the eighth of the accounts that would do where more churned, ten churned: two of the readings would leave.
    """
    rng = np.random.default_rng(2)
    deciding = rng.normal(size=40_000)
    readings = {f"reading {j}": np.round(deciding + 0.2 * rng.normal(size=40_000), 1) for j in range(4)}
    noise = {f"noise {j}": np.round(rng.normal(size=40_000), 1) for j in range(6)}
    found = kept(readings | noise, rng.random(40_000) < sigmoid(-6.8 - 1.2 * deciding), price=12.0)
    assert set(readings) <= found
    assert len(found - set(readings)) <= 1


@pytest.mark.parametrize(("n", "level"), [(30_000, -3.2), (60_000, -5.3)], ids=["4 % churned", "0.5 %"])
def test_noise_in_many_rows_is_no_more_evidence_than_in_few(n, level):
    """Eight noisy measures beside one that decides, four draws: of 32 about two pass, and more than six in 1 of 100.

    What chance gains is learned from 5,000 of the rows; at the price of all of them chance would find nothing there,
    and nearly all noise would pass.
    """
    passed = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        deciding = rng.normal(size=n)
        noise = {f"noise {j}": np.round(rng.normal(size=n), 2) for j in range(8)}
        found = kept({"deciding": deciding} | noise, rng.random(n) < sigmoid(level - 0.5 * deciding), price=4.0)
        assert "deciding" in found
        passed += len(found) - 1
    assert passed <= 6


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
