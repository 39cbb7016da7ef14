"""The certificate of one line of a card: how far its weight, points and thresholds could be elsewhere, and why.

Every interval is a 90 % interval and contains the printed value; what it covers is said where it is learned
(`churnfit.learning.certificates`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["GRADES", "Certificate", "CertifiedPoints", "CertifiedThreshold", "Grade", "certificate_from", "grade_of"]

Grade: TypeAlias = Literal["firm", "fair", "weak"]

GRADES: dict[Grade, tuple[float, float]] = {"firm": (0.95, 0.6), "fair": (0.8, 1.2)}
"""Per grade: the least share of resamples that keep the curve, and the widest interval as a multiple of the weight."""


@dataclass(frozen=True, kw_only=True)
class CertifiedPoints:
    """The interval of the points at one knot, level or state, and the churned accounts there."""

    low: float
    high: float
    churned: int


@dataclass(frozen=True, kw_only=True)
class CertifiedThreshold:
    """The interval of one value at which the colour changes, and the churned accounts in the colours on either side.

    An end that is None is open: the data do not say that the colour changes at all in that direction.
    """

    at: float
    low: float | None
    high: float | None
    churned_below: int
    churned_above: int


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What is known about one line of the card.

    Parameters
    ----------
    grade : str
        See `grade_of`.
    resamples : int
        Refits behind the intervals.
    kept : float
        Share of the resamples, 0–1, that keep the curve.
    churned : int
        Churned accounts with a value, of those that were learned from.
    low, high : float
        The interval of the weight.
    points : tuple of CertifiedPoints
        In the order of the curve's points, then of the missing states.
    thresholds : tuple of CertifiedThreshold
        In rising order; none for categories.
    """

    grade: Grade
    resamples: int
    kept: float
    churned: int
    low: float
    high: float
    points: tuple[CertifiedPoints, ...] = ()
    thresholds: tuple[CertifiedThreshold, ...] = ()


def grade_of(kept: float, width: float, weight: float) -> Grade:
    """Return how far a line can be relied on.

    *firm*: at least 95 % of the resamples keep the curve, and the weight's interval is at most 0.6 times the weight
    wide (give or take a third). *fair*: at least 80 %, and at most 1.2 times. *weak*: anything less.

    Examples
    --------
    >>> grade_of(0.99, 10.0, 20.0), grade_of(0.99, 20.0, 20.0), grade_of(0.5, 1.0, 20.0)
    ('firm', 'fair', 'weak')
    """
    for grade, (least, widest) in GRADES.items():
        if kept >= least and width <= widest * weight:
            return grade
    return "weak"


def certificate_from(document: dict[str, Any] | None) -> Certificate | None:
    """Return the certificate that a card's JSON holds, if any."""
    if document is None:
        return None
    points = tuple(CertifiedPoints(**given) for given in document.pop("points"))
    thresholds = tuple(CertifiedThreshold(**given) for given in document.pop("thresholds"))
    return Certificate(points=points, thresholds=thresholds, **document)
