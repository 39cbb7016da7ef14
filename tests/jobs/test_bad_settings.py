"""Bad specs, stores, artifacts and arguments: each refused with its code, and nothing in the workspace changes."""

from __future__ import annotations

import json
import resource
import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Ended, copied
from tests.jobs import nightly
from tests.jobs.bad_inputs import SCORE, Bad, put, refused, spec, toml
from tests.small_card import CARD, contents, snapshot

from churnfit.files import read_parquet, write_parquet
from churnfit.jobs.workspace import Workspace

SINK = '[sinks.crm]\nurl = "{url}"\nsecret = "{signed_by}"\n'
DATABASE, MLFLOW = ".churnfit/churnfit.db", ".churnfit/mlflow.db"
FILE = "score-file in.parquet out.parquet"


def sink(url: str = "http://127.0.0.1:1", signed_by: str = "env:PATH", more: str = "") -> Callable[[Path], object]:
    return toml(after=SINK.format(url=url, signed_by=signed_by) + more)


def run(database: str, *statements: str) -> Callable[[Path], object]:
    def spoil(root: Path) -> None:
        connection = sqlite3.connect(root / database)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return spoil


def healthier(root: Path) -> None:
    [path] = root.glob(".churnfit/scores/small/*/*/scores.parquet")
    table = read_parquet(path)
    write_parquet(table.assign(health=table["health"] + 1), path)


def both(*spoils: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [spoil(root) for spoil in spoils]


def edited(pattern: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    def spoil(root: Path) -> None:
        [path] = root.glob(pattern)
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new, 1))

    return spoil


def snapshot_of(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], object]:
    return lambda root: write_parquet(change(snapshot()), root / "in.parquet")


def card(key: str, value: str) -> Callable[[Path], object]:
    whole = json.loads(CARD.to_json())
    text = json.dumps(whole | {key: "HERE"}).replace('"HERE"', value)
    return put("card.json", text)


SPECS = [
    Bad("no workspace here or above", "CF501", "churnfit.toml here or above", put("churnfit.toml", None)),
    Bad("churnfit.toml is no TOML", "CF502", "line", put("churnfit.toml", "[cards")),
    Bad("churnfit.toml is Latin-1", "CF502", "UTF-8", put("churnfit.toml", 'folder = "Müll"'.encode("latin-1"))),
    Bad("a key of churnfit.toml is misspelt", "CF503", "nearest valid name: 'database'", toml('databse = "x"')),
    Bad("churnfit.toml names no card", "CF503", "cards", put("churnfit.toml", "")),
    Bad("the spec is missing", "CF401", "small.toml", put("small.toml", None), exit_code=2),
    Bad("a key of the spec stands twice", "CF502", "line", spec('name = "small"', 'name = "small"\nname = "small"')),
    Bad("a key of the spec is misspelt", "CF503", "'horizon_days'", spec("horizon_days", "horizon_day")),
    Bad("a horizon of minus one day", "CF503", "horizon_days", spec("horizon_days = 90", "horizon_days = -1")),
    Bad("a horizon in words", "CF503", "horizon_days", spec("horizon_days = 90", 'horizon_days = "long"')),
    Bad("a cost that is not a number", "CF503", "cost", spec("cost = 10", "cost = nan")),
    Bad("a save rate above one", "CF503", "save_rate", spec("save_rate = 0.2", "save_rate = 20")),
    Bad("the days of the stage run backwards", "CF503", "stage_days", spec("[1, 400]", "[400, 1]")),
    Bad(
        "a measure called like SQL",
        "CF503",
        "lower-case letters",
        spec("[measures.logins]", "[measures.'x\"; DROP TABLE runs; --']"),
    ),
    Bad("a card called like a path", "CF503", "", put("churnfit.toml", '[cards]\n"../../evil" = "small.toml"\n')),
    Bad("a measure without a playbook", "CF504", "playbook", spec(', playbook = "call"', "")),
    Bad("a playbook that there is not", "CF503", "'call'", spec('playbook = "call"', 'playbook = "cal"')),
    Bad("a source that is no SELECT", "CF505", "one SELECT", spec('path = "accounts.parquet"', 'sql = "DROP TABLE x"')),
    Bad(
        "a source that reads a file by itself",
        "CF505",
        "sources.files",
        spec('path = "accounts.parquet"', "sql = \"SELECT * FROM read_csv('/etc/passwd')\""),
    ),
    Bad("an engine that there is not", "CF503", "engine", spec("[cohort]", '[history]\nengine = "dask"\n[cohort]')),
]

STORES = [
    Bad(
        "the database is no database",
        "CF705",
        "not a database",
        put(DATABASE, "this is no database, it is a letter\n" * 50),
    ),
    Bad(
        "the database is a folder",
        "CF709",
        "unable to open",
        both(put(DATABASE, None), lambda r: (r / DATABASE).mkdir()),
        exit_code=3,
    ),
    Bad("the database lies below a file", "CF709", "small.toml", toml('database = "sqlite:///small.toml/churnfit.db"')),
    Bad(
        "the database is of a newer churnfit",
        "CF706",
        "9999",
        run(DATABASE, "UPDATE churnfit_schema SET version_num = '9999'"),
    ),
    Bad("a table of the database is gone", "CF705", "runs", run(DATABASE, "DROP TABLE runs")),
    Bad("the database's address is none", "CF508", "", toml('database = "churnfit.db"')),
    Bad("the database needs a driver that there is not", "CF508", "driver", toml('database = "oracle://x/y"')),
    Bad(
        "MLflow in the same database",
        "CF508",
        "one for both",
        toml('database = "sqlite:///a.db"\ntracking_uri = "sqlite:///a.db"'),
    ),
    Bad("MLflow's database is no database", "CF603", "", put(MLFLOW, "this is no database\n" * 50)),
    Bad(
        "PostgreSQL does not answer",
        "CF701",
        "",
        toml('database = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"'),
    ),
    Bad(
        "MLflow has forgotten the champion",
        "CF603",
        "version-1",
        run(MLFLOW, "DELETE FROM model_version_tags", "DELETE FROM model_versions"),
    ),
    Bad(
        "nothing was ever promoted",
        "CF602",
        "a champion",
        both(
            run(DATABASE, "DELETE FROM ledger"),
            run(MLFLOW, "DELETE FROM registered_model_aliases", "DELETE FROM registered_model_tags"),
        ),
    ),
    Bad("the ledger's newest row is gone", "CF610", "", run(DATABASE, "DELETE FROM ledger")),
    Bad("the ledger was edited", "CF610", "", run(DATABASE, "UPDATE ledger SET reason = 'another'")),
    Bad("the card was edited", "CF601", "", edited(".churnfit/artifacts/**/*.json", b'"slope"', b'"slop3"')),
    Bad(
        "last night's scores were edited, and the night is run again",
        "CF704",
        "scores",
        healthier,
        command=f"score --as-of {nightly.LAST_NIGHT:%Y-%m-%d}",
    ),
    Bad(
        "a file lies where scores go", "CF709", "as_of=2024-03-02", put(".churnfit/scores/small/as_of=2024-03-02", "x")
    ),
]

ARGUMENTS = [
    Bad("a date that has not come", "CF703", "a date that has come", command="score --as-of 2999-01-01"),
    Bad("a date that is none", "CF703", "a date of the calendar", command="score --as-of 2024-02-30"),
    Bad("a date in another order", "CF703", "YYYY-MM-DD", command="score --as-of 01.02.2024"),
    Bad("a date in other digits", "CF703", "", command="score --as-of ２０２４-０３-０２"),
    Bad(
        "a range that ends before it begins",
        "CF703",
        "not after the last",
        command="score --from 2024-03-02 --to 2024-03-01",
    ),
    Bad("half a range", "CF703", "both", command="score --from 2024-03-02"),
    Bad("a card that there is not", "CF504", "'small'", command="score --card smal", exit_code=2),
    Bad("a card called like a path", "CF504", "", command="score --card ../small", exit_code=2),
    Bad("a metrics file below a file", "CF709", "small.toml", command=f"{SCORE} --metrics small.toml/x.prom"),
    Bad("a metrics file of another ending", "CF703", ".prom", command=f"{SCORE} --metrics x.txt"),
    Bad("a CTA that there is not", "CF702", "nobody", command="cta claim nobody"),
    Bad("a CTA called like SQL", "CF702", "", command="""cta claim "' OR 1=1; DROP TABLE ctas; --" """),
    Bad("an outcome that there is not", "CF703", "done", command="cta close A01 --outcome great"),
    Bad("a CTA not valid without a reason", "CF703", "why", command="cta close A01 --outcome not-valid"),
    Bad("a snooze into the past", "CF703", "", command="cta snooze A01 --until 2020-01-01"),
    Bad(
        "an override of an account that there is not",
        "CF702",
        "nobody",
        command="override set nobody --band red --until 2999-01-01 --why x",
    ),
    Bad(
        "an override to a band that there is not",
        "CF703",
        "red",
        command="override set A01 --band blue --until 2999-01-01 --why x",
    ),
    Bad("an explanation of an account that there is not", "CF702", "nobody", command="explain nobody"),
    Bad("an explanation of a night that there is not", "CF702", "2020-01-01", command="explain A01 --as-of 2020-01-01"),
    Bad("a version that there is not", "CF602", "version-9", command="show version-9"),
    Bad("a version called like a path", "CF602", "", command="show ../../etc/passwd"),
    Bad("a promotion without a reason", "CF703", "--reason", command="promote latest --apply"),
    Bad("a rollback with nothing to go back to", "CF607", "", command="rollback --apply"),
    Bad("an export of a table that there is not", "CF703", "queue", command="export customers x.csv"),
    Bad("an export to another ending", "CF703", ".csv", command="export queue x.xlsx"),
    Bad("an export over a file that is there", "CF506", "", command="export queue churnfit.toml"),
    Bad("an export below a file", "CF709", "small.toml", command="export queue small.toml/x.csv"),
    Bad(
        "an export to a folder's name", "CF506", "", both(lambda r: (r / "x.csv").mkdir()), command="export queue x.csv"
    ),
    Bad("an SQL dialect that there is not", "CF703", "duckdb", command="export sql x.sql --dialect oracle"),
    Bad("a code that there is not", "CF703", "", command="explain-code CF999"),
    Bad("a form of log that there is not", "CF703", "text or json", command=f"--log xml {SCORE}"),
    Bad("outcomes from a file that there is not", "CF401", "", command="outcomes import none.csv"),
    Bad(
        "outcomes with an unknown column",
        "CF217",
        "",
        put("o.csv", "cta,outcome\nx,done\n"),
        command="outcomes import o.csv",
    ),
]

CARDS = [
    Bad("a card that there is not", "CF401", "card.json", command="show card.json", exit_code=2),
    Bad("a card that is no JSON", "CF601", "", put("card.json", "{"), "show card.json"),
    Bad("a card that is no text", "CF401", "card.json", put("card.json", b"\xff\xfe"), "show card.json", exit_code=2),
    Bad("a card that is another document", "CF601", "", put("card.json", '{"x": 1}'), "show card.json"),
    Bad("a card that is nested without end", "CF601", "", put("card.json", "[" * 20_000), "show card.json"),
    Bad("a card of a newer churnfit", "CF604", "99", card("schema_version", "99"), "show card.json", exit_code=4),
    Bad("a card whose slope is text", "CF601", "slope", card("slope", '"steep"'), "show card.json"),
    Bad("a card whose slope is no number", "CF601", "NaN", card("slope", "NaN"), "show card.json"),
]

SINKS = [
    Bad("a webhook's address is none", "CF503", "http", sink(url="crm.example.com"), command="deliver"),
    Bad("a webhook's address is a file", "CF503", "http", sink(url="file:///etc/passwd"), command="deliver"),
    Bad("a webhook's port is too large", "CF503", "http", sink(url="http://x:99999/"), command="deliver"),
    Bad("a webhook's secret stands in the file", "CF507", "env:NAME", sink(signed_by="hunter2"), command="deliver"),
    Bad(
        "a webhook's secret is not set",
        "CF507",
        "env:NO_SUCH_NAME",
        sink(signed_by="env:NO_SUCH_NAME"),
        command="deliver",
    ),
    Bad(
        "a webhook's secret is an empty file",
        "CF507",
        "file:key",
        both(put("key", " \n"), sink(signed_by="file:key")),
        command="deliver",
    ),
    Bad(
        "a webhook's secret is no text",
        "CF507",
        "file:key",
        both(put("key", b"\xff\xfe\x00"), sink(signed_by="file:key")),
        command="deliver",
    ),
    Bad(
        "a webhook is told of a status that there is not",
        "CF503",
        "events",
        sink(more='events = ["opened"]\n'),
        command="deliver",
    ),
    Bad(
        "a webhook waits a negative time",
        "CF503",
        "timeout_seconds",
        sink(more="timeout_seconds = -1\n"),
        command="deliver",
    ),
    Bad("a dead letter that there is not", "CF702", "nokey", command="deliver --drop nokey"),
]

FILES = [
    Bad("no snapshot to score", "CF401", "in.parquet", command=FILE),
    Bad("a snapshot that is no Parquet", "CF402", "in.parquet", put("in.parquet", "account_id\n"), command=FILE),
    Bad("a snapshot that is a folder", "CF402", "in.parquet", lambda r: (r / "in.parquet").mkdir(), command=FILE),
    Bad(
        "a snapshot without ids",
        "CF217",
        "account_id",
        snapshot_of(lambda t: t.drop(columns="account_id")),
        command=FILE,
    ),
    Bad(
        "a snapshot without a measure",
        "CF217",
        "tickets",
        snapshot_of(lambda t: t.drop(columns="tickets")),
        command=FILE,
    ),
    Bad(
        "a snapshot of a measure in words",
        "CF212",
        "logins",
        snapshot_of(lambda t: t.assign(logins="many")),
        command=FILE,
    ),
    Bad(
        "a snapshot of a category in numbers", "CF212", "goal", snapshot_of(lambda t: t.assign(goal=1.5)), command=FILE
    ),
    Bad(
        "scores over a file that is there",
        "CF506",
        "",
        both(snapshot_of(lambda t: t), put("out.parquet", "mine")),
        command=FILE,
    ),
    Bad(
        "scores below a file",
        "CF709",
        "small.toml",
        snapshot_of(lambda t: t),
        command="score-file in.parquet small.toml/out.parquet",
    ),
]

CASES = [*SPECS, *STORES, *ARGUMENTS, *CARDS, *SINKS, *FILES]


@pytest.fixture(scope="module")
def last_night(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace after last night: to be copied, never changed."""
    return nightly.made(tmp_path_factory.mktemp("nightly") / "workspace", empty_mlflow)


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.says)
def test_bad_settings_are_refused_and_change_nothing(
    churnfit: Callable[..., Ended], last_night: Workspace, tmp_path: Path, bad: Bad
) -> None:
    """The documented code in four parts, no traceback, and the same bytes in every file and database."""
    refused(churnfit, copied(last_night, tmp_path / "workspace").root, bad)


def test_a_database_that_somebody_holds_is_waited_for_and_then_left_alone(
    churnfit: Callable[..., Ended], last_night: Workspace, tmp_path: Path
) -> None:
    """CF701 with exit code 3 after the seconds that the address grants; the next run finds all as it was."""
    root = copied(last_night, tmp_path / "workspace").root
    toml(f'database = "sqlite:///{root / DATABASE}?timeout=0.1"')(root)
    holder = sqlite3.connect(root / DATABASE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    before = contents(root / ".churnfit" / "scores")
    held = churnfit(*shlex.split(SCORE), cwd=root)
    holder.close()
    assert (held.code, held.out, "error[CF701]" in held.err) == (3, "", True)
    assert contents(root / ".churnfit" / "scores") == before
    assert churnfit(*shlex.split(SCORE), cwd=root).code == 0


@pytest.mark.parametrize("room", [0, 5_000])
def test_a_full_disk_shows_no_run_and_is_healed_by_the_next(
    churnfit: Callable[..., Ended], last_night: Workspace, tmp_path: Path, room: int
) -> None:
    """CF709 with exit code 3, whichever file comes to the end of the room; then the night is that of a roomy disk."""
    root, roomy = copied(last_night, tmp_path / "full").root, copied(last_night, tmp_path / "roomy").root
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    try:
        full = churnfit(*shlex.split(SCORE), cwd=root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert (full.code, full.out, "error[CF709]" in full.err) == (3, "", True), full
    assert [path.name for path in root.rglob("*.tmp")] == []
    assert "2024-03-02" not in churnfit("runs", cwd=root).out
    done = [churnfit(*shlex.split(SCORE), cwd=each).out for each in (root, roomy)]
    assert done[0] == done[1]
    assert contents(root / ".churnfit" / "scores") == contents(roomy / ".churnfit" / "scores")
