"""A spec, and judged rows with known answers, for the tests of evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnfit.evaluation.report import TrainingContext
from churnfit.spec import ScorecardSpec


@pytest.fixture(scope="module")
def make_spec() -> Callable[..., ScorecardSpec]:
    """A small valid spec; keyword arguments replace whole sections."""

    def make(**sections: Any) -> ScorecardSpec:
        default: dict[str, Any] = {
            "name": "tiny",
            "title": "Tiny card",
            "sources": {"measures": {"path": "measures.csv"}},
            "cohort": {"horizon_days": 90},
            "groups": {"use": {"label": "Use"}},
            "measures": {"logins": {"group": "use", "aggregate": "column"}},
            "bands": {
                "red": {"action": "call", "cost": 100, "save_rate": 0.5},
                "amber": {"action": "mail", "cost": 10, "save_rate": 0.1},
                "margin": 1.0,
                "default_value": 1000,
            },
            "playbooks": {"call": {"title": "Call", "steps": ["Call."]}},
            "evaluation": {"bootstrap": 50},
        }
        return ScorecardSpec.model_validate(default | sections)

    return make


@pytest.fixture
def context() -> TrainingContext:
    """Fifty churned accounts to learn from."""
    return TrainingContext(
        rows=900, accounts=300, churned_rows=120, churned_accounts=50, split="Older trained.", judged_matured=0.8
    )


@pytest.fixture
def judged() -> pd.DataFrame:
    """400 snapshots of 200 accounts: 40 red (30 churned), 60 amber (15), 300 green (5); the card knows the rates."""
    band = np.repeat(["red", "amber", "green"], [40, 60, 300])
    churned = np.concatenate([np.arange(40) < 30, np.arange(60) < 15, np.arange(300) < 5]).astype(int)
    rate = {"red": 0.75, "amber": 0.25, "green": 1 / 60}
    probability = np.array([rate[name] for name in band])
    return pd.DataFrame(
        {
            "account_id": [f"A{place // 2:03d}" for place in range(400)],
            "as_of": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(np.arange(400) % 2 * 30, unit="D"),
            "segment": ["mid"] * 380 + ["tiny"] * 19 + [None],
            "churned": churned,
            "arr": [1000.0] * 399 + [np.nan],
            "health": 100 * (1 - probability),
            "band": band,
            "coverage": 0.9,
            "p_card": probability,
        }
    )
