"""Calibration: the slope that out-of-fold predictions deserve, and the intercept that matches observed churn.

The map from health to churn probability stays strictly monotone (a logistic curve), so bands stay one-to-one.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import log_loss_sum
from churnfit.scorecard.card import sigmoid

__all__ = ["earned_slope", "matched_intercept"]

Floats: TypeAlias = NDArray[np.float64]

_EVIDENCE = 2.0  # log-likelihood units (two parameters, Akaike) before predictions are stretched or shrunk
_SLOPE_RANGE = (0.3, 2.0)  # beyond it the curves, not the slope, are wrong


def earned_slope(logit: Floats, churned: Floats, weight: Floats) -> float:
    """Return the factor by which out-of-fold churn logits (n,) should be stretched; 1 without evidence.

    Logistic calibration (Platt) by Newton's method.
    """
    if np.ptp(logit) < 1e-9:
        return 1.0
    design = np.column_stack([np.ones(len(logit)), logit])
    beta = np.array([0.0, 1.0])
    for _ in range(50):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weight * (churned - p))
        curvature = (design * (weight * p * (1 - p))[:, np.newaxis]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    gain = log_loss_sum(logit, churned, weight) - log_loss_sum(design @ beta, churned, weight)
    return float(np.clip(beta[1], *_SLOPE_RANGE)) if gain > _EVIDENCE else 1.0


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
