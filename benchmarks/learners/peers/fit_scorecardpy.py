"""scorecardpy: tree bins, weights of evidence, one logistic coefficient per measure.

Categories rarer than the 49 commonest go together: with more than 50 it would wait for an answer on the keyboard.
"""

import numpy as np
import pandas as pd
import scorecardpy
from protocol import TARGET, Fitted, run, text_columns
from sklearn.linear_model import LogisticRegression

_MOST_LEVELS = 49


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    common = {name: rows[name].value_counts().index[:_MOST_LEVELS] for name in text_columns(rows)}
    bins = scorecardpy.woebin(_few_levels(rows, common).assign(**{TARGET: churned}), y=TARGET, no_cores=1)
    used = [f"{name}_woe" for name in rows.columns if name in bins]

    def woe(given: pd.DataFrame) -> pd.DataFrame:
        # fillna: a value of a kind never seen in training has no weight of evidence; 0 is the average customer
        return scorecardpy.woebin_ply(_few_levels(given, common), bins, no_cores=1)[used].astype(float).fillna(0.0)

    model = LogisticRegression(max_iter=1000).fit(woe(rows), churned)
    return Fitted(
        lambda judged: model.predict_proba(woe(judged))[:, 1], len(bins), sum(len(table) for table in bins.values())
    )


def _few_levels(rows: pd.DataFrame, common: dict) -> pd.DataFrame:
    kept = {
        name: rows[name].where(rows[name].isin(levels) | rows[name].isna(), "other") for name, levels in common.items()
    }
    return rows.assign(**kept)


if __name__ == "__main__":
    run(learn)
