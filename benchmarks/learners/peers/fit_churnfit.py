"""churnfit's card; SETTINGS are arguments of ScorecardClassifier."""

import numpy as np
import pandas as pd
from protocol import Fitted, run, settings

from churnfit.learning.estimator import ScorecardClassifier


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    learner = ScorecardClassifier(**settings()).fit(rows, churned)
    lines = learner.card_.measures
    points = sum(len(line.curve.levels) + len(line.missing) for line in lines)
    return Fitted(lambda judged: learner.predict_proba(judged)[:, 1], len(lines), points)


if __name__ == "__main__":
    run(learn, warm_up=True)
