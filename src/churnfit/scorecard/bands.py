"""Bands: red, amber or green, cut out of the health score; and the band that people are shown.

The *band* is a function of today's health alone: it stands in every published score. The *shown band* is what opens and
closes calls to action. It follows the band, but not every wobble about a cut: a band is entered, or left, at once where
health is clearly beyond the cut, and otherwise once it has been beyond it for some days without a break.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Band", "BandCuts", "Steadiness", "band_rank", "cuts_document", "cuts_from"]

Floats: TypeAlias = NDArray[np.float64]
Bands: TypeAlias = NDArray[np.object_]
Band = Literal["red", "amber", "green"]


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """When the shown band follows the band, and what that did on the replay it was learned from.

    At once where health is at least `clear` points beyond the cut, otherwise after `dwell_days` beyond it. Of the
    band's flips the share `flips_removed` is gone, and a lasting change is shown `delay_runs` runs late on average.
    """

    clear: float
    dwell_days: int
    flips_removed: float
    delay_runs: float


@dataclass(frozen=True, kw_only=True)
class BandCuts:
    """Health below `red_below` is red, below `green_from` amber, from there on green.

    `red_interval` and `green_interval` are the cuts' 90 % intervals, where resamples were drawn; without `steadiness`
    the shown band is the band.
    """

    red_below: float
    green_from: float
    red_interval: tuple[float, float] | None = None
    green_interval: tuple[float, float] | None = None
    steadiness: Steadiness | None = None

    def __post_init__(self) -> None:
        if not self.red_below <= self.green_from:
            raise ValueError("red_below must not exceed green_from")

    @property
    def red_until(self) -> float:
        """The health from which nobody is shown red any more, whatever went before."""
        return self.red_below + (self.steadiness.clear if self.steadiness else 0.0)

    def band(self, health: Floats) -> Bands:
        """Return the band of each health score (n,)."""
        amber_or_green = np.where(health < self.green_from, "amber", "green")
        return np.where(health < self.red_below, "red", amber_or_green).astype(object)

    def shown_band(self, before: Bands, health: Floats, days_beyond: Floats) -> Bands:
        """Return the shown band of each account (n,).

        Parameters
        ----------
        before : ndarray of shape (n,)
            The band that was shown last; an account that is new comes with its band.
        health : ndarray of shape (n,)
            Today's.
        days_beyond : ndarray of shape (n,)
            Days since which its band has been another than `before`, without a break; 0 where it is so since today.
        """
        band = self.band(health)
        if self.steadiness is None:
            return band
        clear = self.steadiness.clear
        worse, better = self.band(health + clear), self.band(health - clear)
        risen = np.where(band_rank(better) > band_rank(before), better, before)
        at_once = np.where(band_rank(worse) < band_rank(before), worse, risen)
        return np.where(days_beyond >= self.steadiness.dwell_days, band, at_once).astype(object)


def band_rank(bands: Bands) -> NDArray[np.int64]:
    """Return the place of each band (n,), from 0, the worst."""
    return np.where(bands == "red", 0, np.where(bands == "amber", 1, 2)).astype(np.int64)


def cuts_document(cuts: BandCuts) -> dict[str, Any]:
    """Return the cuts as a card's JSON holds them, without what is not known: older cards keep their hash."""
    return {name: value for name, value in asdict(cuts).items() if value is not None}


def cuts_from(document: dict[str, Any]) -> BandCuts:
    """Return the cuts that a card's JSON holds."""
    for name in ("red_interval", "green_interval"):
        if name in document:
            low, high = document[name]
            document[name] = (float(low), float(high))
    if "steadiness" in document:
        document["steadiness"] = Steadiness(**document["steadiness"])
    return BandCuts(**document)
