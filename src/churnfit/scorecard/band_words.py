"""Band cuts in words: where each begins, how sure that is, and when its action pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnfit.scorecard.bands import BandCuts, Steadiness
from churnfit.spec import BandAction, Bands

if TYPE_CHECKING:
    from churnfit.scorecard.card import Scorecard

__all__ = ["cut_words", "steadiness_words", "with_range"]

_TARGETS = {
    "precision": "at least {share:.0%} of these accounts and worse are expected to churn",
    "recall": "at least {share:.0%} of expected churners are here or worse",
    "quantile": "at most {share:.0%} of accounts are here or worse",
}


def with_range(cut: float, interval: tuple[float, float] | None) -> str:
    """Return a cut with its 90 % interval, where there is one.

    Examples
    --------
    >>> with_range(41.0, (38.0, 44.0)), with_range(41.0, None)
    ('41 (38 to 44)', '41')
    """
    return f"{cut:g}" if interval is None else f"{cut:g} ({interval[0]:g} to {interval[1]:g})"


def cut_words(card: Scorecard, cuts: BandCuts, bands: Bands, *, price: float) -> list[str]:
    """Return a sentence per band and, where there is a capacity, what one call more is worth (`price`)."""
    said = [
        f"red below {with_range(cuts.red_below, cuts.red_interval)}, where churn is {_churn(card, cuts.red_below)}: "
        f"{_because(bands, bands.red)}"
    ]
    if cuts.green_from > cuts.red_below:
        said.append(
            f"amber below {with_range(cuts.green_from, cuts.green_interval)}, where churn is "
            f"{_churn(card, cuts.green_from)}: {_because(bands, bands.amber)}"
        )
    if bands.capacity is not None:
        worth = f"one call more is worth {price:,.0f}" if price else "which is enough: one call more is worth nothing"
        said.append(f"capacity for calls: {bands.capacity:.0%} of accounts; {worth}")
    return said


def steadiness_words(steadiness: Steadiness) -> str:
    """Return when a shown band changes, and what that does.

    Examples
    --------
    >>> steadiness_words(Steadiness(clear=8.0, dwell_days=14, flips_removed=0.805, delay_runs=0.88))
    'a shown band changes at once 8 points beyond a cut, else after 14 days beyond it: 80% fewer flips, 0.9 runs later'
    """
    at_once = f"at once {steadiness.clear:g} points beyond a cut, else " if steadiness.clear < 100 else ""
    return (
        f"a shown band changes {at_once}after {steadiness.dwell_days} days beyond "
        f"{'it' if at_once else 'a cut'}: {steadiness.flips_removed:.0%} fewer flips, {steadiness.delay_runs:.1f} runs "
        "later"
    )


def _because(bands: Bands, action: BandAction) -> str:
    if bands.rule != "profit":
        return _TARGETS[bands.rule].format(share=action.target)
    gain = action.save_rate * bands.margin
    if not gain:
        return f"{action.action} never pays"
    return f"{action.action} pays where churn probability × yearly value is above {action.cost / gain:,.0f}"


def _churn(card: Scorecard, health: float) -> str:
    return f"{float(card.probability_of(np.array([health]))[0]):.0%}"
