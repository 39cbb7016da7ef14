"""Cuts that follow from money, by hand.

A card with logit 5 − 0.1 · health: health 50 is an even chance, and each 10 points are one logit.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.small_card import CARD

from churnfit.learning.bands import economic_cuts, relative_cuts
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


def test_amber_starts_where_acting_pays_and_red_where_it_pays_better():
    """Value 1000, margin ½: amber 0.1 · 500 · p = 5 at p = 0.1; red beats it where (0.5 − 0.1) · 500 · p = 100 − 5.

    So p = 95 / 200 = 0.475 and health (5 + 0.1) / 0.1 = 51; p = 0.1 is logit −2.197, health 72.
    """
    cuts = economic_cuts(STRAIGHT, bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5), 1000.0)
    assert (cuts.red_below, cuts.green_from) == (51.0, 72.0) == (health_at(0.475), health_at(0.1))


def test_a_richer_account_is_called_earlier():
    """Ten times the value: p = 0.01 and 0.0475, so both cuts lie higher."""
    bands = bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.5)
    cuts = economic_cuts(STRAIGHT, bands, 10_000.0)
    assert (cuts.red_below, cuts.green_from) == (health_at(0.0475), health_at(0.01))


def test_amber_is_empty_where_it_never_earns_more_than_red():
    """Both cost 5, red saves more: red pays first, from p = 5 / (0.5 · 1000) = 0.01 on."""
    cuts = economic_cuts(STRAIGHT, bands_of(red=(5, 0.5), amber=(5, 0.1)), 1000.0)
    assert cuts.red_below == cuts.green_from == health_at(0.01)


def test_an_action_that_costs_nothing_always_pays():
    """A free mail: nobody is green; a free call: everybody is red."""
    free_mail = economic_cuts(STRAIGHT, bands_of(red=(250, 0.6), amber=(0, 0.1)), 1000.0)
    assert (free_mail.red_below, free_mail.green_from) == (health_at(0.5), 100.0)
    free_call = economic_cuts(STRAIGHT, bands_of(red=(0, 0.6), amber=(5, 0.1)), 1000.0)
    assert (free_call.red_below, free_call.green_from) == (100.0, 100.0)


def test_an_action_that_saves_nobody_is_never_taken():
    """No save rate, or no margin: everybody is green."""
    for bands in (bands_of(red=(100, 0.0), amber=(5, 0.0)), bands_of(red=(100, 0.5), amber=(5, 0.1), margin=0.0)):
        cuts = economic_cuts(STRAIGHT, bands, 1000.0)
        assert (cuts.red_below, cuts.green_from) == (0.0, 0.0)


def test_a_cheap_call_that_saves_too_few_is_never_red():
    """Red costs 1 and saves 1 in 100, amber costs 2 and saves 1 in 2: wherever either pays, amber earns more."""
    cuts = economic_cuts(STRAIGHT, bands_of(red=(1, 0.01), amber=(2, 0.5)), 1000.0)
    assert cuts.red_below == 0.0
    assert cuts.green_from == 100.0  # pays from p = 2 / 500 = 0.004: logit −5.5 is beyond health 100


def test_red_that_pays_only_beyond_certainty_is_empty():
    """A call of 900 that saves half of 1000 never pays; amber pays from p = 0.05."""
    cuts = economic_cuts(STRAIGHT, bands_of(red=(900, 0.5), amber=(5, 0.1)), 1000.0)
    assert (cuts.red_below, cuts.green_from) == (0.0, health_at(0.05))


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
    """Red never reaches above amber; away from the cuts, red is the better call and green earns nothing."""
    cuts = economic_cuts(STRAIGHT, bands_of(red=(red_cost, red_saves), amber=(amber_cost, amber_saves)), value)
    assert 0 <= cuts.red_below <= cuts.green_from <= 100
    health = np.arange(1.5, 100.0)
    p = 1 / (1 + np.exp(-(5.0 - 0.1 * health)))
    call, mail = p * red_saves * value - red_cost, p * amber_saves * value - amber_cost
    slack = 0.1 * (red_cost + amber_cost + value * p)  # the cuts are whole health points
    green = health > cuts.green_from + 1
    assert (np.maximum(call, mail)[green] <= slack[green]).all()
    amber = (health > cuts.red_below + 1) & (health < cuts.green_from - 1)
    assert (mail[amber] >= -slack[amber]).all()


def test_cuts_ignore_segments_and_are_numbers_a_person_says():
    """Whole health scores."""
    cuts = relative_cuts(replace(STRAIGHT, base_rate=0.137))
    assert cuts.red_below == int(cuts.red_below)
    assert cuts.green_from == pytest.approx(round(cuts.green_from))
