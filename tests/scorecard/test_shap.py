"""Reasons: the same numbers as the shap library, and sums that leave nothing over."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.small_card import CARD, HEALTH, snapshot

from churnfit.scorecard.sentences import reason_sentence
from churnfit.scorecard.shap import reasons, shap_values, summary_figure


def test_a_reason_is_the_points_minus_the_average_points():
    """A earns 50, 30, 20; the average customer earns 20, 15, 10."""
    values = shap_values(CARD, CARD.points(snapshot()))
    assert values.iloc[0].tolist() == [50 - 20.0, 30 - 15.0, 20 - 10.0]


@pytest.mark.parametrize("explainer", ["Exact", "Permutation"])
def test_reasons_are_the_shap_library_s_values(explainer):
    """Its model-free explainers, run on the raw inputs with the cohort as independent background, agree to 1e-9."""
    shap = pytest.importorskip("shap")
    rng = np.random.default_rng(3)
    raw = np.column_stack([rng.integers(0, 13, 60) * 1.0, rng.integers(0, 8, 60) * 1.0, rng.integers(0, 2, 60) * 1.0])
    raw[::7, 0] = np.nan  # gaps go through the card's own missing state

    def frame(numbers):
        table = pd.DataFrame(numbers, columns=["logins", "tickets", "goal"])
        table["goal"] = np.where(table["goal"] > 0, "cost", "growth")
        return table.assign(logins__state=np.where(table["logins"].isna(), "no_answer", None))

    card = CARD.with_reference(frame(raw))
    masker = shap.maskers.Independent(raw, max_samples=len(raw))
    model = getattr(shap.explainers, explainer)(lambda numbers: card.health(frame(numbers)), masker)
    explained = model(raw[:12], silent=True) if explainer == "Permutation" else model(raw[:12])
    ours = shap_values(card, card.points(frame(raw[:12])))
    assert np.abs(ours.to_numpy() - explained.values).max() < 1e-9
    assert card.expected_health == pytest.approx(float(explained.base_values[0]), abs=1e-9)


def test_reasons_leave_nothing_over():
    """Health points sum to health − 45, probability points to the distance from the average customer's probability."""
    told = reasons(CARD, snapshot())
    sums = told.groupby("account_id")[["health_points", "probability_points"]].sum()
    assert np.abs(sums["health_points"].to_numpy() - (np.array(HEALTH) - 45.0)).max() <= 1e-9
    segments = snapshot()["segment"]
    distance = CARD.churn_probability(snapshot()) - CARD.probability_of(np.full(4, 45.0), segments)
    assert np.abs(sums["probability_points"].to_numpy() - distance).max() <= 1e-9


def test_reasons_that_cancel_out_keep_their_signs():
    """Logins +5 and tickets −5 leave health at 45: probability does not move, yet each reason has its share."""
    table = snapshot("A").assign(logins=5.0, tickets=9.0, goal="unheard of")
    told = reasons(CARD, table).set_index("measure")
    assert told["health_points"].to_dict() == {"tickets": -5.0, "goal": 0.0, "logins": 5.0}
    assert told["probability_points"].sum() == pytest.approx(0.0, abs=1e-12)
    assert told.loc["tickets", "probability_points"] > 0 > told.loc["logins", "probability_points"]


def test_reasons_come_worst_first_account_by_account():
    """B loses 15 by tickets, 10 by logins and 10 by its goal: a tie keeps the card's order."""
    told = reasons(CARD, snapshot("B2", "A1"))
    assert told["account_id"].tolist() == ["A1"] * 3 + ["B2"] * 3
    assert told["rank"].tolist() == [1, 2, 3, 1, 2, 3]
    worst = told[told["account_id"] == "A1"]  # the second row of the snapshot: two logins, no ticket, growth
    assert list(zip(worst["measure"], worst["health_points"], strict=True)) == [
        ("tickets", -15.0),
        ("logins", -10.0),
        ("goal", -10.0),
    ]


def test_a_card_without_evidence_gives_no_reasons():
    """An empty table with the same columns."""
    told = reasons(replace(CARD, measures=()), snapshot())
    assert told.empty
    assert list(told.columns) == list(reasons(CARD, snapshot()).columns)


def test_a_reason_in_words_says_value_threshold_peers_and_points():
    """Two logins earn 10 of an average 20: red, and 4 would be green."""
    said = reason_sentence(CARD, "logins", snapshot().iloc[1], peers=7.0)
    assert said == "Logins: 2; healthy from 4; peers' median 7; red, -10.0 health points"


def test_a_reason_for_a_gap_says_why_there_is_none():
    """C was asked and did not answer: 5 points instead of 20."""
    said = reason_sentence(CARD, "logins", snapshot().iloc[2])
    assert said == "Logins: asked, no answer; healthy from 4; red, -15.0 health points"


def test_the_summary_figure_of_a_challenger_can_be_saved(tmp_path):
    """Text columns are shown by their order; the file is a picture."""
    design = pd.DataFrame({"logins": [1.0, 2.0, np.nan, 4.0], "goal": ["cost", "growth", None, "cost"]})
    figure = summary_figure(np.array([[0.1, -0.2], [0.3, 0.0], [-0.1, 0.2], [0.0, 0.1]]), design)
    figure.savefig(tmp_path / "summary.png")
    assert (tmp_path / "summary.png").read_bytes().startswith(b"\x89PNG")
    assert figure.axes[0].get_xlabel().startswith("SHAP value (churn logits)")
