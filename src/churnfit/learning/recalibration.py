"""The logistic recalibration of churn probabilities, under many weightings at once, by Newton's method.

`churnfit.evaluation.metrics` gives the same for one weighting; here each row of weights is a bootstrap resample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

__all__ = ["intercepts_in_the_large", "recalibrations"]

FloatArray = NDArray[np.float64]

_EDGE = 1e-12  # a probability of exactly 0 or 1 has no logit
_NEWTON_STEPS = 40  # three or four suffice; forty means that there is no finite optimum
_LONGEST_STEP = 3.0  # in logits per standard deviation: a Newton step beyond this overshoots
_CONVERGED = 1e-4  # convergence is quadratic: after a step this short the error is below 1e-8
_FLAT = 1e-10  # below this a Hessian is singular: constant or perfectly separating probabilities


def recalibrations(churned: FloatArray, probability: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return intercepts and slopes of churn on logit(probability), each of shape (b,), one per row of weights.

    NaN where no finite optimum exists: constant probabilities, one class, or perfect separation.

    Parameters
    ----------
    churned, probability : ndarray of shape (n,)
    weights : ndarray of shape (b, n)
    """
    scores = logit(np.clip(probability, _EDGE, 1 - _EDGE))
    centre, spread = float(scores.mean()), float(scores.std())
    if spread < _FLAT:
        nothing = np.full(len(weights), np.nan)
        return nothing, nothing.copy()
    standard = (scores - centre) / spread
    start = np.array([centre, spread])  # intercept 0, slope 1, in standard units
    if len(weights) > 1:  # resamples scatter around the whole: start them there
        whole = _newton(churned, standard, weights.mean(axis=0, keepdims=True), start)[0]
        start = whole if np.isfinite(whole).all() else start
    found = _newton(churned, standard, weights, start)
    slope = found[:, 1] / spread
    return found[:, 0] - slope * centre, slope


def _newton(churned: FloatArray, standard: FloatArray, weights: FloatArray, start: FloatArray) -> FloatArray:
    """Return (intercept, slope) per row of weights, of shape (b, 2); NaN where no finite optimum exists.

    All rows of weights start at `start`, of shape (2,), so their first step needs the fitted values only once.
    """
    found = np.repeat(start[np.newaxis, :], len(weights), axis=0)
    terms = np.stack([np.ones_like(standard), standard, standard**2])
    fitted = expit(start[0] + start[1] * standard)
    gradient = weights @ ((churned - fitted) * terms[:2]).T
    curvature = weights @ (fitted * (1 - fitted) * terms).T
    total = np.maximum(weights.sum(axis=1), 1.0)
    active = np.arange(len(weights))
    for _ in range(_NEWTON_STEPS):
        step = _step(gradient, curvature, total[active])
        found[active] += step
        active = active[np.abs(step).max(axis=1) > _CONVERGED]  # NaN drops out too
        if not len(active):
            return found
        w = weights if len(active) == len(weights) else weights[active]
        fits = expit(found[active, :1] + found[active, 1:] * standard)
        gradient = (w * (churned - fits)) @ terms[:2].T
        fits *= 1 - fits
        fits *= w
        curvature = fits @ terms.T
    found[active] = np.nan
    return found


def _step(gradient: FloatArray, curvature: FloatArray, total: FloatArray) -> FloatArray:
    """Return the Newton steps (b, 2), shortened where they overshoot, NaN where the Hessian is singular."""
    (g0, g1), (h00, h01, h11) = gradient.T, curvature.T
    determinant = h00 * h11 - h01**2
    determinant = np.where(determinant > _FLAT * total**2, determinant, np.nan)
    step = np.stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0], axis=1) / determinant[:, np.newaxis]
    shortened: FloatArray = np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
    return shortened


def intercepts_in_the_large(churned: FloatArray, probability: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the intercepts with the slope held at 1, of shape (b,); NaN where a weighting leaves one class."""
    scores = logit(np.clip(probability, _EDGE, 1 - _EDGE))
    target, total = weights @ churned, weights.sum(axis=1)
    start = 0.0
    if len(weights) > 1:
        start = float(np.nan_to_num(intercepts_in_the_large(churned, probability, weights.mean(axis=0)[np.newaxis]))[0])
    found: FloatArray = np.where((target > 0) & (target < total), start, np.nan)
    active = np.flatnonzero(np.isfinite(found))
    fitted = expit(start + scores)
    expected, curvature = weights[active] @ fitted, weights[active] @ (fitted * (1 - fitted))
    for _ in range(_NEWTON_STEPS):
        step = (target[active] - expected) / np.maximum(curvature, _EDGE)
        step = np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        found[active] += step
        active = active[np.abs(step) > _CONVERGED]
        if not len(active):
            break
        w = weights if len(active) == len(weights) else weights[active]
        fits = expit(found[active, np.newaxis] + scores)
        expected = _dot(w, fits)
        fits *= 1 - fits
        curvature = _dot(w, fits)
    return found


def _dot(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the dot products of corresponding rows, without a table in between."""
    products: FloatArray = np.einsum("bn,bn->b", first, second)
    return products
