"""Certificates cover a planted truth: six measures that decide by known curves, four that decide nothing."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from churnfit.learning.estimator import ScorecardClassifier

pytestmark = pytest.mark.recovery

COHORTS = 32
ACCOUNTS = 600


@pytest.fixture(scope="module")
def planted() -> ModuleType:
    """The truth that `benchmarks/recovery.py` plants, too."""
    place = Path(__file__).resolve().parents[2] / "benchmarks" / "planted.py"
    spec = importlib.util.spec_from_file_location("planted", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def covered(planted: ModuleType) -> dict[str, list[bool]]:
    """Whether each interval of the cards of all cohorts contains the truth, by kind of number."""
    found: dict[str, list[bool]] = defaultdict(list)
    for seed in range(COHORTS):
        card = ScorecardClassifier(min_churned=5, certify=80).fit(*planted.cohort(ACCOUNTS, 5000 + seed)).card_
        for kind, answers in planted.covered(card).items():
            found[kind] += answers
    return found


@pytest.mark.parametrize("kind", ["weights", "points", "green thresholds", "red thresholds"])
def test_intervals_of_ninety_percent_cover_about_as_often(covered: dict[str, list[bool]], kind: str) -> None:
    """At least 85 % of them, and they are not all of the line: see the next test.

    With certificates on fixed knots green thresholds are covered 7 times in 10.
    """
    assert len(covered[kind]) > 80
    assert np.mean(covered[kind]) >= 0.85


def test_intervals_tell_something(planted: ModuleType) -> None:
    """At 600 accounts a weight is known to within its own size: less than 1.2 times as wide, for half of the lines."""
    card = ScorecardClassifier(min_churned=5, certify=80).fit(*planted.cohort(ACCOUNTS, 5000)).card_
    widths = [(m.certificate.high - m.certificate.low) / m.weight for m in card.measures if m.certificate]
    assert len(widths) == len(card.measures)
    assert np.median(widths) < 1.2


def test_more_accounts_make_grades_firmer(planted: ModuleType) -> None:
    """At 300 accounts few lines are firm, at 5,000 nearly all that decide anything are."""
    firm = {}
    for accounts in (300, 5000):
        card = ScorecardClassifier(min_churned=5, certify=80).fit(*planted.cohort(accounts, 5000)).card_
        firm[accounts] = np.mean([m.certificate.grade == "firm" for m in card.measures if m.name not in planted.NOISE])
    assert firm[300] <= 0.5
    assert firm[5000] >= 0.8
