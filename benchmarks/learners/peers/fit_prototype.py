"""The throwaway prototype: graded lines, whole points, calibrated out of fold. A yardstick, no peer.

Needs ../shared/research/prototype.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from protocol import Fitted, run
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "shared" / "research" / "prototype"))
from graded import Graded

_EDGE = 1e-4
Calibration = Callable[[np.ndarray], np.ndarray]


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    graded = Graded(nice=True).fit(rows, churned)
    pointed, _, logit = graded.points(rows)
    intercept = graded.match(logit, churned)
    calibrate = chosen(graded.oof_, churned)

    def probability(judged: pd.DataFrame) -> np.ndarray:
        return calibrate(intercept + graded.apply(judged, graded.enc, pointed))

    measures, points, _ = graded.size()
    return Fitted(probability, measures, points)


def chosen(logit: np.ndarray, churned: np.ndarray) -> Calibration:
    """Return the calibration with the least nested log-loss, fitted on all out-of-fold logits."""
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(logit, churned))

    def nested_loss(fit: Callable) -> float:
        return sum(log_loss(churned[judge], fit(logit[train], churned[train])(logit[judge])) for train, judge in folds)

    return min((none, straight, beta, isotonic), key=nested_loss)(logit, churned)


def none(logit: np.ndarray, churned: np.ndarray) -> Calibration:
    return lambda given: 1 / (1 + np.exp(-given))


def straight(logit: np.ndarray, churned: np.ndarray) -> Calibration:
    fitted = LogisticRegression(C=1e6).fit(logit[:, None], churned)
    return lambda given: fitted.predict_proba(given[:, None])[:, 1]


def beta(logit: np.ndarray, churned: np.ndarray) -> Calibration:
    """Return a beta calibration that rises: a tail that would bend back is left out (Kull et al. 2017)."""

    def tails(given: np.ndarray) -> np.ndarray:
        return np.column_stack([-np.logaddexp(0, -given), np.logaddexp(0, given)])

    both = LogisticRegression(C=1e6).fit(tails(logit), churned)
    used = np.flatnonzero(both.coef_[0] >= 0)
    if not len(used):
        return none(logit, churned)
    fitted = LogisticRegression(C=1e6).fit(tails(logit)[:, used], churned)
    return lambda given: fitted.predict_proba(tails(given)[:, used])[:, 1]


def isotonic(logit: np.ndarray, churned: np.ndarray) -> Calibration:
    fitted = IsotonicRegression(y_min=_EDGE, y_max=1 - _EDGE, out_of_bounds="clip").fit(logit, churned)
    return fitted.predict


if __name__ == "__main__":
    run(learn, warm_up=True)
