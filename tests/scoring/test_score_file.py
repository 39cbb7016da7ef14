"""A Parquet snapshot scored into a Parquet table: whole, in order, or not at all."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.paired_card import PAIRED
from tests.small_card import BANDS, CARD, HEALTH, contents, snapshot

from churnfit.errors import DataError, UsageError
from churnfit.files import read_parquet, write_parquet
from churnfit.scoring.score_file import batches, score_file


def source_of(folder: Path, frame: pd.DataFrame | None = None) -> Path:
    """Return a file of the small card's accounts, or of `frame`."""
    write_parquet(snapshot() if frame is None else frame, folder / "in" / "snapshot.parquet")
    return folder / "in" / "snapshot.parquet"


def test_a_file_of_accounts_becomes_a_file_of_scores(tmp_path: Path) -> None:
    """Health by hand, bands counted, reasons as in the queue, worst first; nothing else lies beside the target."""
    done = score_file(CARD, source_of(tmp_path), target=tmp_path / "scores.parquet")
    table = read_parquet(tmp_path / "scores.parquet")
    assert (done.rows, done.bands) == (4, {"red": 2, "amber": 0, "green": 2})
    assert table["account_id"].tolist() == ["A", "B", "C", "D"]
    assert table["health"].tolist() == HEALTH
    assert table["band"].tolist() == BANDS
    assert table["coverage"].tolist() == [1.0, 1.0, 0.5, 0.8]
    assert table["points_logins"].tolist() == [50.0, 10.0, 5.0, 35.0]
    assert table.loc[1, ["reason_1", "reason_2", "reason_3"]].tolist() == [
        "Tickets: 0; healthy 1 to 5; peers' median 0.5; red, -15.0 health points",
        "Logins: 2; healthy from 4; peers' median 4.5; red, -10.0 health points",
        "Goal: growth; healthy cost; red, -10.0 health points",
    ]
    assert table.loc[0, ["reason_1", "reason_2", "reason_3"]].isna().all()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["scores.parquet"]


def test_many_row_groups_and_blocks_are_the_same_rows(tmp_path: Path) -> None:
    """A thousand accounts in row groups of 300, in blocks of 128, score as the four they repeat."""
    many = snapshot(*(f"A{number:04d}" for number in range(1000)))
    plain = source_of(tmp_path, many)
    pq.write_table(pq.read_table(plain), tmp_path / "grouped.parquet", row_group_size=300)
    with pq.ParquetFile(tmp_path / "grouped.parquet") as file:
        assert [len(batch) for batch in batches(file, ["account_id"], 128)] == [128, 128, 44] * 3 + [100]
    score_file(CARD, tmp_path / "grouped.parquet", target=tmp_path / "grouped-scores.parquet", block=128)
    score_file(CARD, plain, target=tmp_path / "scores.parquet")
    found = read_parquet(tmp_path / "grouped-scores.parquet")
    pd.testing.assert_frame_equal(found, read_parquet(tmp_path / "scores.parquet"))
    assert found["account_id"].tolist() == many["account_id"].tolist()
    assert found["health"].tolist() == HEALTH * 250


def test_other_readers_find_the_same_scores(tmp_path: Path) -> None:
    """DuckDB reads what pandas reads; what is reckoned is never null, and the file says so."""
    score_file(CARD, source_of(tmp_path), target=tmp_path / "scores.parquet")
    table = read_parquet(tmp_path / "scores.parquet")
    found = duckdb.sql(f"SELECT * FROM '{tmp_path / 'scores.parquet'}'").to_arrow_table().to_pandas()
    names = [name for name in table if name != "as_of"]  # DuckDB has it in the session's zone
    pd.testing.assert_frame_equal(found[names], table[names])
    required = [field.name for field in pq.read_schema(tmp_path / "scores.parquet") if not field.nullable]
    points = ["points_logins", "points_tickets", "points_goal"]
    assert required == ["health", "churn_probability", "band", "coverage", *points]


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing depends on the clock or on what was scored before."""
    source = source_of(tmp_path)
    for name in ("one", "other"):
        score_file(PAIRED, source, target=tmp_path / name / "scores.parquet")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_whole_numbers_and_dictionaries_are_read_as_what_they_are(tmp_path: Path) -> None:
    """Counts as int32 or decimals, categories as dictionaries, no state columns: the same points."""
    frame = snapshot().drop(columns=["logins__state", "tickets__state", "goal__state"])
    table = pq.read_table(source_of(tmp_path, frame))
    other = {
        "logins": pa.array([10, 2, None, 7], pa.int32()),
        "tickets": pa.array([2, 0, 6, 1], pa.int64()).cast(pa.decimal128(21, 2)),
        "goal": pa.array(["cost", "growth", "growth", None]).dictionary_encode(),
    }
    for name, column in other.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, tmp_path / "other.parquet")
    score_file(CARD, tmp_path / "other.parquet", target=tmp_path / "scores.parquet")
    # C's gap has no state: the expected 20 points instead of 5
    assert read_parquet(tmp_path / "scores.parquet")["health"].tolist() == [HEALTH[0], HEALTH[1], 30.0, HEALTH[3]]


def test_no_account_has_no_scores(tmp_path: Path) -> None:
    """An empty snapshot gives an empty table with the same columns."""
    done = score_file(CARD, source_of(tmp_path, snapshot().iloc[:0]), target=tmp_path / "scores.parquet")
    assert (done.rows, sum(done.bands.values())) == (0, 0)
    names = pq.read_schema(tmp_path / "scores.parquet").names
    assert [name for name in names if name.startswith(("points_", "reason_"))] == [
        *("points_logins", "points_tickets", "points_goal"),
        *("reason_1", "reason_2", "reason_3"),
    ]


def test_a_file_that_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    """CF506, and the file is as it was; with `replace` it is another."""
    target = tmp_path / "scores.parquet"
    target.write_text("mine")
    with pytest.raises(UsageError, match="CF506"):
        score_file(CARD, source_of(tmp_path), target=target)
    assert target.read_text() == "mine"
    assert score_file(CARD, source_of(tmp_path), target=target, replace=True).rows == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.drop(columns="tickets"), r"CF217 .*: expected a column 'tickets'; came none"),
        (lambda f: f.drop(columns="account_id"), r"CF217 .*: expected a column 'account_id'"),
        (lambda f: f.assign(logins="many"), r"CF212 .*column 'logins': expected numbers; came (large_)?string"),
        (lambda f: f.assign(goal=1.5), r"CF212 .*column 'goal': expected text; came double"),
        (lambda f: f.assign(goal__state=np.arange(4)), r"CF212 .*column 'goal__state': expected text; came int64"),
    ],
)
def test_a_wrong_column_stops_before_anything_is_written(tmp_path: Path, spoil, message) -> None:
    """The error names file and column; no target, no half of one."""
    source = source_of(tmp_path, spoil(snapshot()))
    with pytest.raises(DataError, match=message):
        score_file(CARD, source, target=tmp_path / "scores.parquet")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_file_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    """None at all (CF401), no Parquet (CF402), and one whose pages are damaged half-way (CF402)."""
    with pytest.raises(DataError, match="CF401"):
        score_file(CARD, tmp_path / "none.parquet", target=tmp_path / "scores.parquet")
    text = tmp_path / "text.parquet"
    text.write_text("account_id,logins")
    with pytest.raises(DataError, match="CF402"):
        score_file(CARD, text, target=tmp_path / "scores.parquet")
    whole = pq.read_table(source_of(tmp_path, snapshot(*(f"A{number}" for number in range(4000)))))
    damaged = tmp_path / "damaged.parquet"
    pq.write_table(whole, damaged, row_group_size=1000, compression="zstd")
    start = pq.read_metadata(damaged).row_group(3).column(0).data_page_offset
    data = bytearray(damaged.read_bytes())
    data[start : start + 200] = b"\xff" * 200
    damaged.write_bytes(data)
    with pytest.raises(DataError, match="CF402"):
        score_file(CARD, damaged, target=tmp_path / "scores.parquet", block=1000)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["damaged.parquet", "text.parquet"]
