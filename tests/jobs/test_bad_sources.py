"""Bad tables: the nightly run refuses each with its code, and neither the workspace nor the database changes."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Ended, copied
from tests.cta.test_store import HOSTILE
from tests.databases import rows_of
from tests.jobs import nightly
from tests.jobs.bad_inputs import SCORE, Bad, Spoil, csv, parquet, put, refused, spec

from churnfit.history.sources import open_sources
from churnfit.jobs.workspace import Workspace
from churnfit.spec import read_spec

HEAD = "account_id,started_at,goal\n"
ROW = "A01,2024-01-02,cost\n"


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def truncated(root: Path) -> None:
    path = root / "events.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def damaged(root: Path) -> None:
    path = root / "events.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)


def latin_parquet(root: Path) -> None:
    path = root / "accounts.parquet"
    path.write_bytes(path.read_bytes().replace(b"growth", b"gr\xf6wth"))


def folder(root: Path) -> None:
    (root / "events.parquet").unlink()
    (root / "events.parquet").mkdir()


def zipped(content: bytes) -> Spoil:
    """Return what reads accounts from a .csv.gz of that content."""

    def spoil(root: Path) -> None:
        put("accounts.csv.gz", content)(root)
        spec('path = "accounts.parquet" }', 'path = "accounts.csv.gz", timezone = "UTC" }')(root)

    return spoil


_GZIP = gzip.compress(nightly.accounts().to_csv(index=False).encode())

CASES = [
    Bad("a zipped file is not zipped", "CF402", "gzip", zipped(b"account_id,started_at\nA,2024-01-01\n")),
    Bad("a zipped file was cut off", "CF402", "ended", zipped(_GZIP[:40])),
    Bad("a zipped file is damaged", "CF402", "decompress", zipped(_GZIP[:12] + b"\xff" * 200)),
    Bad("a quote in the header is open", "CF402", "a quote is open", csv('"account_id,started_at\nA,2024-01-01\n')),
    Bad("a name in the header is endless", "CF402", "field larger", csv(f"account_id,{'x' * 200_000}\nA,1\n")),
    Bad("the accounts file is missing", "CF401", "a file", put("accounts.parquet", None)),
    Bad("the accounts file is empty", "CF401", "0 bytes", put("accounts.parquet", b"")),
    Bad("the events file is a folder", "CF401", "a file", folder),
    Bad("the events file was cut off", "CF402", "events.parquet", truncated),
    Bad("the events file has damaged pages", "CF402", "every row can be read", damaged),
    Bad("a CSV is named .parquet", "CF402", "accounts.parquet", put("accounts.parquet", HEAD + ROW)),
    Bad("a Parquet file is named .csv", "CF402", "accounts.csv", csv(parquet_bytes(nightly.accounts()))),
    Bad("only a header is left", "CF110", "at least one row", csv(HEAD)),
    Bad("the CSV is blank lines", "CF402", "accounts.csv", csv("\n\n\n")),
    Bad("a line has a field too many", "CF402", "accounts.csv", csv(HEAD + "A01,2024-01-02,cost,5\n")),
    Bad("a line has a field too few", "CF402", "accounts.csv", csv(HEAD + ROW + "A02,2024-01-02\n")),
    Bad(
        "a column name stands twice",
        "CF218",
        "'account_id' twice",
        csv("account_id,started_at,account_id\nA01,2024-01-02,A09\n"),
    ),
    Bad(
        "two column names differ by case only",
        "CF218",
        "'goal' twice",
        csv("account_id,started_at,Goal,goal\nA01,2024-01-02,cost,growth\n"),
    ),
    Bad("a quote is never closed", "CF402", "accounts.csv", csv(HEAD + 'A01,2024-01-02,"cost\n' + ROW)),
    Bad("the CSV is UTF-16", "CF402", "accounts.csv", csv((HEAD + ROW).encode("utf-16"))),
    Bad("the CSV is Latin-1", "CF402", "accounts.csv", csv((HEAD + "Müller,2024-01-02,cost\n").encode("latin-1"))),
    Bad(
        "the JSON is cut off",
        "CF402",
        "accounts.json",
        lambda r: (
            put("accounts.json", '[{"account_id": "A01", "star')(r),
            spec("accounts.parquet", "accounts.json")(r),
        ),
    ),
    Bad(
        "the file has an ending nobody knows",
        "CF402",
        "accounts.xlsx",
        lambda r: (put("accounts.xlsx", "x")(r), spec("accounts.parquet", "accounts.xlsx")(r)),
    ),
    Bad("the id column is missing", "CF217", "account_id", parquet("accounts", lambda t: t.drop(columns="account_id"))),
    Bad(
        "the id column is called otherwise",
        "CF217",
        "customer_id",
        parquet("accounts", lambda t: t.rename(columns={"account_id": "customer_id"})),
    ),
    Bad(
        "the column of a measure is missing",
        "CF201",
        "measures.goal",
        parquet("accounts", lambda t: t.drop(columns="goal")),
    ),
    Bad("the kind of event is missing", "CF217", "kind", parquet("events", lambda t: t.drop(columns="kind"))),
    Bad(
        "no event of a kind that a measure counts",
        "CF504",
        "'ticket'",
        parquet("events", lambda t: t[t["kind"] == "login"]),
    ),
    Bad(
        "times are whole numbers",
        "CF212",
        "occurred_at",
        parquet("events", lambda t: t.assign(occurred_at=t["occurred_at"].astype("int64"), recorded_at=pd.NaT)),
    ),
    Bad("times without a zone, and none declared", "CF308", "started_at", csv(HEAD + ROW, timezone=None)),
    Bad(
        "some times with a zone and some without",
        "CF308",
        "2024-01-03 10:00",
        csv(HEAD + "A01,2024-01-02T00:00:00Z,cost\nA02,2024-01-03 10:00,cost\n", timezone=None),
    ),
    Bad(
        "a time zone that there is not",
        "CF308",
        "Europe/Berlim",
        csv(HEAD + ROW, timezone="Europe/Berlim"),
        exit_code=2,
    ),
    Bad(
        "the feed stopped a month ago",
        "CF314",
        "days before",
        parquet(
            "events",
            lambda t: t.assign(**{name: t[name] - pd.Timedelta(days=30) for name in ("occurred_at", "recorded_at")}),
        ),
    ),
    Bad(
        "no account is in the stage",
        "CF110",
        "accounts in the stage",
        spec("stage_days = [1, 400]", "stage_days = [300, 400]"),
    ),
    Bad(
        "ids that a gap has made fractions",
        "CF212",
        "DOUBLE",
        parquet("accounts", lambda t: t.assign(account_id=np.arange(40.0))),
    ),
    Bad("text in Parquet that is not UTF-8", "CF402", "UTF", latin_parquet),
    Bad("a nested column as a measure", "CF212", "goal", parquet("accounts", lambda t: t.assign(goal=[[1, 2]] * 40))),
    Bad(
        "ids of another type than those of events",
        "CF212",
        "",
        parquet("accounts", lambda t: t.assign(account_id=[[n] for n in range(40)])),
    ),
]


@pytest.fixture(scope="module")
def last_night(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace after last night: to be copied, never changed."""
    return nightly.made(tmp_path_factory.mktemp("nightly") / "workspace", empty_mlflow)


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.says)
def test_bad_tables_are_refused_and_change_nothing(
    churnfit: Callable[..., Ended], last_night: Workspace, tmp_path: Path, bad: Bad
) -> None:
    """The documented code in four parts, no traceback, and the same bytes in every file and database."""
    refused(churnfit, copied(last_night, tmp_path / "workspace").root, bad)


def test_the_same_workspace_unspoiled_is_scored(
    churnfit: Callable[..., Ended], last_night: Workspace, tmp_path: Path
) -> None:
    """What the cases above spoil is whole to begin with."""
    assert churnfit(*SCORE.split(), cwd=copied(last_night, tmp_path / "workspace").root).code == 0


ODD = {
    "a byte-order mark": b"\xef\xbb\xbf" + f"{HEAD}A01,2024-01-02,cost\n".encode(),
    "tabs": b"account_id\tstarted_at\tgoal\nA01\t2024-01-02\tcost\n",
    "semicolons": b"account_id;started_at;goal\nA01;2024-01-02;cost\n",
    "line ends of Windows": b"account_id,started_at,goal\r\nA01,2024-01-02,cost\r\n",
    "a column without a name": b",account_id,started_at,goal\n0,A01,2024-01-02,cost\n",
    "capitals in the header": b"ACCOUNT_ID,Started_At,Goal\nA01,2024-01-02,cost\n",
    "no line end at the end": b"account_id,started_at,goal\nA01,2024-01-02,cost",
    "a name in quotes with separators in it": (
        b'"Name; first; second";account_id;started_at;goal\n"x";A01;2024-01-02;cost\n'
    ),
    "offsets of two zones": b"account_id,started_at,goal\nA01,2024-01-02T03:00:00+03:00,cost\n",
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_odd_but_right_files_are_read(last_night: Workspace, tmp_path: Path, content: bytes) -> None:
    """One account, of the second of January, with its goal."""
    (tmp_path / "events.parquet").write_bytes((last_night.root / "events.parquet").read_bytes())
    (tmp_path / "small.toml").write_text(nightly.SPEC, encoding="utf-8")
    csv(content)(tmp_path)
    with open_sources(read_spec(tmp_path / "small.toml"), tmp_path) as con:
        rows = con.execute("SELECT account_id, started_at = TIMESTAMPTZ '2024-01-02 00:00:00+00', goal FROM accounts")
        assert rows.fetchall() == [("A01", True, "cost")]


def test_names_that_are_sql_formulas_or_markup_are_only_names(
    churnfit: Callable[..., Ended], last_night: Workspace, tmp_path: Path
) -> None:
    """Ids, owners, segments and goals of every hostile kind are scored, queued and explained; every table is there."""
    root = copied(last_night, tmp_path / "workspace").root

    def hostile(table: pd.DataFrame) -> pd.DataFrame:
        named = {name: table[name].astype(object) for name in ("account_id", "owner", "segment", "goal")}
        for column in named.values():
            column[: len(HOSTILE)] = HOSTILE
        return table.assign(**named)

    parquet("accounts", hostile)(root)
    spec("[sources]", "[sources]\nmax_faulty_share = 1.0")(root)  # the ids of last night are gone with their names
    before = rows_of(f"sqlite:///{root}/.churnfit/churnfit.db")
    assert churnfit(*SCORE.split(), cwd=root).code == 0
    assert rows_of(f"sqlite:///{root}/.churnfit/churnfit.db").keys() == before.keys()
    found = json.loads(churnfit("queue", "--json", cwd=root).out)["ctas"]
    ids = {cta["account_id"] for cta in found} & set(HOSTILE)
    assert len(ids) >= 5
    for name in ids:
        assert json.loads(churnfit("explain", "--json", "--", name, cwd=root).out)["score"]["account_id"] == name
    assert churnfit("export", "queue", "queue.csv", cwd=root).code == 0
    cells = pd.read_csv(root / "queue.csv", dtype="str", keep_default_na=False).to_numpy().ravel()
    assert [cell for cell in cells if cell.startswith(("=", "@", "\t", "\r", "\n"))] == []
