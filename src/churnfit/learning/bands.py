"""Band cuts that follow from money.

Acting on an account with churn probability p and yearly value v earns ``p · save_rate · v · margin − cost``. A band is
cut out of health, and at one health accounts are worth all sorts of money: so the cuts are placed where they earn most
over all accounts that were learned from, each with its own value::

    Σ over red of gain(red's action) + Σ over amber of gain(amber's action)   →   largest

Labels enter through the card's probabilities only, which out-of-fold rows have calibrated: the profit that labels
themselves show is far noisier (`benchmarks/decisions.py` has both in one table). For the same reason the value expected
at a health is not the handful of accounts there but a smooth line through all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.recalibration import recalibrations
from churnfit.scorecard.bands import BandCuts
from churnfit.scorecard.card import Scorecard, sigmoid
from churnfit.spec import BandAction, Bands

__all__ = ["Stakes", "call_price", "learned_cuts", "relative_cuts"]

Floats: TypeAlias = NDArray[np.float64]

_POINTS = 101  # whole health points, 100 among them: cuts are numbers that people say
_MIDDLES: Floats = np.arange(_POINTS, dtype=np.float64) + 0.5
_TAILS = (0.05, 0.95)  # a 90 % interval
_FLATNESS = 100.0  # accounts that say value does not depend on health: a prior that modest evidence overrules
_BETWEEN = 1e-6  # rows wherever there are none: they place a cut that all accounts leave open
_ROUNDING = 1 + 1e-9  # sums of shares that reach a target but for the last bit
_EDGE = 1e-12  # a probability of exactly 0 or 1 has no logit
_STEPS = 50
_LONGEST_STEP = 1.0
_CONVERGED = 1e-9
_PRICED = 5  # health points above a cut whose accounts are the next to be called


@dataclass(frozen=True, eq=False, kw_only=True)
class Stakes:
    """What each row that was learned from stands for.

    Parameters
    ----------
    health, churn_probability : ndarray of shape (n,)
        By the card.
    value : ndarray of shape (n,)
        Yearly contract value, >= 0.
    weight : ndarray of shape (n,)
        How often each row counts.
    account : ndarray of shape (n,)
        The account of each row, 0, 1, …; accounts are resampled whole.
    churned, out_of_fold : ndarray of shape (n,)
        The label, and the churn probability from folds that did not see the row: how far off calibration may be.
    """

    health: Floats
    churn_probability: Floats
    value: Floats
    weight: Floats
    account: NDArray[np.intp]
    churned: Floats
    out_of_fold: Floats


@dataclass(frozen=True, eq=False)
class _Ladder:
    """Rows, churn probability and value at every whole health point, (101,) each, least healthy first."""

    rows: Floats
    probability: Floats
    value: Floats

    def gain(self, action: BandAction, bands: Bands) -> Floats:
        """Return what `action` is expected to earn per account at each health point."""
        return self.probability * self.value * action.save_rate * bands.margin - action.cost


def learned_cuts(stakes: Stakes, bands: Bands, *, resamples: int = 0, random_state: int = 0) -> BandCuts:
    """Return the health scores below which an account is red, and from which it is green, by the rule of `bands`.

    Whole numbers in 0–100. Where amber's action never earns more than red's, amber is empty: both cuts are one.
    With `resamples` of whole accounts the cuts carry their 90 % intervals. In every resample the value at each health
    is learned again, and the churn logits are moved as the resample would recalibrate the out-of-fold ones: what is
    not known about values, churn rate and slope moves the cuts. The ends are stretched to hold the cut.
    """
    cuts = _cuts(_ladder(stakes, stakes.weight), bands)
    if not resamples:
        return cuts
    drawn = np.array([(c.red_below, c.green_from) for c in _drawn(stakes, bands, resamples, random_state)])
    (red_low, green_low), (red_high, green_high) = np.quantile(drawn, _TAILS, axis=0, method="closest_observation")
    return replace(
        cuts,
        red_interval=(min(float(red_low), cuts.red_below), max(float(red_high), cuts.red_below)),
        green_interval=(min(float(green_low), cuts.green_from), max(float(green_high), cuts.green_from)),
    )


def call_price(stakes: Stakes, bands: Bands, cuts: BandCuts) -> float:
    """Return what red's action would earn on one account more, were there capacity for it; 0 where there is.

    The account is the next healthier one, whose action is amber's or none as yet: the shadow price of `bands.capacity`.
    """
    ladder = _ladder(stakes, stakes.weight)
    best = _cuts(ladder, bands.model_copy(update={"capacity": None}))
    if bands.capacity is None or cuts.red_below >= best.red_below:
        return 0.0
    start, end = int(cuts.red_below), int(min(best.red_below, cuts.red_below + _PRICED))
    instead = np.where(np.arange(_POINTS) < cuts.green_from, ladder.gain(bands.amber, bands), 0.0)
    more = (ladder.gain(bands.red, bands) - instead)[start:end]
    return max(0.0, float(np.average(more, weights=ladder.rows[start:end] + _BETWEEN)))


def relative_cuts(card: Scorecard) -> BandCuts:
    """Return cuts at twice the base rate (red) and at the base rate (amber), for a card without economics."""
    red, amber = (_health_at(card, p) for p in (min(2 * card.base_rate, (1 + card.base_rate) / 2), card.base_rate))
    return BandCuts(red_below=min(red, amber), green_from=amber)


def _health_at(card: Scorecard, probability: float) -> float:
    """Return the whole health score whose churn probability is nearest `probability`, within 0–100."""
    return float(round(min(max(card.health_at(probability), 0.0), 100.0)))


def _drawn(stakes: Stakes, bands: Bands, resamples: int, random_state: int) -> Iterator[BandCuts]:
    rng = np.random.default_rng(random_state)
    n_accounts = int(stakes.account.max()) + 1
    intercept, slope = _recalibrated(stakes, stakes.weight)
    for _ in range(resamples):
        times = np.bincount(rng.integers(n_accounts, size=n_accounts), minlength=n_accounts)
        weight = stakes.weight * times[stakes.account]
        drawn_intercept, drawn_slope = _recalibrated(stakes, weight)
        off = (drawn_intercept - intercept, drawn_slope - slope)
        yield _cuts(_ladder(stakes, weight, off=off if all(map(math.isfinite, off)) else (0.0, 0.0)), bands)


def _recalibrated(stakes: Stakes, weight: Floats) -> tuple[float, float]:
    intercept, slope = recalibrations(stakes.churned, stakes.out_of_fold, weight[np.newaxis, :])
    return float(intercept[0]), float(slope[0])


def _ladder(stakes: Stakes, weight: Floats, *, off: tuple[float, float] = (0.0, 0.0)) -> _Ladder:
    """Return the ladder of the rows that count by `weight`, churn logits moved by `off` (intercept, slope)."""
    place = np.clip(stakes.health, 0, _POINTS - 1).astype(np.intp)
    p = np.clip(stakes.churn_probability, _EDGE, 1 - _EDGE)
    rows, value, logit = (
        np.bincount(place, weights=weight * amount, minlength=_POINTS).astype(np.float64)
        for amount in (np.ones(len(place)), stakes.value, np.log(p) - np.log1p(-p))
    )
    here = rows > 0
    return _Ladder(
        rows=rows,
        probability=sigmoid(off[0] + (1 + off[1]) * _through(_MIDDLES[here], logit[here] / rows[here])),
        value=_smooth_value(rows, value),
    )


def _through(x: Floats, y: Floats) -> Floats:
    """Return straight lines between the points (x, y), gone on with beyond, at every health point (101,)."""
    if len(x) < 2:
        return np.full(_POINTS, y[0])
    beyond = _MIDDLES - np.clip(_MIDDLES, x[0], x[-1])
    on_lines: Floats = np.interp(_MIDDLES, x, y) + beyond * (y[-1] - y[0]) / (x[-1] - x[0])
    return on_lines


def _smooth_value(rows: Floats, value: Floats) -> Floats:
    """Return the mean value at each health point (101,): a straight line in the logarithm, drawn towards flat.

    A gamma regression with log link by Fisher's scoring: its total is the total value seen, however few large accounts
    hold most of it, and accounts of no value do no harm.
    """
    total = rows.sum()
    if value.sum() <= 0:
        return np.zeros(_POINTS)
    centre = float(rows @ _MIDDLES / total)
    spread = math.sqrt(float(rows @ (_MIDDLES - centre) ** 2 / total)) or 1.0
    x = (_MIDDLES - centre) / spread
    level, slope = math.log(value.sum() / total), 0.0
    information = np.array([total, float(rows @ x**2) + _FLATNESS])  # x is centred: the two do not mix
    for _ in range(_STEPS):
        off = value / np.exp(level + slope * x) - rows
        step = np.array([off.sum(), float(off @ x) - _FLATNESS * slope]) / information
        step = np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        level, slope = level + float(step[0]), slope + float(step[1])
        if np.abs(step).max() < _CONVERGED:
            break
    smooth: Floats = np.exp(level + slope * x)
    return smooth


def _cuts(ladder: _Ladder, bands: Bands) -> BandCuts:
    called = _below(ladder.rows)
    capacity = 1.0 if bands.capacity is None else bands.capacity
    most = _last(called <= capacity * ladder.rows.sum() * _ROUNDING)
    if bands.rule == "profit":
        red, green = _earning_most(ladder, bands, most)
    else:
        red, green = (_reaching(ladder, bands.rule, action.target or 0.0) for action in (bands.red, bands.amber))
        red = min(red, most)
    return BandCuts(red_below=float(red), green_from=float(max(red, green)))


def _earning_most(ladder: _Ladder, bands: Bands, most: int) -> tuple[int, int]:
    """Return the cuts that earn most, red no higher than `most`; of those that earn the same, the lower ones."""
    rows = ladder.rows + _BETWEEN
    red, amber = (_below(rows * ladder.gain(action, bands)) for action in (bands.red, bands.amber))
    best_above = np.maximum.accumulate(amber[::-1])[::-1]  # with green anywhere from the red cut on
    red_below = int(np.argmax((red - amber + best_above)[: most + 1]))
    return red_below, red_below + int(np.argmax(amber[red_below:]))


def _reaching(ladder: _Ladder, rule: str, target: float) -> int:
    """Return the cut below which accounts reach the target of `rule`.

    Of recall the lowest such cut, 100 where none does; of the others the highest, 0 where none does.
    """
    called, churned = _below(ladder.rows), _below(ladder.rows * ladder.probability)
    if rule == "recall":
        enough = churned >= target * float(ladder.rows @ ladder.probability) / _ROUNDING
        return int(np.argmax(enough)) if enough.any() else _POINTS - 1
    if rule == "quantile":
        return _last(called <= target * ladder.rows.sum() * _ROUNDING)
    return _last((churned >= target * called / _ROUNDING) & (called > 0))


def _last(answers: NDArray[np.bool_]) -> int:
    """Return the place of the last true answer; 0 where there is none."""
    return int(np.flatnonzero(answers)[-1]) if answers.any() else 0


def _below(at_point: Floats) -> Floats:
    """Return the sum of what lies below each cut from 0 to 100 (101,)."""
    return np.concatenate([[0.0], np.cumsum(at_point)[:-1]])
