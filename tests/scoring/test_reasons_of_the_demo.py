"""Reasons of a whole run: they sum to the distance from the reference and are SHAP's values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.conftest import CARD

from churnfit.files import read_parquet
from churnfit.jobs.queue import queue
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.card import Scorecard


@pytest.fixture(scope="module")
def published(demo_workspace: Workspace) -> tuple[Scorecard, dict[str, pd.DataFrame]]:
    """The champion, and the tables of the demo's run."""
    registry = demo_workspace.registry()
    card = registry.load(registry.resolve(CARD, "champion"))
    store = demo_workspace.store()
    run = store.latest_run(CARD)
    store.close()
    assert run is not None
    folder = demo_workspace.folder / run.folder
    return card, {name: read_parquet(folder / f"{name}.parquet") for name in ("scores", "reasons", "snapshot")}


def test_every_ctas_reasons_sum_to_its_distance_from_the_average(
    demo_workspace: Workspace, published: tuple[Scorecard, dict[str, pd.DataFrame]]
) -> None:
    """Health minus expected health, to 1e-9, for each account somebody is asked to call, and for all others."""
    card, tables = published
    sums = tables["reasons"].groupby("account_id")["health_points"].sum()
    rows = queue(demo_workspace, CARD)
    assert rows
    for row in rows:
        assert abs(sums[row.cta.account_id] - (row.cta.health - card.expected_health)) <= 1e-9
    scores = tables["scores"].set_index("account_id")
    assert (sums - (scores["health"] - card.expected_health)).abs().max() <= 1e-9


def test_reasons_are_the_shap_librarys_values(published: tuple[Scorecard, dict[str, pd.DataFrame]]) -> None:
    """The permutation explainer, asked about the health of twenty accounts, gives the same values to 1e-9.

    Each measure enters as an index into the values that the run's accounts have, so that numbers, categories and
    missing states are explained alike. The background is a single row of such indices, so what is compared is each
    measure's points minus the background's points: the stored reason plus what separates the two references.
    """
    shap = pytest.importorskip("shap")
    card, tables = published
    snapshot, reasons = tables["snapshot"], tables["reasons"]
    points = card.points(snapshot).to_numpy()
    names = [measure.name for measure in card.measures]

    def health_of(indices: np.ndarray) -> np.ndarray:
        parts = [points[indices[:, j].astype(int), j] for j in range(len(names))]
        return np.sum(parts, axis=0)

    background = np.zeros((1, len(names)))
    rows = np.arange(1, 21)
    explained = np.repeat(rows[:, None], len(names), axis=1).astype(float)
    explainer = shap.PermutationExplainer(health_of, background, seed=1)
    values = explainer(explained, max_evals=4 * len(names) + 2, silent=True).values
    expected = np.array([measure.expected_points for measure in card.measures])
    stored = reasons.pivot_table(index="account_id", columns="measure", values="health_points")[names]
    mine = stored.loc[snapshot["account_id"].iloc[rows]].to_numpy()
    np.testing.assert_allclose(mine, values + points[0] - expected, atol=1e-9)


def test_reasons_are_linear_shap_of_the_points(published: tuple[Scorecard, dict[str, pd.DataFrame]]) -> None:
    """With the reference cohort's mean as base, linear SHAP of the sum of points is the stored reason, to 1e-9."""
    shap = pytest.importorskip("shap")
    card, tables = published
    names = [measure.name for measure in card.measures]
    points = card.points(tables["snapshot"])
    expected = np.array([[measure.expected_points for measure in card.measures]])
    explainer = shap.LinearExplainer((np.ones(len(names)), 0.0), expected)
    values = explainer.shap_values(points.to_numpy())
    stored = tables["reasons"].pivot_table(index="account_id", columns="measure", values="health_points")[names]
    mine = stored.loc[tables["snapshot"]["account_id"]].to_numpy()
    np.testing.assert_allclose(mine, values, atol=1e-9)


def test_probability_points_sum_to_the_distance_in_probability(
    published: tuple[Scorecard, dict[str, pd.DataFrame]],
) -> None:
    """An account's shares add up to its churn probability minus that of average health in its segment, to 1e-9."""
    card, tables = published
    scores = tables["scores"]
    sums = tables["reasons"].groupby("account_id")["probability_points"].sum().loc[scores["account_id"]].to_numpy()
    average = card.probability_of(np.full(len(scores), card.expected_health), scores["segment"])
    np.testing.assert_allclose(sums, scores["churn_probability"].to_numpy() - average, atol=1e-9)
