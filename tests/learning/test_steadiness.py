"""Flips, delay and the choice of a policy, by hand. Red below 40, green from 70; weekly runs."""

import numpy as np
import pytest

from churnfit.learning.steadiness import FlipCurve, flip_curve
from churnfit.scorecard.bands import BandCuts, Steadiness

CUTS = BandCuts(red_below=40.0, green_from=70.0)
FLAPPING = [50, 50, 38, 50, 38, 50, 50, 50, 50, 50, 50]
LEAVING = [50, 50, 39, 38, 36, 36, 35, 35, 35, 35, 35]


def curve(*accounts, days_apart=7):
    return flip_curve(CUTS, np.array(accounts, dtype=float), days_apart=days_apart)


def policy(found: FlipCurve, clear, dwell_days) -> Steadiness:
    [one] = [one for one in found.policies if (one.clear, one.dwell_days) == (clear, dwell_days)]
    return one


def test_a_flip_takes_back_a_change_within_four_runs():
    """In, out, in, out: the first change takes nothing back, the other three do. A lasting change is no flip."""
    assert curve(FLAPPING).flips == 3
    assert curve(LEAVING).flips == 0


def test_a_change_taken_back_after_four_runs_is_no_flip():
    """Red in run 1, amber again in run 5 is a flip; in run 6 it is not."""
    assert curve([50, 38, 38, 38, 38, 50, 50]).flips == 1
    assert curve([50, 38, 38, 38, 38, 38, 50]).flips == 0


def test_both_cuts_count():
    """A fall from green to red and back crosses two cuts twice: each takes one change back."""
    assert curve([80, 80, 30, 80, 80, 80]).flips == 2


def test_small_wobbles_are_not_shown():
    """Two points below the cut for one run each: never clear, never two runs in a row."""
    assert policy(curve(FLAPPING), 3.0, 7).flips_removed == 1.0


def test_a_slow_change_is_shown_once_it_has_lasted():
    """39, 38, 36: one run late after two runs below, two after three, three after four; 36 is clear of 40 by 3."""
    found = curve(LEAVING)
    assert found.lasting == 1
    assert policy(found, 100.0, 7).delay_runs == 1.0
    assert policy(found, 100.0, 14).delay_runs == 2.0
    assert policy(found, 3.0, 21).delay_runs == 2.0
    assert policy(found, 4.0, 21).delay_runs == 3.0


def test_a_clear_change_is_shown_at_once():
    """From 50 to 20, twenty points beyond the cut: no delay, unless nothing is clear."""
    found = curve([50, 50, 20, 20, 20, 20, 20, 20])
    assert policy(found, 15.0, 21).delay_runs == 0.0
    assert policy(found, 100.0, 21).delay_runs == 3.0


def test_a_return_from_a_blip_is_no_lasting_change():
    """It stayed amber before and after; a fall that lasts, after the same blip, is one."""
    assert curve(FLAPPING).lasting == 0
    assert curve([50, 50, 38, 50, 50, 50, 50, 50, 30, 30, 30, 30, 30, 30]).lasting == 1


def test_accounts_come_and_go():
    """Dates on which an account was not scored are no change, and whoever comes back begins anew."""
    gap = [np.nan, 50, 38, np.nan, 50, 50, 50, 50, 50]
    assert (curve(gap).flips, curve(gap).lasting) == (0, 0)


def test_the_quickest_policy_that_is_good_enough_is_chosen():
    """Ten flapping accounts and ten that leave slowly: two runs in a row remove all flips for one run of delay."""
    found = curve(*[FLAPPING] * 10, *[LEAVING] * 10)
    assert found.flips == 30
    assert found.chosen is not None
    assert (found.chosen.dwell_days, found.chosen.flips_removed, found.chosen.delay_runs) == (7, 1.0, 1.0)
    assert found.chosen == min(
        (one for one in found.policies if one.flips_removed >= 0.8), key=lambda one: one.delay_runs
    )


def test_where_nothing_is_good_enough_the_best_within_a_run_of_delay_is_chosen():
    """Wobbles that are as long and as deep as changes: no policy tells them apart."""
    deep = [50, 50, 15, 15, 15, 50, 50, 50, 50, 50, 50]
    found = curve(*[deep] * 25, *[LEAVING] * 10)
    assert found.chosen is not None
    assert found.chosen.flips_removed < 0.8
    assert found.chosen.delay_runs <= 1.0


def test_a_handful_of_flips_teaches_nothing():
    """Six flips: no policy, so the shown band is the band."""
    assert curve(FLAPPING, FLAPPING).chosen is None


def test_the_frontier_only_gets_better():
    """More delay, more flips removed."""
    rng = np.random.default_rng(4)
    level = rng.uniform(20, 90, (60, 1)) + rng.normal(0, 2, (60, 30)).cumsum(axis=1)
    found = flip_curve(CUTS, np.clip(level + rng.normal(0, 4, (60, 30)), 0, 100), days_apart=7)
    delays, removed = zip(*((one.delay_runs, one.flips_removed) for one in found.frontier), strict=True)
    assert list(delays) == sorted(delays)
    assert list(removed) == sorted(removed)
    assert len(found.frontier) > 3


@pytest.mark.parametrize("days_apart", [1, 7])
def test_dwell_is_said_in_days(days_apart):
    """Two, three and four runs in a row are one, two and three times the days between runs."""
    found = curve(FLAPPING, days_apart=days_apart)
    assert {one.dwell_days for one in found.policies} == {days_apart, 2 * days_apart, 3 * days_apart}
