"""The calibration of a card: from the churn logit that the points say to the one that was observed.

A strictly rising line with a few bends. It keeps the order of the accounts, so every band stays one run of health
scores, and it turns back: each churn probability belongs to one health score.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEYOND", "CALIBRATIONS", "Calibration"]

Floats: TypeAlias = NDArray[np.float64]

CALIBRATIONS = ("none", "logistic", "beta", "isotonic", "venn_abers")
"""The ways a calibration can be learned, simplest first."""

BEYOND = 0.25  # slope outside the outer bends: still rising, but the evidence ends there


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A strictly rising, piecewise-linear map of churn logits; without bends it changes nothing.

    Parameters
    ----------
    method : str
        One of `CALIBRATIONS`: how it was learned.
    said, observed : tuple of float
        Rising churn logits at the bends: what the points say, and what was observed.

    Examples
    --------
    >>> bent = Calibration(method="isotonic", said=(-2.0, 0.0, 1.0), observed=(-3.0, 0.0, 3.0))
    >>> bent.of(np.array([-2.0, 0.5, 2.0])).tolist()
    [-3.0, 1.5, 3.25]
    >>> bent.back(np.array([-3.0, 1.5, 3.25])).tolist()
    [-2.0, 0.5, 2.0]
    """

    method: str = "none"
    said: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in CALIBRATIONS:
            raise ValueError(f"a calibration is one of {', '.join(CALIBRATIONS)}")
        if len(self.said) != len(self.observed) or len(self.said) == 1:
            raise ValueError("a calibration has no bends, or two and more, and one observed logit for each")
        if any(right <= left for run in (self.said, self.observed) for left, right in pairwise(run)):
            raise ValueError("a calibration must rise")

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.said)

    def of(self, logit: Floats) -> Floats:
        """Return the calibrated churn logits (n,)."""
        if not self.said:
            return logit
        beyond = logit - np.clip(logit, self.said[0], self.said[-1])
        mapped: Floats = np.interp(logit, self.said, self.observed) + BEYOND * beyond
        return mapped

    def back(self, logit: Floats) -> Floats:
        """Return the churn logits whose calibrated ones are `logit` (n,)."""
        if not self.said:
            return logit
        beyond = logit - np.clip(logit, self.observed[0], self.observed[-1])
        mapped: Floats = np.interp(logit, self.observed, self.said) + beyond / BEYOND
        return mapped
