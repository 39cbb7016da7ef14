import numpy as np
import pandas as pd
import pytest

from churnfit.errors import DataError
from churnfit.evaluation.backtest import split


def frame(*rows):
    """Rows of (account, stage start, as_of, churned), dates without the year 2025."""
    table = pd.DataFrame(rows, columns=["account_id", "started_at", "as_of", "churned"])
    for name in ("started_at", "as_of"):
        table[name] = pd.to_datetime("2025-" + table[name]).dt.tz_localize("UTC")
    return table


DATED = {"train_before": "2025-03-01", "judge_from": "2025-05-01"}
ROWS = frame(
    ("A", "01-01", "01-15", 1),  # label window to 02-14
    ("A", "01-01", "04-16", 0),  # to 05-16: reaches the first judged as_of, 05-15
    ("B", "01-10", "04-15", 0),  # to 05-15: ends exactly there
    ("C", "03-10", "03-20", 1),  # between the dates
    ("D", "05-01", "05-15", 1),
    ("E", "05-02", "05-20", 0),
)


def test_training_rows_whose_label_window_reaches_the_judged_rows_are_dropped(make_spec):
    """With a 30-day horizon row 1 ends one day too late, row 2 just in time; row 3 is between the dates."""
    found = split(ROWS, make_spec(cohort={"horizon_days": 30}, evaluation=DATED))
    assert found.train_rows.tolist() == [0, 2]
    assert found.judge_rows.tolist() == [4, 5]
    assert (found.embargoed, found.set_aside, found.method) == (1, 1, "out_of_time")
    assert "before 2025-03-01 train (2 rows)" in found.sentence
    assert "from 2025-05-01 judge (2 rows, the first seen on 2025-05-15)" in found.sentence
    assert "1 training rows were dropped" in found.sentence
    assert "1 rows of stages between" in found.sentence


def test_labels_that_were_not_reported_yet_teach_nothing(make_spec):
    """With a day of reporting lag row 2 was known a day too late as well."""
    rows = pd.concat([ROWS, frame(("F", "01-01", "01-20", 0))], ignore_index=True)
    found = split(rows, make_spec(cohort={"horizon_days": 30, "reporting_lag_days": 1}, evaluation=DATED))
    assert found.train_rows.tolist() == [0, 6]
    assert "30-day label window (and reporting lag in days: 1) reaches" in found.sentence


def test_without_dates_the_newest_share_of_rows_judges(make_spec):
    """Ten accounts begin on ten days; a judge_share of 0.3 is the newest three."""
    rows = frame(*[(f"A{i}", f"{i + 1:02d}-01", f"{i + 1:02d}-02", i % 2) for i in range(10)])
    found = split(rows, make_spec(cohort={"horizon_days": 1}, evaluation={"judge_share": 0.3}))
    assert found.judge_rows.tolist() == [7, 8, 9]
    assert found.train_rows.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert found.judge_from == pd.Timestamp("2025-08-01", tz="UTC")


def test_an_account_with_two_stages_stays_with_its_first(make_spec):
    """A began twice, in January and in May: none of its rows judges."""
    rows = pd.concat([ROWS, frame(("A", "05-03", "05-20", 1))], ignore_index=True)
    found = split(rows, make_spec(cohort={"horizon_days": 30}, evaluation=DATED))
    assert not set(rows.loc[found.train_rows, "account_id"]) & set(rows.loc[found.judge_rows, "account_id"])
    assert 6 not in found.judge_rows


def test_the_first_snapshot_stands_for_a_missing_stage_start(make_spec):
    """A wide table has no started_at: accounts are placed by their first as_of."""
    rows = pd.concat([ROWS, frame(("F", "02-01", "02-05", 0))], ignore_index=True).drop(columns="started_at")
    found = split(rows, make_spec(cohort={"horizon_days": 30}, evaluation=DATED))
    assert found.judge_rows.tolist() == [4, 5]
    assert found.train_rows.tolist() == [0, 6]  # B was first seen in April, between the dates


def test_held_out_accounts_do_not_depend_on_who_else_is_there(make_spec):
    """An account's side is a hash of its id: dropping others moves nobody; about the share is held out."""
    rows = pd.DataFrame(
        {
            "account_id": np.repeat([f"A{i}" for i in range(1000)], 2),
            "as_of": pd.Timestamp("2025-01-01", tz="UTC"),
            "churned": np.tile([0, 1], 1000),
        }
    )
    spec = make_spec(evaluation={"method": "held_out_accounts", "judge_share": 0.3})
    found, half = split(rows, spec), split(rows.iloc[:1000], spec)
    assert len(found.judge_rows) / 2000 == pytest.approx(0.3, abs=0.04)
    assert half.judge_rows.tolist() == [row for row in found.judge_rows if row < 1000]
    assert not set(rows.loc[found.train_rows, "account_id"]) & set(rows.loc[found.judge_rows, "account_id"])
    assert found.sentence.startswith("Held-out accounts, not out of time")


def test_an_empty_side_names_the_counts_and_the_fix(make_spec):
    """A horizon that swallows every training row says that the embargo did it."""
    with pytest.raises(DataError, match=r"CF110.*0 training rows.*3 rows fell to the embargo.*shorten cohort"):
        split(ROWS, make_spec(cohort={"horizon_days": 365}, evaluation=DATED))


def test_one_class_on_a_side_is_an_error(make_spec):
    """Two judged rows that both churned cannot judge."""
    with pytest.raises(DataError, match=r"CF102.*2 judged rows \(2 churned\)"):
        split(ROWS.assign(churned=[1, 0, 0, 1, 1, 1]), make_spec(cohort={"horizon_days": 30}, evaluation=DATED))


def test_stages_of_a_single_day_cannot_be_split_in_time(make_spec):
    """All began together: the message names the other method."""
    rows = frame(("A", "01-01", "01-15", 1), ("B", "01-01", "01-15", 0))
    with pytest.raises(DataError, match=r"CF110.*different days.*held_out_accounts"):
        split(rows, make_spec())
