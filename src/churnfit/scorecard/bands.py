"""Bands: red, amber or green, cut out of the health score."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Band", "BandCuts", "cuts_document", "cuts_from"]

Floats: TypeAlias = NDArray[np.float64]
Band = Literal["red", "amber", "green"]


@dataclass(frozen=True, kw_only=True)
class BandCuts:
    """Health below `red_below` is red, below `green_from` amber, from there on green.

    `red_interval` and `green_interval` are the cuts' 90 % intervals, where resamples were drawn.
    """

    red_below: float
    green_from: float
    red_interval: tuple[float, float] | None = None
    green_interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.red_below <= self.green_from:
            raise ValueError("red_below must not exceed green_from")

    def band(self, health: Floats) -> NDArray[np.object_]:
        """Return the band of each health score (n,)."""
        amber_or_green = np.where(health < self.green_from, "amber", "green")
        return np.where(health < self.red_below, "red", amber_or_green).astype(object)


def cuts_document(cuts: BandCuts) -> dict[str, Any]:
    """Return the cuts as a card's JSON holds them, without what is not known: older cards keep their hash."""
    return {name: value for name, value in asdict(cuts).items() if value is not None}


def cuts_from(document: dict[str, Any]) -> BandCuts:
    """Return the cuts that a card's JSON holds."""
    for name in ("red_interval", "green_interval"):
        if name in document:
            low, high = document[name]
            document[name] = (float(low), float(high))
    return BandCuts(**document)
