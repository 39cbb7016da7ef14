"""Percentiles among peers: those of the segment that reached the same day of the stage before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of

from churnfit.history.cohort import landmark_grid, scoring_grid
from churnfit.history.peers import percentiles
from churnfit.history.snapshot import snapshot

COHORT: dict[str, Any] = {"landmark_days": [10], "horizon_days": 20, "peer_days": 30, "min_peers": 2}
LOGINS = {"logins": {"aggregate": "count", "kinds": ["login"], "relative_to": "peers"}}
# started on day 0, 1, 2, ...; logins within the first 10 days: 0, 1, 2, 3; E is of another segment, F churned on day 7
ACCOUNTS = accounts_of(
    *({"account_id": name, "started_at": at(day)} for day, name in enumerate("ABCD")),
    {"account_id": "E", "started_at": at(0), "segment": "large"},
    {"account_id": "F", "started_at": at(0), "churned_at": at(7)},
)
EVENTS = events_of(
    *((name, day + step, "login") for day, name in enumerate("ABCD") for step in range(day)),
    ("A", 12, "login"),  # after A's look: known to nobody's comparison on day 10 of the stage
)


def test_an_account_is_compared_with_those_that_were_there_before(tmp_path: Path) -> None:
    """D's 3 logins beat all three before it; C has two peers, B one and A none, and one is too few."""
    spec = spec_of(LOGINS, cohort=COHORT)
    with opened(tmp_path, spec, accounts=ACCOUNTS, events=EVENTS) as con:
        frame = snapshot(con, spec, landmark_grid(con, spec)).set_index("account_id")
    assert frame.loc["D", ["logins", "logins__peers"]].tolist() == [100.0, 3]
    assert frame.loc["C", ["logins", "logins__peers"]].tolist() == [100.0, 2]
    assert frame.loc[["A", "B", "E"], "logins__state"].tolist() == ["too_few_peers"] * 3
    assert frame.loc[["A", "B", "E"], "logins"].isna().all()


def test_scoring_compares_with_everyone_who_was_ever_on_that_day_of_the_stage(tmp_path: Path) -> None:
    """On day 12 C is on day 10 of its stage; A and B were there two days and one day before, with 0 and 1 logins."""
    spec = spec_of(LOGINS, cohort=COHORT | {"stage_days": [10, 10]})
    with opened(tmp_path, spec, accounts=ACCOUNTS, events=EVENTS) as con:
        frame = snapshot(con, spec, scoring_grid(con, spec, at(12)))
    assert frame[["account_id", "logins", "logins__peers"]].to_numpy().tolist() == [["C", 100.0, 2]]


def test_what_comes_later_changes_no_percentile(tmp_path: Path) -> None:
    """Accounts that started later, and events after a look, leave every percentile as it was."""
    spec = spec_of(LOGINS, cohort=COHORT)
    with opened(tmp_path, spec, accounts=ACCOUNTS, events=EVENTS) as con:
        whole = snapshot(con, spec, landmark_grid(con, spec))
    (tmp_path / "then").mkdir()
    then = ACCOUNTS[ACCOUNTS["account_id"] != "D"]
    with opened(tmp_path / "then", spec, accounts=then, events=EVENTS.iloc[:-1]) as con:
        before = snapshot(con, spec, landmark_grid(con, spec))
    pd.testing.assert_frame_equal(whole[whole["account_id"] != "D"].reset_index(drop=True), before)


def test_percentiles_agree_with_counting_one_by_one() -> None:
    """Below counts whole, level counts half, and only peers of the segment, the stage day and the days before count."""
    rng = np.random.default_rng(3)
    rows = 300
    looks = pd.DataFrame({
        "segment": rng.choice(["smb", "large", None], rows),
        "stage_day": rng.choice([30, 60], rows),
        "as_of": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 90, rows), unit="D"),
    })  # fmt: skip
    values = pd.Series(rng.integers(0, 6, rows).astype("float64")).where(rng.random(rows) > 0.1)
    percentile, peers = percentiles(values, looks, peer_days=40)
    same = looks.fillna({"segment": "none"})
    for row in range(rows):
        age = (same["as_of"][row] - same["as_of"]).dt.days
        near = (age >= 0) & (age <= 40) & (same["segment"] == same["segment"][row]) & values.notna()
        near &= same["stage_day"] == same["stage_day"][row]
        others = values[near & (same.index != row)]
        if np.isnan(values[row]) or others.empty:
            assert np.isnan(percentile[row])
            continue
        expected = 100 * ((others < values[row]).sum() + (others == values[row]).sum() / 2) / len(others)
        assert (percentile[row], peers[row]) == (expected, len(others))
