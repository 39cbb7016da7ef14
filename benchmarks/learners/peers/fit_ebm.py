"""interpret's explainable boosting machine without interactions: additive, thousands of levels."""

import numpy as np
import pandas as pd
from interpret.glassbox import ExplainableBoostingClassifier
from protocol import Fitted, run


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    machine = ExplainableBoostingClassifier(interactions=0, n_jobs=1, random_state=0).fit(rows, churned)
    levels = sum(scores.size for scores in machine.term_scores_)
    return Fitted(lambda judged: machine.predict_proba(judged)[:, 1], rows.shape[1], levels)


if __name__ == "__main__":
    run(learn)
