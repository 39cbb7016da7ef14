"""Selection: the penalty that predicts best out of fold, by cross-validation of the whole procedure.

In every fold the measures are coded, fitted finely, reduced to curves and refitted on the training part only; the rows
of one account stay together. Where the rows come from dated cohorts, a fold is a block of neighbouring cohorts: what is
kept must carry over to another time, not only to other accounts of the same time. The out-of-fold logits of the chosen
penalty are kept: calibration is learned from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.calibration import earned_slopes
from churnfit.learning.codes import learn_codes, value_array
from churnfit.learning.curves import plan_curve
from churnfit.learning.joint import Curves, Design, make_design, refit, worth
from churnfit.learning.shapes import ANY, FALLING, RISING, VALLEY
from churnfit.learning.solver import Problem, Tables, solve_tables, start_tables
from churnfit.scorecard.card import sigmoid

__all__ = ["SHAPES", "Cohort", "Settings", "learn_curves"]

Floats: TypeAlias = NDArray[np.float64]

_SHRINKAGES = (0.3, 1.0)  # the refit's price per increment, as a share of the fine fit's
_FLAT = 1e-6  # logits: the fine fit found nothing in the measure at this penalty
_HELD_BY_NONE = -1  # a fold's number where nothing can be held out: every row is in the learning part
SHAPES = {"auto": ANY, "higher_is_better": FALLING, "lower_is_better": RISING, "healthy_range": VALLEY}
"""The shapes a person may declare, and what each lets the risk do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How curves are learned; see `churnfit.learning.estimator.ScorecardClassifier`."""

    shapes: Mapping[str, str]
    max_knots: int
    max_levels: int
    penalties: tuple[float, ...]
    folds: int
    random_state: int


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Rows to learn from: measures, 0/1 labels, weights, each row's account, and when its stage began, if known."""

    frame: pd.DataFrame
    churned: Floats
    weight: Floats
    groups: NDArray[np.object_]
    began: NDArray[np.datetime64] | None = None

    def take(self, rows: NDArray[np.bool_]) -> Cohort:
        """Return the rows where `rows` is true."""
        return Cohort(
            frame=self.frame.loc[rows],
            churned=self.churned[rows],
            weight=self.weight[rows],
            groups=self.groups[rows],
            began=None if self.began is None else self.began[rows],
        )


def learn_curves(cohort: Cohort, settings: Settings) -> tuple[Curves, Floats]:
    """Return the best penalty's curves, each at the slope it earned, and the out-of-fold churn logits (n_rows,)."""
    path = sorted(settings.penalties, reverse=True)
    fold = _folds(cohort, settings)
    learning = {k: cohort.take((fold != k) | (fold == _HELD_BY_NONE)) for k in np.unique(fold).tolist()}
    tried = {k: _tried(part, path, settings) for k, part in learning.items()}
    logits = {choice: np.zeros(len(cohort.churned)) for choice in next(iter(tried.values()))}
    for k, fitted in tried.items():
        for choice, curves in fitted.items():
            logits[choice][fold == k] = curves.logit(cohort.frame.loc[fold == k])
    loss = {choice: log_loss_sum(logit, cohort.churned, cohort.weight) for choice, logit in logits.items()}
    best = min(logits, key=lambda choice: (round(loss[choice], 6), -choice[0], -choice[1]))
    *_, (_, design) = _designs(cohort, [penalty for penalty in path if penalty >= best[0]], settings)
    curves = _without_idle_measures(design, cohort, best[0] * best[1])
    names = [plan.name for plan in curves.plans]
    unseen = np.zeros((len(cohort.churned), len(names)))
    for k, fitted in tried.items():
        added = fitted[best].contributions(cohort.frame.loc[fold == k])
        for column, name in enumerate(names):
            unseen[fold == k, column] = added.get(name, 0.0)
    factors = earned_slopes(unseen, cohort.churned, cohort.weight)
    return curves.shrunk(dict(zip(names, factors.tolist(), strict=True))), unseen @ factors


def _tried(learning: Cohort, path: list[float], settings: Settings) -> dict[tuple[float, float], Curves]:
    """Return the curves of every penalty and shrinkage, learned from one fold's training part."""
    return {
        (penalty, shrinkage): refit(design, learning.churned, learning.weight, penalty * shrinkage)
        for penalty, design in _designs(learning, path, settings)
        for shrinkage in _SHRINKAGES
    }


def _folds(cohort: Cohort, settings: Settings) -> NDArray[np.int64]:
    """Return the fold of each row: a block of cohorts, or accounts dealt out evenly where nothing is dated.

    Fewer folds where there are fewer cohorts, or where a class has fewer accounts.
    """
    blocks = _blocks_of_cohorts(cohort, settings.folds)
    if blocks is not None:
        return blocks
    from sklearn.model_selection import StratifiedGroupKFold

    label = cohort.churned.astype(np.int64)
    rarer = min(len(np.unique(cohort.groups[label == c])) for c in (0, 1))
    n_folds = min(settings.folds, rarer)
    fold = np.zeros(len(label), dtype=np.int64)
    if n_folds < 2:
        return fold + _HELD_BY_NONE
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=settings.random_state)
    for k, (_, judged) in enumerate(splitter.split(label, label, cohort.groups)):
        fold[judged] = k
    return fold


def _blocks_of_cohorts(cohort: Cohort, n_folds: int) -> NDArray[np.int64] | None:
    """Return the block of each row, blocks of about equal size in time order; None where two cannot be made."""
    if cohort.began is None:
        return None
    starts, position, rows = np.unique(cohort.began, return_inverse=True, return_counts=True)
    middle = (np.cumsum(rows) - rows / 2) / rows.sum()
    block = np.unique(np.floor(middle * n_folds), return_inverse=True)[1][position]
    lost = np.bincount(block, weights=cohort.churned)
    stayed = np.bincount(block) - lost
    learnable = len(lost) > 1 and lost.sum() > lost.max() and stayed.sum() > stayed.max()
    return block.astype(np.int64) if learnable and len(starts) > 1 else None


def _designs(cohort: Cohort, path: list[float], settings: Settings) -> list[tuple[float, Design]]:
    """Return the design of each penalty on the path, most penalised first, each fit started from the one before."""
    coding = learn_codes(cohort.frame, cohort.churned, cohort.weight)
    allowed = [SHAPES[settings.shapes.get(m.name, "auto")] if m.numeric else RISING for m in coding.measures]
    problem = Problem(
        codes=coding.encode(cohort.frame),
        n_bins=coding.n_bins,
        n_states=coding.n_states,
        churned=cohort.churned,
        weight=cohort.weight,
        allowed=np.array(allowed, dtype=np.int64),
    )
    base = float(np.average(cohort.churned, weights=cohort.weight))
    tables = start_tables(coding.n_bins, coding.n_states, base)
    designs = []
    for step, penalty in enumerate(path):
        tables = solve_tables(problem, penalty, tables, search_rounds=3 if step == 0 else 1)
        curvature = _bin_curvature(problem, tables)
        plans = []
        for j, coded in enumerate(coding.measures):
            if np.ptp(tables.values[j, : coded.n_bins + len(coded.states)]) < _FLAT:
                continue
            bins = slice(0, coded.n_bins)
            size = settings.max_knots if coded.numeric else settings.max_levels
            plans.append(
                plan_curve(
                    coded,
                    tables.values[j, bins],
                    curvature[j, bins],
                    value_array(cohort.frame, coded.name),
                    turn=int(tables.turn[j]),
                    size=size,
                )
            )
        designs.append((penalty, make_design(tuple(plans), cohort.frame, cohort.weight)))
    return designs


def _bin_curvature(problem: Problem, tables: Tables) -> Floats:
    logit = tables.intercept + sum(tables.values[j][codes] for j, codes in enumerate(problem.codes))
    p = sigmoid(np.asarray(logit))
    curvature = problem.weight * p * (1 - p)
    width = tables.values.shape[1]
    return np.stack([np.bincount(codes, weights=curvature, minlength=width) for codes in problem.codes])


def _without_idle_measures(design: Design, cohort: Cohort, penalty: float) -> Curves:
    """Return the refit without measures that pay less than they cost, weakest first.

    A measure costs one unit of log-likelihood per increment (Akaike); rows of one account repeat each other, so the
    likelihood counts per account.
    """
    per_account = len(np.unique(cohort.groups)) / len(cohort.groups)
    while True:
        curves = refit(design, cohort.churned, cohort.weight, penalty)
        units = worth(design, curves, cohort.churned, cohort.weight, penalty) * per_account
        moving = np.abs(curves.coefficients) > 1e-9
        margins = [units[i] - moving[design.measure_of == i].sum() for i in range(len(design.plans))]
        if not margins or min(margins) > 0:
            return curves
        weakest = min(range(len(margins)), key=lambda index: (margins[index], design.plans[index].name))
        design = _dropped(design, weakest)


def _dropped(design: Design, index: int) -> Design:
    kept = design.measure_of != index
    measure_of = design.measure_of[kept]
    return replace(
        design,
        plans=tuple(p for i, p in enumerate(design.plans) if i != index),
        matrix=design.matrix[:, kept],
        signs=design.signs[kept],
        is_state=design.is_state[kept],
        start=design.start[kept],
        measure_of=np.where(measure_of > index, measure_of - 1, measure_of),
    )
