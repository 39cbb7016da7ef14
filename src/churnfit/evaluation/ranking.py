"""Churners ranked by probability, under many weightings at once: sort once, then cumulate weights.

`churnfit.evaluation.metrics` gives the same for one weighting; here each row of weights is a bootstrap resample.
Rows of equal probability are one step of the ladder, so nothing depends on the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ladder", "auc_of", "average_precision_of", "caught_of", "ladder", "ratio"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Ladder:
    """Cumulated weight of churners and of all rows, from the riskiest step of equal probabilities downwards."""

    churned: FloatArray  # (b, steps)
    all: FloatArray  # (b, steps)


def ladder(churned: FloatArray, probability: FloatArray, weights: FloatArray) -> Ladder:
    """Return the ladder of probabilities (n,) under each row of weights (b, n)."""
    order = np.argsort(-probability, kind="stable")
    descending = probability[order]
    ends = np.append(np.flatnonzero(descending[1:] != descending[:-1]), len(order) - 1)
    sorted_weights = weights[:, order]
    return Ladder(
        np.cumsum(sorted_weights * churned[order], axis=1)[:, ends], np.cumsum(sorted_weights, axis=1)[:, ends]
    )


def auc_of(steps: Ladder) -> FloatArray:
    """Return the area under the ROC curve, of shape (b,)."""
    stayed = steps.all - steps.churned
    higher = np.diff(steps.churned, axis=1, prepend=0.0)
    above = stayed - np.diff(stayed, axis=1, prepend=0.0) / 2  # equal probabilities count half
    lost = (higher * above).sum(axis=1)  # pairs in which the one who stayed stands above the churner
    return 1 - ratio(lost, steps.churned[:, -1] * stayed[:, -1])


def average_precision_of(steps: Ladder) -> FloatArray:
    """Return the average precision, of shape (b,)."""
    precision = steps.churned / np.where(steps.all > 0, steps.all, 1.0)  # empty steps have no churners: they add 0
    gained = (np.diff(steps.churned, axis=1, prepend=0.0) * precision).sum(axis=1)
    return ratio(gained, steps.churned[:, -1])


def caught_of(steps: Ladder, share: float) -> FloatArray:
    """Return the share of churners in the riskiest `share` of the rows, of shape (b,)."""
    target = share * steps.all[:, -1]
    step = np.minimum((steps.all < target[:, np.newaxis]).sum(axis=1), steps.all.shape[1] - 1)
    rows = np.arange(len(target))
    above = np.maximum(step - 1, 0)
    all_above = np.where(step > 0, steps.all[rows, above], 0.0)
    churned_above = np.where(step > 0, steps.churned[rows, above], 0.0)
    in_step = steps.all[rows, step] - all_above
    part = ratio(target - all_above, in_step)
    caught = churned_above + part * (steps.churned[rows, step] - churned_above)
    return ratio(caught, steps.churned[:, -1])


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return above / below, NaN where below is 0: a resample without churners has no rate of them."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
