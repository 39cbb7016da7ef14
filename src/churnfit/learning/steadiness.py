"""How steady bands should be shown: what hysteresis and dwell take away in flips, and what they cost in delay.

Learned on a replay: the health of past accounts on evenly spaced dates. A small grid of policies is run over it, and

- a *flip* is a change of the shown band at a cut (red or not, green or not) that takes back a change at the same cut
  at most `WITHIN_RUNS` runs before;
- a change of the band at a cut is *lasting* when the account stays on that side for `WITHIN_RUNS` runs, and it was the
  other side where it stayed before; its *delay* is the number of runs until it is shown.

No label is read: that an account churned says nothing about how often its band wobbles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.scorecard.bands import BandCuts, Steadiness

__all__ = ["DELAY_AT_MOST", "REMOVED_AT_LEAST", "WITHIN_RUNS", "FlipCurve", "count_flips", "flip_curve", "replayed"]

Floats: TypeAlias = NDArray[np.float64]
Shown: TypeAlias = NDArray[np.object_]

WITHIN_RUNS = 4  # of weekly runs a month: a band that is taken back within it was not worth a call
REMOVED_AT_LEAST = 0.8  # of the flips: below it people still see them
DELAY_AT_MOST = 1.0  # runs: a week, where runs are weekly
_CLEAR = (3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 100.0)  # health points; from 100 on nothing is clear at once
_DWELL_RUNS = (2, 3, 4)
_FEWEST_FLIPS = 20  # fewer say too little about which policy removes more of them


@dataclass(frozen=True, kw_only=True)
class FlipCurve:
    """What every policy does on a replay of `accounts` on `runs` dates, `days_apart` days apart.

    Parameters
    ----------
    flips, lasting : int
        Flips and lasting changes of the band itself.
    policies : tuple of Steadiness
        All that were tried, the quickest first.
    chosen : Steadiness or None
        The quickest that removes at least `REMOVED_AT_LEAST` of the flips with a delay of at most `DELAY_AT_MOST`;
        where none does, the one within that delay that removes most. None where there are too few flips to say.
    """

    accounts: int
    runs: int
    days_apart: int
    flips: int
    lasting: int
    policies: tuple[Steadiness, ...]
    chosen: Steadiness | None

    @property
    def frontier(self) -> tuple[Steadiness, ...]:
        """The policies that no quicker one outdoes, the quickest first."""
        found: list[Steadiness] = []
        for policy in self.policies:
            if not found or policy.flips_removed > found[-1].flips_removed:
                found.append(policy)
        return tuple(found)


def flip_curve(cuts: BandCuts, health: Floats, *, days_apart: int) -> FlipCurve:
    """Return what every policy does to the bands of `health`.

    Parameters
    ----------
    cuts : BandCuts
        The card's.
    health : ndarray of shape (n_accounts, n_runs)
        Of every account on every date, oldest first; NaN where it was not scored.
    days_apart : int
        Days from one date to the next.
    """
    scored = np.isfinite(health)
    band = _sides(cuts.band(health), scored)
    flips = _counted(band, scored)
    lasting = [_lasting(side, scored) for side in band]
    tried = []
    for clear in _CLEAR:
        for runs in _DWELL_RUNS:
            policy = Steadiness(clear=clear, dwell_days=(runs - 1) * days_apart, flips_removed=0.0, delay_runs=0.0)
            shown = _sides(replayed(replace(cuts, steadiness=policy), health, days_apart), scored)
            left = _counted(shown, scored)
            late = np.concatenate([_delays(*sides) for sides in zip(band, shown, lasting, strict=True)])
            tried.append(
                replace(
                    policy,
                    flips_removed=round(1 - left / max(flips, 1), 3),
                    delay_runs=round(float(late.mean()), 2) if len(late) else 0.0,
                )
            )
    tried.sort(key=lambda policy: (policy.delay_runs, -policy.flips_removed, policy.dwell_days, policy.clear))
    return FlipCurve(
        accounts=int(scored.any(axis=1).sum()),
        runs=health.shape[1],
        days_apart=days_apart,
        flips=flips,
        lasting=sum(int(changes.sum()) for changes in lasting),
        policies=tuple(tried),
        chosen=_chosen(tried) if flips >= _FEWEST_FLIPS else None,
    )


def _chosen(tried: list[Steadiness]) -> Steadiness | None:
    quick = [policy for policy in tried if policy.delay_runs <= DELAY_AT_MOST]
    enough = [policy for policy in quick if policy.flips_removed >= REMOVED_AT_LEAST]
    return enough[0] if enough else max(quick, key=lambda policy: policy.flips_removed, default=None)


def replayed(cuts: BandCuts, health: Floats, days_apart: int) -> Shown:
    """Return the shown band of every account on every date (n_accounts, n_runs), as `cuts` hold it steady.

    Who was not scored the last time begins anew. Arguments are as for `flip_curve`.
    """
    shown = np.empty(health.shape, dtype=object)
    shown[:, 0] = cuts.band(health[:, 0])
    days = np.zeros(len(health))
    for run in range(1, health.shape[1]):
        band = cuts.band(health[:, run])
        new = np.isnan(health[:, run - 1])
        before = np.where(new, band, shown[:, run - 1])
        days = np.where((band == before) | new, 0.0, days)
        shown[:, run] = cuts.shown_band(before, health[:, run], days)
        days = np.where(shown[:, run] == before, days, 0.0)
        days = np.where(shown[:, run] == band, 0.0, days + days_apart)
    return shown


def count_flips(bands: Shown) -> int:
    """Return how many flips there are in bands (n_accounts, n_runs), oldest first; "" where an account was not scored.

    Examples
    --------
    >>> count_flips(np.array([["red", "amber", "red", "red"], ["red", "", "green", "green"]], dtype=object))
    1
    """
    scored = bands != ""
    return _counted(_sides(bands, scored), scored)


def _counted(sides: list[NDArray[np.int8]], scored: NDArray[np.bool_]) -> int:
    return sum(int(_flips(side, scored).sum()) for side in sides)


def _sides(bands: Shown, scored: NDArray[np.bool_]) -> list[NDArray[np.int8]]:
    """Return, at the red cut and at the green one, the side of each account: 1 worse, 0 better, −1 not scored."""
    return [np.where(scored, worse, -1).astype(np.int8) for worse in (bands == "red", bands != "green")]


def _changes(side: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return where an account is on another side than the run before (n_accounts, n_runs)."""
    changed = np.zeros(side.shape, dtype=bool)
    changed[:, 1:] = (side[:, 1:] != side[:, :-1]) & (side[:, 1:] >= 0) & (side[:, :-1] >= 0)
    return changed


def _flips(side: NDArray[np.int8], scored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the changes that take back another one (n_accounts, n_runs)."""
    changed = _changes(side)
    so_far: NDArray[np.int64] = np.cumsum(changed, axis=1) - changed
    lately = so_far.copy()
    lately[:, WITHIN_RUNS:] -= so_far[:, :-WITHIN_RUNS]
    return changed & (lately > 0) & scored


def _lasting(side: NDArray[np.int8], scored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the changes to the side where the account then stays, not having stayed there last (n_accounts, n_runs).

    Where it was first scored counts as where it stayed.
    """
    stays = _changes(side) & scored
    stays[:, -WITHIN_RUNS:] = False
    for ahead in range(1, WITHIN_RUNS + 1):
        stays[:, :-WITHIN_RUNS] &= side[:, ahead : side.shape[1] - WITHIN_RUNS + ahead] == side[:, :-WITHIN_RUNS]
    lasting = np.zeros_like(stays)
    stayed = side[:, 0]
    for run in range(1, side.shape[1]):
        lasting[:, run] = stays[:, run] & (side[:, run] != stayed)
        stayed = np.where(stays[:, run] | (side[:, run - 1] < 0), side[:, run], stayed)
    return lasting


def _delays(band: NDArray[np.int8], shown: NDArray[np.int8], lasting: NDArray[np.bool_]) -> Floats:
    """Return the runs until each lasting change is shown, one more than `WITHIN_RUNS` where it is not by then."""
    account, run = np.nonzero(lasting)
    late = np.full(len(run), WITHIN_RUNS + 1.0)
    for ahead in reversed(range(WITHIN_RUNS + 1)):
        late[shown[account, run + ahead] == band[account, run]] = ahead
    return late
