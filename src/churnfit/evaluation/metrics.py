"""How good churn probabilities are: discrimination, sharpness, calibration, and what a call list would catch.

Every metric takes ``(churned, probability, weight)`` and returns one float. `every_metric` computes them all for many
weightings at once (one row of weights per bootstrap resample), sorting the probabilities only once.

===========================  =====================================================================
`auc`                        chance that a churner is given a higher probability than one who stayed
`average_precision`          precision averaged over the churners, riskiest first
`log_loss`, `brier`          mean loss of the probabilities; lower is better
`calibration`                intercept and slope of churn on logit(probability); (0, 1) is perfect
`calibration_in_the_large`   the intercept with the slope held at 1: above 0, churn was underestimated
`ece`                        mean distance of probability and churn rate over equal-count bins
`lift_at`, `caught_at`       churn rate over base rate, share of churners, in the riskiest share
===========================  =====================================================================

Rows with equal probabilities stay together: no metric depends on the order of the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.evaluation.calibration_error import BINS, bins_of
from churnfit.evaluation.ranking import auc_of, average_precision_of, caught_of, ladder, ratio
from churnfit.learning.recalibration import intercepts_in_the_large, recalibrations

__all__ = [
    "METRIC_TITLES",
    "MODEL_TITLES",
    "auc",
    "average_precision",
    "brier",
    "calibration",
    "calibration_in_the_large",
    "caught_at",
    "ece",
    "every_metric",
    "lift_at",
    "log_loss",
]

FloatArray = NDArray[np.float64]

METRIC_TITLES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "calibration_intercept": "calibration intercept",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
    "ece": "calibration error (ECE)",
    "lift_at_10": "lift in the riskiest 10 %",
    "caught_at_20": "churners in the riskiest 20 %",
}
"""The keys of `every_metric`, in the order of reports, with what people read."""

MODEL_TITLES = {
    "card": "card",
    "hand_made": "hand-made card",
    "champion": "champion",
    "paired": "card with named pairs",
    "challenger": "challenger (LightGBM)",
}
"""The models that are compared; the probabilities of ``m`` are the column ``p_m``."""

_EDGE = 1e-12  # a probability of exactly 0 or 1 would make one row's loss infinite


def auc(churned: Any, probability: Any, weight: Any = None) -> float:
    """Return the area under the ROC curve, in [0, 1]; 0.5 is chance; equal probabilities count half.

    Parameters
    ----------
    churned : array-like of shape (n,)
        1 where the account churned, else 0.
    probability : array-like of shape (n,)
        The churn probability, in [0, 1].
    weight : array-like of shape (n,), optional
        How often each row counts; once, when absent.

    Raises
    ------
    DataError
        CF102 when nobody churned or everybody did.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    return float(auc_of(ladder(*_checked(churned, probability, weight)))[0])


def average_precision(churned: Any, probability: Any, weight: Any = None) -> float:
    """Return the precision averaged over the churners, in [0, 1]; the base rate is chance.

    Examples
    --------
    >>> average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    return float(average_precision_of(ladder(*_checked(churned, probability, weight)))[0])


def log_loss(churned: Any, probability: Any, weight: Any = None) -> float:
    """Return the mean negative log-likelihood, in nats, >= 0; lower is better.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.8, 0.4]), 6)  # (-ln 0.8 - ln 0.6) / 2
    0.366985
    """
    y, p, w = _checked(churned, probability, weight)
    return float(_mean(_log_losses(y, p), w)[0])


def brier(churned: Any, probability: Any, weight: Any = None) -> float:
    """Return the mean squared error of the probabilities, in [0, 1]; lower is better.

    Examples
    --------
    >>> brier([1, 0], [0.5, 0.5])
    0.25
    """
    y, p, w = _checked(churned, probability, weight)
    return float(_mean((y - p) ** 2, w)[0])


def calibration(churned: Any, probability: Any, weight: Any = None) -> tuple[float, float]:
    """Return intercept and slope of the logistic regression of churn on logit(probability).

    A slope below 1 says that the probabilities are too extreme. Both are NaN where no finite optimum exists:
    constant probabilities, or probabilities that separate perfectly.

    References
    ----------
    Cox (1958), "Two further applications of a model for binary regression": logit P(churned) =
    intercept + slope · logit(probability), by maximum likelihood (Newton's method).

    Examples
    --------
    >>> intercept, slope = calibration([0, 0, 0, 1, 0, 1, 1, 1], [0.25] * 4 + [0.75] * 4)  # rates as predicted
    >>> abs(round(intercept, 9)), round(slope, 9)
    (0.0, 1.0)
    """
    intercept, slope = recalibrations(*_checked(churned, probability, weight))
    return float(intercept[0]), float(slope[0])


def calibration_in_the_large(churned: Any, probability: Any, weight: Any = None) -> float:
    """Return the logits to add to every probability so that as many churn as predicted; 0 is perfect.

    Examples
    --------
    >>> round(calibration_in_the_large([1, 0, 1, 0], [0.25] * 4), 6)  # logit 0.5 - logit 0.25 = ln 3
    1.098612
    """
    return float(intercepts_in_the_large(*_checked(churned, probability, weight))[0])


def ece(churned: Any, probability: Any, weight: Any = None, *, bins: int = BINS) -> float:
    """Return the expected calibration error, in [0, 1]: the mean distance of probability and churn rate.

    Bins hold equally many rows (equal probabilities share a bin). The error of a perfectly calibrated score is
    not 0 but shrinks with the rows per bin: reports show `churnfit.evaluation.calibration_error.ece_interval`, which
    is corrected for that.

    Examples
    --------
    >>> round(ece([0, 1, 1, 1], [0.2, 0.4, 0.6, 0.8], bins=2), 6)  # |0.3 - 0.5| / 2 + |0.7 - 1.0| / 2
    0.25
    """
    return float(_ece(*_checked(churned, probability, weight), bins)[0])


def caught_at(churned: Any, probability: Any, weight: Any = None, *, share: float) -> float:
    """Return the share of all churners among the riskiest `share` of the rows, in [0, 1].

    Where the cut falls among equal probabilities, those rows count in part: the expected catch of a random pick.

    Examples
    --------
    >>> caught_at([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], share=0.5)
    0.5
    """
    return float(caught_of(ladder(*_checked(churned, probability, weight)), share)[0])


def lift_at(churned: Any, probability: Any, weight: Any = None, *, share: float) -> float:
    """Return the churn rate of the riskiest `share` of the rows over the base rate; 1 is chance.

    Examples
    --------
    >>> lift_at([1, 0, 0, 0], [0.9, 0.8, 0.7, 0.1], share=0.25)
    4.0
    """
    return caught_at(churned, probability, weight, share=share) / share


def every_metric(churned: FloatArray, probability: FloatArray, weights: FloatArray) -> dict[str, FloatArray]:
    """Return every metric under each row of weights.

    Parameters
    ----------
    churned, probability : ndarray of shape (n,)
        As for `auc`.
    weights : ndarray of shape (b, n)
        One weighting per row.

    Returns
    -------
    dict of str to ndarray of shape (b,)
        Keyed as `METRIC_TITLES`. NaN where a weighting leaves nobody who churned, or nobody who stayed.
    """
    steps = ladder(churned, probability, weights)
    intercept, slope = recalibrations(churned, probability, weights)
    return {
        "auc": auc_of(steps),
        "average_precision": average_precision_of(steps),
        "log_loss": _mean(_log_losses(churned, probability), weights),
        "brier": _mean((churned - probability) ** 2, weights),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "calibration_in_the_large": intercepts_in_the_large(churned, probability, weights),
        "ece": _ece(churned, probability, weights, BINS),
        "lift_at_10": caught_of(steps, 0.10) / 0.10,
        "caught_at_20": caught_of(steps, 0.20),
    }


def _checked(churned: Any, probability: Any, weight: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    y = np.asarray(churned, dtype=np.float64)
    p = np.asarray(probability, dtype=np.float64)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    count = float(w @ y)
    if not 0 < count < w.sum():
        raise DataError(
            "CF102",
            where="evaluation",
            expected="rows that churned and rows that stayed",
            came=f"{len(y):,} rows, of which {count:g} churned",
            fix="Judge on more accounts, or over a longer horizon.",
        )
    return y, p, w[np.newaxis, :]


def _ece(churned: FloatArray, probability: FloatArray, weights: FloatArray, bins: int) -> FloatArray:
    members = bins_of(probability, bins)
    order = np.argsort(members, kind="stable")
    starts = np.flatnonzero(np.diff(members[order], prepend=-1))
    gaps = weights[:, order] * (probability - churned)[order]
    return ratio(np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1), weights.sum(axis=1))


def _log_losses(churned: FloatArray, probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _EDGE, 1 - _EDGE)
    losses: FloatArray = -np.where(churned > 0, np.log(clipped), np.log1p(-clipped))
    return losses


def _mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    return ratio(weights @ values, weights.sum(axis=1))
