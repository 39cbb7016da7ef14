"""Labels by hand: started on day 0, as_of on day 10, horizon 20 days, so churn counts in (day 10, day 30]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of, write

from churnfit.errors import DataError
from churnfit.history.cohort import landmark_grid, out_of_stage, weekly_grid
from churnfit.history.labels import labels, ledger
from churnfit.history.snapshot import snapshot
from churnfit.history.sources import open_sources

MEASURES = {"logins": {"aggregate": "count", "kinds": ["login"]}}
EVENTS = events_of(("A", 1, "login"))
WITH_INTERVENTIONS = {
    "accounts": {"path": "accounts.parquet"},
    "events": [{"path": "events.parquet"}],
    "interventions": {"path": "interventions.parquet"},
}


def label_of(root: Path, account: dict[str, Any], *, observed_to: float = 100, lag: int = 0) -> pd.Series:
    """Return the label row of one account."""
    spec = spec_of(MEASURES, cohort={"landmark_days": [10], "horizon_days": 20, "reporting_lag_days": lag})
    with opened(root, spec, accounts=accounts_of({"account_id": "A"} | account), events=EVENTS) as con:
        return labels(con, spec, landmark_grid(con, spec), observed_to=at(observed_to)).iloc[0]


@pytest.mark.parametrize(
    ("account", "status", "churned"),
    [
        ({}, "matured", 0),
        ({"churned_at": at(10.001)}, "matured", 1),
        ({"churned_at": at(30)}, "matured", 1),  # the horizon's last moment counts
        ({"churned_at": at(30.001)}, "matured", 0),
        ({"churned_at": at(10)}, "excluded", None),
        ({"churned_at": at(-3)}, "excluded", None),
        ({"observed_until": at(30)}, "matured", 0),
        ({"observed_until": at(29)}, "immature", None),
        ({"observed_until": at(29), "churned_at": at(15)}, "immature", None),  # as if it had stayed
        ({"observed_until": at(15), "churned_at": at(15)}, "matured", 1),  # churn ended the observation
    ],
)
def test_status_and_label_of_one_account(
    tmp_path: Path, account: dict[str, Any], status: str, churned: int | None
) -> None:
    """An account is matured, immature or excluded, and only a matured one has a label."""
    row = label_of(tmp_path, account)
    assert row["status"] == status
    assert (None if pd.isna(row["churned"]) else row["churned"]) == churned
    assert pd.isna(row["reason"]) == (status == "matured")
    assert row["cohort"] == "2024-01"


@pytest.mark.parametrize(
    ("lag", "observed_to", "status"),
    [(0, 30, "matured"), (0, 29.9, "immature"), (5, 34, "immature"), (5, 35, "matured")],
)
@pytest.mark.parametrize("churned_at", [pd.NaT, at(12)])
def test_maturing_waits_for_horizon_and_lag_whatever_happened(
    tmp_path: Path, lag: int, observed_to: float, status: str, churned_at: pd.Timestamp
) -> None:
    """A churner matures on the same day as one who stays: 10 + 20 + lag."""
    row = label_of(tmp_path, {"churned_at": churned_at}, observed_to=observed_to, lag=lag)
    assert (row["status"], row["matures_on"]) == (status, at(30 + lag))


def test_an_intervention_within_the_horizon_makes_a_row_treated(tmp_path: Path) -> None:
    """Treated rows keep their label but are told apart, with the playbook and the day."""
    names = ["on day 10", "on day 11", "on day 30", "on day 31"]
    spec = spec_of(MEASURES, sources=WITH_INTERVENTIONS)
    done = pd.DataFrame({"account_id": names, "at": [at(10), at(11), at(30), at(31)], "playbook": ["call"] * 4})
    accounts = accounts_of(*({"account_id": name} for name in names))
    with opened(tmp_path, spec, accounts=accounts, events=EVENTS, interventions=done) as con:
        table = labels(con, spec, landmark_grid(con, spec), observed_to=at(100)).set_index("account_id")
    assert table["status"].to_dict() == dict(zip(names, ["matured", "treated", "treated", "matured"], strict=True))
    assert table.loc["on day 11", "reason"] == "call on 2024-01-12"
    assert table["churned"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("cohort", "expected"),
    [
        ({}, {"left": 1, "cancelled": 0, "shrank": 0, "shrank before": 0, "shrank a little": 0}),
        ({"churn_kinds": ["cancelled"]}, {"left": 1, "cancelled": 1, "shrank": 0}),
        ({"contraction": {"kind": "arr", "share": 0.3}}, {"left": 1, "cancelled": 0, "shrank": 1}),
        ({"contraction": {"kind": "arr", "share": 0.3}}, {"shrank before": 0, "shrank a little": 0, "shrank late": 0}),
        ({"contraction": {"kind": "arr", "share": 0.2}}, {"shrank a little": 1, "grew, then shrank": 1}),
    ],
)
def test_a_spec_says_what_counts_as_churn(tmp_path: Path, cohort: dict[str, Any], expected: dict[str, int]) -> None:
    """Leaving always does; a cancelled contract and a contract that shrinks do where the spec says so."""
    names = ["cancelled", "shrank", "shrank before", "shrank a little", "shrank late", "grew, then shrank"]
    accounts = accounts_of({"account_id": "left", "churned_at": at(20)}, *({"account_id": name} for name in names))
    values = [("shrank", 15, 70), ("shrank before", 5, 50), ("shrank a little", 15, 80), ("shrank late", 31, 10),
              ("grew, then shrank", 5, 200), ("grew, then shrank", 15, 150)]  # fmt: skip
    events = events_of(
        ("cancelled", 12, "cancelled"),
        ("left", 1, "login"),
        *({"account_id": name, "day": day, "kind": "arr", "value": value} for name, day, value in values),
    )
    spec = spec_of(MEASURES, cohort={"landmark_days": [10], "horizon_days": 20} | cohort)
    with opened(tmp_path, spec, accounts=accounts, events=events) as con:
        table = labels(con, spec, landmark_grid(con, spec), observed_to=at(100)).set_index("account_id")
    assert {name: table.loc[name, "churned"] for name in expected} == expected


def test_held_out_accounts_stand_for_those_that_were_called(tmp_path: Path) -> None:
    """Of five accounts meant for a call one was left alone: it counts five times, and alone if its chance was even."""
    spec = spec_of(MEASURES, sources=WITH_INTERVENTIONS)
    accounts = accounts_of(
        *({"account_id": name, "churned_at": at(20) if name in "AF" else pd.NaT} for name in "ABCDEFG")
    )
    meant = pd.DataFrame({"account_id": list("ABCDE"), "at": [at(12)] * 5, "playbook": "call", "held_out": [0.0] * 5})
    meant.loc[0, "held_out"] = 1.0
    weights = {}
    for name, interventions in (("estimated", meant), ("given", meant.assign(holdout_share=0.5))):
        with opened(tmp_path, spec, accounts=accounts, events=EVENTS, interventions=interventions) as con:
            table = labels(con, spec, landmark_grid(con, spec), observed_to=at(100))
        assert table["status"].tolist() == ["matured", *["treated"] * 4, "matured", "matured"]
        weights[name] = table["weight"].tolist()
        whole = ledger(table).iloc[0]
        assert (whole["held_out"], whole["treated"], whole["matured"]) == (1, 4, 3)
    assert weights["estimated"] == pytest.approx([5, *[float("nan")] * 4, 1, 1], nan_ok=True)
    assert weights["given"] == pytest.approx([2, *[float("nan")] * 4, 1, 1], nan_ok=True)
    # A and F churned of A (2), F (1) and G (1): 3 of 4; 4 * 4 / (4 + 1 + 1) rows of equal weight
    assert (whole["base_rate"], whole["effective"]) == (pytest.approx(0.75), pytest.approx(16 / 6))
    # had the calls saved nobody, A and F of seven; had they saved all who stayed, B to E too
    assert (whole["base_rate_low"], whole["base_rate_high"]) == (pytest.approx(2 / 7), pytest.approx(6 / 7))


def own(*rows: tuple[str, float, str, float | None]) -> pd.DataFrame:
    """Return churnfit's own interventions from (account_id, day, playbook, holdout_share or None where called)."""
    return pd.DataFrame(
        [
            {"account_id": account, "at": at(day), "playbook": playbook, "outcome": "done",
             "held_out": float(share is not None), "holdout_share": share}
            for account, day, playbook, share in rows
        ]
    ).astype({"holdout_share": "float64"})  # fmt: skip


@pytest.mark.parametrize("source", ["with a file", "without"])
def test_what_churnfit_knows_of_calls_joins_what_the_sources_say(tmp_path: Path, source: str) -> None:
    """A is in the file, B called and C held out in the store only; D's call came before the date looked at."""
    spec = spec_of(MEASURES, **({"sources": WITH_INTERVENTIONS} if source == "with a file" else {}))
    in_file = own(("A", 12.3, "call", None))
    write(
        tmp_path,
        accounts=accounts_of(*({"account_id": name} for name in "ABCD")),
        events=EVENTS,
        interventions=in_file[["account_id", "at", "playbook"]],
    )
    known = own(
        ("A", 12.4, "call", None), ("B", 15.5, "visit", None), ("C", 10.5, "call", 0.25), ("D", 9.5, "call", None)
    )
    with open_sources(spec, tmp_path, interventions=known) as con:
        table = labels(con, spec, landmark_grid(con, spec), observed_to=at(100))
        counted = con.execute("SELECT account_id FROM interventions ORDER BY ALL").fetchall()
    assert counted == [("A",), ("B",), ("C",), ("D",)]  # A's, of the same day, once
    assert table["status"].tolist() == ["treated", "treated", "matured", "matured"]
    assert table["reason"].tolist()[:2] == ["call on 2024-01-13", "visit on 2024-01-16"]
    assert table["held_out"].tolist() == [False, False, True, False]
    assert table["weight"].tolist()[2:] == [4.0, 1.0]


def test_another_playbook_on_the_same_day_is_another_intervention(tmp_path: Path) -> None:
    """A call and a visit on day 12 are two; a file that names no playbook means whatever the store says."""
    spec = spec_of(MEASURES, sources=WITH_INTERVENTIONS)
    counts = {}
    for named in ("visit", None):
        in_file = own(("A", 12.3, "visit", None)).assign(playbook=pd.Series([named], dtype="str"))
        write(tmp_path, accounts=accounts_of({"account_id": "A"}), events=EVENTS, interventions=in_file)
        with open_sources(spec, tmp_path, interventions=own(("A", 12.4, "call", None))) as con:
            counts[named] = con.execute("SELECT count(*) FROM interventions").fetchall()[0][0]
    assert counts == {"visit": 2, None: 1}


def test_rows_of_a_wide_table_are_treated_by_what_churnfit_knows(tmp_path: Path) -> None:
    """B's row of day 10 was called on day 12; B's row of day 40 was not."""
    spec = spec_of(
        {"logins": {"aggregate": "column", "column": "logins"}}, sources={"measures": {"path": "measures.parquet"}}
    )
    rows = [{"account_id": name, "as_of": at(day), "churned": 0.0, "logins": 3.0} for name in "AB" for day in (10, 40)]
    write(tmp_path, measures=pd.DataFrame(rows).astype({"account_id": "str"}))
    with open_sources(spec, tmp_path, interventions=own(("B", 12, "call", None))) as con:
        table = labels(con, spec, landmark_grid(con, spec), observed_to=at(100))
    assert table["status"].tolist() == ["matured", "matured", "treated", "matured"]


def test_the_ledger_counts_per_cohort_and_says_when_the_next_rows_unlock(tmp_path: Path) -> None:
    """January: 2 of 3 matured rows churned; February is immature until day 40 + 10 + 20."""
    spec = spec_of(MEASURES)
    accounts = accounts_of(
        {"account_id": "A", "churned_at": at(20)},
        {"account_id": "B", "churned_at": at(25)},
        {"account_id": "C"},
        {"account_id": "D", "churned_at": at(5)},
        {"account_id": "E", "started_at": at(40)},
    )
    with opened(tmp_path, spec, accounts=accounts, events=EVENTS) as con:
        table = ledger(labels(con, spec, landmark_grid(con, spec), observed_to=at(60)))
    january, february = table.to_dict("records")
    assert (january["cohort"], january["accounts"], january["matured"], january["excluded"]) == ("2024-01", 4, 3, 1)
    assert january["churned"] == 2
    assert january["base_rate"] == pytest.approx(2 / 3)
    assert pd.isna(january["next_unlock"])
    assert (february["immature"], february["next_unlock"]) == (1, at(70))
    assert pd.isna(february["base_rate"])


def test_a_wide_table_has_ready_labels_or_churn_dates_or_is_refused(tmp_path: Path) -> None:
    """`churned` makes a row matured, `churned_at` counts its horizon, neither is an error."""
    spec = spec_of(
        {"logins": {"aggregate": "column"}},
        sources={"measures": {"path": "wide.csv", "timezone": "UTC"}},
        cohort={"horizon_days": 20},
    )
    head = "account_id,as_of,logins"

    def table(text: str) -> pd.DataFrame:
        (tmp_path / "wide.csv").write_text(text)
        with open_sources(spec, tmp_path) as con:
            return labels(con, spec, landmark_grid(con, spec), observed_to=at(25))

    ready = table(f"{head},churned\nA,2024-01-03,3,1\nB,2024-01-11,3,\nC,2024-01-11,3,0\n")
    assert ready["status"].tolist() == ["matured", "excluded", "immature"]  # C could still leave: 11 + 20 days > 25
    dated = table(f"{head},churned_at\nA,2024-01-03,3,2024-01-20\nB,2024-01-11,3,\nC,2024-01-03,1,2024-01-02\n")
    assert dated["status"].tolist() == ["matured", "immature", "excluded"]
    assert dated["churned"].tolist()[0] == 1
    with pytest.raises(DataError, match=r"CF217 sources.measures: expected a filled column 'churned'"):
        table(f"{head}\nA,2024-01-11,3\n")


def test_columns_of_an_export_that_are_called_like_what_is_computed_change_nothing(tmp_path: Path) -> None:
    """An accounts table of some day may say as_of, ended_at and stage_day: neither the labels' nor the snapshots'."""
    cohort = {"landmark_days": [10], "horizon_days": 20, "churn_kinds": ["gone"], "stage_days": (0, 15)}
    spec = spec_of(MEASURES, cohort=cohort)
    events = events_of(("A", 1, "login"), ("B", 12, "gone"))
    accounts = accounts_of({"account_id": "A"}, {"account_id": "B"}, {"account_id": "C", "started_at": at(16)})
    exported = accounts.assign(as_of=at(500), Ended_At=at(500), stage_day=0.0)
    found = []
    for number, table in enumerate((accounts, exported)):
        root = tmp_path / str(number)
        root.mkdir()
        with opened(root, spec, accounts=table, events=events) as con:
            grid = landmark_grid(con, spec)
            found.append(
                (
                    labels(con, spec, grid, observed_to=at(100)).to_csv(),
                    snapshot(con, spec, grid).to_csv(),
                    out_of_stage(con, spec, at(20)).to_csv(),
                    weekly_grid(con, spec, until=at(20)).to_csv(),
                )
            )
    assert found[0] == found[1]
    assert "A," in found[0][2]  # beyond the stage's last day
