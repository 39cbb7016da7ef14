"""What several folders of tests need: the demo, run once, and copies of it to change."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.databases import new_database

from churnfit.jobs.workspace import Workspace, find_workspace

CARD = "onboarding"
QUIETER = {"trials": 2, "bootstrap": 60}  # the demo's own settings take three times as long and show the same


THIRD_PARTY_WARNINGS = (
    "ignore:The ``noload`` loader strategy is deprecated",  # MLflow's SQL store, of SQLAlchemy 2.1
    r"ignore:The set_(bad|over|under) function will be deprecated",  # importing shap, of matplotlib 3.11
)
"""Said inside libraries about one another, at their first use; nothing here calls what they warn of."""


def pytest_configure(config: pytest.Config) -> None:
    """Let those warnings through; all others are errors."""
    for line in THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database: the test runs once on SQLite and once on PostgreSQL."""
    return new_database(request.param, tmp_path)


@pytest.fixture(scope="session")
def demo_workspace(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo's workspace, finished: to be read, never written."""
    from churnfit.jobs.starting import DEMO_DAY, demo, init
    from churnfit.synthetic import simulate, write_world

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # one demo for all workers
    root = shared / "demo"
    with _alone(shared / "demo.lock"):
        if not (shared / "demo.done").exists():
            init(root, templates=("onboarding", "dear"))
            lighten(root / "models" / CARD / "scorecard.toml")
            (root / ".churnfit").mkdir()
            shutil.copy(empty_mlflow, root / ".churnfit" / "mlflow.db")
            write_world(simulate(1200, as_of=DEMO_DAY), root / "data")
            demo(root, say=lambda _: None)
            (shared / "demo.done").touch()
    return find_workspace(root)


@pytest.fixture
def workspace(demo_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished demo, to be changed."""
    return copied(demo_workspace, tmp_path / "workspace")


def copied(workspace: Workspace, root: Path) -> Workspace:
    """Return a copy of a workspace in `root`, which MLflow knows to lie there."""
    # another test may be reading the shared demo: SQLite's side files come and go, and hold nothing then
    shutil.copytree(workspace.root, root, ignore=shutil.ignore_patterns("*.db-shm", "*.db-wal"))
    _move_mlflow(root / ".churnfit" / "mlflow.db", str(workspace.root), str(root))
    return find_workspace(root)


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow database without runs or versions: migrating takes seconds, copying nothing."""
    from churnfit.registry import Ledger, Registry

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    assert (
        Registry(f"sqlite:///{path}", path.parent, Ledger(f"sqlite:///{path.parent / 'ledger.db'}")).versions("none")
        == []
    )
    return path


class Ended(NamedTuple):
    """How a command ended: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def churnfit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """The command line, run in this process: ``churnfit("queue", "--json", cwd=folder)``."""
    from churnfit.cli import main

    def run(*arguments: str, cwd: Path) -> Ended:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["churnfit", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Ended(code=int(end.value.code or 0), out=said.out, err=said.err)

    return run


def lighten(spec: Path, *, trials: int = QUIETER["trials"], bootstrap: int = QUIETER["bootstrap"]) -> None:
    """Lower the two settings of a written spec that cost time and decide nothing here."""
    text = spec.read_text(encoding="utf-8")
    text = re.sub(r"^trials = \d+", f"trials = {trials}", text, flags=re.MULTILINE)
    spec.write_text(re.sub(r"^bootstrap = \d+", f"bootstrap = {bootstrap}", text, flags=re.MULTILINE), encoding="utf-8")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _move_mlflow(database: Path, old: str, new: str) -> None:
    """Rewrite the absolute artifact addresses that MLflow keeps in its database."""
    connection = sqlite3.connect(database)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for column in connection.execute(f"PRAGMA table_info('{table}')").fetchall():
            name = column[1]
            change = f'UPDATE "{table}" SET "{name}" = replace("{name}", ?, ?) WHERE typeof("{name}") = \'text\''
            connection.execute(f'{change} AND instr("{name}", ?) > 0', (old, new, old))
    connection.commit()
    connection.close()
