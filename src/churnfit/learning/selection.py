"""Selection: the penalty that predicts best out of fold, by cross-validation of the whole procedure.

In every fold the measures are coded, fitted finely, reduced to curves and refitted on the training part only; the rows
of one account stay together. Where the rows come from dated cohorts, a fold is a block of neighbouring cohorts: what is
kept must carry over to another time, not only to other accounts of the same time. The out-of-fold logits of the chosen
penalty are kept: calibration is learned from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.binned import sum_tables
from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.calibration import earned_slopes, matched_intercept
from churnfit.learning.codes import Coded, MeasureBins, learn_bins
from churnfit.learning.curves import CurvePlan
from churnfit.learning.evidence import measures_with_evidence
from churnfit.learning.folds import HELD_BY_NONE, Cohort, folds
from churnfit.learning.joint import Curves, Design, refit
from churnfit.learning.penalties import CodedRows, Settings, coded_rows, designs

__all__ = ["Learned", "learn_curves"]

Floats: TypeAlias = NDArray[np.float64]

_SHRINKAGES = (0.3, 1.0)  # the refit's price per increment, as a share of the fine fit's


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """The best penalty's curves, each at the slope it earned, and what rows say that they were not learned from.

    Parameters
    ----------
    logit : ndarray of shape (n_rows,)
        Out-of-fold churn logits, matched to the base rate.
    fold : ndarray of shape (n_rows,)
        The fold that held each row out.
    measures : tuple of MeasureBins
        The fine bins behind each curve.
    penalty, shrinkage : float
        The fine fit's price on movement, and the refit's as a share of it.
    factors : ndarray of shape (n_curves,)
        The slope each curve earned; it is already in `curves`.
    """

    curves: Curves
    logit: Floats
    fold: NDArray[np.int64]
    measures: tuple[MeasureBins, ...]
    penalty: float
    shrinkage: float
    factors: Floats


def learn_curves(cohort: Cohort, settings: Settings) -> Learned:
    """Return the curves of the penalty that predicts best out of fold."""
    path = sorted(settings.penalties, reverse=True)
    binning = learn_bins(cohort.frame, cohort.weight)
    bins = binning.encode(cohort.frame)
    fold = folds(cohort, settings.folds, settings.random_state)
    parts = {
        k: coded_rows(binning, bins, cohort, (fold != k) | (fold == HELD_BY_NONE)) for k in np.unique(fold).tolist()
    }
    tried = {k: _tried(part, path, settings) for k, part in parts.items()}
    unseen = {k: parts[k].coded.recode(bins[:, fold == k]) for k in parts}
    logits = {choice: np.zeros(len(cohort.churned)) for choice in next(iter(tried.values()))}
    for k, fitted in tried.items():
        for choice, curves in fitted.items():
            logits[choice][fold == k] = _logit(curves, parts[k].coded, unseen[k])
    loss = {choice: log_loss_sum(logit, cohort.churned, cohort.weight) for choice, logit in logits.items()}
    best = min(logits, key=lambda choice: (round(loss[choice], 6), -choice[0], -choice[1]))
    whole = coded_rows(binning, bins, cohort, np.ones(len(fold), dtype=bool))
    unseen_rows = _Unseen(
        parts=parts,
        designs={k: fitted[best].design for k, fitted in tried.items()},
        codes=unseen,
        fold=fold,
        penalty=best[0] * best[1],
    )
    path = [penalty for penalty in path if penalty >= best[0]]
    *_, (_, design) = designs(whole, path, settings)
    telling = measures_with_evidence(whole, cohort, path, best[0] * best[1], settings)
    names = [plan.name for plan in design.plans if plan.name in telling]
    added = unseen_rows.contributions(names)
    curves = refit(design.only(set(names)), cohort.churned, cohort.weight, best[0] * best[1])
    factors = np.ones(len(names))
    if cohort.began is not None:
        factors = earned_slopes(added, cohort.churned, cohort.weight)
    logit = added @ factors
    return Learned(
        curves=curves.shrunk(dict(zip(names, factors.tolist(), strict=True))),
        logit=logit + matched_intercept(logit, cohort.churned, cohort.weight),
        fold=fold,
        measures=tuple(whole.coded.measures[j] for j in _places(curves.plans, whole.coded)),
        penalty=best[0],
        shrinkage=best[1],
        factors=factors,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Unseen:
    """The folds of the best penalty: what each learned from, its design, and the rows it has not seen, as bins."""

    parts: Mapping[int, CodedRows]
    designs: Mapping[int, Design]
    codes: Mapping[int, NDArray[np.int32]]
    fold: NDArray[np.int64]
    penalty: float

    def contributions(self, names: list[str]) -> Floats:
        """Return what cards of the measures `names` add to the logit of rows they have not seen (n_rows, n_names)."""
        added = np.zeros((len(self.fold), len(names)))
        for k, part in self.parts.items():
            curves = refit(self.designs[k].only(set(names)), part.churned, part.weight, self.penalty)
            contributed = _contributions(curves, part.coded, self.codes[k])
            for column, name in enumerate(names):
                added[self.fold == k, column] = contributed.get(name, 0.0)
        return added


def _contributions(curves: Curves, coded: Coded, codes: NDArray[np.int32]) -> dict[str, Floats]:
    at = _places(curves.plans, coded)
    return dict(zip((plan.name for plan in curves.plans), curves.contributions(codes[at]), strict=True))


def _logit(curves: Curves, coded: Coded, codes: NDArray[np.int32]) -> Floats:
    at = _places(curves.plans, coded)
    return sum_tables(codes[at], curves.design.tables(curves.coefficients), curves.intercept)


def _places(plans: tuple[CurvePlan, ...], coded: Coded) -> list[int]:
    place = {measure.name: j for j, measure in enumerate(coded.measures)}
    return [place[plan.name] for plan in plans]


def _tried(part: CodedRows, path: list[float], settings: Settings) -> dict[tuple[float, float], Curves]:
    """Return the curves of every penalty and shrinkage, learned from one fold's training part."""
    return {
        (penalty, shrinkage): refit(design, part.churned, part.weight, penalty * shrinkage)
        for penalty, design in designs(part, path, settings)
        for shrinkage in _SHRINKAGES
    }
