from itertools import chain, combinations
from math import factorial

import lightgbm
import numpy as np
import pytest

from churnfit.learning.boosting import Task
from churnfit.learning.tree_interactions import _FEW_PLAYERS, _leaves, interaction_values

SETTINGS = {"num_leaves": 8, "learning_rate": 0.3, "min_data_in_leaf": 20}


def task(categorical=()):
    """800 rows of two numbers with gaps and a code of 0 to 5; churn needs both numbers, or code 2 and a high first."""
    generator = np.random.default_rng(3)
    design = np.column_stack([generator.normal(size=(800, 2)), generator.integers(0, 6, 800)]).astype(float)
    risk = 2 * design[:, 0] * design[:, 1] + 2 * (design[:, 2] == 2) * np.sign(design[:, 0])
    labels = (generator.random(800) < 1 / (1 + np.exp(-risk))).astype(float)
    design[::13, 0] = np.nan
    design[::17, 2] = np.nan
    return Task(design=design, labels=labels, categorical=categorical, random_state=7)


def rows():
    """Fifty rows with gaps, an unheard-of code and exact zeros."""
    design = task().design[:50].copy()
    design[0] = [0.0, 0.0, 0.0]
    design[1] = [np.nan, np.nan, np.nan]
    design[2, 2] = 99.0
    return design


def expected(node, row, known):
    """The tree's output when only the columns in `known` are: the other splits send training's shares both ways."""
    if "leaf_value" in node:
        return node["leaf_value"]
    sides = node["left_child"], node["right_child"]
    if node["split_feature"] not in known:
        counts = [side.get("leaf_count", side.get("internal_count")) for side in sides]
        return sum(count * expected(side, row, known) for count, side in zip(counts, sides, strict=True)) / sum(counts)
    value = row[node["split_feature"]]
    if node["decision_type"] == "==":
        left = not np.isnan(value) and str(int(value)) in node["threshold"].split("||")
    elif np.isnan(value):
        left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
    else:
        left = value <= node["threshold"]
    return expected(sides[0] if left else sides[1], row, known)


def by_enumeration(booster, row, players):
    """Shapley values and interaction indices from every coalition of players, straight from the definition."""
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    who = sorted(set(players))

    def worth(coalition):
        known = {column for column, player in enumerate(players) if player in coalition}
        return sum(expected(tree, row, known) for tree in trees)

    def coalitions(out):
        rest = [player for player in who if player not in out]
        return map(set, chain.from_iterable(combinations(rest, size) for size in range(len(rest) + 1)))

    n = len(who)
    single = {
        i: sum(factorial(len(s)) * factorial(n - len(s) - 1) / factorial(n) * (worth(s | {i}) - worth(s))
               for s in coalitions({i}))
        for i in who
    }  # fmt: skip
    pairs = {
        (i, j): sum(factorial(len(s)) * factorial(n - len(s) - 2) / factorial(n - 1)
                    * (worth(s | {i, j}) - worth(s | {i}) - worth(s | {j}) + worth(s)) for s in coalitions({i, j}))
        for i, j in combinations(who, 2)
    }  # fmt: skip
    return single, pairs


@pytest.mark.parametrize("categorical", [(), (2,)])
def test_they_are_those_of_the_definition(categorical):
    """Every coalition enumerated gives the same, with categories too; the enumeration itself agrees with LightGBM's
    own Shapley values."""
    booster = task(categorical).train(SETTINGS, 10)
    found = interaction_values(booster, rows(), [0, 1, 2])
    shapley = booster.predict(rows(), pred_contrib=True)
    for place, row in enumerate(rows()[:12]):
        single, pairs = by_enumeration(booster, row, [0, 1, 2])
        assert list(single.values()) == pytest.approx(shapley[place, :3], abs=1e-9)
        assert {pair: values[place] for pair, values in found.items()} == pytest.approx(pairs, abs=1e-9)


def test_a_measure_and_its_state_are_one_player():
    """With two columns in one player, what these two say together is no interaction."""
    booster = task((2,)).train(SETTINGS, 10)
    found = interaction_values(booster, rows(), [0, 1, 0])
    assert list(found) == [(0, 1)]
    for place, row in enumerate(rows()[:12]):
        assert found[0, 1][place] == pytest.approx(by_enumeration(booster, row, [0, 1, 0])[1][0, 1], abs=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_shap_agrees_where_every_split_is_numeric():
    """And differs with categories, which it takes for numbers: the day this fails, shap can be used."""
    import shap

    known = np.nan_to_num(rows(), nan=0.5)
    for categorical, agrees in (((), True), ((2,), False)):
        booster = task(categorical).train(SETTINGS, 40)
        oracle = 2 * shap.TreeExplainer(booster).shap_interaction_values(known)
        found = interaction_values(booster, known, [0, 1, 2])
        distance = max(np.abs(values - oracle[:, i, j]).max() for (i, j), values in found.items())
        assert bool(distance < 1e-9) is agrees


def test_columns_kept_apart_do_not_interact():
    """A model whose trees hold one column each has none at all."""
    booster = task((2,)).train(SETTINGS, 20, alone=[[0], [1], [2]])
    assert isinstance(booster, lightgbm.Booster)
    assert interaction_values(booster, rows(), [0, 1, 2]) == {}


@pytest.mark.filterwarnings("ignore")
def test_deep_leaves_are_exact_too():
    """Leaves behind ten different columns, more than a table of patterns is made for: as shap says."""
    import shap

    generator = np.random.default_rng(4)
    design = generator.normal(size=(3000, 12))
    labels = (generator.random(3000) < 1 / (1 + np.exp(-design.sum(axis=1)))).astype(float)
    deep = Task(design=design, labels=labels, categorical=(), random_state=7)
    booster = deep.train({"num_leaves": 200, "min_data_in_leaf": 2, "learning_rate": 0.5}, 3)
    found = interaction_values(booster, design[:40], range(12))
    oracle = 2 * shap.TreeExplainer(booster).shap_interaction_values(design[:40])
    assert max(np.abs(values - oracle[:, i, j]).max() for (i, j), values in found.items()) < 1e-9
    deepest = max(
        len(leaf.hit)
        for tree in booster.dump_model()["tree_info"]
        for leaf in _leaves(tree["tree_structure"], design[:1], range(12))
    )
    assert deepest > _FEW_PLAYERS
