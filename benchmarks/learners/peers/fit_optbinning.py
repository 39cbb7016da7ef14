"""optbinning: optimal bins, weights of evidence, one logistic coefficient per measure, a scorecard of points.

Gaps are bins of their own ("empirical"): by default they would score as the average customer.
"""

import numpy as np
import pandas as pd
from optbinning import BinningProcess, Scorecard
from protocol import Fitted, run, text_columns
from sklearn.linear_model import LogisticRegression


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    texts = text_columns(rows)
    process = BinningProcess(list(rows.columns), categorical_variables=texts)
    card = Scorecard(
        process,
        LogisticRegression(max_iter=1000),
        scaling_method="min_max",
        scaling_method_params={"min": 0, "max": 100},
    )
    card.fit(_plain(rows, texts), churned, metric_missing="empirical")
    lines = card.table()
    named = lines[~lines["Bin"].astype(str).isin(["Special", "Missing"])]
    return Fitted(
        lambda judged: card.predict_proba(_plain(judged, texts))[:, 1], named["Variable"].nunique(), len(named)
    )


def _plain(rows: pd.DataFrame, texts: list) -> pd.DataFrame:
    """Return the rows with text as objects: optbinning knows no other text."""
    return rows.astype(dict.fromkeys(texts, object))


if __name__ == "__main__":
    run(learn)
