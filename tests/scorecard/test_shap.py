"""Reasons: the same numbers as the shap library, and sums that leave nothing over."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.paired_card import PAIRED
from tests.small_card import CARD, HEALTH, snapshot

from churnfit.scorecard.points import Categorical
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


GOALS = np.array(["cost", "growth", "never heard of", None], dtype=object)


def some_accounts():
    """Return sixty reference accounts that the cards know all about, and twenty to explain with gaps and unseen goals.

    What a card has never seen earns the average of the reference, so the reference holds none of it.
    """
    rng = np.random.default_rng(5)
    raw = np.column_stack([rng.integers(0, 13, 80), rng.integers(0, 8, 80), rng.integers(0, 2, 80)]).astype(float)
    raw[::7, 0] = np.nan  # asked, no answer
    raw[60::3, 1] = np.nan
    raw[60:, 2] = rng.integers(0, 4, 20)
    return raw[:60], raw[60:]


def as_snapshot(raw):
    """Return the accounts as a snapshot."""
    table = pd.DataFrame({"logins": raw[:, 0], "tickets": raw[:, 1], "goal": GOALS[raw[:, 2].astype(int)]})
    return table.assign(logins__state=np.where(table["logins"].isna(), "no_answer", None))


@pytest.mark.parametrize("card", [CARD, PAIRED], ids=["category", "pair"])
def test_reasons_of_categories_and_pairs_are_the_shap_library_s_values(card):
    """Its exact explainer agrees to 1e-9 where a player is all that one line reads: of a pair, both members at once.

    Players are numbers of accounts: a line is scored on what that account has, the background is the reference.
    """
    shap = pytest.importorskip("shap")
    reference, explained = some_accounts()
    card = card.with_reference(as_snapshot(reference))
    columns, pairs = ["logins", "tickets", "goal"], {pair.name: pair.members for pair in card.pairs}
    reads = [[columns.index(name) for name in pairs.get(line, (line,))] for line in card.weights]
    everybody = np.concatenate([reference, explained])

    def health_of(players):
        mixed = np.empty((len(players), 3))
        for player, places in enumerate(reads):
            mixed[:, places] = everybody[players[:, player].astype(int)][:, places]
        return card.health(as_snapshot(mixed))

    numbers = np.repeat(np.arange(80.0)[:, None], len(reads), axis=1)
    explainer = shap.explainers.Exact(health_of, shap.maskers.Independent(numbers[:60], max_samples=60))
    theirs = explainer(numbers[60:])
    ours = shap_values(card, card.points(as_snapshot(explained)))
    assert np.abs(ours.to_numpy() - theirs.values).max() < 1e-9
    assert card.expected_health == pytest.approx(float(theirs.base_values[0]), abs=1e-9)


def test_a_pair_s_reason_is_what_shap_gives_its_members_together():
    """The library splits the pair between tickets and goal; both parts sum to the pair's reason to 1e-9."""
    shap = pytest.importorskip("shap")
    reference, explained = some_accounts()
    card = PAIRED.with_reference(as_snapshot(reference))
    masker = shap.maskers.Independent(reference, max_samples=60)
    theirs = shap.explainers.Exact(lambda raw: card.health(as_snapshot(raw)), masker)(explained).values
    ours = shap_values(card, card.points(as_snapshot(explained)))
    assert np.abs(ours["tickets × goal"].to_numpy() - theirs[:, 1:].sum(axis=1)).max() < 1e-9
    assert np.abs(ours["logins"].to_numpy() - theirs[:, 0]).max() < 1e-9
    assert np.abs(theirs[:, 1:]).min(axis=1).max() > 0.5  # both members do have a part


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


def own_words(text, row, peers=None):
    """Return the reason of logins where the card has that text for it."""
    lines = (replace(CARD.measure("logins"), says=text), *CARD.measures[1:])
    return reason_sentence(replace(CARD, measures=lines), "logins", snapshot().iloc[row], peers=peers)


def test_a_reason_is_said_in_the_measure_s_own_words():
    """Every name is filled in, once; the value of a name is no text to be filled in again."""
    text = "{label}: only {value} (healthy {healthy}; peers {peers}), {colour}, {points} points"
    assert own_words(text, 1, peers=7.0) == "Logins: only 2 (healthy from 4; peers 7), red, -10.0 points"
    goal = replace(CARD.measure("goal"), says="They want {value}", curve=Categorical(("{label}", "cost"), (0.0, 20.0)))
    row = snapshot().iloc[1].copy()
    row["goal"] = "{label}"
    assert reason_sentence(replace(CARD, measures=(goal,)), "goal", row) == "They want {label}"


def test_own_words_that_do_not_fit_give_way_to_the_standard_ones():
    """C has a gap, and nobody said what B's peers have."""
    assert own_words("Only {value} logins", 2) == "Logins: asked, no answer; healthy from 4; red, -15.0 health points"
    assert own_words("{value}; peers {peers}", 1) == "Logins: 2; healthy from 4; red, -10.0 health points"


def test_the_summary_figure_of_a_challenger_can_be_saved(tmp_path):
    """Text columns are shown by their order; the file is a picture."""
    design = pd.DataFrame({"logins": [1.0, 2.0, np.nan, 4.0], "goal": ["cost", "growth", None, "cost"]})
    figure = summary_figure(np.array([[0.1, -0.2], [0.3, 0.0], [-0.1, 0.2], [0.0, 0.1]]), design)
    figure.savefig(tmp_path / "summary.png")
    assert (tmp_path / "summary.png").read_bytes().startswith(b"\x89PNG")
    assert figure.axes[0].get_xlabel().startswith("SHAP value (churn logits)")
