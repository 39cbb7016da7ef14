"""Leak suspects on forty accounts, ten of which churned."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.history.tiny_world import spec_of

from churnfit.errors import DataError
from churnfit.history.leaks.too_good import suspects

CHURNED = [1] * 10 + [0] * 30
TRAINING = pd.DataFrame(
    {
        "account_id": [f"{number:02}" for number in range(40)],
        "honest": [number % 7 for number in range(40)],
        "tickets": [9.0] * 10 + [1.0] * 30,
        "reason": pd.array(["price", "left"] * 5 + [None] * 30, dtype="str"),
        "plan": pd.array(["pro", "free"] * 20, dtype="str"),
        "exit_score": [None] * 9 + [3.0] * 31,
        "exit_score__state": pd.array(["never"] * 10 + [None] * 30, dtype="str"),
        "churned": pd.array(CHURNED, dtype="Int64"),
    }
)


def test_measures_that_separate_alone_are_named_with_their_evidence() -> None:
    """A number, the categories of a text, or a state that follows churn is a suspect; others are not."""
    names = ["honest", "tickets", "reason", "plan", "exit_score"]
    spec = spec_of({name: {"aggregate": "count", "kinds": ["x"]} for name in names})
    found = {finding.where: finding.came for finding in suspects(TRAINING, spec)}
    assert found == {
        "measures.tickets": "its value alone has AUC 1.000 on 40 rows",
        "measures.reason": "the churn rate of its categories alone has AUC 1.000 on 40 rows",
        "measures.exit_score": "its state 'never' alone has AUC 1.000 on 40 rows",
    }


def test_a_checked_measure_is_trusted_and_few_churners_prove_nothing() -> None:
    """`leak_checked` is the way past, and nine churners are too few for a verdict."""
    checked = spec_of({"tickets": {"aggregate": "count", "kinds": ["x"], "leak_checked": True}})
    assert suspects(TRAINING, checked) == []
    spec = spec_of({"tickets": {"aggregate": "count", "kinds": ["x"]}})
    assert suspects(TRAINING.iloc[1:], spec) == []


def test_training_rows_need_their_labels() -> None:
    """A snapshot without labels is refused."""
    spec = spec_of({"tickets": {"aggregate": "count", "kinds": ["x"]}})
    with pytest.raises(DataError, match="CF217 training rows: expected a column 'churned'"):
        suspects(TRAINING.drop(columns="churned"), spec)
