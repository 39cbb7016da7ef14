"""One snapshot under one card: scores, reasons, words and the files they are published in."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.small_card import AS_OF, BANDS, CARD, HEALTH, contents, snapshot

from churnfit.errors import IntegrityError
from churnfit.files import read_parquet, write_parquet
from churnfit.scoring.batch import ScoredRun, publish, published_run, run_folder, run_key, score, words_of


def scored() -> ScoredRun:
    """Return the four accounts, scored."""
    return score(CARD, snapshot(), key="k")


def test_scores_hold_context_health_probability_band_coverage_and_points() -> None:
    """Health is the sum of points; probability follows from intercept, the segment's offset and slope."""
    table = scored().scores
    logits = [2.0 + 0.5 - 0.08 * 100, 2.0 - 0.08 * 10, 2.0 - 0.08 * 15, 2.0 - 0.08 * 75]  # only smb has an offset
    assert table["account_id"].tolist() == ["A", "B", "C", "D"]
    assert table["health"].tolist() == HEALTH
    assert table["churn_probability"].tolist() == pytest.approx([1 / (1 + math.exp(-logit)) for logit in logits])
    assert table["band"].tolist() == BANDS
    # C: logins (50 of 100) were asked and not answered; D: goal (20 of 100) is missing
    assert table["coverage"].tolist() == [1.0, 1.0, 0.5, 0.8]
    assert table["points_logins"].tolist() == [50.0, 10.0, 5.0, 35.0]
    assert table["points_tickets"].tolist() == [30.0, 0.0, 10.0, 30.0]
    assert table["points_goal"].tolist() == [20.0, 0.0, 0.0, 10.0]
    assert [str(name) for name in table.columns[:6]] == ["account_id", "as_of", "segment", "stage_day", "owner", "arr"]


def test_reasons_are_points_minus_expected_points_worst_first() -> None:
    """B has 10, 0 and 0 points where 20, 15 and 10 are expected: tickets take 15, logins 10, the goal 10."""
    table = scored().reasons
    mine = table[table["account_id"] == "B"]
    assert mine["rank"].tolist() == [1, 2, 3]
    assert mine["measure"].tolist() == ["tickets", "logins", "goal"]
    assert mine["health_points"].tolist() == [-15.0, -10.0, -10.0]
    sums = table.groupby("account_id")["health_points"].sum()
    assert sums.tolist() == [health - CARD.expected_health for health in HEALTH]
    in_probability = table.groupby("account_id")["probability_points"].sum().to_numpy()
    segments = snapshot()["segment"]
    average = CARD.probability_of(np.full(4, CARD.expected_health), segments)
    distance = CARD.probability_of(np.array(HEALTH), segments) - average
    assert in_probability == pytest.approx(distance, abs=1e-12)


def test_reasons_in_words_name_value_healthy_range_and_peers() -> None:
    """Only what costs health is said, worst first; peers are the accounts of the same segment."""
    said = words_of(CARD, scored(), ["A", "B"])
    assert said["A"] == []
    # mid: logins 2 and 7, median 4.5; tickets 0 and 1, median 0.5
    assert said["B"] == [
        "Tickets: 0; healthy 1 to 5; peers' median 0.5; red, -15.0 health points",
        "Logins: 2; healthy from 4; peers' median 4.5; red, -10.0 health points",
        "Goal: growth; healthy cost; red, -10.0 health points",
    ]


def test_the_run_key_changes_with_date_card_and_knowledge_only() -> None:
    """Same date, card and snapshot: same key; another of the three: another key."""
    key = run_key(CARD, "aa", AS_OF)
    assert key == run_key(CARD, "aa", AS_OF)
    others = [
        run_key(CARD, "ab", AS_OF),
        run_key(CARD, "aa", AS_OF + pd.Timedelta(days=1)),
        run_key(replace(CARD, slope=0.09), "aa", AS_OF),
    ]
    assert len({key, *others}) == 4


def test_publishing_twice_changes_nothing(tmp_path: Path) -> None:
    """The second publication finds the same three files and leaves every byte as it is."""
    folder = run_folder(tmp_path, "small", AS_OF, "k")
    publish(scored(), folder)
    first = contents(tmp_path)
    publish(scored(), folder)
    assert contents(tmp_path) == first
    assert sorted(first) == [
        f"small/as_of=2026-03-01/run=k/{name}.parquet" for name in ("reasons", "scores", "snapshot")
    ]
    pd.testing.assert_frame_equal(read_parquet(folder / "scores.parquet"), scored().scores)


def test_an_interrupted_publication_is_completed(tmp_path: Path) -> None:
    """Where only some files came to be, the next run writes the rest."""
    publish(scored(), tmp_path)
    whole = contents(tmp_path)
    (tmp_path / "scores.parquet").unlink()
    (tmp_path / "reasons.parquet").unlink()
    publish(scored(), tmp_path)
    assert contents(tmp_path) == whole


@pytest.mark.parametrize(
    ("name", "column"), [("scores", "health"), ("reasons", "health_points"), ("snapshot", "logins")]
)
def test_an_edited_file_is_found(tmp_path: Path, name: str, column: str) -> None:
    """A changed number in any of the run's files stops the run that would publish it again."""
    publish(scored(), tmp_path)
    path = tmp_path / f"{name}.parquet"
    table = read_parquet(path)
    write_parquet(table.assign(**{column: table[column] + 1.0}), path)
    with pytest.raises(
        IntegrityError, match=rf"CF704 .*{name}.parquet: expected the {name} of this run's key"
    ) as fault:
        publish(scored(), tmp_path)
    assert fault.value.exit_code == 4


def test_a_truncated_file_is_found(tmp_path: Path) -> None:
    """Half a file is not the run's file."""
    publish(scored(), tmp_path)
    path = tmp_path / "scores.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(IntegrityError, match="CF704"):
        publish(scored(), tmp_path)


def test_a_published_run_comes_back_whole_and_account_by_account(tmp_path: Path) -> None:
    """Key, scores, reasons and snapshot are those published; an account it does not know has none."""
    folder = run_folder(tmp_path, "small", AS_OF, "k")
    publish(scored(), folder)
    back = published_run(folder)
    assert back.key == "k"
    assert back.scores["health"].tolist() == HEALTH
    mine = back.of("C")
    assert mine.scores["health"].tolist() == [15.0]
    assert mine.reasons["measure"].tolist() == ["logins", "goal", "tickets"]  # -15, -10, -5
    assert mine.snapshot["logins__state"].tolist() == ["no_answer"]
    assert back.of("nobody").scores.empty


def test_no_account_has_no_scores() -> None:
    """An empty snapshot gives empty tables with the same columns."""
    run = score(CARD, snapshot().iloc[:0], key="k")
    assert run.scores.columns.tolist() == scored().scores.columns.tolist()
    assert (len(run.scores), len(run.reasons)) == (0, 0)
