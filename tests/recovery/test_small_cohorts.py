"""What `benchmarks/small_cohorts.py` calls right, and the worlds it draws from."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.recovery


@pytest.fixture
def small_cohorts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("small_cohorts")


@pytest.mark.parametrize(
    ("refused", "ratio", "learnable", "right", "strictly"),
    [
        (False, 0.97, True, True, True),
        (False, 1.01, True, True, False),  # saves nothing, costs nothing that matters
        (False, 1.03, True, False, False),
        (False, 0.99, False, False, False),  # labels were shuffled: no card is right
        (True, 0.97, True, False, False),
        (True, 0.99, True, True, True),
        (True, 1.03, True, True, True),
    ],
)
def test_a_decision_is_wrong_when_the_other_saves_more_than_two_percent(
    small_cohorts, refused, ratio, learnable, right, strictly
):
    """The ratio is the card's log-loss over the base rate's, whether the card was given out or withheld."""
    one = small_cohorts.Decision(world="any", refused=refused, ratio=ratio, learnable=learnable)
    assert (one.right, one.right_without_tolerance) == (right, strictly)


def test_worlds_churn_as_they_say(small_cohorts):
    """Weak or strong, 30 % of later accounts churn; few churners are 3 to 11; where labels are shuffled, all alike."""
    worlds = small_cohorts.WORLDS
    strong, weak, shuffled = (
        worlds[f"{kind}"].truth(100) for kind in ("strong signal", "weak signal", "shuffled labels")
    )
    assert [strong.mean(), weak.mean(), shuffled.mean()] == pytest.approx([0.3] * 3, abs=1e-6)
    assert strong.std() > 2 * weak.std() > 0
    assert np.ptp(shuffled) == 0
    churned = [worlds["3 to 11 churners"].cohort(n, seed)[1].sum() for n in (40, 300) for seed in range(20)]
    assert min(churned) >= 3
    assert max(churned) <= 11


def test_a_perfect_forecast_loses_least(small_cohorts):
    """Half churn at 0.2, half at 0.6: saying so costs (0.500 + 0.673) / 2, saying 0.4 to all 0.673."""
    truth = np.array([0.2, 0.6])
    assert small_cohorts.loss(truth, truth) == pytest.approx((0.50040 + 0.67301) / 2, abs=1e-5)
    assert small_cohorts.loss(truth, 0.4) == pytest.approx(0.67301, abs=1e-5)
