"""Planted truth comes back: accounts simulated by a known card, measured, labelled and learned from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from tests.invariants import assert_scorecard

from churnfit.jobs.history import training_set
from churnfit.jobs.starting import init
from churnfit.jobs.workspace import find_workspace
from churnfit.learning.fitting import learn_card
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.thresholds import value_bands
from churnfit.synthetic import TRUTH, simulate, write_world

pytestmark = pytest.mark.recovery

AS_OF = pd.Timestamp("2026-06-30", tz="UTC")


@dataclass(frozen=True, kw_only=True)
class Learned:
    card: Scorecard
    rows: pd.DataFrame


@pytest.fixture(scope="module", params=[7, 11, 23])
def learned(request, tmp_path_factory) -> Learned:
    """A card learned from 5,000 accounts, none of them treated."""
    root = tmp_path_factory.mktemp("planted")
    write_world(simulate(5000, as_of=AS_OF, random_state=request.param, treated_share=0), root / "data")
    init(root)
    workspace = find_workspace(root)
    rows = training_set(workspace, "onboarding", as_of=AS_OF).rows
    return Learned(card=learn_card(rows, workspace.spec("onboarding")), rows=rows)


def planted_health(rows: pd.DataFrame) -> np.ndarray:
    return TRUTH.health(rows.astype(dict.fromkeys(TRUTH.points, float)))


def test_the_card_keeps_its_invariants(learned: Learned) -> None:
    """Weights, points, bands and sums, on all of its own rows."""
    assert_scorecard(learned.card, learned.rows)


def test_weights_come_back_in_the_planted_order(learned: Learned) -> None:
    """28, 22, 18, 14, 10, 8, each within 5 points.

    Neighbours stand 2 to 6 points apart, which 2,200 churned rows tell only so well: they may change places when
    they are within 3 points of each other; measures two places apart may not.
    """
    planted = TRUTH.weights
    weights = {name: learned.card.weights.get(name, 0.0) for name in planted}
    order = list(planted)
    for heavier, lighter in pairwise(order):
        assert weights[heavier] > weights[lighter] - 3
    for heavier, lighter in zip(order, order[2:], strict=False):
        assert weights[heavier] > weights[lighter]
    assert weights == pytest.approx(planted, abs=5)


def test_what_decides_nothing_weighs_next_to_nothing(learned: Learned) -> None:
    """The truth names its noise: at most 2 points of 100 each."""
    assert {name: learned.card.weights.get(name, 0.0) for name in TRUTH.noise} == pytest.approx(
        dict.fromkeys(TRUTH.noise, 1.0), abs=1.0
    )


def test_tickets_are_found_to_be_healthy_in_the_middle(learned: Learned) -> None:
    """Nobody said that the measure is two-sided.

    Planted: 3 points at none, 18 from 1 to 5, then 4.5 less per ticket. Green is what earns the average, so it starts
    at 1 and ends at 5 + (18 − average) / 4.5 tickets. One ticket to either side is allowed.
    """
    tickets = learned.card.measure("tickets_28d")
    knots, points = TRUTH.points["tickets_28d"]
    average = np.interp(learned.rows["tickets_28d"].astype(float), knots, points).mean()
    ends = 5 + (18 - average) / 4.5
    assert tickets.shape == "peak"
    runs = value_bands(learned.card, tickets)
    green = [run for run in runs if run.band == "green"]
    assert len(green) == 1
    assert green[0].low == pytest.approx(1.0, abs=1.0)
    assert green[0].low > -np.inf
    assert green[0].high - 1 == pytest.approx(ends, abs=1.0)
    assert runs[0].band == runs[-1].band == "red"


def test_directions_come_back(learned: Learned) -> None:
    """More use, training, answers and features are better; a longer way to the first value is worse."""
    shapes = {measure.name: measure.shape for measure in learned.card.measures}
    for name in ("active_seats_28d", "training_share", "survey_score", "features_28d"):
        assert shapes[name] == "rising"
    assert shapes["days_to_first_value"] == "falling"


def test_health_is_the_planted_health(learned: Learned) -> None:
    """Learned and planted health of the same rows agree but for rounding and noise."""
    assert np.corrcoef(learned.card.health(learned.rows), planted_health(learned.rows))[0, 1] > 0.97


def test_a_point_of_health_is_worth_what_was_planted(learned: Learned) -> None:
    """0.085 logits a point, within a fifth: the horizon is three planted periods long, and behaviour drifts."""
    assert learned.card.slope == pytest.approx(TRUTH.slope, rel=0.2)


def test_segments_come_back_in_order(learned: Learned) -> None:
    """Planted 2.3, 1.9 and 1.4 at the same health: small businesses leave first."""
    offsets = dict(learned.card.segment_offsets)
    assert offsets["smb"] > offsets["mid_market"] > offsets["enterprise"]
    assert offsets["smb"] - offsets["enterprise"] == pytest.approx(2.3 - 1.4, abs=0.4)
