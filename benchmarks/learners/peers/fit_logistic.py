"""Logistic regression: one-hot, standardised, gaps at the median with an indicator, C by inner cross-validation."""

import numpy as np
import pandas as pd
from protocol import Fitted, run, text_columns
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def learn(rows: pd.DataFrame, churned: np.ndarray) -> Fitted:
    texts = text_columns(rows)
    numbers = [name for name in rows.columns if name not in texts]
    filled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    encoded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), texts), (filled, numbers))
    pipeline = make_pipeline(encoded, LogisticRegression(max_iter=2000))
    grid = {"logisticregression__C": np.logspace(-3, 2, 11)}
    search = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=4).fit(rows, churned)
    coefficients = search.best_estimator_[-1].coef_
    return Fitted(lambda judged: search.predict_proba(judged)[:, 1], rows.shape[1], coefficients.size)


if __name__ == "__main__":
    run(learn)
