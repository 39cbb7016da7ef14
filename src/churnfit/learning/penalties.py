"""The path of penalties: the fine joint fit at each, reduced to curves of a few knots or levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.binned import pull_to_bins, sum_tables
from churnfit.learning.codes import Binning, Coded, MeasureBins, ordered_by_risk
from churnfit.learning.curves import plan_curve
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import Design, make_design
from churnfit.learning.shapes import ANY, FALLING, FREE, RISING, VALLEY, fit_shape
from churnfit.learning.solver import Problem, Tables, solve_tables, start_tables
from churnfit.scorecard.card import sigmoid

__all__ = [
    "SHAPES",
    "CodedRows",
    "GroupOrder",
    "Settings",
    "allowed_shapes",
    "card_design",
    "coded_rows",
    "designs",
    "last_design",
    "tables_alone",
]

Floats: TypeAlias = NDArray[np.float64]

_TURNED_PRICE = 2.0  # log-likelihood units per logit: from 4 on a side of few rows is flat again, and gets no knot
_FLAT = 1e-6  # logits: the fine fit found nothing in the measure at this penalty
SHAPES = {"auto": ANY, "higher_is_better": FALLING, "lower_is_better": RISING, "healthy_range": VALLEY, "free": FREE}
"""The shapes a person may declare, and what each lets the risk do."""


@dataclass(frozen=True, kw_only=True)
class GroupOrder:
    """Which measures belong to which group, and the group that must weigh at least as much as any other."""

    group_of: Mapping[str, str]
    heaviest: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How curves are learned; see `churnfit.learning.estimator.ScorecardClassifier`."""

    shapes: Mapping[str, str]
    max_knots: int
    max_levels: int
    penalties: tuple[float, ...]
    folds: int
    random_state: int
    pairs: int = 0
    order: GroupOrder | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CodedRows:
    """Rows to learn from, as bins."""

    coded: Coded
    churned: Floats
    weight: Floats
    prior_health: Floats | None = None


def coded_rows(binning: Binning, bins: NDArray[np.int32], cohort: Cohort, rows: NDArray[np.bool_]) -> CodedRows:
    """Return the `rows` of the cohort, whose bins of `Binning.encode` are `bins` (n_measures, n_rows)."""
    churned, weight = cohort.churned[rows], cohort.weight[rows]
    return CodedRows(
        coded=ordered_by_risk(binning, bins[:, rows], churned, weight),
        churned=churned,
        weight=weight,
        prior_health=None if cohort.prior_health is None else cohort.prior_health[rows],
    )


def allowed_shapes(measure: MeasureBins, settings: Settings) -> int:
    """Return what the risk of `measure` may do.

    Categories stand in the order of what each risks by itself; of two, beside other measures, either may risk more.
    """
    if measure.numeric:
        return SHAPES[settings.shapes.get(measure.name, "auto")]
    return RISING if measure.n_bins > 2 else RISING | FALLING


def designs(part: CodedRows, path: Sequence[float], settings: Settings) -> list[tuple[float, Design]]:
    """Return the design of each penalty on the path, most penalised first, each fit started from the one before."""
    problem = _problem(part, settings)
    fits = _fine_fits(problem, path)
    return [(penalty, _reduced(problem, tables, part, settings)) for penalty, tables in zip(path, fits, strict=True)]


def last_design(part: CodedRows, path: Sequence[float], settings: Settings) -> Design:
    """Return the design of the last penalty on the path, which the others lead to."""
    problem = _problem(part, settings)
    *_, tables = _fine_fits(problem, path)
    return _reduced(problem, tables, part, settings)


def card_design(part: CodedRows, path: Sequence[float], settings: Settings, *, few_churned: bool) -> Design:
    """Return the design of a card's curves: as `last_design`, but few churners get knots where the others took all.

    The price that finds shapes is too high for them: it flattens the side of few rows whose evidence made the curve
    turn, and of measures that say the same all but one. The choice of measures needs it so, since chance would find
    more in sides that cost little; curves get both sides, and a measure without any gets those that it has alone.
    """
    if not few_churned:
        return last_design(part, path, settings)
    problem = _problem(part, settings)
    *_, tables = _fine_fits(problem, path)
    together = _with_both_sides(problem, tables, path[-1])
    return _reduced(problem, _with_those_alone(problem, together, path[-1]), part, settings, together=together)


def tables_alone(part: CodedRows, penalty: float, settings: Settings) -> Floats:
    """Return the fine fit of each measure without any other (n_measures, most bins)."""
    problem = _problem(part, settings)
    return _with_those_alone(problem, start_tables(problem.n_bins, problem.n_states, 0.5), penalty).values


def _with_both_sides(problem: Problem, tables: Tables, penalty: float) -> Tables:
    """Return the tables, those that turned fitted to what the others leave at no more than `_TURNED_PRICE`."""
    p = sigmoid(sum_tables(problem.codes, tables.values, tables.intercept))
    values = tables.values.copy()
    gradient = pull_to_bins(problem.codes, problem.weight * (problem.churned - p), values.shape[1])
    curvature = np.maximum(pull_to_bins(problem.codes, problem.weight * p * (1 - p), values.shape[1]), 1e-6)
    for j in np.flatnonzero((tables.turn > 0) & (tables.turn < problem.n_bins - 1)):
        own = slice(0, problem.n_bins[j])
        target = values[j, own] + gradient[j, own] / curvature[j, own]
        price = min(penalty, _TURNED_PRICE)
        fit_shape(target, curvature[j, own], price, tables.sign[j], tables.turn[j], values[j, own])
    return replace(tables, values=values)


def _with_those_alone(problem: Problem, tables: Tables, penalty: float) -> Tables:
    """Return the tables, flat ones as the fit of their measure without any other."""
    values, sign, turn = tables.values.copy(), tables.sign.copy(), tables.turn.copy()
    for j, n_cells in enumerate(problem.n_bins + problem.n_states):
        if np.ptp(values[j, :n_cells]) >= _FLAT:
            continue
        own = slice(j, j + 1)
        alone = replace(
            problem,
            codes=problem.codes[own],
            n_bins=problem.n_bins[own],
            n_states=problem.n_states[own],
            allowed=problem.allowed[own],
        )
        [found] = _fine_fits(alone, [penalty])
        values[j, : found.values.shape[1]] = found.values[0]
        sign[j], turn[j] = found.sign[0], found.turn[0]
    return replace(tables, values=values, sign=sign, turn=turn)


def _problem(part: CodedRows, settings: Settings) -> Problem:
    coded = part.coded
    return Problem(
        codes=coded.codes,
        n_bins=coded.n_bins,
        n_states=coded.n_states,
        churned=part.churned,
        weight=part.weight,
        allowed=np.array([allowed_shapes(measure, settings) for measure in coded.measures], dtype=np.int64),
    )


def _fine_fits(problem: Problem, path: Sequence[float]) -> Iterator[Tables]:
    base_rate = float(np.average(problem.churned, weights=problem.weight))
    tables = start_tables(problem.n_bins, problem.n_states, base_rate)
    for step, penalty in enumerate(path):
        tables = solve_tables(problem, penalty, tables, search_rounds=3 if step == 0 else 1)
        yield tables


def _reduced(
    problem: Problem, tables: Tables, part: CodedRows, settings: Settings, *, together: Tables | None = None
) -> Design:
    """Return the design of curves that follow the fine fit, without the measures in which it found nothing.

    `together`: what measures say together, where `tables` hold some as well that say it again alone.
    """
    coded = part.coded
    curvature = _bin_curvature(problem, together or tables)
    plans, at = [], []
    for j, measure in enumerate(coded.measures):
        if np.ptp(tables.values[j, : measure.n_bins + len(measure.states)]) < _FLAT:
            continue
        bins = slice(0, measure.n_bins)
        size = settings.max_knots if measure.numeric else settings.max_levels
        turn = None if problem.allowed[j] & FREE else int(tables.turn[j])
        plans.append(plan_curve(measure, tables.values[j, bins], curvature[j, bins], turn=turn, size=size))
        at.append(j)
    return make_design(plans, [coded.measures[j] for j in at], coded.codes[at], part.weight)


def _bin_curvature(problem: Problem, tables: Tables) -> Floats:
    p = sigmoid(sum_tables(problem.codes, tables.values, tables.intercept))
    return pull_to_bins(problem.codes, problem.weight * p * (1 - p), tables.values.shape[1])
