"""LightGBM tuned by churnfit's challenger: 20 trials, inner cross-validation. Not readable: the ceiling."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from protocol import Fitted, run

from churnfit.learning.challenger import fit_challenger
from churnfit.spec import Challenger

TRIALS = 20


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit_challenger(
            rows,
            churned,
            np.arange(len(rows)),
            spec=Challenger(trials=TRIALS),
            random_state=0,
            journal=Path(folder, "study.journal"),
        )
    leaves = sum(tree["num_leaves"] for tree in fitted.booster.dump_model()["tree_info"])
    used = np.count_nonzero(fitted.booster.feature_importance())
    return Fitted(fitted.predict, used, leaves)


if __name__ == "__main__":
    run(learn)
