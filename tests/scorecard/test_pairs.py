"""Pairs on a card, by hand: weights 60 (logins) and 40 (tickets × goal)."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.invariants import assert_scorecard
from tests.paired_card import BANDS, CELLS, HEALTH, PAIR, PAIRED
from tests.small_card import CARD, snapshot

from churnfit.errors import DataError
from churnfit.registry import Ledger, Registry, RunRecord
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import coerce, input_columns
from churnfit.scorecard.diff import diff
from churnfit.scorecard.pairs import Cells, Pair
from churnfit.scorecard.plot import points_figure
from churnfit.scorecard.render import to_markdown, to_text
from churnfit.scorecard.sentences import reason_sentence
from churnfit.scorecard.shap import reasons, shap_values
from churnfit.scorecard.thresholds import value_bands
from churnfit.scorecard.words import healthy_words, value_words

NAME = "tickets × goal"


def test_a_number_on_a_cut_belongs_to_the_cell_that_begins_there():
    """Cuts 6 and 24: 6 is "6 to 24", 24 is "from 24", and a gap is a cell of its own."""
    cells = Cells(measure="tenure", cuts=(6.0, 24.0))
    assert cells.labels == ("below 6", "6 to 24", "from 24")
    given = pd.Series([5.999, 6.0, 23.999, 24.0, -1e9, 1e9, None])
    assert cells.of(given).tolist() == ["below 6", "6 to 24", "6 to 24", "from 24", "below 6", "from 24", "no data"]


def test_cells_of_large_numbers_stay_apart_and_are_written_out():
    """Six digits are not enough: 1,234,561 and 1,234,569 are two cuts."""
    labels = Cells(measure="arr", cuts=(1_234_561.0, 1_234_565.0, 1_234_569.0)).labels
    assert labels == ("below 1234561", "1234561 to 1234565", "1234565 to 1234569", "from 1234569")


def test_numbers_may_come_in_any_numeric_type():
    """Integers, nullable integers, numbers in text and booleans are cut alike."""
    cells = Cells(measure="x", cuts=(1.0,))
    for column in (pd.Series([0, 1]), pd.Series([0, 1], dtype="Int64"), pd.Series(["0", "1"])):
        assert cells.of(column).tolist() == ["below 1", "from 1"]
    assert cells.of(pd.Series([0, None], dtype="Int64")).tolist() == ["below 1", "no data"]


def test_categories_are_named_together_and_one_never_seen_is_no_cell():
    """Month and week are one group, year the other; "decade" was never seen, a gap is."""
    cells = Cells(measure="plan", groups=(("month", "week"), ("year",)))
    assert cells.labels == ("month/week", "year")
    assert cells.of(pd.Series(["week", "year", "decade", None])).tolist() == ["month/week", "year", None, "no data"]


def test_categories_that_would_read_like_another_cell_are_quoted():
    """A category called "no data" is not a gap; "a/b" is not a and b."""
    cells = Cells(measure="plan", groups=(("no data",), ("year",)))
    assert cells.labels == ("'no data'", "'year'")
    assert cells.of(pd.Series(["no data", None, "year"])).tolist() == ["'no data'", "no data", "'year'"]
    assert Cells(measure="plan", groups=(("a/b",), ("a", "b"))).labels == ("'a/b'", "'a'/'b'")


def test_a_pair_is_the_cell_of_both_and_nothing_where_either_is_unseen():
    """The four accounts in words, on their own index; an unseen goal leaves no value."""
    rows = snapshot().set_index("account_id")
    found = PAIR.of(rows)
    assert PAIR.name == found.name == NAME
    assert PAIR.members == ("tickets", "goal")
    assert found.to_dict() == dict(zip("ABCD", CELLS, strict=True))
    assert PAIR.of(rows.assign(goal="unheard of")).tolist() == [None] * 4


def test_a_pair_earns_its_cell_s_points_and_an_unseen_one_those_of_the_average_customer():
    """Two lines, added by hand in `paired_card`; an unseen goal earns the expected 16, like D's cell."""
    rows = snapshot()
    assert PAIRED.points(rows).to_numpy().tolist() == [[60.0, 40.0], [12.0, 20.0], [5.0, 0.0], [42.0, 16.0]]
    assert PAIRED.health(rows).tolist() == HEALTH
    assert PAIRED.bands.band(PAIRED.health(rows)).tolist() == BANDS
    assert PAIRED.points(rows.assign(goal="unheard of"))[NAME].tolist() == [16.0] * 4
    assert_scorecard(PAIRED, rows)


def test_reasons_of_a_card_with_a_pair_sum_to_health_less_the_expected():
    """B: 12 − 30 and 20 − 16: −14 = 32 − 46; the pair is one reason, its members none."""
    rows = snapshot()
    values = shap_values(PAIRED, PAIRED.points(rows))
    assert PAIRED.expected_health == 46.0
    assert values.iloc[1].tolist() == [-18.0, 4.0]
    assert values.sum(axis=1).tolist() == [health - 46.0 for health in HEALTH]
    found = reasons(PAIRED, rows)
    assert set(found["measure"]) == {"logins", NAME}
    assert found[found["account_id"] == "C"][["measure", "health_points"]].to_numpy().tolist() == [
        ["logins", -25.0],
        [NAME, -16.0],
    ]


def test_a_card_with_a_pair_comes_back_from_json():
    """Equal, with the same hash; cards without pairs do not mention them."""
    back = Scorecard.from_json(PAIRED.to_json())
    assert back == PAIRED
    assert back.sha256 == PAIRED.sha256 != replace(PAIRED, pairs=()).sha256
    assert back.health(snapshot()).tolist() == HEALTH
    assert "pairs" not in json.loads(CARD.to_json())
    moved = replace(PAIRED, pairs=(replace(PAIR, first=Cells(measure="tickets", cuts=(4.0,))),))
    assert moved.sha256 != PAIRED.sha256


def test_a_card_reads_the_members_of_a_pair_once_and_not_the_pair():
    """Logins, tickets and goal; a member that has a line of its own too is read once."""
    assert PAIRED.read == ("logins", "tickets", "goal")
    both = replace(PAIRED, measures=(*PAIRED.measures, CARD.measure("goal")))
    assert both.read == ("logins", "tickets", "goal")


def test_the_contract_asks_for_the_members_with_their_types():
    """Tickets are numbers, goal is text; states and the segment are optional; the pair itself is not asked for."""
    assert input_columns(PAIRED) == {
        "logins": ("double", True),
        "logins__state": ("string", False),
        "tickets": ("double", True),
        "tickets__state": ("string", False),
        "goal": ("string", True),
        "goal__state": ("string", False),
        "segment": ("string", False),
    }
    text = snapshot().assign(tickets=["2", "0", "6", "1"])
    coerced = coerce(PAIRED, text)
    assert coerced["tickets"].tolist() == [2.0, 0.0, 6.0, 1.0]
    assert NAME not in coerced
    assert PAIRED.health(coerced).tolist() == HEALTH


def test_a_pair_with_the_segment_requires_the_segment():
    """Elsewhere a segment may be absent; here it is one of the two measures."""
    by_segment = replace(PAIRED, pairs=(replace(PAIR, second=Cells(measure="segment", groups=(("smb",), ("mid",)))),))
    by_segment = replace(
        by_segment,
        measures=tuple(replace(m, name="tickets × segment") if m.name == NAME else m for m in by_segment.measures),
    )
    assert input_columns(by_segment)["segment"] == ("string", True)
    assert "segment__state" not in input_columns(by_segment)


def test_a_pair_is_backed_by_data_where_both_members_are():
    """C has no logins: 40 of 100; D has no goal: 60 of 100; where tickets are not due, logins alone count."""
    assert PAIRED.coverage(snapshot()).tolist() == [1.0, 1.0, 0.4, 0.6]
    waiting = snapshot().assign(tickets=np.nan, tickets__state="not_due")
    assert PAIRED.coverage(waiting).tolist() == [1.0, 1.0, 0.0, 1.0]
    never = snapshot().assign(tickets=np.nan, tickets__state="never")
    assert PAIRED.coverage(never).tolist() == [1.0, 1.0, 0.4, 0.6]


def test_the_pair_s_column_is_added_once():
    """A second time nothing is added, and what is there is kept; the caller's table is not touched."""
    rows = snapshot()
    once = PAIRED.with_pairs(rows)
    assert once[NAME].tolist() == CELLS
    assert NAME not in rows
    assert PAIRED.with_pairs(once) is once
    assert CARD.with_pairs(rows) is rows


def test_a_snapshot_without_a_member_is_refused():
    """The member is named, not the pair."""
    with pytest.raises(DataError, match=r"CF217 snapshot: expected a column 'goal'; came none"):
        PAIRED.health(snapshot().drop(columns="goal"))
    with pytest.raises(DataError, match=r"CF217 snapshot: expected a column 'tickets'"):
        PAIRED.points(snapshot().drop(columns="tickets"))


def test_a_pair_is_told_in_words():
    """Green from 16 points on: the two cells below three tickets; a reason names the cell."""
    line = PAIRED.measure(NAME)
    assert healthy_words(PAIRED, line) == "below 3 · cost, below 3 · growth"
    assert [run.category for run in value_bands(PAIRED, line)] == list(line.curve.values)
    assert value_words(line, "from 3 · growth", None) == "from 3 · growth"
    assert value_words(line, None, None) == "no data"
    row = PAIRED.with_pairs(snapshot()).iloc[2]
    assert reason_sentence(PAIRED, NAME, row) == (
        "Tickets × Goal: from 3 · growth; healthy below 3 · cost, below 3 · growth; red, -16.0 health points"
    )


def test_a_pair_is_drawn_printed_and_compared():
    """A panel of four bars, a line in text and Markdown, a sentence where it is new or other."""
    figure = points_figure(PAIRED)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["Logins · 60", "Tickets × Goal · 40"]
    assert "Tickets × Goal" in to_text(PAIRED)
    assert "below 3 · growth" in to_markdown(PAIRED)
    assert diff(PAIRED, PAIRED) == []
    assert any(said.startswith("Tickets × Goal: new, weight 40") for said in diff(CARD, PAIRED))
    assert "Tickets × Goal: gone (weight was 40)" in diff(PAIRED, CARD)


def test_two_numbers_make_a_pair_of_numbers():
    """Cuts on both sides: 2 × 3 cells in words."""
    pair = Pair(first=Cells(measure="logins", cuts=(5.0,)), second=Cells(measure="tickets", cuts=(1.0, 5.0)))
    assert pair.of(snapshot()).tolist() == [
        "from 5 · 1 to 5",
        "below 5 · below 1",
        "no data · from 5",
        "from 5 · 1 to 5",
    ]


def test_a_registered_card_with_a_pair_scores_as_a_model(empty_mlflow, tmp_path):
    """The stored bytes come back; the model takes the members and returns the health by hand."""
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'churnfit.db'}")
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts", ledger)
    version = registry.register(PAIRED, RunRecord(params={}, metrics={}, gates_passed=True))
    assert registry.load(version) == PAIRED
    import mlflow

    model = mlflow.pyfunc.load_model("models:/small_candidates/1")
    found = model.predict(snapshot().drop(columns=["account_id", "as_of", "owner", "arr", "stage_day"]))
    assert found["health"].tolist() == HEALTH
    assert found["band"].tolist() == BANDS
