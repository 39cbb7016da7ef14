"""The prior card: what a small cohort leans on.

A team that has typed in a card is often not far off. The churn probability it gives every account counts like
observations that nobody made, as much as unseen rows ask for: with few churners a lot, with many nothing.

References
----------
Huang, Stein, Rubin and Kou (2020), "Catalytic prior distributions": a simple model's predictions as weighted
observations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.baseline import probability_of_health
from churnfit.learning.folds import Cohort
from churnfit.learning.penalties import CodedRows

__all__ = ["leaning", "leaving_is_safe", "prior_probability", "tells_the_healthy"]

Floats: TypeAlias = NDArray[np.float64]

_SURE = 3.0  # standard errors: the choice that it is left for is the best of dozens, and in part by chance
_MARGIN = 0.02  # of the log-loss: to be worse than the hand-made card by less matters to nobody
_RIDGE = 1.0  # half a unit of log-likelihood for a slope of one logit per standard deviation


def tells_the_healthy(cohort: Cohort) -> bool:
    """Return whether there is a hand-made card by which the healthier churned less; no other can be leaned on."""
    if cohort.prior_health is None:
        return False
    health = cohort.prior_health - np.average(cohort.prior_health, weights=cohort.weight)
    return bool(cohort.weight @ (health * cohort.churned) < 0)


def prior_probability(rows: CodedRows, health: Floats) -> Floats:
    """Return the churn probability that the hand-made `health` (n_rows,), higher is better, stands for (n_rows,).

    A logistic curve fitted on the rows; flat where healthier rows churned more.
    """
    return probability_of_health(health, rows.churned, rows.weight, health, ridge=_RIDGE)


def leaning(rows: CodedRows, trust: float) -> CodedRows:
    """Return the rows, each with `trust` times its weight of observations that follow the hand-made card."""
    if trust == 0 or rows.prior_health is None:
        return rows
    prior = prior_probability(rows, rows.prior_health)
    return replace(rows, churned=(rows.churned + trust * prior) / (1.0 + trust), weight=rows.weight * (1.0 + trust))


def leaving_is_safe(lost: Floats, loss: float) -> bool:
    """Return whether a choice that leans less is surely not worse by more than 2 %: a test of non-inferiority.

    Parameters
    ----------
    lost : ndarray of shape (n_accounts,)
        Log-loss on unseen rows of the choice that leans more, less that of the other, account by account.
    loss : float
        The log-loss, summed over all accounts, of the choice that leans more.
    """
    return bool(lost.sum() + _MARGIN * loss > _SURE * np.sqrt(len(lost)) * lost.std())
