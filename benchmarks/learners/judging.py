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
    """Ours minus theirs, with the 90 % interval of the paired bootstrap over rows."""

    mean: float
    low: float
    high: float


def judged(outcome: Outcome, table: Table) -> Judged:
    """Return the metrics: folds of one draw are pooled, draws averaged. Resampled are rows, in all draws alike."""
    weights = _weights(len(table.churned))
    metrics, auc_resampled, loss_resampled = [], [], []
    for draw in sorted({split.draw for split in table.splits}):
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
    return Judged(numbers, np.mean(auc_resampled, axis=0), np.mean(loss_resampled, axis=0))


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


def _weights(n_rows: int) -> Floats:
    """Return how often each row is drawn in each resample (resamples, n), the same for every learner."""
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=_RESAMPLES).astype(float)
