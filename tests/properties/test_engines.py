"""Whatever the card and the table, the blockwise scorer gives what the card gives, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.paired_card import PAIRED
from tests.properties.test_card import cards, snapshots_of

from churnfit.files import read_parquet, write_parquet
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scoring.batch import score, words_of
from churnfit.scoring.score_file import score_file


def on_the_edges(card: Scorecard, table: pd.DataFrame, draw: st.DataObject) -> pd.DataFrame:
    """Return `table` with some values on thresholds, on their neighbours, or minus nought."""
    table = table.assign(segment=draw.draw(st.lists(st.sampled_from(["smb", "mid", None]), min_size=6, max_size=6)))
    for measure in card.measures:
        curve = measure.curve
        if isinstance(curve, Categorical):
            continue
        places = curve.knots if isinstance(curve, Graded) else curve.cuts
        exact = [*places, -0.0, *np.nextafter(places, np.inf), *np.nextafter(places, -np.inf)]
        for row in draw.draw(st.sets(st.integers(0, len(table) - 1))):
            table.loc[row, measure.name] = draw.draw(st.sampled_from([float(place) for place in exact]))
    return table


def scored_in_blocks(card: Scorecard, table: pd.DataFrame, block: int) -> pd.DataFrame:
    """Return what the blockwise scorer writes, read back."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "snapshot.parquet"), Path(folder, "scores.parquet")
        write_parquet(table, source)
        score_file(card, source, target=target, block=block)
        return read_parquet(target)


def assert_the_cards_own(card: Scorecard, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """Assert that scores are those of the nightly run, bit by bit, and reasons are its words."""
    run = score(card, table.assign(stage_day=1, owner=None, arr=1.0), key="k")
    for name in ("health", "churn_probability", "coverage", *(f"points_{line}" for line in card.weights)):
        np.testing.assert_array_equal(found[name], run.scores[name].to_numpy(np.float64), err_msg=name)
    assert found["band"].tolist() == run.scores["band"].tolist()
    words = words_of(card, run, table["account_id"].tolist())
    for place, account_id in enumerate(table["account_id"]):
        told = found.loc[place, ["reason_1", "reason_2", "reason_3"]]
        assert told.dropna().tolist() == words[account_id]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_blocks_give_the_cards_scores_and_words(data: st.DataObject) -> None:
    """Ties on thresholds, gaps, infinite values, −0.0, unseen categories and states; in blocks of two rows too."""
    card = data.draw(cards())
    table = on_the_edges(card, data.draw(snapshots_of(card)), data)
    assert_the_cards_own(card, table, scored_in_blocks(card, table, data.draw(st.sampled_from([2, 100]))))


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_blocks_give_a_pairs_scores_and_words(data: st.DataObject) -> None:
    """A pair of a number and a category, gaps and unseen categories among them; no segment has an offset too."""
    rows = 6
    drawn = {
        "logins": st.sampled_from([0.0, 3.3, 10.0, 99.0, None]),
        "tickets": st.sampled_from([2.9999999999999996, 3.0, -0.0, 50.0, None]),
        "goal": st.sampled_from(["cost", "growth", "unseen", None]),
        "segment": st.sampled_from(["smb", None]),
        "logins__state": st.sampled_from(["never", "no_answer", None]),
        "goal__state": st.sampled_from(["not_applicable", "missing"]),
    }
    columns = {name: data.draw(st.lists(value, min_size=rows, max_size=rows)) for name, value in drawn.items()}
    table = pd.DataFrame({"account_id": list("ABCDEF"), "as_of": pd.Timestamp("2026-03-01", tz="UTC")} | columns)
    numbers = dict.fromkeys(("logins", "tickets"), "float64")
    card = replace(PAIRED, segment_offsets=(("", -0.25), ("smb", 0.5)))
    assert_the_cards_own(card, table.astype(numbers), scored_in_blocks(card, table.astype(numbers), 4))


def test_where_nobody_says_the_segment_no_segment_adds_anything(tmp_path: Path) -> None:
    """A snapshot without that column: blocks give the card's probabilities, whatever an account without one has."""
    card = replace(PAIRED, segment_offsets=(("", -0.25), ("smb", 0.5)))
    table = pd.DataFrame(
        {"account_id": ["A", "B"], "logins": [1.0, 9.0], "tickets": [0.0, 4.0], "goal": ["cost", "growth"]}
    )
    table = table.assign(as_of=pd.Timestamp("2026-03-01", tz="UTC"))
    write_parquet(table, tmp_path / "snapshot.parquet")
    score_file(card, tmp_path / "snapshot.parquet", target=tmp_path / "scores.parquet")
    found = read_parquet(tmp_path / "scores.parquet")
    assert found["churn_probability"].tolist() == card.churn_probability(table).tolist()
