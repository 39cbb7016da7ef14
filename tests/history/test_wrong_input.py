"""Wrong input is said in four parts: structural faults at once, everything else together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, at, events_of, opened, spec_of, write

from churnfit.errors import ChurnfitError, DataError, SpecError
from churnfit.history.checks import Finding, check_sources, require_clean
from churnfit.history.sources import open_sources
from churnfit.history.sql import fetch_frame

LOGINS = {"logins": {"aggregate": "count", "kinds": ["login"]}}
ONE = accounts_of({"account_id": "A"})
EVENTS = events_of(("A", 1, "login"))
CSV: dict[str, Any] = {
    "accounts": {"path": "accounts.csv", "timezone": "UTC"},
    "events": [{"path": "events.csv", "timezone": "UTC"}],
}
ACCOUNTS_CSV = "account_id,started_at,arr\nA,2024-01-01,100\n"
EVENTS_CSV = "account_id,occurred_at,kind\nA,2024-01-02,login\n"


def open_csv(root: Path, texts: dict[str, str], sources: dict[str, Any] | None = None) -> pd.DataFrame:
    """Return the accounts that are read from these texts."""
    (root / "accounts.csv").write_text(texts.get("accounts", ACCOUNTS_CSV))
    (root / "events.csv").write_text(texts.get("events", EVENTS_CSV))
    with open_sources(spec_of(LOGINS, sources=CSV | (sources or {})), root) as con:
        return fetch_frame(con, "SELECT * FROM accounts ORDER BY account_id")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"accounts": ""}, r"CF401 source 'customers' \(accounts.csv\): expected files with content; came 1"),
        ({"accounts": "account_id,started_at\n"}, r"CF110 .*expected at least one row; came none"),
        ({"accounts": "account,started_at\nA,2024-01-01\n"}, r"CF217 .*'account_id'; .*valid name: 'account'"),
        ({"accounts": "account_id,started_at\nA,soon\nB,2024-01-01\n"}, r"CF212 .*a timestamp in.*text in 1 \(soon\)"),
        ({"accounts": "account_id,started_at,arr\nA,2024-01-01,lots\n"}, r"CF212 .*column 'arr'.*text in 1 \(lots\)"),
        ({"accounts": '"account_id,started_at\nA,2024'}, r"CF\d+ .*Nothing was written"),
        ({"events": "account_id,occurred_at\nA,2024-01-02\n"}, r"CF217 sources.events\[0\].*a column 'kind'"),
        ({"accounts_source": {"path": "accounts.csv"}}, r"CF308 .*'started_at'.*1 \(2024-01-01\) without"),
        ({"accounts_source": {"path": "nowhere.csv"}}, r"CF401 .*expected a file under .*; came none"),
        ({"accounts_source": {"path": "accounts.csv", "timezone": "Europe/Berlim"}}, r"CF308 .*'Europe/Berlin'"),
        ({"accounts_source": {"path": "accounts.csv", "columns": {"arr": "mrr"}}}, r"CF217 .*a column 'mrr'"),
        ({"accounts_source": {"path": "notes.doc"}}, r"CF402 .*came notes.doc"),
        ({"accounts_source": {"path": "broken.parquet"}}, r"CF402 .*can be read as what its name says"),
        ({"accounts_source": {"sql": "DROP TABLE a"}}, r"CF505 .*exactly one SELECT; came 1 statements: drop"),
        ({"accounts_source": {"sql": "SELECT 1; SELECT 2"}}, r"CF505 .*2 statements"),
        ({"accounts_source": {"sql": "SELECT FROM WHERE"}}, r"CF505 "),
        ({"accounts_source": {"sql": "SELECT * FROM custmers"}}, r"CF504 .*nearest valid name: 'customers'"),
        ({"accounts_source": {"sql": "SELECT * FROM read_csv('events.csv')"}}, r"CF505 .*sources.files"),
        ({"accounts_source": {"sql": "SELECT nonsense FROM customers"}}, r"CF402 .*nonsense"),
    ],
)  # fmt: skip
def test_structural_faults_raise_when_sources_are_opened(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    """A missing file or column, a wrong type or zone, an unreadable file, a query that is no SELECT."""
    (tmp_path / "notes.doc").write_text("x")
    (tmp_path / "broken.parquet").write_text("no parquet at all")
    sources: dict[str, Any] = {"files": {"customers": "accounts.csv"}}
    if "accounts_source" in given:
        sources["accounts"] = given["accounts_source"]
    texts = {name: text for name, text in given.items() if name != "accounts_source"}
    with pytest.raises(ChurnfitError, match=message):
        open_csv(tmp_path, texts, sources)


def test_ids_stay_text_and_gaps_become_nulls(tmp_path: Path) -> None:
    """ "007", "1e5" and "NA" are names; an empty or NaN number is a gap."""
    text = (
        "account_id,started_at,arr,zip,trial,size\n007,2024-01-01,,01234,true,3\n"
        "1e5,2024-01-01,NaN,99999,false,4\nNA,2024-01-01,5,,true,\n"
    )
    table = open_csv(tmp_path, {"accounts": text})
    assert table["account_id"].tolist() == ["007", "1e5", "NA"]
    assert table["arr"].isna().tolist() == [True, True, False]
    assert table["zip"].tolist()[:2] == ["01234", "99999"]
    assert table["trial"].tolist() == [1.0, 0.0, 1.0]
    assert table["size"].tolist()[:2] == [3.0, 4.0]


def test_naive_times_mean_the_zone_of_their_source_and_offsets_are_kept(tmp_path: Path) -> None:
    """10:00 in Berlin in January is 09:00 UTC; an offset in the text wins over the zone."""
    text = "account_id,started_at\nA,2024-01-01 10:00:00\nB,2024-01-01T10:00:00Z\nC,2024-01-01 10:00:00+05:00\n"
    table = open_csv(tmp_path, {"accounts": text}, {"accounts": {"path": "accounts.csv", "timezone": "Europe/Berlin"}})
    assert table["started_at"].dt.hour.tolist() == [9, 10, 5]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    """`a[1].csv` is not `a1.csv`; a real glob reads all its files."""
    (tmp_path / "a1.csv").write_text("account_id,started_at\nwrong,2024-01-01\n")
    (tmp_path / "a[1].csv").write_text("account_id,started_at\nright,2024-01-01\n")
    for path, ids in (("a[1].csv", ["right"]), ("a[0-9].csv", ["wrong"])):
        table = open_csv(tmp_path, {}, {"accounts": {"path": path, "timezone": "UTC"}})
        assert table["account_id"].tolist() == ids


def test_sources_are_queried_renamed_and_unioned_then_locked(tmp_path: Path) -> None:
    """A SELECT over a file called accounts, a constant kind, two event files; afterwards nothing else can be read."""
    import duckdb

    write(tmp_path, accounts=ONE, events=EVENTS)
    (tmp_path / "tickets.csv").write_text("customer,opened\nA,2024-01-03\n")
    sources = {
        "files": {"accounts": "accounts.parquet"},
        "accounts": {"sql": "SELECT a.*, 1 AS tier FROM accounts AS a WHERE arr IN (SELECT arr FROM accounts)"},
        "events": [
            {"path": "events.parquet"},
            {
                "path": "tickets.csv",
                "kind": "ticket",
                "timezone": "UTC",
                "columns": {"account_id": "customer", "occurred_at": "opened"},
            },
        ],
    }
    with open_sources(spec_of(LOGINS, sources=sources), tmp_path) as con:
        events = fetch_frame(con, "SELECT kind, recorded_at FROM events ORDER BY kind")
        assert fetch_frame(con, "SELECT tier FROM accounts")["tier"].tolist() == [1.0]
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            con.execute(f"SELECT * FROM read_csv('{tmp_path}/other.csv')").fetchall()
        with pytest.raises(duckdb.Error, match="locked"):
            con.execute("SET enable_external_access=true").fetchall()
    assert events["kind"].tolist() == ["login", "ticket"]
    assert events["recorded_at"].tolist() == [at(1), at(2)]


def test_structural_faults_are_said_at_once(tmp_path: Path) -> None:
    """A file that is not there, two columns that are missing and a wrong type: three faults, none twice."""
    texts = {"accounts": "account,began\nA,2024-01-01\n", "events": "account_id,occurred_at,kind\nA,soon,login\n"}
    sources = {"interventions": {"path": "nowhere.csv"}}
    with pytest.raises(DataError, match=r"CF401 .* And 2 more; `churnfit check` lists all") as fault:
        open_csv(tmp_path, texts, sources)
    assert [each.code for each in (fault.value, *fault.value.also)] == ["CF401", "CF217", "CF212"]
    assert fault.value.also[0].expected == "a column 'account_id' and a column 'started_at'"


def findings_of(root: Path, accounts: pd.DataFrame, events: pd.DataFrame, **spec: Any) -> list[Finding]:
    """Return what the checks find on day 100."""
    measures = spec.pop("measures", LOGINS)
    chosen = spec_of(measures, **spec)
    with opened(root, chosen, accounts=accounts, events=events) as con:
        return check_sources(con, chosen, observed_to=at(100))


def test_clean_sources_have_no_findings(tmp_path: Path) -> None:
    """Nothing is found where nothing is wrong."""
    assert findings_of(tmp_path, ONE, EVENTS) == []
    require_clean([])


def test_every_fault_of_the_rows_is_found_at_once(tmp_path: Path) -> None:
    """Each faulty row is counted and named under its code."""
    accounts = accounts_of(
        {"account_id": "A"},
        {"account_id": "A"},
        {"account_id": " "},
        {"account_id": None},
        {"account_id": "a "},
        {"account_id": "C", "arr": -1.0},
        {"account_id": "D", "seats": float("inf")},
        {"account_id": "E", "churned_at": at(0)},
        {"account_id": "F", "started_at": pd.NaT},
    )
    events = events_of(
        ("A", 1, "login"),
        ("A", 102, "login"),
        ("ghost", 2, "login"),
        {"account_id": "A", "day": 5, "seen": 4, "kind": "login"},
        {"account_id": "A", "day": 5, "seen": 150, "kind": "login"},
        {"account_id": "A", "day": 6, "kind": "login", "value": float("-inf")},
        {"account_id": "A", "day": 6, "kind": "login", "value": -9e12},
    )
    found = {(each.code, each.severity, each.where): each.came for each in findings_of(tmp_path, accounts, events)}
    assert found == {
        ("CF104", "error", "accounts (account_id)"): "keys with several rows: 1 (A)",
        ("CF201", "error", "accounts.account_id"): "gaps in rows of: 2 ((no id), (no id))",
        ("CF201", "error", "accounts.started_at"): "gaps in rows of: 1 (F)",
        ("CF202", "error", "accounts.seats"): "infinite values in rows of: 1 (D)",
        ("CF202", "error", "events.value"): "infinite values in rows of: 1 (A)",
        ("CF203", "error", "events.value"): "larger ones in rows of: 1 (A)",
        ("CF207", "error", "accounts.arr"): "negative values in rows of: 1 (C)",
        ("CF313", "error", "events.occurred_at"): "later dates in rows of: 1 (A 2024-04-12)",
        ("CF313", "error", "events.recorded_at"): "later dates in rows of: 1 (A 2024-05-30)",
        ("CF104", "warning", "accounts.account_id"): "ids that look like one account: 1 (A = a )",
        ("CF104", "warning", "events.account_id"): "events of unknown accounts: 1 (ghost)",
        ("CF107", "warning", "accounts.churned_at"): "churn at or before the start of: 1 (E)",
        ("CF107", "warning", "events.recorded_at"): "earlier ones in rows of: 1 (A)",
    }


def test_the_spec_is_held_against_the_data(tmp_path: Path) -> None:
    """Kinds, features, attributes, playbooks and actors that do not fit are named with the nearest that would."""
    measures = {
        "logins": {"aggregate": "count", "kinds": ["logn"]},
        "modules": {"aggregate": "share_of", "kinds": ["login"], "of": ["home", "hme"]},
        "plan": {"aggregate": "attribute", "column": "segmnt"},
        "calls": {"aggregate": "count", "kinds": ["login"], "actor": "internal"},
    }
    events = events_of({"account_id": "A", "day": 1, "kind": "login", "feature": "home"})
    groups = {"use": {"label": "Use"}}
    found = findings_of(tmp_path, ONE, events, measures=measures, groups=groups)
    said = {(each.code, each.severity, each.where, each.came) for each in found}
    assert {
        ("CF504", "error", "measures.logins", "none; nearest valid name: 'login'"),
        ("CF504", "warning", "measures.modules", "never seen: 1 (hme); nearest valid name: 'home'"),
        ("CF217", "error", "measures.plan", "none; nearest valid name: 'segment'"),
        ("CF109", "error", "measures.calls", "actor = 'internal'"),
        ("CF504", "error", "measures.logins.playbook", "none"),
    } <= said
    assert len([each for each in found if each.where.endswith(".playbook")]) == 4


def test_the_first_error_is_raised_and_the_others_are_counted(tmp_path: Path) -> None:
    """An error stops the work and says how many more there are."""
    accounts = accounts_of({"account_id": "A", "arr": -1.0}, {"account_id": "A"})
    with pytest.raises(DataError, match=r"CF104 .*And 1 more; `churnfit check` lists all"):
        require_clean(findings_of(tmp_path, accounts, EVENTS))


def test_labels_of_a_wide_table_are_zero_or_one(tmp_path: Path) -> None:
    """Any other label is found, and so is a number that is not finite."""
    spec = spec_of(
        {"logins": {"aggregate": "column"}},
        sources={"measures": {"path": "wide.parquet"}},
        cohort={"horizon_days": 20},
        evaluation={"method": "held_out_accounts"},
    )
    wide = pd.DataFrame(
        {"account_id": ["A", "B", "B"], "churned": [0, 2, 1], "logins": [1.0, float("inf"), float("nan")]}
    )
    with opened(tmp_path, spec, wide=wide) as con:
        codes = [finding.code for finding in check_sources(con, spec, observed_to=at(100))]
    assert codes == ["CF104", "CF105", "CF202"]


def test_nan_in_parquet_is_a_gap_although_statistics_hide_it(tmp_path: Path) -> None:
    """A Parquet file written with real NaN values gives nulls."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {"account_id": ["A", "B"], "started_at": pa.array([at(0)] * 2), "arr": pa.array([float("nan"), 3.0])}
    )
    pq.write_table(table, tmp_path / "accounts.parquet")
    write(tmp_path, events=EVENTS)
    with open_sources(spec_of(LOGINS), tmp_path) as con:
        assert con.execute("SELECT count(arr), max(arr) FROM accounts").fetchall() == [(1, 3.0)]


def test_a_renamed_column_must_belong_to_the_contract(tmp_path: Path) -> None:
    """A rename to an unknown event column is a spec error with the nearest name."""
    events = [{"path": "events.csv", "timezone": "UTC", "columns": {"ocurred_at": "when"}}]
    with pytest.raises(SpecError, match=r"CF504 .*nearest valid name: 'occurred_at'"):
        open_csv(tmp_path, {}, {"events": events})
