"""Cuts that follow from money, by hand.

A card with logit 5 − 0.1 · health: health 50 is an even chance, and each 10 points are one logit.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.small_card import CARD

from churnfit.learning.bands import Stakes, call_price, learned_cuts, relative_cuts
from churnfit.spec import Bands

STRAIGHT = replace(CARD, intercept=5.0, slope=0.1, base_rate=0.2, segment_offsets=())


def bands_of(*, red, amber, margin=1.0):
    return Bands.model_validate(
        {
            "margin": margin,
            "red": {"action": "call", "cost": red[0], "save_rate": red[1]},
            "amber": {"action": "mail", "cost": amber[0], "save_rate": amber[1]},
        }
    )


def health_at(p):
    return round((5.0 - math.log(p / (1 - p))) / 0.1)


def cohort(value=1000.0, *, health=None, churned=None):
    """Return one account in the middle of every health point (or at `health`), each worth `value`."""
    health = np.arange(100) + 0.5 if health is None else np.asarray(health, dtype=float)
    probability = 1 / (1 + np.exp(-(5.0 - 0.1 * health)))
    return Stakes(
        health=health,
        churn_probability=probability,
        value=np.broadcast_to(np.asarray(value, dtype=float), health.shape).copy(),
        weight=np.ones(len(health)),
        account=np.arange(len(health)),
        churned=(probability > 0.5).astype(float) if churned is None else churned,
        out_of_fold=probability,
    )


def cuts_of(stakes, bands):
    cuts = learned_cuts(stakes, bands)
    return cuts.red_below, cuts.green_from


def test_amber_starts_where_acting_pays_and_red_where_it_pays_better():
    """Value 1000, margin ½: amber 0.1 · 500 · p = 5 at p = 0.1; red beats it where (0.5 − 0.1) · 500 · p = 100 − 5.

    So p = 95 / 200 = 0.475 and health (5 + 0.1) / 0.1 = 51; p = 0.1 is logit −2.197, health 72.
    """
    cuts = cuts_of(cohort(), bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5))
    assert cuts == (51.0, 72.0) == (health_at(0.475), health_at(0.1))


def test_richer_accounts_are_called_earlier():
    """Ten times the value: p = 0.01 and 0.0475, so both cuts lie higher."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    assert cuts_of(cohort(10_000.0), bands) == (health_at(0.0475), health_at(0.01))


def test_the_mean_value_counts_and_not_the_median():
    """At each health four accounts of 100 and one of 4,600 are worth 1,000 on average, and cut like 1,000 each."""
    health = np.repeat(np.arange(100) + 0.5, 5)
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    assert cuts_of(cohort(np.tile([100.0, 100, 100, 100, 4600], 100), health=health), bands) == (51.0, 72.0)


def test_value_that_grows_with_health_moves_the_cut_up():
    """Healthy accounts worth more, as many in all: where p is 0.475 the mean is passed, and calls pay beyond it."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.0))
    flat, growing = cohort(1000.0), cohort(1000.0 * np.exp((np.arange(100) - 49.5) / 30))
    assert cuts_of(growing, bands)[0] > cuts_of(flat, bands)[0]


def test_one_rich_account_does_not_place_the_cut():
    """An account worth 20 others at health 30 or at 57: the mean counts, not where that account happens to be.

    Alone it would draw the cut, which is near 53, up to 58 in the second case.
    """
    bands = bands_of(red=(200, 0.5), amber=(200, 0.0))
    found = []
    for at in (30, 57):
        value = np.full(100, 1000.0)
        value[at] = 20_000.0
        found.append(cuts_of(cohort(value), bands)[0])
    assert abs(found[0] - found[1]) <= 2


def test_amber_is_empty_where_it_never_earns_more_than_red():
    """Both cost 5, red saves more: red pays first, from p = 5 / (0.5 · 1000) = 0.01 on."""
    red_below, green_from = cuts_of(cohort(), bands_of(red=(5, 0.5), amber=(5, 0.1)))
    assert red_below == green_from == health_at(0.01)


def test_an_action_that_costs_nothing_always_pays():
    """A free mail: nobody is green; a free call: everybody is red."""
    assert cuts_of(cohort(), bands_of(red=(250, 0.6), amber=(0, 0.1))) == (health_at(0.5), 100.0)
    assert cuts_of(cohort(), bands_of(red=(0, 0.6), amber=(5, 0.1))) == (100.0, 100.0)


def test_an_action_that_saves_nobody_is_never_taken():
    """No save rate, no margin, nothing to save: everybody is green."""
    useless = (bands_of(red=(100, 0.0), amber=(5, 0.0)), bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.0))
    assert [cuts_of(cohort(), bands) for bands in useless] == [(0.0, 0.0)] * 2
    assert cuts_of(cohort(0.0), bands_of(red=(100, 0.5), amber=(5, 0.1))) == (0.0, 0.0)


def test_a_cheap_call_that_saves_too_few_is_never_red():
    """Red costs 1 and saves 1 in 100, amber costs 2 and saves 1 in 2: wherever either pays, amber earns more.

    It pays from p = 2 / 500 = 0.004 on: logit −5.5 is beyond health 100.
    """
    assert cuts_of(cohort(), bands_of(red=(1, 0.01), amber=(2, 0.5))) == (0.0, 100.0)


def test_red_that_pays_only_beyond_certainty_is_empty():
    """A call of 900 that saves half of 1000 never pays; amber pays from p = 0.05."""
    assert cuts_of(cohort(), bands_of(red=(900, 0.5), amber=(5, 0.1))) == (0.0, health_at(0.05))


def test_health_that_no_account_has_is_cut_as_the_line_says():
    """Accounts at 20 and 80 only: any cut between them earns the same, and the one at p = 0.475 is taken."""
    stakes = cohort(health=[20.5] * 10 + [80.5] * 10)
    assert cuts_of(stakes, bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5))[0] == pytest.approx(51.0, abs=1)


def test_rows_count_by_their_weight():
    """Rich rows that weigh nothing are not there."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    health = np.tile(np.arange(100) + 0.5, 2)
    both = cohort(np.repeat([1000.0, 50_000.0], 100), health=health)
    assert cuts_of(replace(both, weight=np.repeat([1.0, 0.0], 100)), bands) == (51.0, 72.0)


def rule(name, red, amber, **more):
    return Bands.model_validate(
        {
            "rule": name,
            "red": {"action": "call", "cost": 100, "save_rate": 0.5, "target": red},
            "amber": {"action": "mail", "cost": 5, "save_rate": 0.1, "target": amber},
            **more,
        }
    )


def test_a_quantile_is_a_share_of_the_accounts():
    """One account per health point: the worst 10 % lie below 10, the worst 30 % below 30."""
    assert cuts_of(cohort(), rule("quantile", 0.10, 0.30)) == (10.0, 30.0)


def test_precision_is_the_largest_band_that_churns_enough():
    """The mean probability below the cut is at least the target, and one point further it is not."""
    stakes = cohort()
    for target, cut in zip((0.8, 0.6), cuts_of(stakes, rule("precision", 0.8, 0.6)), strict=True):
        below = stakes.churn_probability[: int(cut)].mean(), stakes.churn_probability[: int(cut) + 1].mean()
        assert below[0] >= target > below[1]


def test_recall_is_the_smallest_band_that_holds_enough_churners():
    """The expected churners below the cut are at least the target share of all, and one point before they are not."""
    stakes = cohort()
    expected = stakes.churn_probability.cumsum() / stakes.churn_probability.sum()
    for target, cut in zip((0.5, 0.9), cuts_of(stakes, rule("recall", 0.5, 0.9)), strict=True):
        assert expected[int(cut) - 1] >= target > expected[int(cut) - 2]


def test_a_precision_nobody_reaches_leaves_the_band_empty():
    """At health 40 and more nobody churns with 0.8."""
    assert cuts_of(cohort(health=np.arange(40, 100) + 0.5), rule("precision", 0.8, 0.5))[0] == 0.0


def test_capacity_holds_red_back_and_has_a_price():
    """Calls pay up to health 51; ten of a hundred accounts can be called, so the eleventh is what a call is worth.

    The next five, at health 10.5 to 14.5, churn with 0.982 on average: (0.5 − 0.1) · 500 · p − 95 = 101.5.
    """
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    short = bands.model_copy(update={"capacity": 0.10})
    cuts = learned_cuts(cohort(), short)
    assert (cuts.red_below, cuts.green_from) == (10.0, 72.0)
    next_five = 1 / (1 + np.exp(-(5.0 - 0.1 * np.arange(10.5, 15))))
    assert call_price(cohort(), short, cuts) == pytest.approx(np.mean(0.4 * 500 * next_five - 95), rel=1e-3)


def test_enough_capacity_costs_nothing():
    """Sixty calls of a hundred, where 51 pay; and no capacity at all is none."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    enough = bands.model_copy(update={"capacity": 0.6})
    assert call_price(cohort(), enough, learned_cuts(cohort(), enough)) == 0.0
    assert call_price(cohort(), bands, learned_cuts(cohort(), bands)) == 0.0


def drawn(n, seed=3):
    """Return `n` accounts whose labels are drawn from their probabilities, with values of all sizes."""
    rng = np.random.default_rng(seed)
    health = rng.uniform(10, 90, n)
    churned = (rng.random(n) < 1 / (1 + np.exp(-(5.0 - 0.1 * health)))).astype(float)
    return cohort(1000 * rng.lognormal(-0.5, 1.0, n), health=health, churned=churned)


def test_intervals_hold_the_cut_and_shrink_with_more_accounts():
    """Ten times the accounts: about a third of the width; the cut itself does not depend on the resamples."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    few, many = (learned_cuts(drawn(n), bands, resamples=100, random_state=1) for n in (300, 3000))
    for cuts in (few, many):
        assert cuts.red_interval[0] <= cuts.red_below <= cuts.red_interval[1]
        assert cuts.green_interval[0] <= cuts.green_from <= cuts.green_interval[1]
    assert np.ptp(many.red_interval) < np.ptp(few.red_interval)
    assert cuts_of(drawn(300), bands) == (few.red_below, few.green_from)


def test_intervals_know_that_the_churn_rate_is_not_known():
    """The same accounts with the labels' noise taken out: narrower."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    stakes = replace(drawn(300), value=np.full(300, 1000.0))
    sure = replace(stakes, churned=stakes.churn_probability)  # as many as expected churn, everywhere
    widths = [np.ptp(learned_cuts(s, bands, resamples=100).red_interval) for s in (sure, stakes)]
    assert widths[0] < widths[1]


def test_snapshots_of_one_account_are_no_further_evidence():
    """Every row ten times, as ten snapshots of its account: the same cuts, the same intervals."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    one = drawn(300)
    ten = Stakes(**{name: np.tile(getattr(one, name), 10) for name in one.__dataclass_fields__})
    assert np.ptp(learned_cuts(ten, bands, resamples=60).red_interval) == pytest.approx(
        np.ptp(learned_cuts(one, bands, resamples=60).red_interval), abs=1
    )


def test_without_economics_red_is_twice_the_base_rate_and_green_starts_at_it():
    """Base rate 0.2: p = 0.4 is logit −0.405, health 54; p = 0.2 is −1.386, health 64."""
    cuts = relative_cuts(STRAIGHT)
    assert (cuts.red_below, cuts.green_from) == (54.0, 64.0)


def test_a_base_rate_above_one_half_still_leaves_a_red_band():
    """Twice 0.8 is no probability: red starts halfway to certainty, at 0.9."""
    cuts = relative_cuts(replace(STRAIGHT, base_rate=0.8))
    assert (cuts.red_below, cuts.green_from) == (health_at(0.9), health_at(0.8))


MONEY = st.one_of(st.just(0.0), st.floats(0.01, 5000))
SHARE = st.one_of(st.just(0.0), st.floats(0.001, 1.0))


@given(MONEY, SHARE, MONEY, SHARE, st.floats(1, 1e6))
def test_a_band_is_the_best_action_at_its_health(red_cost, red_saves, amber_cost, amber_saves, value):
    """Red never reaches above amber; away from the cuts, red is the better call and green earns nothing.

    But where amber's action costs more than red's and saves more: it would be the one for the least healthy.
    """
    assume(amber_cost <= red_cost or amber_saves <= red_saves)
    bands = bands_of(red=(red_cost, red_saves), amber=(amber_cost, amber_saves))
    red_below, green_from = cuts_of(cohort(value), bands)
    assert 0 <= red_below <= green_from <= 100
    health = np.arange(1.5, 100.0)
    p = 1 / (1 + np.exp(-(5.0 - 0.1 * health)))
    call, mail = p * red_saves * value - red_cost, p * amber_saves * value - amber_cost
    slack = 0.1 * (red_cost + amber_cost + value * p)  # the cuts are whole health points
    green = health > green_from + 1
    assert (np.maximum(call, mail)[green] <= slack[green]).all()
    amber = (health > red_below + 1) & (health < green_from - 1)
    assert (mail[amber] >= -slack[amber]).all()


def test_cuts_ignore_segments_and_are_numbers_a_person_says():
    """Whole health scores."""
    cuts = relative_cuts(replace(STRAIGHT, base_rate=0.137))
    assert cuts.red_below == int(cuts.red_below)
    assert cuts.green_from == pytest.approx(round(cuts.green_from))
