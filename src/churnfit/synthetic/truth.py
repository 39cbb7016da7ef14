"""The planted scorecard: which measures decide churn, with which points, and which decide nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["TRUTH", "Truth"]

Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Knots (values of the measure, rising) and the points at each of them; straight lines between."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The planted card, in the terms of DESIGN §7.

    Parameters
    ----------
    points : mapping
        Measure of ``onboarding.toml`` to its curve: knots, and points at the knots.
    missing_points : mapping
        Measure to the points of an account whose value is missing (``never``, ``no_answer``).
    noise : tuple of str
        Measures of ``onboarding.toml`` that decide nothing: their weight is 0.
    two_sided : tuple of str
        Planted measures that are healthy in the middle and unhealthy at both ends.
    intercepts : mapping
        Segment to the logit of churn within the next period at health 0.
    slope : float
        What one point of health takes off that logit.
    """

    points: Mapping[str, Curve]
    missing_points: Mapping[str, float]
    noise: tuple[str, ...]
    two_sided: tuple[str, ...]
    intercepts: Mapping[str, float]
    slope: float

    @property
    def weights(self) -> dict[str, float]:
        """Return measure to planted weight (its most points), heaviest first; they sum to 100."""
        tops = {measure: max(points) for measure, (_, points) in self.points.items()}
        return dict(sorted(tops.items(), key=lambda item: -item[1]))

    def health(self, measured: pd.DataFrame) -> np.ndarray:
        """Return the planted health, shape (rows,), 0 to 100.

        Parameters
        ----------
        measured : DataFrame
            One column per planted measure; a null is the measure's one missing state. Others are ignored.

        Examples
        --------
        >>> best = {"active_seats_28d": 0.7, "training_share": 1.0, "tickets_28d": 2, "days_to_first_value": 5,
        ...         "survey_score": 10, "features_28d": 12}
        >>> silent = best | {"tickets_28d": 0, "survey_score": None}
        >>> TRUTH.health(pd.DataFrame([best, silent])).tolist()
        [100.0, 76.0]
        """
        total = np.zeros(len(measured))
        for measure, (knots, points) in self.points.items():
            value = measured[measure].to_numpy(dtype=float)
            there = np.interp(value, knots, points)
            total += np.where(np.isnan(value), self.missing_points.get(measure, 0.0), there)
        return total

    def logit(self, measured: pd.DataFrame, segment: pd.Series) -> np.ndarray:
        """Return the planted logit of churn within the next 30 days of an untreated account, shape (rows,)."""
        intercept = segment.map(dict(self.intercepts)).to_numpy(dtype=float)
        return np.asarray(intercept - self.slope * self.health(measured))


TRUTH = Truth(
    points={
        "active_seats_28d": ((0.0, 0.1, 0.3, 0.6), (0.0, 8.0, 20.0, 28.0)),
        "training_share": ((0.0, 0.4, 0.8), (0.0, 13.0, 22.0)),
        # Nobody asks: nobody works with it. Everybody asks: it does not work.
        "tickets_28d": ((0.0, 1.0, 5.0, 9.0), (3.0, 18.0, 18.0, 0.0)),
        "days_to_first_value": ((10.0, 25.0, 50.0), (14.0, 8.0, 2.0)),
        "survey_score": ((3.0, 7.0, 9.0), (0.0, 6.0, 10.0)),
        "features_28d": ((0.0, 3.0, 8.0), (0.0, 5.0, 8.0)),
    },
    missing_points={"days_to_first_value": 0.0, "survey_score": 1.0},
    noise=("emails_28d", "theme_changes_28d", "days_since_meeting"),
    two_sided=("tickets_28d",),
    intercepts={"smb": 2.3, "mid_market": 1.9, "enterprise": 1.4},
    slope=0.085,
)
"""The card behind every simulated world."""
