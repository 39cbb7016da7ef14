"""Calibration: what out-of-fold rows say about the churn logits.

First the factor that the whole card or each measure's curve deserves (`earned_slope`, `earned_slopes`) and the
intercept that matches observed churn (`matched_intercept`). Then, where the logistic curve itself is wrong, a rising
map: `best_calibration` takes the simplest of none, logistic, beta, isotonic and Venn–Abers that rows it has not seen
speak for. Every map is turned into a strictly rising line with a few bends, so that bands stay one-to-one with health.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import BoundedProblem, DenseRows, fit_bounded, log_loss_sum, log_losses
from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.card import sigmoid

__all__ = ["Calibrated", "best_calibration", "earned_slope", "earned_slopes", "matched_intercept", "matched_loss"]

Floats: TypeAlias = NDArray[np.float64]

_CONFIDENCE = 1.0  # a factor of ½ costs an eighth of a log-likelihood unit: beliefs yield to modest evidence
_DOUBT = 2.0  # a whole card costs one unit: choosing prices and measures on the rows makes even unseen ones flatter
_MOST = 1.0  # evidence from other cohorts may shrink a curve, never stretch it beyond its fit
_SURE = 2.0  # standard errors by which a map must beat a simpler one: a bend nobody needs is a bend to explain
_SURE_OF_FEW = 0.5  # of few churners nothing is sure, and a logit that is wrong costs most
_WORTH = 2.0  # log-likelihood units it must gain besides
_BENDS = 12  # most bends of a map
_LEAST_SLOPE = 0.05  # between bends: flat runs would give accounts of different health one probability
_FARTHEST = 0.001  # share of the rows outside the outer bends
_FEWEST = 5.0  # churners, and others, behind a bend
_RIDGE = 1e-3
_APART = 1e-3  # logits between bends: nearer ones are one bend, and rounding could make them fall
_FARTHEST_LEVEL = 64.0  # logits: beyond it no rate is told from 0 or 1
_FOLDS = 5


def earned_slopes(contributions: Floats, churned: Floats, weight: Floats) -> Floats:
    """Return the factor each measure's curve deserves (n_measures,), from its out-of-fold contributions.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_measures)
        Churn logits that each measure added to rows its curve had not seen. What does not carry over to other accounts
        and other cohorts earns less than 1, down to 0; without evidence the factor stays 1.

    References
    ----------
    Breiman (1995), "Better subset regression using the nonnegative garrote", with out-of-fold contributions
    (van Houwelingen and Sauerbrei 2013: parameterwise shrinkage factors) and a prior at 1.
    """
    return _factors(contributions, churned, weight, belief=1.0, confidence=_CONFIDENCE, most=_MOST)


def earned_slope(logit: Floats, churned: Floats, weight: Floats, *, most: float = _MOST) -> float:
    """Return the factor that a whole card deserves, at most `most`, from its out-of-fold churn logits (n_rows,).

    Rows out of fold flatter too: prices and measures were chosen by them. So the factor is drawn to 0, which takes a
    good part of the boldness of a card of few churners, and hardly any of one of hundreds.

    References
    ----------
    van Houwelingen and le Cessie (1990), "Predictive value of statistical models": the factor (χ² − df) / χ², here
    for a χ² of unseen rows.
    """
    factor = _factors(logit[:, np.newaxis], churned, weight, belief=0.0, confidence=_DOUBT, most=most)[0]
    return round(float(factor), 6)  # a card of a millionth of its points is no card


def _factors(
    contributions: Floats, churned: Floats, weight: Floats, *, belief: float, confidence: float, most: float
) -> Floats:
    """Return the likeliest factors (n_measures,) between 0 and `most`, each drawn to `belief`."""
    n_rows, n_measures = contributions.shape
    ridge = np.full(n_measures, confidence)
    problem = BoundedProblem(
        rows=DenseRows(np.column_stack([contributions, np.ones(n_rows)])),
        churned=churned,
        weight=weight,
        linear=np.append(-belief * ridge, 0.0),  # with the ridge: ½ · confidence · (factor − belief)²
        ridge=np.append(ridge, 0.0),
        lower=np.append(np.zeros(n_measures), -np.inf),
        upper=np.append(np.full(n_measures, most), np.inf),
    )
    base = float(np.average(churned, weights=weight))
    start = np.append(np.ones(n_measures), np.log(base / (1 - base)) - np.average(contributions.sum(axis=1)))
    return fit_bounded(problem, start)[:-1]


def matched_intercept(
    logit: Floats, churned: Floats, weight: Floats, *, calibration: Calibration | None = None
) -> float:
    """Return the constant that makes predicted churners equal observed ones when added to `logit` (n,).

    Where there is a `calibration`, it is applied after the constant.
    """
    if calibration:
        low, high = -_FARTHEST_LEVEL, _FARTHEST_LEVEL
        while high - low > 1e-12:
            middle = (low + high) / 2
            too_low = float(weight @ (sigmoid(calibration.of(logit + middle)) - churned)) < 0
            low, high = (middle, high) if too_low else (low, middle)
        return (low + high) / 2
    constant = 0.0
    for _ in range(100):
        p = sigmoid(logit + constant)
        step = float((weight * (churned - p)).sum() / max((weight * p * (1 - p)).sum(), 1e-9))
        constant += float(np.clip(step, -2.0, 2.0))
        if abs(step) < 1e-12:
            break
    return constant


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A calibration, and the log-loss of the rows it was chosen on, each calibrated by others."""

    calibration: Calibration
    loss: float


def matched_loss(logit: Floats, churned: Floats, weight: Floats) -> float:
    """Return the log-likelihood units that `logit` (n,) loses once predicted churners equal observed ones."""
    return log_loss_sum(logit + matched_intercept(logit, churned, weight), churned, weight)


def best_calibration(
    logit: Floats,
    churned: Floats,
    weight: Floats,
    *,
    fold: NDArray[np.int64],
    account: NDArray[np.intp],
    few_churned: bool,
) -> Calibrated:
    """Return the calibration that rows it has not seen speak for, the simplest where several do.

    Parameters
    ----------
    logit : ndarray of shape (n_rows,)
        Out-of-fold churn logits.
    fold, account : ndarray of shape (n_rows,)
        Rows of one fold, and of one account (0, 1, … in order of name), are calibrated by the others only.
    few_churned : bool
        Whether the cohort is small.

    Returns
    -------
    Calibrated
        A map counts as better than a simpler one when it gains `_WORTH` log-likelihood units and `_SURE` standard
        errors (`_SURE_OF_FEW`), paired by account.
    """
    sure = _SURE_OF_FEW if few_churned else _SURE
    blocks = _blocks(fold, account)
    best, best_loss = "none", log_losses(logit, churned, weight)
    for method, learn in _LEARNERS.items():
        mapped = np.empty(len(logit))
        for block in np.unique(blocks):
            held, rest = blocks == block, blocks != block
            mapped[held] = learn(logit[rest], churned[rest], weight[rest]).of(logit[held])
        loss = log_losses(mapped, churned, weight)
        gain = np.bincount(account, weights=best_loss - loss)
        error = float(np.sqrt(len(gain)) * gain.std())
        if gain.sum() > max(_WORTH, sure * error):
            best, best_loss = method, loss
    chosen = Calibration() if best == "none" else _LEARNERS[best](logit, churned, weight)
    return Calibrated(calibration=chosen, loss=float(best_loss.sum()))


def _blocks(fold: NDArray[np.int64], account: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the folds, or where there are fewer than two, accounts dealt out in turn."""
    if len(np.unique(fold)) > 1:
        return fold
    return np.asarray(account % _FOLDS, dtype=np.int64)


def _logistic(logit: Floats, churned: Floats, weight: Floats) -> Calibration:
    """Platt (1999): a straight line in the logit."""
    constant, slope = _regressed([logit], churned, weight)
    ends = _ends(logit, weight)
    return _bent("logistic", ends, constant + slope * ends)


def _beta(logit: Floats, churned: Floats, weight: Floats) -> Calibration:
    """Kull, Silva Filho and Flach (2017): logit = c + a ln p − b ln(1 − p), a and b >= 0."""
    constant, a, b = _regressed([-np.logaddexp(0.0, -logit), np.logaddexp(0.0, logit)], churned, weight)
    low, high = _ends(logit, weight)
    at = np.linspace(low, high, _BENDS)
    return _bent("beta", at, constant - a * np.logaddexp(0.0, -at) + b * np.logaddexp(0.0, at))


def _isotonic(logit: Floats, churned: Floats, weight: Floats) -> Calibration:
    """Centred isotonic regression (Oron and Flournoy 2017): straight lines between the centres of the flat runs."""
    counted = _Counted.of(logit, churned, weight)
    at, fitted, weights = counted.logit, counted.rising(), counted.rows
    _, run = np.unique(fitted, return_inverse=True)
    rows = np.bincount(run, weights=weights).astype(np.float64)
    centre = np.bincount(run, weights=weights * at) / rows
    lost = np.bincount(run, weights=weights * fitted).astype(np.float64)
    while True:  # runs that end in nobody or everybody, or rest on a handful, join their neighbour
        thin = (lost < _FEWEST) | (rows - lost < _FEWEST)
        if len(rows) <= 2 or not (thin.any() or len(rows) > _BENDS):
            break
        i = int(np.argmin(np.where(thin, rows, rows + rows.sum()) if thin.any() else rows))
        to = 1 if i == 0 else i - 1 if i == len(rows) - 1 or rows[i - 1] < rows[i + 1] else i + 1
        centre[to] = (centre[to] * rows[to] + centre[i] * rows[i]) / (rows[to] + rows[i])
        rows[to], lost[to] = rows[to] + rows[i], lost[to] + lost[i]
        rows, lost, centre = np.delete(rows, i), np.delete(lost, i), np.delete(centre, i)
    return _bent("isotonic", centre, np.log((lost + 0.5) / (rows - lost + 0.5)))


def _venn_abers(logit: Floats, churned: Floats, weight: Floats) -> Calibration:
    """Vovk and Petej (2014): p₁ / (1 − p₀ + p₁), isotonic with the row added as churned and as stayed."""
    at = np.unique(np.quantile(logit, np.linspace(0.0, 1.0, _BENDS)))
    counted, added = _Counted.of(logit, churned, weight), float(weight.mean())
    merged = []
    for value in at:
        stayed, lost = (counted.rate_with(value, added, label) for label in (0.0, 1.0))
        merged.append(lost / (1.0 - stayed + lost))
    p = np.clip(np.maximum.accumulate(merged), 1e-4, 1 - 1e-4)
    return _bent("venn_abers", at, np.log(p / (1 - p)))


_LEARNERS: dict[str, Callable[[Floats, Floats, Floats], Calibration]] = {
    "logistic": _logistic,
    "beta": _beta,
    "isotonic": _isotonic,
    "venn_abers": _venn_abers,
}


@dataclass(frozen=True, eq=False)
class _Counted:
    """The distinct logits, rising, and the weight of all rows and of the churned ones at each.

    Rows of one logit have one rate, whatever order they stand in.
    """

    logit: Floats
    rows: Floats
    lost: Floats

    @classmethod
    def of(cls, logit: Floats, churned: Floats, weight: Floats) -> _Counted:
        counted = weight > 0
        x, at = np.unique(logit[counted], return_inverse=True)
        amounts = weight[counted], (weight * churned)[counted]
        rows, lost = (np.bincount(at, weights=amount).astype(np.float64) for amount in amounts)
        return cls(x, rows, lost)

    def rising(self) -> Floats:
        """Return the isotonic churn rate at each logit (n,)."""
        from scipy.optimize import isotonic_regression

        fitted: Floats = isotonic_regression(self.lost / self.rows, weights=self.rows).x
        return fitted

    def rate_with(self, value: float, weight: float, label: float) -> float:
        """Return the isotonic churn rate at `value` when a row of that logit and `label` is added."""
        place = int(np.searchsorted(self.logit, value))
        if place == len(self.logit) or self.logit[place] != value:
            opened = _Counted(*(np.insert(part, place, 0.0) for part in (self.logit, self.rows, self.lost)))
        else:
            opened = _Counted(self.logit, self.rows.copy(), self.lost.copy())
        opened.rows[place] += weight
        opened.lost[place] += weight * label
        return float(opened.rising()[place])


def _regressed(columns: list[Floats], churned: Floats, weight: Floats) -> Floats:
    """Return the intercept and the non-negative slopes of churn on `columns`, drawn weakly to 1."""
    n = len(columns)
    problem = BoundedProblem(
        rows=DenseRows(np.column_stack([np.ones(len(churned)), *columns])),
        churned=churned,
        weight=weight,
        linear=np.append(0.0, np.full(n, -_RIDGE)),
        ridge=np.append(0.0, np.full(n, _RIDGE)),
        lower=np.append(-np.inf, np.zeros(n)),
        upper=np.full(n + 1, np.inf),
    )
    return fit_bounded(problem, np.append(0.0, np.ones(n)))


def _ends(logit: Floats, weight: Floats) -> Floats:
    low, high = np.quantile(logit[weight > 0], [_FARTHEST, 1 - _FARTHEST])
    return np.array([low, max(high, low + 1e-3)])


def _bent(method: str, said: Floats, observed: Floats) -> Calibration:
    """Return the map through these points, every run rising by at least `_LEAST_SLOPE`; none where it is one point."""
    apart = np.append(True, np.diff(said) > _APART)
    x, y = said[apart], observed[apart]
    if len(x) < 2:
        return Calibration()
    steps = np.maximum(np.diff(y), _LEAST_SLOPE * np.diff(x))
    risen = np.append(y[0], y[0] + np.cumsum(steps))
    return Calibration(
        method=method,
        said=tuple(round(float(v), 6) for v in x),
        observed=tuple(round(float(v), 6) for v in risen),
    )
