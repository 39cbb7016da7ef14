"""Order: the wanted group leads on the card, the price is told, and nothing is promised without evidence."""

import re

import numpy as np
import pandas as pd
import pytest
from tests.invariants import assert_scorecard

from churnfit.learning.curves import CurvePlan
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.joint import Curves, Design
from churnfit.learning.order import lead
from churnfit.learning.penalties import GroupOrder
from churnfit.scorecard.card import sigmoid

GROUPS = {"logins": "use", "seats": "use", "tickets": "care", "wait": "care", "noise": "luck"}
QUICK = {"penalties": (2.0,), "folds": 2, "certify": 0, "measure_groups": GROUPS}


def customers(n=900, seed=0):
    """Use decides most, care a third of it, noise nothing."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list(GROUPS))
    logit = -1.0 - 0.9 * X["logins"] - 0.6 * X["seats"] + 0.4 * X["tickets"] + 0.3 * X["wait"]
    return X, (rng.random(n) < sigmoid(logit.to_numpy())).astype(int)


def group_weights(card):
    totals = dict.fromkeys(GROUPS.values(), 0.0)
    for name, weight in card.weights.items():
        totals[GROUPS[name]] += weight
    return totals


def curves_of(**heights):
    """Rising straight lines of these heights in logits."""
    line = {"graded": True, "places": (0.0, 1.0), "start": (0.0, 0.0), "signs": (1,)}
    plans = tuple(CurvePlan(name=name, **line) for name in heights)
    design = Design(
        plans=plans,
        steps=tuple(np.zeros((1, 1)) for _ in plans),
        codes=np.zeros((len(plans), 1), dtype=np.int32),
        mean_increments=tuple(np.zeros(1) for _ in plans),
    )
    return Curves(design=design, intercept=0.0, coefficients=np.array(list(heights.values())))


def test_the_lead_is_the_group_s_share_less_that_of_the_next():
    """Use 1 + 2, care 1: (3 − 1) / 4; care −½; a group without curves trails by the heaviest's share, 3/4."""
    curves = curves_of(logins=1.0, seats=2.0, tickets=1.0)
    assert lead(GroupOrder(group_of=GROUPS, heaviest="use"), curves, {}) == 0.5
    assert lead(GroupOrder(group_of=GROUPS, heaviest="care"), curves, {}) == -0.5
    assert lead(GroupOrder(group_of=GROUPS, heaviest="luck"), curves, {}) == -0.75
    assert lead(GroupOrder(group_of=GROUPS, heaviest="care"), curves, {"tickets": 5.0}) == 0.25


@pytest.mark.parametrize("seed", range(3))
def test_a_group_made_the_heaviest_weighs_at_least_as_much_as_any_other(seed):
    """Care weighs a third of use by itself; asked for, it leads in whole points, at a price that is told."""
    X, y = customers(seed=seed)
    alone = group_weights(ScorecardClassifier(**QUICK).fit(X, y).card_)
    card = ScorecardClassifier(**QUICK, heaviest_group="care").fit(X, y).card_
    weights = group_weights(card)
    assert alone["care"] < alone["use"] - 10
    assert weights["care"] >= max(weights.values())
    assert_scorecard(card, X)
    [said] = [remark for remark in card.remarks if remark.startswith("Group 'care' was made the heaviest")]
    cost = float(re.search(r"costs (-?[0-9.]+) of log-loss", said).group(1))
    assert 0.0 <= cost < 0.1


def test_the_order_holds_where_cohorts_are_dated():
    """There each measure is shrunk by what carried over: the order must outlast that."""
    X, y = customers(1200, seed=5)
    began = np.array(["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"], dtype="datetime64[us]")[
        np.arange(1200) * 4 // 1200
    ]
    card = ScorecardClassifier(**QUICK, heaviest_group="care").fit(X, y, began=began).card_
    weights = group_weights(card)
    assert any("was made the heaviest" in remark for remark in card.remarks)
    assert weights["care"] >= max(weights.values())


@pytest.mark.parametrize("dated", [False, True])
def test_where_the_order_costs_the_average_the_card_says_so(dated):
    """With a price where unseen rows judged both; of dated cohorts another time has judged the curves alone."""
    X, y = customers(600, seed=1)
    began = np.array(["2026-01-01", "2026-02-01", "2026-03-01"], dtype="datetime64[us]")[np.arange(600) // 200]
    learner = ScorecardClassifier(**QUICK, heaviest_group="care").fit(X, y, began=began if dated else None)
    [said] = [remark for remark in learner.card_.remarks if "the card is no average of resamples" in remark]
    assert ("log-loss" in said) is not dated


def test_the_order_holds_on_a_certified_card():
    """Neither levels merged by the resamples nor their average may undo it."""
    X, y = customers(600, seed=1)
    card = ScorecardClassifier(**QUICK | {"certify": 20}, heaviest_group="care").fit(X, y).card_
    weights = group_weights(card)
    assert weights["care"] >= max(weights.values())


@pytest.mark.parametrize("seed", [4, 8, 12])
def test_a_pair_counts_for_its_group_once_levels_are_merged(seed):
    """Two measures matter together more than those of the wanted group: without their pair it would seem to lead."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(600, 4)), columns=["logins", "seats", "tickets", "wait"])
    logit = -1.6 + 1.6 * np.sign(X["logins"] * X["seats"]) + 0.7 * X["tickets"] + 0.4 * X["wait"] + 0.3 * X["logins"]
    y = (rng.random(600) < sigmoid(logit.to_numpy())).astype(int)
    groups = {name: GROUPS[name] for name in X}
    learner = ScorecardClassifier(**QUICK | {"measure_groups": groups}, pairs=1, heaviest_group="care").fit(X, y)
    members = {pair.name: pair.members for pair in learner.card_.pairs}
    of_use = [w for name, w in learner.card_.weights.items() if groups[members.get(name, (name,))[0]] == "use"]
    assert members
    assert sum(of_use) <= 50


def test_a_group_that_leads_already_is_said_to_and_nothing_changes():
    """But for that sentence the card is the same."""
    X, y = customers()
    free = ScorecardClassifier(**QUICK).fit(X, y).card_
    card = ScorecardClassifier(**QUICK, heaviest_group="use").fit(X, y).card_
    assert card.remarks == ("Group 'use' is the heaviest by itself.",)
    assert (card.measures, card.intercept, card.slope) == (free.measures, free.intercept, free.slope)


def test_a_group_without_evidence_cannot_lead():
    """Noise has no curve to raise: that is said, and the card is the same."""
    X, y = customers()
    free = ScorecardClassifier(**QUICK).fit(X, y).card_
    card = ScorecardClassifier(**QUICK, heaviest_group="luck").fit(X, y).card_
    assert "noise" in free.left_out
    assert card.remarks == ("Group 'luck' cannot be made the heaviest: its measures tell too little.",)
    assert (card.measures, card.intercept, card.slope) == (free.measures, free.intercept, free.slope)


def test_a_card_without_any_evidence_has_no_heaviest_group():
    """All is noise: the card is empty, and says that no group can lead."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"noise": rng.normal(size=600)})
    y = (rng.random(600) < 0.3).astype(int)
    card = ScorecardClassifier(**QUICK | {"measure_groups": {"noise": "luck"}}, heaviest_group="luck").fit(X, y).card_
    assert card.measures == ()
    assert card.remarks == ("Group 'luck' cannot be made the heaviest: its measures tell too little.",)


def test_a_group_that_cannot_lead_costs_nothing():
    """The card of few churners stays the average it would have been; once it kept neither the order nor the average."""
    X, y = customers(600, seed=1)
    free = ScorecardClassifier(**QUICK | {"certify": 20}).fit(X, y).card_
    card = ScorecardClassifier(**QUICK | {"certify": 20}, heaviest_group="luck").fit(X, y).card_
    assert card.remarks == ("Group 'luck' cannot be made the heaviest: its measures tell too little.",)
    assert (card.measures, card.intercept, card.slope) == (free.measures, free.intercept, free.slope)
