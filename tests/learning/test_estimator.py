"""ScorecardClassifier: scikit-learn's contract, refusals, and what the learned card keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.invariants import assert_lines, assert_scorecard

from churnfit.errors import DataError, SpecError
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.scorecard.card import Scorecard, sigmoid
from churnfit.scorecard.plot import points_figure
from churnfit.scorecard.render import to_markdown, to_text

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"penalties": (2.0,), "folds": 2}


@parametrize_with_checks(
    [ScorecardClassifier(min_accounts=0, min_churned=0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "a repeated row is one more account to deal into folds"
    },
)
@pytest.mark.filterwarnings("ignore:Skipping check_array_api_input")
def test_scikit_learn_s_contract(estimator, check):
    """Every check of scikit-learn passes, but that cross-validation cannot tell a repeated row from another account."""
    check(estimator)


def customers(n=600, seed=0):
    """Logins lower the risk, tickets are two-sided, the plan decides a little, noise nothing; one gap in ten."""
    rng = np.random.default_rng(seed)
    logins, tickets = rng.poisson(6, n).astype(float), rng.poisson(3, n).astype(float)
    plan = rng.choice(["basic", "plus", "pro"], n)
    logit = (
        1.0 - 0.45 * logins + 0.5 * np.abs(tickets - 3) + np.select([plan == "basic", plan == "pro"], [0.8, -0.8], 0)
    )
    churned = (rng.random(n) < sigmoid(logit)).astype(int)
    gone = rng.random(n) < 0.1
    table = pd.DataFrame(
        {
            "logins": np.where(gone, np.nan, logins),
            "logins__state": pd.Series(np.where(gone, "stale", None), dtype=object),
            "tickets": tickets,
            "plan": plan,
            "noise": rng.normal(size=n),
        }
    )
    return table, churned


@pytest.fixture(scope="module")
def learned():
    """The table, the labels and the fitted estimator; read, never written."""
    X, y = customers()
    return X, y, ScorecardClassifier().fit(X, y)


def test_a_table_with_text_and_states_becomes_a_card(learned):
    """Logins weigh most, noise is left out, categories and the state have their points."""
    X, y, learner = learned
    card = learner.card_
    assert_scorecard(card, X)
    assert next(iter(card.weights)) == "logins"
    assert card.left_out == ("noise",)
    assert set(card.measure("plan").curve.values) == {"basic", "plus", "pro"}
    assert [state for state, _ in card.measure("logins").missing] == ["stale"]
    assert card.evidence.rows == card.evidence.accounts == 600
    assert card.evidence.churned_rows == y.sum()


def test_the_reference_is_the_training_cohort_and_predicted_churners_are_the_observed_ones(learned):
    """Expected health is the mean health; probabilities sum to the churners."""
    X, y, learner = learned
    assert learner.card_.expected_health == pytest.approx(learner.health(X).mean(), abs=1e-9)
    assert learner.predict_proba(X)[:, 1].sum() == pytest.approx(y.sum(), rel=1e-6)
    assert learner.card_.base_rate == y.mean()


def test_probabilities_labels_and_logits_agree(learned):
    """The likelier class is the one above one half, and the logit is the card's."""
    X, _, learner = learned
    p = learner.predict_proba(X)
    assert p.sum(axis=1) == pytest.approx(1.0)
    assert (learner.predict(X) == (p[:, 1] > 0.5)).all()
    assert learner.decision_function(X) == pytest.approx(learner.card_.churn_logit(learner.health(X)), abs=1e-9)
    assert learner.out_of_fold_probability_.shape == (len(X),)


def test_it_works_inside_pipelines_searches_and_scores():
    """A pipeline is searched over its penalties, scored by AUC in folds of whole accounts."""
    X, y = customers(300)
    numbers = FunctionTransformer(lambda table: table[["logins", "tickets"]])
    pipeline = make_pipeline(numbers, ScorecardClassifier(**QUICK))
    search = GridSearchCV(pipeline, {"scorecardclassifier__penalties": [(1.0,), (1e5,)]}, scoring="roc_auc", cv=3)
    search.fit(X, y)
    assert search.best_params_ == {"scorecardclassifier__penalties": (1.0,)}
    by_account = cross_val_score(
        ScorecardClassifier(**QUICK), X, y, groups=np.arange(300) // 2, cv=GroupKFold(3), scoring="roc_auc"
    )
    assert by_account.mean() > 0.7


def test_a_clone_has_the_settings_and_nothing_learned(learned):
    """A fitted estimator's clone is as new."""
    _, _, learner = learned
    copy = clone(learner)
    assert copy.get_params() == learner.get_params()
    with pytest.raises(NotFittedError):
        copy.health(pd.DataFrame({"logins": [1.0]}))


def test_columns_named_by_numbers_are_measures_too():
    """A DataFrame made of an array has integer names: they become text on the card."""
    X, y = customers(300)
    card = ScorecardClassifier(**QUICK).fit(pd.DataFrame(X[["logins", "tickets"]].to_numpy()), y).card_
    assert set(card.weights) <= {"0", "1"}
    assert card.weights["0"] > 50


def test_a_table_with_other_columns_is_refused(learned):
    """scikit-learn's own message names them."""
    X, _, learner = learned
    with pytest.raises(ValueError, match=r"feature names[\s\S]*unseen at fit time[\s\S]*clicks"):
        learner.predict(X.rename(columns={"logins": "clicks"}))


def weighted_table():
    """Few values, so that every bin's median is its value, and two dated cohorts, so that folds cannot move."""
    rng = np.random.default_rng(8)
    n = 400
    X = pd.DataFrame(
        {"a": rng.integers(0, 6, n) * 1.0, "b": rng.integers(0, 5, n) * 1.0, "c": rng.choice(list("xyz"), n)}
    )
    y = (rng.random(n) < sigmoid(0.5 - 0.6 * X["a"] + 0.3 * X["b"])).astype(int)
    began = np.where(np.arange(n) < 200, np.datetime64("2026-01-01"), np.datetime64("2026-02-01"))
    weight = np.ones(n)
    weight[rng.permutation(200)[:60]] = 2.0
    weight[200 + rng.permutation(200)[:60]] = 2.0
    return X, y, began, weight


def numbers_of(card: Scorecard) -> list[float]:
    points = [p for m in card.measures for p in (*m.curve.levels, m.expected_points)]
    return [*points, card.intercept, card.slope, card.base_rate]


def test_a_weight_of_two_is_the_row_twice():
    """One penalty and one cohort per fold; the copies are of one account, or chance would be dealt out otherwise."""
    X, y, began, weight = weighted_table()
    settings = ScorecardClassifier(penalties=(2.0,), folds=2)
    by_weight = clone(settings).fit(X, y, sample_weight=weight, began=began).card_
    twice = np.concatenate([np.arange(400), np.flatnonzero(weight == 2.0)])
    account = np.array([f"{row:012}" for row in twice])
    by_rows = clone(settings).fit(X.iloc[twice], y[twice], began=began[twice], groups=account).card_
    assert by_weight.weights == by_rows.weights
    assert numbers_of(by_weight) == pytest.approx(numbers_of(by_rows), abs=1e-5)


def test_rows_that_stand_for_others_set_the_level_and_no_points():
    settings = ScorecardClassifier(certify=0)
    X, y, began, _ = weighted_table()
    stands_for = np.where(y == 1, 3.0, 1.0)
    plain = clone(settings).fit(X, y, began=began)
    standing = clone(settings).fit(X, y, began=began, stands_for=stands_for)
    assert standing.card_.weights == plain.card_.weights
    assert standing.card_.base_rate == pytest.approx(np.average(y, weights=stands_for))
    predicted = standing.predict_proba(X)[:, 1]
    assert np.average(predicted, weights=stands_for) == pytest.approx(np.average(y, weights=stands_for), abs=1e-6)


def test_rows_that_stand_for_none_teach_points_and_nothing_else():
    """A row may stand for no row at all: the level and the calibration do without it."""
    X, y, began, _ = weighted_table()
    stands_for = np.where(X["a"] == 5.0, 0.0, 1.0)
    card = ScorecardClassifier(penalties=(2.0,), folds=2).fit(X, y, began=began, stands_for=stands_for).card_
    assert card.base_rate == pytest.approx(np.average(y, weights=stands_for))


def test_a_weight_of_zero_is_no_row():
    """The same bytes as without those rows, whatever stands in them."""
    X, y, began, weight = weighted_table()
    kept = weight == 1.0
    spoiled = X.copy()
    spoiled.loc[~kept, "a"] = np.inf
    health = 50.0 - X["a"].to_numpy()
    settings = ScorecardClassifier(penalties=(2.0,), folds=2)
    by_weight = clone(settings).fit(
        spoiled,
        np.where(kept, y, 1),
        sample_weight=kept.astype(float),
        began=began,
        prior_health=np.where(kept, health, np.nan),
    )
    by_rows = clone(settings).fit(X[kept], y[kept], began=began[kept], prior_health=health[kept])
    assert by_weight.card_ == by_rows.card_
    assert np.isnan(by_weight.out_of_fold_probability_[~kept]).all()


def test_rows_of_one_account_stay_together():
    """Accounts of twenty equal rows and a name of their own: known from its other rows, a name tells all.

    With groups every account is new to the fold that judges it, and the name tells nothing.
    """
    rng = np.random.default_rng(2)
    account = np.repeat(np.arange(80), 20)
    y = np.repeat((rng.random(80) < 0.4).astype(int), 20)
    X = pd.DataFrame({"name": [f"N{number}" for number in rng.permutation(80)[account]]})
    together = ScorecardClassifier(min_churned=0).fit(X, y, groups=account)  # it tells nothing: else it is refused
    apart = ScorecardClassifier().fit(X, y)

    def auc(score):
        ones = y == 1
        ranks = pd.Series(score).rank().to_numpy()
        return (ranks[ones].sum() - ones.sum() * (ones.sum() + 1) / 2) / (ones.sum() * (~ones).sum())

    assert together.card_.evidence.accounts == 80
    for account_id in range(80):
        assert len(np.unique(together.out_of_fold_probability_[account == account_id])) == 1
    assert auc(together.out_of_fold_probability_) < 0.65
    assert auc(apart.out_of_fold_probability_) > 0.7


REFUSED = {
    "one class": ({}, lambda X, y: ((X, np.zeros(len(y), dtype=int)), {}), DataError, r"CF102 y: .*came 1 class"),
    "one class of weight": (
        {"min_churned": 0},
        lambda X, y: ((X, y), {"sample_weight": (y == 0).astype(float)}),
        DataError,
        "CF102 y: .*1 class in",
    ),
    "too few accounts": (
        {},
        lambda X, y: ((X, y), {"groups": np.arange(len(y)) % 50}),
        DataError,
        "CF103.*at least 60 accounts, 5 of them churned; came 50 accounts",
    ),
    "too few churners": (
        {},
        lambda X, y: ((X, (np.arange(len(y)) < 3).astype(int)), {}),
        DataError,
        "CF103.*came 600 accounts, 3 of them churned. Wait for 2 more churners",
    ),
    "too few of both": (
        {"min_accounts": 700},
        lambda X, y: ((X, (np.arange(len(y)) < 3).astype(int)), {}),
        DataError,
        "CF103.*Wait for 100 more accounts and 2 more churners, widen",
    ),
    "folds that are no number": ({"folds": np.nan}, lambda X, y: ((X, y), {}), SpecError, "CF503 folds: .*came nan"),
    "no folds": ({"folds": 0}, lambda X, y: ((X, y), {}), SpecError, "CF503 folds: expected 2 or more; came 0"),
    "a price below nothing": (
        {"penalties": (2.0, -1.0)},
        lambda X, y: ((X, y), {}),
        SpecError,
        "CF503 penalties: expected one or more finite numbers above 0",
    ),
    "two columns of one name": (
        {},
        lambda X, y: ((pd.concat([X, X], axis=1), y), {}),
        DataError,
        "CF218 X: .*a second",
    ),
    "an undated row": (
        {},
        lambda X, y: ((X, y), {"began": np.array(["2026-01-01"] * (len(y) - 1) + ["NaT"], dtype="datetime64[us]")}),
        DataError,
        "CF202 began: .*came 1 rows without",
    ),
    "a negative weight": (
        {},
        lambda X, y: ((X, y), {"sample_weight": np.where(np.arange(len(y)) == 3, -1.0, 1.0)}),
        DataError,
        r"CF112 sample_weight: .*came 1 \(-1.0\)",
    ),
    "a negative stand-in": (
        {},
        lambda X, y: ((X, y), {"stands_for": np.where(np.arange(len(y)) == 3, -1.0, 1.0)}),
        DataError,
        r"CF112 stands_for: .*came 1 \(-1.0\)",
    ),
    "nobody stands for the churned": (
        {},
        lambda X, y: ((X, y), {"stands_for": (y == 0).astype(float)}),
        DataError,
        r"CF102",
    ),
    "a missing weight": (
        {},
        lambda X, y: ((X, y), {"sample_weight": np.where(np.arange(len(y)) == 3, np.nan, 1.0)}),
        DataError,
        r"CF112 sample_weight: .*came 1 \(nan\)",
    ),
    "no weight at all": (
        {},
        lambda X, y: ((X, y), {"sample_weight": np.zeros(len(y))}),
        ValueError,
        "at least one non-zero number",
    ),
    "an infinite value": (
        {},
        lambda X, y: ((X.assign(tickets=np.inf), y), {}),
        DataError,
        r"CF202 X: .*infinite values in 1 \(tickets\)",
    ),
    "a shape of nothing": (
        {"shapes": {"login": "higher_is_better"}},
        lambda X, y: ((X, y), {}),
        SpecError,
        "CF503.*came 'login'. Mend it; nearest valid name: 'logins'",
    ),
    "a shape that is none": (
        {"shapes": {"logins": "higher_is_bettr"}},
        lambda X, y: ((X, y), {}),
        SpecError,
        "CF503.*nearest valid name: 'higher_is_better'",
    ),
    "a group of nothing": (
        {"measure_groups": {"login": "use"}, "heaviest_group": "use"},
        lambda X, y: ((X, y), {}),
        SpecError,
        "CF503.*came 'login'. Mend it; nearest valid name: 'logins'",
    ),
    "a heaviest group that is none": (
        {"measure_groups": {"logins": "use"}, "heaviest_group": "uses"},
        lambda X, y: ((X, y), {}),
        SpecError,
        "CF503 heaviest_group: .*nearest valid name: 'use'",
    ),
    "a heaviest group of no groups": (
        {"heaviest_group": "use"},
        lambda X, y: ((X, y), {}),
        SpecError,
        "CF503 heaviest_group: ",
    ),
    "no penalties": ({"penalties": ()}, lambda X, y: ((X, y), {}), SpecError, "CF503 penalties: .*one or more"),
    "rows without an account": (
        {},
        lambda X, y: ((X, y), {"groups": np.where(np.arange(len(y)) < 9, None, "A")}),
        DataError,
        "CF201 groups: .*came 9 of 600 rows without",
    ),
    "unknown hand-made health": (
        {},
        lambda X, y: ((X, y), {"prior_health": np.where(np.arange(len(y)) < 9, np.nan, 50.0)}),
        DataError,
        "CF202 prior_health: .*came 9 rows without",
    ),
    "no segment column": (
        {"segment_column": "plans"},
        lambda X, y: ((X, y), {}),
        DataError,
        "CF217.*a column 'plans'.*nearest valid name: 'plan'",
    ),
    "segments that are numbers": (
        {"segment_column": "tickets"},
        lambda X, y: ((X, y), {}),
        DataError,
        "CF212 segment column 'tickets': expected text; came float64",
    ),
    "three classes": ({}, lambda X, y: ((X, np.arange(len(y)) % 3), {}), ValueError, "Only binary classification"),
    "no rows": ({}, lambda X, y: ((X[:0], y[:0]), {}), ValueError, "0 sample"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_learned_from_is_refused(case):
    """Before any work is done, saying what is wrong and what to do."""
    params, bend, error, message = case
    arguments, named = bend(*customers())
    with pytest.raises(error, match=message):
        ScorecardClassifier(**params).fit(*arguments, **named)


@pytest.mark.parametrize("churners", [1, 2, 3])
def test_a_handful_of_churners_is_learned_from_where_the_floor_is_lifted(churners):
    """Fewer folds, down to none; the card may be empty, the base rate is right."""
    X, _ = customers(100)
    y = (np.arange(100) < churners).astype(int)
    learner = ScorecardClassifier(min_churned=0, **QUICK).fit(X, y)
    assert_scorecard(learner.card_, X)
    assert learner.predict_proba(X)[:, 1].mean() == pytest.approx(churners / 100, rel=1e-6)


def test_cohorts_that_would_leave_a_fold_without_stayers_are_not_folds():
    """Half of the first cohort churned and all of the second: without the first there is one class to learn from."""
    X, _ = customers(200)
    at = np.arange(200)
    y = ((at >= 100) | (at % 2 == 0)).astype(int)
    began = np.where(at >= 100, np.datetime64("2026-02-01"), np.datetime64("2026-01-01"))
    assert_scorecard(ScorecardClassifier(**QUICK).fit(X, y, began=began).card_, X)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("shape", "allowed"),
    [
        ("higher_is_better", {"rising"}),
        ("lower_is_better", {"falling"}),
        ("healthy_range", {"peak", "rising", "falling"}),
    ],
)
def test_declared_shapes_hold_in_the_result(shape, allowed, seed):
    """Whatever the data say: points rise, fall, or have one peak; against the data a measure may only leave."""
    rng = np.random.default_rng(seed)
    n = 300
    X = pd.DataFrame({"x": rng.integers(0, 12, n) * 1.0, "z": rng.normal(size=n)})
    y = (rng.random(n) < sigmoid(1.5 * np.sin(X["x"] + seed) - X["z"] - 0.5)).astype(int)
    card = ScorecardClassifier(shapes={"x": shape, "z": "higher_is_better"}, **QUICK).fit(X, y).card_
    assert_lines(card)
    for measure in card.measures:
        steps = np.sign(np.diff(measure.curve.levels))
        expected = allowed if measure.name == "x" else {"rising"}
        assert measure.shape in expected
        turns = np.flatnonzero(np.diff(steps[steps != 0]))
        assert len(turns) <= (1 if measure.shape == "peak" else 0)
        assert measure.shape != "rising" or (steps >= 0).all()
        assert measure.shape != "falling" or (steps <= 0).all()
        assert measure.shape != "peak" or steps[steps != 0][0] > 0


def test_segments_shift_the_intercept_and_earn_no_points():
    """Segment b churns far more at the same measures."""
    X, y = customers(600)
    rng = np.random.default_rng(4)
    segment = rng.choice(["a", "b"], 600)
    y = np.where((segment == "b") & (rng.random(600) < 0.5), 1, y)
    learner = ScorecardClassifier(segment_column="segment", **QUICK).fit(X.assign(segment=segment), y)
    offsets = dict(learner.card_.segment_offsets)
    assert "segment" not in learner.card_.weights
    assert offsets["b"] - offsets["a"] > 1
    p = learner.predict_proba(X.assign(segment=segment))[:, 1]
    assert p.sum() == pytest.approx(y.sum(), rel=1e-6)


def test_rows_without_a_segment_are_a_segment_of_their_own():
    """They churn most: the card says so of them, as of the others, and to a new row of no segment."""
    X, _ = customers(900)
    rng = np.random.default_rng(4)
    segment = rng.choice(np.array(["a", "b", None], dtype=object), 900)
    y = (rng.random(900) < pd.Series(segment).map({"a": 0.15, "b": 0.3}).fillna(0.7)).astype(int)
    given = X.assign(segment=pd.Series(segment, dtype="str"))
    learner = ScorecardClassifier(segment_column="segment", **QUICK).fit(given, y)
    predicted = pd.Series(learner.predict_proba(given)[:, 1]).groupby(segment, dropna=False).mean()
    seen = pd.Series(y).groupby(segment, dropna=False).mean()
    assert [name for name, _ in learner.card_.segment_offsets] == ["", "a", "b"]
    assert predicted.tolist() == pytest.approx(seen.tolist(), abs=0.05)
    assert learner.card_.churn_probability(given).tolist() == learner.predict_proba(given)[:, 1].tolist()


def test_a_pair_with_a_segment_is_learned_on_the_cells_that_it_is_scored_on():
    """The measure works the other way round in segment b; a third of the rows have none. Foreseen is what was seen."""
    rng = np.random.default_rng(6)
    x, segment = rng.normal(size=1500), rng.choice(np.array(["a", "b", None], dtype=object), 1500)
    slope = pd.Series(segment).map({"a": 2.5, "b": -1.5}).fillna(0.0).to_numpy()
    y = (rng.random(1500) < sigmoid(slope * x - 0.5 + 1.5 * pd.isna(segment))).astype(int)
    X = pd.DataFrame({"x": x, "segment": pd.Series(segment, dtype="str")})
    learner = ScorecardClassifier(segment_column="segment", pairs=1, **QUICK).fit(X, y)
    assert {frozenset(pair.members) for pair in learner.card_.pairs} == {frozenset(("x", "segment"))}
    assert learner.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=1e-6)


def test_the_same_inputs_give_the_same_bytes(learned):
    """Fitted again, in this process."""
    X, y, learner = learned
    assert ScorecardClassifier().fit(X.copy(), y.copy()).card_.to_json() == learner.card_.to_json()


def test_two_processes_learn_the_same_card():
    """Each with another seed of Python's own hashes: one sha256."""
    said = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        code = "from tests.golden.make import learned; print(learned().sha256)"
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        said.append(ended.stdout)
    assert said[0] == said[1]
    assert len(said[0].strip()) == 64


def test_the_order_of_rows_does_not_matter_where_accounts_are_named(learned):
    """Folds are dealt by account: the same weights and points, other numbers but for the order of their sums."""
    X, y, _ = learned
    account = np.array([f"A{i}" for i in range(len(X))])
    order = np.random.default_rng(1).permutation(len(X))
    card = ScorecardClassifier(**QUICK).fit(X, y, groups=account).card_
    again = ScorecardClassifier(**QUICK).fit(X.iloc[order], y[order], groups=account[order]).card_
    assert again.weights == card.weights
    assert [m.curve.levels for m in again.measures] == [m.curve.levels for m in card.measures]
    assert numbers_of(again) == pytest.approx(numbers_of(card), rel=1e-6)


def test_the_order_of_unnamed_rows_hardly_matters(learned):
    """Folds are then dealt by row, so another order may choose another price; the same accounts stay at risk."""
    X, y, learner = learned
    order = np.random.default_rng(1).permutation(len(X))
    shuffled = ScorecardClassifier().fit(X.iloc[order], y[order])
    assert np.corrcoef(shuffled.health(X), learner.health(X))[0, 1] > 0.93
    assert np.abs(shuffled.predict_proba(X) - learner.predict_proba(X)).mean() < 0.06


def test_a_table_of_noise_gives_an_empty_card():
    """With 150 churners it predicts the base rate, can be printed, drawn and stored, and nobody is red."""
    rng = np.random.default_rng(12)
    X = pd.DataFrame({"a": rng.normal(size=600), "b": rng.choice(list("xyz"), 600)})
    y = (np.arange(600) % 4 == 0).astype(int)
    learner = ScorecardClassifier().fit(X, y)
    card = learner.card_
    assert card.measures == ()
    assert card.left_out == ("a", "b")
    assert learner.predict_proba(X)[:, 1] == pytest.approx(np.full(600, 0.25))
    assert "left out for lack of evidence: a, b" in to_text(card)
    assert "| measure |" in to_markdown(card)
    assert Scorecard.from_json(card.to_json()) == card
    assert points_figure(card) is not None
    assert_scorecard(card, X)


def test_a_column_that_is_never_filled_is_left_out(learned):
    """All gaps, numbers or text: nothing to learn, nothing to stumble over."""
    X, y, _ = learned
    empty = X.assign(void=np.nan, nothing=pd.Series([None] * len(X), dtype=object))
    card = ScorecardClassifier(**QUICK).fit(empty, y).card_
    assert {"void", "nothing"} <= set(card.left_out)


def test_the_label_that_means_churned_can_be_named():
    """ "churned" sorts before "stayed": named, it is the risk; probabilities stand in the order of classes_."""
    X, y = customers()
    words = np.where(y == 1, "churned", "stayed")
    numbers = ScorecardClassifier(**QUICK).fit(X, y)
    named = ScorecardClassifier(churned_class="churned", **QUICK).fit(X, words)
    assert named.card_ == numbers.card_
    assert named.classes_.tolist() == ["churned", "stayed"]
    np.testing.assert_array_equal(named.predict_proba(X), numbers.predict_proba(X)[:, ::-1])
    assert ((named.predict(X) == "churned") == (numbers.predict(X) == 1)).mean() > 0.99
    with pytest.raises(DataError, match=r"CF105 y: expected the label 'gone' .*came 2 \(churned, stayed\)"):
        ScorecardClassifier(churned_class="gone", **QUICK).fit(X, words)
