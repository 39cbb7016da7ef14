"""What luck alone would give: bounds of shares and of AUC, tails of counts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import bdtrc, pdtr

__all__ = ["CHURNERS_NEEDED", "auc_of", "count_at_most", "lowest_auc", "lowest_share", "majority_by_luck", "odds"]

CHURNERS_NEEDED = 10
"""Accounts that must show a pattern: below this an AUC near 1, or a pure category, is luck."""

_DEVIATIONS = 3.0
"""Standard errors below an estimate: each of some dozens of measures is asked, one in a thousand may be unlucky."""


def lowest_share(count: float, of: float) -> float:
    """Return the lower bound of a share, 0 to 1 (Wilson, three standard errors); 0 of nothing is 0.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Examples
    --------
    >>> round(lowest_share(10, 10), 3), round(lowest_share(40, 50), 3)
    (0.526, 0.591)
    """
    if of <= 0:
        return 0.0
    share, square = count / of, _DEVIATIONS**2
    half = _DEVIATIONS * math.sqrt(share * (1 - share) / of + square / (4 * of**2))
    return max(0.0, (share + square / (2 * of) - half) / (1 + square / of))


def odds(share: float) -> float:
    """Return share / (1 - share), kept finite.

    Examples
    --------
    >>> round(odds(0.8), 3)
    4.0
    """
    kept = min(max(share, 1e-6), 1 - 1e-6)
    return kept / (1 - kept)


def count_at_most(count: int, expected: float) -> float:
    """Return the chance of `count` or fewer where `expected` are expected (Poisson).

    Examples
    --------
    >>> round(count_at_most(0, 2.0), 3)
    0.135
    """
    return float(pdtr(count, expected))


def majority_by_luck(more: int, less: int) -> float:
    """Return the chance that a fair coin falls at least `more` times on one side in `more` + `less` throws.

    Examples
    --------
    >>> majority_by_luck(3, 0)
    0.125
    """
    return 1.0 if more == 0 else float(bdtrc(more - 1, more + less, 0.5))


def auc_of(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the share of pairs in which the positive row has the higher score, ties half; 0.5 without a class.

    Examples
    --------
    >>> auc_of(np.array([3.0, 1.0, 2.0]), np.array([True, False, False]))
    1.0
    """
    wanted = int(positive.sum())
    others = len(positive) - wanted
    if not wanted or not others:
        return 0.5
    ranks = pd.Series(score).rank().to_numpy()
    return float((ranks[positive].sum() - wanted * (wanted + 1) / 2) / (wanted * others))


def lowest_auc(auc: float, positive: int, negative: int) -> float:
    """Return the lower bound of an AUC from `positive` and `negative` rows (three standard errors).

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a ROC curve": the variance from the chances that
    two random positives outrank one negative, and one positive two negatives, of exponential scores. An AUC of 1 is
    taken as half a pair short of it.

    Examples
    --------
    >>> round(lowest_auc(0.9, 20, 200), 2)
    0.76
    """
    auc = min(auc, 1 - 0.5 / positive)
    two_positive, two_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positive - 1) * (two_positive - auc**2) + (negative - 1) * (two_negative - auc**2)
    return auc - _DEVIATIONS * math.sqrt(max(variance, 0.0) / (positive * negative))
