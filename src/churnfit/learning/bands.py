"""Band cuts that follow from money.

Acting on an account with churn probability p and yearly value v earns ``p · save_rate · v · margin − cost``. Each band
has one action; an account belongs to the band whose action earns most, and to green where none earns anything.
"""

from __future__ import annotations

import math

from churnfit.scorecard.card import BandCuts, Scorecard
from churnfit.spec import Bands

__all__ = ["economic_cuts", "relative_cuts"]


def economic_cuts(card: Scorecard, bands: Bands, value: float) -> BandCuts:
    """Return the health scores below which an account of the given yearly `value` is amber and red.

    Where amber's action never earns more than red's, amber is empty: both cuts are one.
    """
    worth = value * bands.margin
    amber_pays = _break_even(bands.amber.cost, bands.amber.save_rate * worth)
    red_pays = _break_even(bands.red.cost, bands.red.save_rate * worth)
    red_beats_amber = _break_even(
        bands.red.cost - bands.amber.cost, (bands.red.save_rate - bands.amber.save_rate) * worth
    )
    act_from = min(amber_pays, red_pays)
    red_from = red_pays if red_pays <= amber_pays else max(red_beats_amber, act_from)
    return _cuts(card, red_from, act_from)


def relative_cuts(card: Scorecard) -> BandCuts:
    """Return cuts at twice the base rate (red) and at the base rate (amber), for a card without economics."""
    return _cuts(card, min(2 * card.base_rate, (1 + card.base_rate) / 2), card.base_rate)


def _break_even(cost: float, gain: float) -> float:
    """Return the churn probability from which gain covers cost; above 1 where it never does, or only below it."""
    if cost <= 0 <= gain:
        return 0.0
    return cost / gain if gain > 0 else math.inf


def _cuts(card: Scorecard, red_probability: float, amber_probability: float) -> BandCuts:
    red, amber = _health_at(card, red_probability), _health_at(card, amber_probability)
    return BandCuts(red_below=min(red, amber), green_from=amber)


def _health_at(card: Scorecard, probability: float) -> float:
    """Return the whole health score whose churn probability is nearest `probability`, within 0–100."""
    if probability <= 0:
        return 100.0
    if probability >= 1:
        return 0.0
    return float(round(min(max(card.health_at(probability), 0.0), 100.0)))
