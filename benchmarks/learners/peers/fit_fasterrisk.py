"""FasterRisk: ten yes/no questions with whole points, on quantile thresholds and one-hot categories."""

import numpy as np
import pandas as pd
from fasterrisk.fasterrisk import RiskScoreClassifier, RiskScoreOptimizer
from protocol import Fitted, run, text_columns

_QUESTIONS = 10
_QUANTILES = np.linspace(0.1, 0.9, 9)


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    questions = asked(rows)
    answers = answered(rows, questions)
    optimizer = RiskScoreOptimizer(X=answers, y=np.where(churned == 1, 1.0, -1.0), k=_QUESTIONS)
    optimizer.optimize()
    multiplier, intercept, coefficients = optimizer.get_models(model_index=0)
    card = RiskScoreClassifier(multiplier, intercept, coefficients)
    points = np.flatnonzero(coefficients)
    measures = {questions[place][0] for place in points}
    return Fitted(lambda judged: card.predict_prob(answered(judged, questions)), len(measures), len(points))


def asked(rows: pd.DataFrame) -> list:
    """Return (measure, comparison, value) of every question: at most nine thresholds, every level, is it a gap."""
    texts = text_columns(rows)
    questions = []
    for name in rows.columns:
        known = rows[name].dropna()
        if name in texts:
            questions += [(name, "==", level) for level in sorted(known.unique())]
        else:
            cuts = np.unique(np.quantile(known, _QUANTILES)) if len(known) else []
            questions += [(name, "<=", cut) for cut in cuts if (known > cut).any()]
        if rows[name].isna().any():
            questions.append((name, "gap", None))
    return questions


def answered(rows: pd.DataFrame, questions: list) -> np.ndarray:
    """Return the answers as 0.0 and 1.0, of shape (rows, questions)."""
    comparisons = {"==": pd.Series.eq, "<=": pd.Series.le, "gap": lambda column, _: column.isna()}
    columns = [comparisons[comparison](rows[name], value) for name, comparison, value in questions]
    return np.column_stack(columns).astype(float)


if __name__ == "__main__":
    run(learn)
