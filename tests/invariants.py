"""What every scorecard keeps, whatever it was learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.points import GRAIN


def assert_scorecard(card: Scorecard, snapshot: pd.DataFrame) -> None:
    """Assert that weights sum to 100, curves start at 0, bands are ordered and points sum to health."""
    assert_lines(card)
    points = card.points(snapshot)
    health = card.health(snapshot)
    assert not points.isna().to_numpy().any()
    assert (health == points.sum(axis=1).to_numpy()).all(), "health is the sum of the points, to the last bit"
    assert (health * GRAIN == np.round(health * GRAIN)).all(), "health lies on the grid"
    assert ((health >= 0) & (health <= 100)).all()
    probability = card.churn_probability(snapshot)
    assert ((probability > 0) & (probability < 1)).all()


def assert_lines(card: Scorecard) -> None:
    """Assert what can be said without rows."""
    weights = list(card.weights.values())
    assert sum(weights) == (100 if weights else 0)
    assert weights == sorted(weights, reverse=True), "heaviest first"
    assert all(weight > 0 for weight in weights)
    for measure in card.measures:
        levels = [*measure.curve.levels, *(points for _, points in measure.missing)]
        assert min(levels) == 0, f"{measure.name}: its worst value earns nothing"
        assert 0 <= measure.expected_points <= measure.weight
    assert card.slope > 0
    assert 0 < card.base_rate < 1
    assert 0 <= card.bands.red_below <= card.bands.green_from <= 100
    assert Scorecard.from_json(card.to_json()) == card
