"""The curves of a card: those learned, their neighbours merged, or the average of resamples where few churned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bagging import averaged, bagged_curves, with_levels_of
from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import Curves
from churnfit.learning.merging import merged_curves
from churnfit.learning.order import AHEAD, lead
from churnfit.learning.penalties import Settings
from churnfit.learning.resampling import Resampled, resampled_curves
from churnfit.learning.selection import Learned

__all__ = ["CardCurves", "card_curves"]

Floats: TypeAlias = NDArray[np.float64]

_BAGGED = 50  # resamples whose average a card says, however many are certified


@dataclass(frozen=True, eq=False, kw_only=True)
class CardCurves:
    """What a card says, and what is needed to judge and certify it.

    Parameters
    ----------
    unseen : ndarray of shape (n_rows,)
        Churn logits of what each row was not learned from.
    resampled : Resampled, optional
        As bold as the curves, to certify them; None where nothing was drawn.
    remarks : tuple of str
        What a reader of the card should know about how it was learned.
    """

    curves: Curves
    unseen: Floats
    resampled: Resampled | None
    remarks: tuple[str, ...]


def card_curves(learned: Learned, cohort: Cohort, settings: Settings, *, certify: int) -> CardCurves:
    """Return what the card says; neighbours that resamples (of an average its own) cannot tell apart are one level.

    Where a group must be the heaviest and would lose its lead by merging or averaging, the curves stay as learned.

    Parameters
    ----------
    certify : int
        Resamples that the caller certifies the card with.
    """
    as_learned = CardCurves(curves=learned.curves, unseen=learned.logit, resampled=None, remarks=learned.remarks)
    n_resamples = max(certify, _BAGGED) if cohort.averaged else certify
    resampled = resampled_curves(learned, cohort, settings, n_resamples)
    if resampled is None:
        return as_learned
    if cohort.averaged:
        some = resampled.first(_BAGGED)
        average = averaged(learned, some, cohort)
        merged = merged_curves(with_levels_of(average, learned, some, settings), some, cohort)
        curves = bagged_curves(merged, learned, average, some, settings)
        unseen, as_bold = average.logit, resampled.times(average.bold)
    else:
        curves, unseen, as_bold = merged_curves(learned, resampled, cohort), learned.logit, resampled
    if _loses_its_lead(learned, curves):
        price = _price_of_the_lead(learned, unseen, cohort)
        return replace(as_learned, resampled=resampled, remarks=(*learned.remarks, price))
    return CardCurves(curves=curves, unseen=unseen, resampled=as_bold, remarks=learned.remarks)


def _loses_its_lead(learned: Learned, curves: Curves) -> bool:
    """Return whether the group that must be the heaviest is so as learned, and would not be in `curves`."""
    order = learned.order
    return order is not None and lead(order, learned.curves, {}) >= AHEAD > lead(order, curves, {})


def _price_of_the_lead(learned: Learned, unseen: Floats, cohort: Cohort) -> str:
    """Return what is given up to keep the lead, in a sentence; `unseen` are the logits of the card without it."""
    if not cohort.averaged:
        return "To keep it the heaviest, levels that resamples cannot tell apart are not merged."
    what = "To keep it the heaviest, the card is no average of resamples"
    if learned.in_time:  # another time has judged the curves, but no average of them
        return f"{what}."
    cost = log_loss_sum(learned.logit, cohort.churned, cohort.weight)
    cost -= log_loss_sum(unseen, cohort.churned, cohort.weight)
    return f"{what}; on rows not learned from this costs {cost / cohort.weight.sum():.4f} of log-loss."
