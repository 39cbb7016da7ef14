import json

import numpy as np
import pandas as pd
import pytest

from churnfit.errors import DataError
from churnfit.evaluation.backtest import rolling_splits, split
from churnfit.evaluation.metrics import auc, log_loss
from churnfit.evaluation.rolling import rolling_backtest

HORIZON = 30


@pytest.fixture
def rows():
    """240 accounts, one started a day, looked at on days 10 and 40 of the stage; risk is known; A and B start anew."""
    generator = np.random.default_rng(2)
    place = np.repeat(np.arange(240), 2)
    risk = generator.random(240)[place]
    started = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(place, unit="D")
    table = pd.DataFrame(
        {
            "account_id": [f"A{number:03d}" for number in place],
            "started_at": started,
            "as_of": started + pd.to_timedelta(np.tile([10, 40], 240), unit="D"),
            "churned": (generator.random(240)[place] < risk).astype(int),
            "risk": np.clip(risk, 0.01, 0.99),
        }
    )
    again = table.iloc[:4].assign(
        started_at=pd.Timestamp("2025-08-01", tz="UTC"), as_of=pd.Timestamp("2025-08-20", tz="UTC")
    )
    return pd.concat([table, again], ignore_index=True)


@pytest.fixture
def spec(make_spec):
    return make_spec(cohort={"horizon_days": HORIZON}, evaluation={"judge_share": 0.5, "bootstrap": 60})


def knows(training, judged):
    """A card that knows the risk, beside a hand-made one that says the base rate."""
    return {"card": judged["risk"], "hand_made": np.full(len(judged), training["churned"].mean())}


def test_no_training_row_reaches_the_judged_snapshots_and_no_account_is_on_both_sides(rows, spec):
    """At every origin: label windows end before the first judged as_of, accounts are apart, cohorts are older."""
    splits = rolling_splits(rows, spec, origins=4)
    assert len(splits) == 4
    for found in splits:
        training, judged = rows.iloc[found.train_rows], rows.iloc[found.judge_rows]
        assert len(training)
        assert (training["as_of"] + pd.Timedelta(days=HORIZON)).max() <= judged["as_of"].min()
        assert not set(training["account_id"]) & set(judged["account_id"])
        assert training["started_at"].max() < judged["started_at"].min()
        assert found.embargoed > 0


def test_each_origin_learns_from_more_and_together_they_judge_the_rows_of_the_split(rows, spec):
    """Windows follow each other without gap or overlap; one origin is the split itself."""
    splits = rolling_splits(rows, spec, origins=4)
    judged = np.concatenate([found.judge_rows for found in splits])
    whole = split(rows, spec)
    assert sorted(judged) == whole.judge_rows.tolist()
    assert len(set(judged)) == len(judged)
    assert [a.judge_until for a in splits[:-1]] == [b.judge_from for b in splits[1:]]
    trained = [len(found.train_rows) for found in splits]
    assert trained == sorted(set(trained))
    sizes = [len(found.judge_rows) for found in splits]
    assert max(sizes) - min(sizes) <= 4
    [only] = rolling_splits(rows, spec, origins=1)
    assert only.train_rows.tolist() == whole.train_rows.tolist()
    assert only.judge_rows.tolist() == whole.judge_rows.tolist()
    assert only.sentence == whole.sentence


def test_a_gap_between_the_dates_is_kept_at_every_origin(rows, make_spec):
    """Stages from 1 April to 1 May belong to no side; each later origin leaves out the 30 days before it, too."""
    dates = {"train_before": "2025-04-01", "judge_from": "2025-05-01", "bootstrap": 60}
    spec = make_spec(cohort={"horizon_days": HORIZON}, evaluation=dates)
    for found in rolling_splits(rows, spec, origins=3):
        assert found.judge_from - found.train_before == pd.Timedelta(days=30)
        assert rows.iloc[found.train_rows]["started_at"].max() < found.train_before


def test_more_origins_than_days_are_as_many_as_days(rows, spec):
    """Windows are whole days of stage start: no origin is empty."""
    few = rows[rows["started_at"] < pd.Timestamp("2025-01-11", tz="UTC")]
    splits = rolling_splits(few, spec, origins=24)
    assert len(splits) == 5
    assert all(len(found.judge_rows) == 2 for found in splits)


def test_the_learner_sees_only_training_rows_and_every_origin_is_reported(rows, spec):
    """Called once per origin with that origin's rows; numbers per origin are those of its own judged rows."""
    calls = []

    def learn(training, judged):
        calls.append((len(training), len(judged)))
        return knows(training, judged)

    found = rolling_backtest(rows, spec=spec, learn=learn, origins=3)
    assert [(row.trained_rows, row.judged_rows) for row in found.origins] == calls
    first = rows.iloc[rolling_splits(rows, spec, origins=3)[0].judge_rows]
    assert found.origins[0].models["card"]["auc"].estimate == pytest.approx(auc(first["churned"], first["risk"]))
    assert found.origins[0].origin == "2025-04-30"
    assert found.origins[-1].until == ""
    assert all(row.models["card"]["log_loss"].known for row in found.origins)


def test_the_pool_compares_accounts_of_one_origin_only(rows, spec):
    """A card that ranks within each origin but calls everybody safer later: pooled AUC is the pairs' mean of the
    origins, log-loss the rows' mean; and the difference to an equal rival is exactly nothing."""
    level = iter((0.5, 0.1, 0.01))

    def learn(training, judged):
        probability = judged["risk"] * next(level)
        return {"card": probability, "hand_made": probability}

    found = rolling_backtest(rows, spec=spec, learn=learn, origins=3)
    parts = [rows.iloc[s.judge_rows] for s in rolling_splits(rows, spec, origins=3)]
    pairs = [p["churned"].sum() * (1 - p["churned"]).sum() for p in parts]
    aucs = [auc(p["churned"], p["risk"]) for p in parts]
    assert found.pooled["card"]["auc"].estimate == pytest.approx(np.average(aucs, weights=pairs))
    losses = [log_loss(p["churned"], p["risk"] * by) for p, by in zip(parts, (0.5, 0.1, 0.01), strict=True)]
    expected = np.average(losses, weights=[len(p) for p in parts])
    assert found.pooled["card"]["log_loss"].estimate == pytest.approx(expected)
    assert {i.high - i.low for i in found.differences["hand_made"].values()} == {0.0}


def test_an_origin_that_cannot_be_judged_is_listed_with_the_reason(rows, spec):
    """The first origin has no card, in the second nobody churned: both stand in the table; only the second, where
    there is a card, counts in the pool."""
    second = rolling_splits(rows, spec, origins=3)[1].judge_rows
    quiet = rows.copy()
    quiet.loc[second, "churned"] = 0
    seen = []

    def learn(training, judged):
        seen.append(1)
        if len(seen) == 1:
            raise DataError("CF103", where="training", expected="60 accounts", came="12 accounts", fix="Wait.")
        return knows(training, judged)

    found = rolling_backtest(quiet, spec=spec, learn=learn, origins=3)
    assert [row.pooled for row in found.origins] == [False, True, True]
    assert [bool(row.models) for row in found.origins] == [False, False, True]
    assert found.origins[0].reason == "no card (CF103): 12 accounts in training, 60 accounts needed"
    assert found.origins[1].reason.startswith("too few: 0 churned, ")
    assert found.judged_rows == sum(row.judged_rows for row in found.origins[1:])
    text = found.to_text()
    assert "Left out: 2025-04-30 (no card (CF103)" in text
    assert "too few: 0 churned" in text
    json.dumps(found.as_dict(), allow_nan=False)


def test_where_no_origin_has_a_card_the_backtest_says_so(rows, spec):
    """Nothing is pooled, no number is made up, and it can still be rendered."""
    found = rolling_backtest(rows.assign(churned=0), spec=spec, learn=knows, origins=2)
    assert found.pooled == {}
    assert "nothing to learn from" in found.origins[0].reason
    assert "At no origin could a card be learned" in found.to_text()


def test_held_out_accounts_cannot_roll(rows, make_spec):
    """Without cohorts there is no before and after; the spec refuses more than one origin, too."""
    with pytest.raises(DataError, match=r"CF110.*out_of_time"):
        rolling_splits(rows, make_spec(evaluation={"method": "held_out_accounts"}), origins=2)
    with pytest.raises(ValueError, match="held-out accounts have no order"):
        make_spec(evaluation={"method": "held_out_accounts", "origins": 2})
