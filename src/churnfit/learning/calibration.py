"""Calibration: the slopes that out-of-fold contributions deserve, and the intercept that matches observed churn.

The map from health to churn probability stays strictly monotone (a logistic curve), so bands stay one-to-one.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import BoundedProblem, fit_bounded
from churnfit.scorecard.card import sigmoid

__all__ = ["earned_slopes", "matched_intercept"]

Floats: TypeAlias = NDArray[np.float64]

_CONFIDENCE = 4.0  # a factor of ½ or 1½ costs half a log-likelihood unit: beliefs yield to modest evidence
_MOST = 1.0  # evidence from other cohorts may shrink a curve, never stretch it beyond its fit


def earned_slopes(contributions: Floats, churned: Floats, weight: Floats) -> Floats:
    """Return the factor each measure's curve deserves (n_measures,), from its out-of-fold contributions.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_measures)
        Churn logits that each measure added to rows its curve had not seen. What does not carry over to other accounts
        and other cohorts earns less than 1, down to 0; without evidence the factor stays 1.

    References
    ----------
    Breiman (1995), "Better subset regression using the nonnegative garrote", with out-of-fold contributions
    (van Houwelingen and Sauerbrei 2013: parameterwise shrinkage factors) and a prior at 1.
    """
    n_rows, n_measures = contributions.shape
    flat = np.full(n_measures, _CONFIDENCE)
    problem = BoundedProblem(
        matrix=np.column_stack([contributions, np.ones(n_rows)]),
        churned=churned,
        weight=weight,
        linear=np.append(-flat, 0.0),  # with the ridge: ½ · confidence · (factor − 1)²
        ridge=np.append(flat, 0.0),
        lower=np.append(np.zeros(n_measures), -np.inf),
        upper=np.append(np.full(n_measures, _MOST), np.inf),
    )
    base = float(np.average(churned, weights=weight))
    start = np.append(np.ones(n_measures), np.log(base / (1 - base)) - np.average(contributions.sum(axis=1)))
    return fit_bounded(problem, start)[:-1]


def matched_intercept(logit: Floats, churned: Floats, weight: Floats) -> float:
    """Return the constant that makes predicted churners equal observed ones when added to `logit` (n,)."""
    constant = 0.0
    for _ in range(100):
        p = sigmoid(logit + constant)
        step = float((weight * (churned - p)).sum() / max((weight * p * (1 - p)).sum(), 1e-9))
        constant += float(np.clip(step, -2.0, 2.0))
        if abs(step) < 1e-12:
            break
    return constant
