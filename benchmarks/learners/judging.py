"""How good predictions are on one table, and how sure the differences between two learners are."""

from dataclasses import dataclass

import numpy as np
from learners import Outcome
from numpy.typing import NDArray
from tables import Table

from churnfit.evaluation.metrics import auc, brier, ece, log_loss
from churnfit.evaluation.ranking import auc_of, ladder

__all__ = ["Difference", "Judged", "Numbers", "difference", "judged"]

Floats = NDArray[np.float64]

_RESAMPLES = 400
_INTERVAL = (5, 95)  # percentiles: a 90 % interval
_SEED = 7
_EDGE = 1e-12  # a probability of exactly 0 or 1 would make one row's loss infinite; as churnfit.evaluation.metrics


@dataclass(frozen=True)
class Numbers:
    """The metrics of one learner on one table; costs are means over its fits."""

    auc: float
    log_loss: float
    brier: float
    ece: float
    measures: float
    points: float
    cpu_seconds: float
    rows_per_second: float


@dataclass(frozen=True, eq=False)
class Judged:
    """A learner's numbers and what its pairs are made of: both metrics under every resample (resamples,)."""

    numbers: Numbers
    auc: Floats
    log_loss: Floats


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs, with the 90 % interval of the paired bootstrap over rows, and over draws where there are."""

    mean: float
    low: float
    high: float


def judged(outcome: Outcome, table: Table) -> Judged:
    """Return the metrics: folds of one draw are pooled, draws averaged.

    Resampled are rows, in all draws alike, and the draws: other samples of so few rows would have taught other things.
    """
    draws = sorted({split.draw for split in table.splits})
    weights, draw_weights = _weights(len(table.churned), _SEED), _weights(len(draws), _SEED + 1)
    metrics, auc_resampled, loss_resampled = [], [], []
    for draw in draws:
        pooled = _pooled(outcome, table, draw)
        rows = np.flatnonzero(~np.isnan(pooled))
        churned, probability = table.churned[rows].astype(float), pooled[rows]
        metrics.append([metric(churned, probability) for metric in (auc, log_loss, brier, ece)])
        drawn = weights[:, rows]
        auc_resampled.append(auc_of(ladder(churned, probability, drawn)))
        kept = np.clip(np.where(churned == 1, probability, 1 - probability), _EDGE, 1)
        loss_resampled.append(drawn @ -np.log(kept) / drawn.sum(axis=1))
    costs = {name: float(np.mean([fit[name] for fit in outcome.fits])) for name in outcome.fits[0]}
    numbers = Numbers(*(float(value) for value in np.mean(metrics, axis=0)), **costs)
    aucs, losses = (
        np.average(np.array(resampled), axis=0, weights=draw_weights.T) for resampled in (auc_resampled, loss_resampled)
    )
    return Judged(numbers, aucs, losses)


def difference(ours: Judged, theirs: Judged, metric: str) -> Difference:
    """Return ours minus theirs in ``auc`` or ``log_loss``."""
    resampled = getattr(ours, metric) - getattr(theirs, metric)
    low, high = np.percentile(resampled, _INTERVAL)
    return Difference(getattr(ours.numbers, metric) - getattr(theirs.numbers, metric), float(low), float(high))


def _pooled(outcome: Outcome, table: Table, draw: int) -> Floats:
    """Return the probability of every row judged in the draw (n,), NaN elsewhere."""
    pooled = np.full(len(table.churned), np.nan)
    for number, split in enumerate(table.splits):
        if split.draw == draw:
            pooled[split.judge] = outcome.probabilities[split.judge, number]
    return pooled


def _weights(n: int, seed: int) -> Floats:
    """Return how often each of `n` is drawn in each resample (resamples, n), the same for every learner."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(float)
