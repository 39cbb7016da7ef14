"""Faulty rows: a fit stops at one, a night sets the accounts they touch aside, lists the rows, scores the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Ended, copied
from tests.history.tiny_world import at, events_of, write
from tests.jobs import nightly
from tests.jobs.bad_inputs import SCORE, Spoil, csv, events_csv, parquet, spec
from tests.small_card import contents

from churnfit.files import read_parquet
from churnfit.jobs.workspace import Workspace

Cli = Callable[..., Ended]
FIT = f"fit --as-of {nightly.TONIGHT:%Y-%m-%d}"


@dataclass(frozen=True)
class Faulty:
    """One faulty row: a sentence, its code, its column, what spoils the workspace, and whose score it makes wrong."""

    says: str
    code: str
    column: str
    spoil: Spoil
    touches: str | None = "A03"


def accounts_line(**facts: str) -> Spoil:
    """Return what reads the accounts from a CSV in which A03's line says that."""
    table = nightly.accounts().astype("str").replace({"NaT": "", "nan": ""})
    table["started_at"] = table["started_at"].str[:10]
    for name, value in facts.items():
        table.loc[3, name] = value
    return csv(table.to_csv(index=False))


def events_line(line: str) -> Spoil:
    """Return what reads the events from a CSV with that line more."""
    table = nightly.events()[["account_id", "occurred_at", "kind", "value"]]
    return events_csv(table.to_csv(index=False) + line + "\n")


def event(**facts: object) -> Spoil:
    """Return what writes one event more, a login of A03 but for these facts."""
    row = {"account_id": "A03", "day": 60.0, "kind": "login"} | facts
    return parquet("events", lambda table: pd.concat([table, events_of(row)], ignore_index=True))


def account(**facts: object) -> Spoil:
    """Return what writes A03 with these facts."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        for name, value in facts.items():
            table.loc[3, name] = value
        return table

    return parquet("accounts", change)


FAULTY = [
    Faulty(
        "an account begins on the thirtieth of February", "CF212", "started_at", accounts_line(started_at="2024-02-30")
    ),
    Faulty("a date has its day first", "CF212", "started_at", accounts_line(started_at="25/12/2023")),
    Faulty("a date is zero", "CF212", "started_at", accounts_line(started_at="0000-00-00")),
    Faulty("a date is an Excel serial", "CF212", "started_at", accounts_line(started_at="45000")),
    Faulty("a date is missing", "CF201", "started_at", accounts_line(started_at="")),
    Faulty("a contract value is in words", "CF212", "arr", accounts_line(arr="lots")),
    Faulty("a contract value has a decimal comma", "CF212", "arr", accounts_line(arr="1,5")),
    Faulty("a contract value has a currency", "CF212", "arr", accounts_line(arr="$5")),
    Faulty("a contract value has a sign of percent", "CF212", "arr", accounts_line(arr="12%")),
    Faulty("a contract value is infinite", "CF202", "arr", accounts_line(arr="inf")),
    Faulty("a contract value is too large for a number", "CF202", "arr", accounts_line(arr="1e999")),
    Faulty("a contract value is negative", "CF207", "arr", account(arr=-1.0)),
    Faulty("a number of seats is negative", "CF207", "seats", account(seats=-4)),
    Faulty("an id has a NUL byte in it", "CF212", "account_id", account(account_id="A\0003"), "A\0003"),
    Faulty("an id is missing", "CF201", "account_id", account(account_id=None), None),
    Faulty("an id is spaces", "CF201", "account_id", account(account_id="  "), None),
    Faulty(
        "an account stands twice", "CF104", "account_id", parquet("accounts", lambda t: pd.concat([t, t.iloc[[3]]]))
    ),
    Faulty("a time of an event cannot be read", "CF212", "occurred_at", events_line("A03,soon,login,")),
    Faulty("a value of an event is in words", "CF212", "value", events_line("A03,2024-02-28,login,many")),
    Faulty("an event is of the year 9999", "CF313", "occurred_at", events_line("A03,9999-12-31,login,")),
    Faulty("an event was recorded in the future", "CF313", "recorded_at", event(seen=20000.0)),
    Faulty("an event has no kind", "CF201", "kind", event(kind=None)),
    Faulty("a value of an event is infinite", "CF202", "value", event(value=float("-inf"))),
    Faulty("a value of an event is 1e300", "CF203", "value", event(value=1e300)),
    Faulty("an event is nobody's", "CF201", "account_id", event(account_id=None), None),
    Faulty("a value that no measure reads is infinite", "CF202", "value", event(kind="note", value=float("inf")), None),
]


@pytest.fixture(scope="module")
def last_night(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace after last night: to be copied, never changed."""
    return nightly.made(tmp_path_factory.mktemp("nightly") / "workspace", empty_mlflow)


@pytest.mark.parametrize("faulty", FAULTY, ids=lambda faulty: faulty.says)
def test_a_fit_stops_at_a_faulty_row_and_a_night_sets_its_account_aside(
    churnfit: Cli, last_night: Workspace, tmp_path: Path, faulty: Faulty
) -> None:
    """The fit names the code and writes nothing; the night lists the row, leaves its account's CTA, scores the rest."""
    workspace = copied(last_night, tmp_path / "workspace")
    faulty.spoil(workspace.root)
    before, ctas = contents(workspace.root), ctas_of(workspace)
    stopped = churnfit(*FIT.split(), cwd=workspace.root)
    assert (stopped.code, f"error[{faulty.code}]" in stopped.err) == (1, True), stopped
    assert contents(workspace.root) == before
    night = churnfit(*SCORE.split(), "--json", cwd=workspace.root)
    assert night.code == 0, night
    run = json.loads(night.out)["run"]
    folder = workspace.folder / run["folder"]
    scored, listed = (read_parquet(folder / f"{name}.parquet") for name in ("scores", "quarantine"))
    assert (faulty.code, faulty.column) in set(zip(listed["code"], listed["column"], strict=True))
    assert run["faulty_rows"] == len(listed)
    assert set(nightly.accounts()["account_id"]) - set(scored["account_id"]) <= {"A03"}
    assert (len(scored), run["set_aside"]) == (
        39 if faulty.touches or faulty.says.startswith("an id") else 40,
        int(faulty.touches is not None),
    )
    if faulty.touches == "A03":
        assert ctas_of(workspace)["A03"] == ctas["A03"]


def ctas_of(workspace: Workspace) -> dict[str, object]:
    """Return the active CTA of each account."""
    with closing(workspace.store()) as store:
        return {cta.account_id: cta for cta in store.active("small")}


def test_a_row_is_listed_with_its_place_its_value_and_what_was_expected(
    churnfit: Cli, last_night: Workspace, tmp_path: Path
) -> None:
    """A03 is the fourth line of the table; `runs`, the summary, the JSON log and the metrics file say how many."""
    workspace = copied(last_night, tmp_path / "workspace")
    accounts_line(arr="lots")(workspace.root)
    said = churnfit("--log", "json", *SCORE.split(), "--metrics", "night.prom", cwd=workspace.root)
    assert said.out.endswith("; 1 faulty rows, 1 accounts set aside\n")
    logged = [json.loads(line) for line in said.err.splitlines()][-1]
    assert (logged["faulty_rows"], logged["set_aside"], logged["accounts"]) == (1, 1, 39)
    metrics = (workspace.root / "night.prom").read_text()
    assert 'churnfit_set_aside{card="small"} 1.0' in metrics
    assert 'churnfit_faulty_rows{card="small"} 1.0' in metrics
    with closing(workspace.store()) as store:
        run = store.runs("small")[-1]
    [row] = read_parquet(workspace.folder / run.folder / "quarantine.parquet").to_dict("records")
    assert row["source"] == "sources.accounts (accounts.csv)"
    assert [row[name] for name in ("row", "account_id", "column", "value", "code")] == [
        4,
        "A03",
        "arr",
        "lots",
        "CF212",
    ]


def test_a_mended_row_brings_its_account_back_with_its_cta(
    churnfit: Cli, last_night: Workspace, tmp_path: Path
) -> None:
    """Two nights aside, then scored again: the CTA is the one it had, opened once."""
    workspace = copied(last_night, tmp_path / "workspace")
    before = ctas_of(workspace)["A04"]
    parquet("accounts", lambda table: table.assign(arr=[*[1.0] * 4, -1.0, *[1.0] * 35]))(workspace.root)
    for day in (61, 62):
        assert churnfit("score", "--as-of", f"{at(day):%Y-%m-%d}", cwd=workspace.root).code == 0
    write(workspace.root, accounts=nightly.accounts())
    assert churnfit("score", "--as-of", f"{at(63):%Y-%m-%d}", cwd=workspace.root).code == 0
    after = ctas_of(workspace)["A04"]
    assert (after.cta_id, after.opened_on, after.status) == (before.cta_id, before.opened_on, before.status)
    assert after.last_scored_on == at(63).date()


def test_too_many_faulty_rows_refuse_the_night(churnfit: Cli, last_night: Workspace, tmp_path: Path) -> None:
    """Of forty accounts one may be faulty, not two, unless the spec says more; none where it says 0."""
    for share, faulty, code in (("0.01", 2, 1), ("0.05", 2, 0), ("0", 1, 1)):
        workspace = copied(last_night, tmp_path / f"{share}-{faulty}")
        spec("[sources]", f"[sources]\nmax_faulty_share = {share}")(workspace.root)
        parquet("accounts", lambda table, n=faulty: table.assign(arr=[-1.0] * n + [1.0] * (40 - n)))(workspace.root)
        before = contents(workspace.root)
        ended = churnfit(*SCORE.split(), cwd=workspace.root)
        assert ended.code == code, ended
        if code:
            assert "error[CF207]" in ended.err
            assert f"{faulty} of 40 accounts are faulty" in ended.err
            assert contents(workspace.root) == before


def test_in_a_wide_table_only_the_faulty_date_of_an_account_is_set_aside(tmp_path: Path) -> None:
    """A cell that is no number on the first date leaves that row out, and makes numbers of the column's others."""
    from tests.history.tiny_world import spec_of

    from churnfit.history.quarantine import set_aside
    from churnfit.history.sources import open_sources

    lines = [
        f"{name},2024-01-0{day},{value}" for name, value in (("A", "3"), ("B", "n/a"), ("C", "5")) for day in (1, 2)
    ]
    lines[0] = "A,2024-01-01,soon"
    (tmp_path / "wide.csv").write_text("\n".join(["account_id,as_of,logins", *lines]) + "\n")
    wide = spec_of({"logins": {"aggregate": "column"}}, sources={"measures": {"path": "wide.csv", "timezone": "UTC"}})
    with open_sources(wide, tmp_path, unreadable_as_gaps=True) as con:
        found = set_aside(con, wide, observed_to=at(100))
        rows = con.execute("SELECT account_id, day(as_of), logins FROM measures ORDER BY ALL").fetchall()
    assert rows == [("A", 2, 3.0), ("B", 1, None), ("B", 2, None), ("C", 1, 5.0), ("C", 2, 5.0)]
    assert found.accounts == {"A"}
    assert found.rows[["row", "column", "value", "code"]].to_numpy().tolist() == [[1, "logins", "soon", "CF212"]]


@pytest.mark.parametrize("value", [1e300, float("-inf")], ids=str)
def test_day_tables_set_aside_what_the_events_do(
    churnfit: Cli, last_night: Workspace, tmp_path: Path, value: float
) -> None:
    """A value that no sum can hold: its account is left out, the night goes on."""
    workspace = copied(last_night, tmp_path / "workspace")
    summed = '\n[measures.spent]\ngroup = "use"\naggregate = "sum"\nkinds = ["login"]\n'
    spec("\n[bands]", f"{summed}\n[bands]")(workspace.root)
    spec("[cohort]", '[history]\nengine = "days"\n\n[cohort]')(workspace.root)
    event(value=value)(workspace.root)
    run = json.loads(churnfit(*SCORE.split(), "--json", cwd=workspace.root).out)["run"]
    assert (run["accounts"], run["set_aside"], run["faulty_rows"]) == (39, 1, 1)


@pytest.mark.parametrize("engine", ["events", "days"])
def test_a_kind_that_stopped_refuses_the_night_whatever_the_engine(
    churnfit: Cli, last_night: Workspace, tmp_path: Path, engine: str
) -> None:
    """Logins came on forty days and stopped nine days ago, while tickets go on: the first kind of two, by name."""
    workspace = copied(last_night, tmp_path / "workspace")
    logins = [(f"A{n:02}", day + 0.5, "login") for n in range(5) for day in range(52)]
    tickets = [(f"A{n:02}", day + 0.6, "ticket") for n in range(5) for day in range(61)]
    write(workspace.root, accounts=nightly.accounts(), events=events_of(*logins, *tickets))
    spec("[cohort]", f'[history]\nengine = "{engine}"\n\n[cohort]')(workspace.root)
    ended = churnfit(*SCORE.split(), cwd=workspace.root)
    assert (ended.code, "'login' silent for 9 days" in ended.err) == (1, True), ended


@pytest.mark.parametrize(
    ("cells", "said"),
    [(["NA"] * 40, "CF212"), ([f"{n:03}" for n in range(40)], "CF212")],
    ids=["a column without any number", "a column of codes"],
)
def test_a_column_that_is_no_measure_is_no_fault_of_rows(
    churnfit: Cli, last_night: Workspace, tmp_path: Path, cells: list[str], said: str
) -> None:
    """The night is refused, as the fit is."""
    workspace = copied(last_night, tmp_path / "workspace")
    spec('column = "goal"', 'column = "goal"\nshape = "higher_is_better"')(workspace.root)
    parquet("accounts", lambda table: table.assign(goal=pd.Series(cells, dtype="str")))(workspace.root)
    checked, night = (churnfit(*line.split(), cwd=workspace.root) for line in ("check", SCORE))
    assert (said in checked.out, night.code) == (said in night.err, 1), (checked, night)


def test_a_cell_that_is_infinite_is_set_aside_with_those_in_words(tmp_path: Path) -> None:
    """Two of five."""
    from tests.history.tiny_world import spec_of

    from churnfit.history.quarantine import set_aside
    from churnfit.history.sources import open_sources

    values = ("3", "inf", "soon", "5", "7")
    lines = [f"A{n},2024-01-01,{value}" for n, value in enumerate(values)]
    (tmp_path / "wide.csv").write_text("\n".join(["account_id,as_of,logins", *lines]) + "\n")
    wide = spec_of(
        {"logins": {"aggregate": "column", "shape": "higher_is_better"}},
        sources={"measures": {"path": "wide.csv", "timezone": "UTC"}, "max_faulty_share": 0.5},
    )
    with open_sources(wide, tmp_path, unreadable_as_gaps=True) as con:
        found = set_aside(con, wide, observed_to=at(100))
        rows = con.execute("SELECT account_id, logins FROM measures ORDER BY ALL").fetchall()
    assert found.rows["value"].tolist() == ["inf", "soon"]
    assert rows == [("A0", 3.0), ("A3", 5.0), ("A4", 7.0)]


def test_what_is_handed_over_and_won_is_told_beside_faulty_rows(
    churnfit: Cli, last_night: Workspace, tmp_path: Path
) -> None:
    """An account that stands twice, one without an id, and a step with the name of a keyword stop neither list."""
    workspace = copied(last_night, tmp_path / "workspace")
    more = '[next_stage]\nstage = "adoption"\nwhen = "logins > 5"\n[journey.steps.import]\nkinds = ["ticket"]\n'
    spec("[cohort]", f"{more}[cohort]")(workspace.root)
    parquet("accounts", lambda table: pd.concat([table, table.iloc[[3]]]).assign(stage=["adoption", *[None] * 40]))(
        workspace.root
    )
    assert churnfit(*SCORE.split(), cwd=workspace.root).code == 0
    for line in ("stages --json", "wins --json"):
        ended = churnfit(*line.split(), cwd=workspace.root)
        assert ended.code == 0, ended
    spec("logins > 5", "logins > 5 OR spent > 3")(workspace.root)
    spec("[bands]", '[measures.spent]\ngroup = "use"\naggregate = "sum"\nkinds = ["login"]\n\n[bands]')(workspace.root)
    spec("[cohort]", '[perception]\nmeasure = "spent"\ncontent_from = 3\ndiscontent_to = 1\n\n[cohort]')(workspace.root)
    assert json.loads(churnfit("stages", "--json", cwd=workspace.root).out)["ready"] == []
    asked = churnfit("perception", cwd=workspace.root)
    assert (asked.code, "error[CF702] run of" in asked.err) == (2, True), asked
