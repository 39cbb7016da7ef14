"""Pairs: a planted interaction is found, kept and worth its table; additive data keep none."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.invariants import assert_scorecard

from churnfit.learning.codes import learn_bins, normalised
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import Prices, refit
from churnfit.learning.pairs import Grown, grown
from churnfit.learning.penalties import Settings, coded_rows, designs
from churnfit.learning.selection import _paying_pairs
from churnfit.scorecard.card import sigmoid

SETTINGS = Settings(shapes={}, max_knots=5, max_levels=8, penalties=(2.0,), folds=2, random_state=0)
QUICK = {"penalties": (2.0,), "folds": 2, "certify": 0}


def crossed(n=1200, seed=0):
    """Two numbers that say nothing alone: risk is high where both are high or both are low; `z` counts by itself."""
    rng = np.random.default_rng(seed)
    x, y, z = rng.integers(0, 10, n).astype(float), rng.integers(0, 10, n).astype(float), rng.normal(size=n)
    logit = -0.8 - 0.8 * z + np.where((x >= 5) == (y >= 5), 1.5, -1.5)
    return pd.DataFrame({"x": x, "y": y, "z": z}), (rng.random(n) < sigmoid(logit)).astype(int)


def by_plan(n=1200, seed=0):
    """Long use lowers the risk of the monthly plan and raises that of the yearly one."""
    rng = np.random.default_rng(seed)
    x, plan = rng.integers(0, 10, n).astype(float), rng.choice(["month", "year"], n)
    logit = -0.5 + np.where((x >= 5) == (plan == "year"), 1.5, -1.5)
    return pd.DataFrame({"x": x, "plan": plan}), (rng.random(n) < sigmoid(logit)).astype(int)


def added_up(n=800, seed=0):
    """Two numbers and a category that add up in the logit."""
    rng = np.random.default_rng(seed)
    x, y, plan = rng.integers(0, 10, n).astype(float), rng.normal(size=n), rng.choice(["month", "year"], n)
    logit = -1.0 - 0.4 * (x - 4.5) + 0.8 * y + np.where(plan == "month", 0.7, -0.7)
    return pd.DataFrame({"x": x, "y": y, "plan": plan}), (rng.random(n) < sigmoid(logit)).astype(int)


def cohort_of(frame, churned):
    n = len(frame)
    names = np.array([f"A{i:05}" for i in range(n)], dtype=object)
    return Cohort(frame=normalised(frame), churned=np.asarray(churned, dtype=float), weight=np.ones(n), groups=names)


def found_in(frame, churned, *, most=1, price=2.0, few_churned=False):
    """The curves without a pair, with one, and so on; and the bins of the rows."""
    cohort = cohort_of(frame, churned)
    binning = learn_bins(cohort.frame, cohort.weight)
    bins = binning.encode(cohort.frame)
    rows = coded_rows(binning, bins, cohort, np.ones(len(frame), dtype=bool))
    *_, (_, design) = designs(rows, [price], SETTINGS)
    start = Grown.plain(rows, refit(design, rows.churned, rows.weight, price))
    return grown(start, [price], Prices(price), SETTINGS, most=most, few_churned=few_churned), bins


def test_beside_a_pair_few_churners_keep_the_curve_a_measure_has_alone():
    """Their pair leaves x flat in the joint fit: only a card of few has a curve of it then, the one it has alone."""
    X, churned = crossed()
    of_few, of_many = (
        {plan.name for plan in found_in(X, churned, price=8.0, few_churned=few)[0][1].curves.plans}
        for few in (True, False)
    )
    assert "x × y" in of_few & of_many
    assert of_few - of_many == {"x"}


def rank_quality(learner, X, y):
    return roc_auc_score(y, learner.predict_proba(X)[:, 1])


def test_an_interaction_of_two_numbers_is_kept_and_ranks_fresh_rows_better():
    """Alone x and y say nothing: with their pair, cut at 5 and 5, the AUC on fresh rows rises by more than a tenth."""
    X, y = crossed()
    fresh, later = crossed(2000, seed=99)
    plain, paired = (ScorecardClassifier(pairs=k, **QUICK).fit(X, y) for k in (0, 1))
    [pair] = paired.card_.pairs
    assert pair.name == "x × y"
    assert (pair.first.cuts, pair.second.cuts) == ((5.0,), (5.0,))
    assert_scorecard(paired.card_, X)
    assert plain.card_.pairs == ()
    assert rank_quality(paired, fresh, later) > rank_quality(plain, fresh, later) + 0.1


def test_an_interaction_of_a_number_with_a_category_is_kept():
    """The safe cells are long months and short years; AUC on fresh rows rises from chance."""
    X, y = by_plan()
    fresh, later = by_plan(2000, seed=99)
    plain, paired = (ScorecardClassifier(pairs=k, **QUICK).fit(X, y) for k in (0, 1))
    [pair] = paired.card_.pairs
    assert pair.name == "x × plan"
    curve = paired.card_.measure(pair.name).curve
    points = dict(zip(curve.values, curve.points, strict=True))
    safe = min(points["below 5 · year"], points["from 5 · month"])
    assert safe > 50 > max(points["below 5 · month"], points["from 5 · year"])
    assert rank_quality(paired, fresh, later) > rank_quality(plain, fresh, later) + 0.2


@pytest.mark.parametrize("seed", range(4))
def test_what_adds_up_keeps_no_pair(seed):
    """Up to two were allowed; none is worth a table."""
    X, y = added_up(seed=seed)
    assert ScorecardClassifier(pairs=2, **QUICK).fit(X, y).card_.pairs == ()


@pytest.mark.parametrize(("loss", "kept"), [([100, 97], 0), ([100, 95], 1), ([100, 97, 80], 2), ([100, 95, 92], 1)])
def test_each_pair_must_gain_four_units_of_unseen_rows(loss, kept):
    """3 units are too little for one table, 5 enough; 20 pay for two, of which the first alone would not have."""
    assert _paying_pairs(loss) == kept


def test_no_more_pairs_than_allowed():
    """Two planted interactions: with one allowed there is one, with two both, with three still two."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.integers(0, 4, (1600, 4)).astype(float), columns=list("abcd"))
    high = X >= 2
    logit = np.where(high["a"] == high["b"], 1.5, -1.5) + np.where(high["c"] == high["d"], 1.2, -1.2)
    y = (rng.random(1600) < sigmoid(logit)).astype(int)
    names = [[pair.name for pair in ScorecardClassifier(pairs=k, **QUICK).fit(X, y).card_.pairs] for k in (1, 2, 3)]
    assert names == [["a × b"], ["a × b", "c × d"], ["a × b", "c × d"]]


def test_the_same_rows_give_the_same_bytes():
    """Twice fitted, one hash."""
    X, y = crossed(600)
    first, second = (ScorecardClassifier(pairs=1, **QUICK).fit(X, y).card_ for _ in range(2))
    assert first.pairs
    assert first.to_json() == second.to_json()


def test_measures_of_few_bins_with_gaps_and_unknown_categories_are_searched():
    """A flag, a constant, a column of gaps, many categories: nothing breaks, each row gets the cell of its words."""
    rng = np.random.default_rng(5)
    n = 1500
    flag, wide = rng.integers(0, 2, n).astype(float), rng.normal(size=n)
    wide[rng.random(n) < 0.2] = np.nan
    many = np.array([f"c{i}" for i in rng.integers(0, 30, n)], dtype=object)
    many[rng.random(n) < 0.1] = None
    states = np.where(np.isnan(wide), rng.choice(["never", "stale"], n), None)
    X = pd.DataFrame(
        {"flag": flag, "wide": wide, "wide__state": states, "many": many, "one": 1.0, "none": np.full(n, np.nan)}
    )
    logit = -0.5 + np.where((flag == 1) == (np.nan_to_num(wide, nan=9.0) > 0), 1.5, -1.5)
    y = (rng.random(n) < sigmoid(logit)).astype(int)
    found, bins = found_in(X, y, most=2)
    pair = found[1].pairs[0]
    assert pair.pair.name == "flag × wide"
    assert all(level.count(" · ") == 1 for level in pair.levels)
    said = pair.pair.of(normalised(X))
    coded = np.array(pair.levels, dtype=object)[pair.encode(bins)]
    same = said.to_numpy() == coded
    assert same[np.isnan(wide)].all()
    assert same.mean() > 0.99  # sayable cuts may move a few rows next to them
    learner = ScorecardClassifier(pairs=1, **QUICK).fit(X, y)
    unseen = X.assign(many="never seen", wide=np.nan, wide__state="other")
    assert_scorecard(learner.card_, unseen)


def test_a_category_called_like_a_gap_can_be_one_of_a_pair():
    """Plan "no data" and no plan at all are two cells."""
    X, y = by_plan(1500)
    gap = np.random.default_rng(1).random(1500) < 0.2
    X["plan"] = X["plan"].replace({"month": "no data"}).mask(gap, None)
    card = ScorecardClassifier(pairs=1, **QUICK).fit(X, y).card_
    [pair] = card.pairs
    cells = {value.split(" · ")[1] for value in card.measure(pair.name).curve.values}
    assert cells == {"'no data'", "'year'", "no data"}


def test_levels_whose_cells_would_read_alike_are_no_pair():
    """ "a" with "b · c" and "a · b" with "c" are both "a · b · c"."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"first": rng.choice(["a", "a · b"], 900), "second": rng.choice(["b · c", "c"], 900)})
    y = (rng.random(900) < sigmoid(np.where((X["first"] == "a") == (X["second"] == "c"), 1.5, -3.5))).astype(int)
    assert not ScorecardClassifier(pairs=1, **QUICK).fit(X, y).card_.pairs


def test_a_category_never_seen_stands_with_one_that_was():
    """Its bin is −1; the pair's table still has a cell for it."""
    found, bins = found_in(*by_plan(800))
    [pair] = found[1].pairs
    at = bins[:, :1].copy()
    at[pair.second if pair.pair.second.groups else pair.first] = -1
    assert 0 <= pair.encode(at)[0] < len(pair.levels)
    assert np.isfinite(found[1].contributions(at)).all()


def test_the_cells_stand_in_order_of_what_the_card_leaves_unexplained():
    """Least risk first: where x and y differ; what the pair adds never falls along its cells."""
    found, bins = found_in(*crossed())
    [pair] = found[1].pairs
    assert set(pair.levels[:2]) == {"below 5 · from 5", "from 5 · below 5"}
    assert set(pair.levels[2:]) == {"below 5 · below 5", "from 5 · from 5"}
    place = [plan.name for plan in found[1].curves.plans].index("x × y")
    added, cell = found[1].contributions(bins)[place], pair.encode(bins)
    heights = [added[cell == k][0] for k in range(4)]
    assert (np.diff(heights) >= 0).all()
    assert heights[-1] - heights[0] > 1.5


def test_curves_with_pairs_say_of_new_rows_what_they_say_of_their_own():
    """The logit of the rows learned from is that of the same rows encoded anew; other prices keep the pair."""
    found, bins = found_in(*crossed(600))
    for one in found:
        assert one.contributions(bins).sum(axis=0) + one.curves.intercept == pytest.approx(one.logit())
    again = found[1].at(Prices(2.0))
    assert again.logit() == pytest.approx(found[1].logit(), abs=1e-3)
    alone = found[1].only(set(), Prices(2.0))
    assert [plan.name for plan in alone.curves.plans] == ["x × y"]


def test_a_card_with_a_pair_can_be_certified():
    """Resamples refit the pair like any category; its line gets a certificate."""
    X, y = crossed(800)
    card = ScorecardClassifier(pairs=1, penalties=(2.0,), folds=2, certify=20).fit(X, y).card_
    [pair] = card.pairs
    assert card.measure(pair.name).certificate is not None
    assert_scorecard(card, X)


def test_the_segment_may_be_one_of_a_pair():
    """Its offset stays, the pair earns points, and the card reads the segment."""
    X, y = by_plan()
    X = X.rename(columns={"plan": "segment"})
    card = ScorecardClassifier(pairs=1, segment_column="segment", **QUICK).fit(X, y).card_
    assert [pair.name for pair in card.pairs] == ["x × segment"]
    assert "segment" in card.read
    assert_scorecard(card, X)
