"""The joint refit: all curves at once on their chosen knots, signs kept, increments shrunk.

    minimise  Σ_i w_i · logloss(y_i, b + Σ_c A_ic θ_c)  +  λ Σ_c |θ_c|  +  small ridge,    θ_c of the sign of its shape

where column c is one increment of one curve (how far a row has come along it) or one missing state (drawn to the
average customer). The signs are fixed, so the absolute values are linear and the problem is smooth with bounds. A row
stands at the middle of its fine bin, so A is never written down: it is a small table per curve, looked up by bin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.binned import pull_to_bins, sum_tables
from churnfit.learning.bounded import BoundedProblem, fit_bounded, fit_in_turn
from churnfit.learning.codes import MeasureBins
from churnfit.learning.curves import CurvePlan

__all__ = ["Curves", "Design", "Prices", "make_design", "nearest", "refit", "refit_problem", "refits"]

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int32]

_RIDGE = 0.3  # on an increment: shares what the data cannot tell apart
_RIDGE_OF_FEW = 1.0  # and what chance tells, while no more than `_FEW` rows churned; from 333 on it is `_RIDGE`
_FEW = 100.0
_RIDGE_OF_SAID = 0.05  # where curves say again what others said: it shares what these leave open
_STATE_RIDGE = 5.0 * 0.25  # a missing state is drawn to the average with the curvature of five rows at p = ½
_CURVATURE_ROWS = 10_000  # rows that the curvature is summed over: it steers the way to the minimum, not the minimum


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """The increments of all plans, bin by bin, and the rows in those bins.

    Parameters
    ----------
    steps : tuple of ndarray of shape (n_bins + n_states, n_columns)
        Per plan: how far each bin has come along each increment; a state stands at the average and has its own column.
    codes : ndarray of shape (n_plans, n_rows)
    """

    plans: tuple[CurvePlan, ...]
    steps: tuple[Floats, ...]
    codes: Codes
    mean_increments: tuple[Floats, ...]

    @cached_property
    def measure_of(self) -> NDArray[np.int64]:
        """The plan of each column (n_columns,)."""
        return np.repeat(np.arange(len(self.steps)), [table.shape[1] for table in self.steps])

    @cached_property
    def signs(self) -> NDArray[np.int64]:
        """The direction of each column, 0 for states (n_columns,)."""
        return _joined([(*plan.signs, *([0] * len(plan.states))) for plan in self.plans]).astype(np.int64)

    @cached_property
    def is_state(self) -> NDArray[np.bool_]:
        """Whether each column is a missing state (n_columns,)."""
        return _joined([[False] * len(plan.signs) + [True] * len(plan.states) for plan in self.plans]).astype(bool)

    @cached_property
    def start(self) -> Floats:
        """The fine fit's increments (n_columns,)."""
        return _joined([(*np.diff(plan.start), *([0.0] * len(plan.states))) for plan in self.plans])

    @cached_property
    def _width(self) -> int:
        return max((len(table) for table in self.steps), default=1)

    def tables(self, coefficients: Floats) -> Floats:
        """Return the churn logit that each plan adds in each bin (n_plans, most bins)."""
        tables = np.zeros((len(self.steps), self._width))
        for j, table in enumerate(self.steps):
            tables[j, : len(table)] = table @ coefficients[self.measure_of == j]
        return tables

    def logit(self, theta: Floats) -> Floats:
        """Return the churn logits (n_rows,); the last entry of `theta` is the intercept."""
        return sum_tables(self.codes, self.tables(theta[:-1]), float(theta[-1]))

    def pull(self, residual: Floats) -> Floats:
        """Return the sum of `residual` (n_rows,) along every column, the intercept's last."""
        in_bins = pull_to_bins(self.codes, residual, self._width)
        parts = [table.T @ in_bins[j, : len(table)] for j, table in enumerate(self.steps)]
        return np.append(_joined(parts), residual.sum())

    def gram(self, curvature: Floats) -> Floats:
        """Return the weighted squares of the columns, estimated from at most `_CURVATURE_ROWS` rows."""
        chosen = curvature[self._chosen]
        scale = curvature.sum() / max(chosen.sum(), 1e-300)
        weighted = self._some_rows * np.sqrt(scale * chosen).astype(np.float32)[:, np.newaxis]
        product: Floats = (weighted.T @ weighted).astype(np.float64)
        return product

    @cached_property
    def _chosen(self) -> NDArray[np.intp]:
        n_rows: int = self.codes.shape[1]
        if n_rows <= _CURVATURE_ROWS:
            return np.arange(n_rows)
        drawn = np.random.default_rng(0).permutation(n_rows)[:_CURVATURE_ROWS]  # every tenth may all be Mondays
        return np.sort(drawn)

    @cached_property
    def _some_rows(self) -> NDArray[np.float32]:
        """The rows of the curvature: single precision steers as well and costs half."""
        some = self.codes[:, self._chosen]
        columns = [table.astype(np.float32)[row] for table, row in zip(self.steps, some, strict=True)]
        return np.hstack([*columns, np.ones((some.shape[1], 1), dtype=np.float32)])

    def only(self, names: set[str]) -> Design:
        """Return the design of the plans in `names`."""
        kept = [j for j, plan in enumerate(self.plans) if plan.name in names]
        return Design(
            plans=tuple(self.plans[j] for j in kept),
            steps=tuple(self.steps[j] for j in kept),
            codes=self.codes[kept],
            mean_increments=tuple(self.mean_increments[j] for j in kept),
        )


def _joined(parts: Sequence[Sequence[float] | Floats]) -> Floats:
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts]) if parts else np.empty(0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Curves:
    """The refitted curves: an intercept and one coefficient per design column."""

    design: Design
    intercept: float
    coefficients: Floats

    @property
    def plans(self) -> tuple[CurvePlan, ...]:
        """Where each curve may bend."""
        return self.design.plans

    @property
    def logit(self) -> Floats:
        """The churn logits of the design's rows (n_rows,)."""
        return self.design.logit(np.append(self.coefficients, self.intercept))

    def contributions(self, codes: Codes) -> Floats:
        """Return what each plan adds to the churn logit of rows `codes` (n_plans, n_rows)."""
        tables = self.design.tables(self.coefficients)
        added = np.zeros(codes.shape)
        for row, (table, bins) in enumerate(zip(tables, codes, strict=True)):
            added[row] = table[bins]
        return added

    def shrunk(self, factors: Mapping[str, float]) -> Curves:
        """Return the curves, each times its factor."""
        by_plan = np.array([factors[plan.name] for plan in self.plans])
        return replace(self, coefficients=self.coefficients * by_plan[self.design.measure_of])

    def heights(self, index: int) -> tuple[Floats, Floats]:
        """Return the churn logits of plan `index` at its knots or levels, and at its states."""
        plan = self.plans[index]
        own = self.coefficients[self.design.measure_of == index]
        steps, states = own[: len(plan.signs)], own[len(plan.signs) :]
        at_knots = np.concatenate([[0.0], np.cumsum(steps)])
        average = float(self.design.mean_increments[index] @ steps)
        return at_knots, average + states


def make_design(plans: Sequence[CurvePlan], measures: Sequence[MeasureBins], codes: Codes, weight: Floats) -> Design:
    """Return the design of `plans`, one per measure, on rows `codes` (n_plans, n_rows) that count by `weight`."""
    steps, means = [], []
    in_bins = pull_to_bins(codes, weight, max((m.n_bins + len(m.states) for m in measures), default=1))
    for plan, measure, row in zip(plans, measures, in_bins, strict=True):
        come = plan.increments(measure)
        mass = row[: measure.n_bins]
        mean = mass @ come / max(mass.sum(), 1e-300)
        n_states = len(plan.states)
        values = np.hstack([come, np.zeros((len(come), n_states))])
        states = np.hstack([np.tile(mean, (n_states, 1)), np.eye(n_states)])
        steps.append(np.vstack([values, states]))
        means.append(mean)
    return Design(plans=tuple(plans), steps=tuple(steps), codes=codes, mean_increments=tuple(means))


@dataclass(frozen=True)
class Prices:
    """What movement costs, in log-likelihood units per logit: `usual`, but for the measures in `special`."""

    usual: float
    special: Mapping[str, float] = field(default_factory=dict)

    def of(self, design: Design) -> Floats:
        """Return the price of each plan (n_plans,)."""
        return np.array([self.special.get(plan.name, self.usual) for plan in design.plans], dtype=np.float64)


def refit(
    design: Design, churned: Floats, weight: Floats, penalty: float | Floats, *, n_churned: float | None = None
) -> Curves:
    """Return the curves that minimise the penalised loss; `penalty` is one λ, or one for each plan (n_plans,).

    `n_churned` is how many churned where the rows are some of more: the ridge is theirs then.
    """
    return refits(design, churned, weight, [penalty], n_churned=n_churned)[0]


def refits(
    design: Design,
    churned: Floats,
    weight: Floats,
    penalties: Sequence[float | Floats],
    *,
    n_churned: float | None = None,
) -> list[Curves]:
    """Return the curves of every penalty, each fit started from the one before."""
    problems = (refit_problem(design, churned, weight, penalty, n_churned=n_churned) for penalty in penalties)
    return [
        Curves(design=design, intercept=float(theta[-1]), coefficients=theta[:-1])
        for theta in fit_in_turn(problems, _start(design, churned, weight))
    ]


def nearest(design: Design, probability: Floats, weight: Floats) -> Curves:
    """Return the curves that come nearest to saying the churn `probability` (n_rows,) of all rows taken together.

    Missing states are drawn to the average customer as in `refit`, once more than what they repeat: what a few gaps
    said is often chance.
    """
    problem = replace(refit_problem(design, probability, weight, 0.0), ridge=_ridges(design, _RIDGE_OF_SAID))
    theta = fit_bounded(problem, _start(design, probability, weight))
    return Curves(design=design, intercept=float(theta[-1]), coefficients=theta[:-1])


def _start(design: Design, churned: Floats, weight: Floats) -> Floats:
    """Return the fine fit's increments, and the intercept that goes with them (n_columns + 1,)."""
    base = float(np.average(churned, weights=weight))
    added = sum_tables(design.codes, design.tables(design.start), 0.0)
    return np.append(design.start, np.log(base / (1 - base)) - float(np.average(added, weights=weight)))


def refit_problem(
    design: Design, churned: Floats, weight: Floats, penalty: float | Floats, *, n_churned: float | None = None
) -> BoundedProblem:
    """Return what the refit minimises, over the increments and the intercept."""
    signs, is_state = design.signs, design.is_state
    price = np.broadcast_to(penalty, len(design.plans))[design.measure_of]
    lost = float(weight @ churned) if n_churned is None else n_churned
    ridge = float(np.clip(_RIDGE_OF_FEW * _FEW / max(lost, 1.0), _RIDGE, _RIDGE_OF_FEW))
    return BoundedProblem(
        rows=design,
        churned=churned,
        weight=weight,
        linear=np.append(np.where(is_state, 0.0, price * signs), 0.0),
        ridge=_ridges(design, ridge),
        lower=np.append(np.where(is_state | (signs < 0), -np.inf, 0.0), -np.inf),
        upper=np.append(np.where(is_state | (signs > 0), np.inf, 0.0), np.inf),
    )


def _ridges(design: Design, of_increments: float) -> Floats:
    """Return the ridge on every column, and none on the intercept (n_columns + 1,)."""
    return np.append(np.where(design.is_state, _STATE_RIDGE, of_increments), 0.0)
