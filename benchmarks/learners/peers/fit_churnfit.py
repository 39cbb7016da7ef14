"""churnfit's card; SETTINGS are arguments of ScorecardClassifier. A column BEGAN says when each row's stage began.

Without certificates: no peer has intervals, and their cost is measured by recovery.py.
"""

import numpy as np
import pandas as pd
from protocol import Fitted, run, settings

from churnfit.learning.estimator import ScorecardClassifier

BEGAN = "began__"


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    began = rows.get(BEGAN)
    rows = rows.drop(columns=BEGAN, errors="ignore")
    learner = ScorecardClassifier(**{"certify": 0, **settings()}).fit(rows, churned, began=began)
    lines = learner.card_.measures
    points = sum(len(line.curve.levels) + len(line.missing) for line in lines)
    return Fitted(lambda judged: learner.predict_proba(judged[rows.columns])[:, 1], len(lines), points)


if __name__ == "__main__":
    run(learn, warm_up=True)
