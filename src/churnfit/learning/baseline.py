"""The hand-made card as people typed it in: its health, and the churn probability that health stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.learning.bounded import BoundedProblem, DenseRows, fit_bounded
from churnfit.scorecard.card import sigmoid
from churnfit.spec import BaselineMeasure, nearest

__all__ = ["hand_made_health", "hand_made_probability", "probability_of_health"]

FloatArray = NDArray[np.float64]

_HALF = 0.5  # what amber and missing values earn: the middle, neither praise nor blame
_RIDGE = 1e-4  # of the logistic fit: too weak to be seen, finite where health separates the classes


def hand_made_health(measures: pd.DataFrame, baseline: Mapping[str, BaselineMeasure]) -> FloatArray:
    """Return the hand-made card's health, 0-100, of shape (n_rows,).

    A value at `green` or healthier earns the measure's full weight, at `amber` or healthier half, beyond it
    nothing; a missing value earns half. Weights are scaled to sum to 100.

    Parameters
    ----------
    measures : DataFrame of shape (n_rows, ...)
        Holds a numeric column for every measure of `baseline`.
    baseline : mapping of str to BaselineMeasure
        Weight and thresholds by measure; ``green > amber`` says that more is healthier.

    Raises
    ------
    DataError
        CF217 when a measure of the hand-made card is not a column.

    Examples
    --------
    >>> card = {"logins": BaselineMeasure(weight=3, green=10, amber=5)}
    >>> hand_made_health(pd.DataFrame({"logins": [12.0, 7.0, 1.0, None]}), card)
    array([100.,  50.,   0.,  50.])
    """
    missing = [name for name in baseline if name not in measures]
    if missing:
        raise DataError(
            "CF217",
            where="hand-made card",
            expected=f"a column '{missing[0]}'",
            came=f"none; {nearest(missing[0], [str(name) for name in measures])}",
            fix="Rename the measure in [baseline], or declare it.",
        )
    total = sum(line.weight for line in baseline.values())
    health: FloatArray = np.zeros(len(measures))
    for name, line in baseline.items():
        health += 100 * line.weight / total * _earned(measures[name].to_numpy(dtype=np.float64, na_value=np.nan), line)
    return health


def _earned(values: FloatArray, line: BaselineMeasure) -> FloatArray:
    sign = 1.0 if line.green > line.amber else -1.0
    healthy, fair = sign * values >= sign * line.green, sign * values >= sign * line.amber
    earned: FloatArray = np.select([np.isnan(values), healthy, fair], [_HALF, 1.0, _HALF], default=0.0)
    return earned


def hand_made_probability(train_health: Any, churned: Any, health: Any, weight: Any = None) -> FloatArray:
    """Return the churn probability that a hand-made health stands for, of shape (n_rows,).

    A logistic curve of health, fitted on the training rows, so that the hand-made card can be compared in
    log-loss. Where healthier training rows churned *more*, the curve is flat at the base rate: a card that
    ranks upside down is not given credit for it.

    Parameters
    ----------
    train_health, churned : array-like of shape (n_training_rows,)
        Health 0-100 and label of the training rows, of both classes.
    health : array-like of shape (n_rows,)
        The health to translate.
    weight : array-like of shape (n_training_rows,), optional
        What each training row counts: once, when absent.

    Raises
    ------
    DataError
        CF102 when the training rows have one class.
    """
    trained, labels = np.asarray(train_health, dtype=np.float64), np.asarray(churned, dtype=np.float64)
    asked = np.asarray(health, dtype=np.float64)
    if not 0 < labels.sum() < len(labels):
        raise DataError(
            "CF102",
            where="hand-made card",
            expected="training rows that churned and that stayed",
            came=f"{len(labels):,} rows, of which {int(labels.sum()):,} churned",
            fix="Learn from more accounts, or over a longer horizon.",
        )
    counts = np.ones(len(labels)) if weight is None else np.asarray(weight, dtype=np.float64)
    return probability_of_health(trained, labels, counts, asked, ridge=_RIDGE)


def probability_of_health(
    trained: FloatArray, churned: FloatArray, weight: FloatArray, asked: FloatArray, *, ridge: float
) -> FloatArray:
    """Return the churn probability that the health `asked` (n_rows,) stands for, of shape (n_rows,).

    A logistic curve fitted on the health, labels (0, 1, or a probability between) and weights of the training rows;
    flat where healthier rows churned more, or all are equally healthy.

    Parameters
    ----------
    ridge : float
        Log-likelihood units that a slope of one logit per standard deviation costs, times two.
    """
    base_rate = float(np.average(churned, weights=weight))
    if np.ptp(trained) == 0:
        return np.full(len(asked), base_rate)
    centre, spread = trained.mean(), trained.std()
    problem = BoundedProblem(
        rows=DenseRows(np.column_stack([np.ones(len(trained)), (centre - trained) / spread])),
        churned=churned,
        weight=weight,
        linear=np.zeros(2),
        ridge=np.array([0.0, ridge]),
        lower=np.array([-np.inf, 0.0]),
        upper=np.full(2, np.inf),
    )
    constant, slope = fit_bounded(problem, np.zeros(2))
    return sigmoid(constant + slope * ((centre - asked) / spread))
