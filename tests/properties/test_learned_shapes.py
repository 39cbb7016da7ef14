"""Whatever the data: a declared shape binds the learned card, point by point."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.invariants import assert_scorecard

from churnfit.learning.estimator import ScorecardClassifier
from churnfit.scorecard.card import sigmoid

DECLARED = st.sampled_from(["auto", "higher_is_better", "lower_is_better", "healthy_range"])


@settings(deadline=None, max_examples=12)
@given(DECLARED, st.integers(0, 10_000), st.floats(0.0, 6.3), st.booleans())
def test_points_go_the_declared_way(shape: str, seed: int, phase: float, fine: bool) -> None:
    """Rising, falling, or up and then down, over the whole line; undeclared at most one turn. Gaps change nothing."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 10, 240) if fine else rng.integers(0, 11, 240) * 1.0
    churned = (rng.random(240) < sigmoid(2.5 * np.sin(x * 0.6 + phase) - 0.5)).astype(int)
    table = pd.DataFrame({"x": np.where(rng.random(240) < 0.1, np.nan, x)})
    card = ScorecardClassifier(shapes={"x": shape}, penalties=(1.0,), folds=2, min_churned=5).fit(table, churned).card_
    assert_scorecard(card, table)
    for measure in card.measures:
        steps = np.diff(measure.points(pd.Series(np.linspace(-5.0, 15.0, 401))))
        directions = np.sign(steps[np.abs(steps) > 1e-9])
        turns = np.flatnonzero(np.diff(directions))
        assert len(turns) <= (0 if shape in {"higher_is_better", "lower_is_better"} else 1)
        assert shape != "higher_is_better" or (steps >= 0).all()
        assert shape != "lower_is_better" or (steps <= 0).all()
        assert shape != "healthy_range" or not len(turns) or directions[0] > 0
