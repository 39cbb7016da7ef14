"""Exports: what people and other systems read, with names that mean harm."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Ended
from tests.cta.test_rules import account
from tests.cta.test_store import HOSTILE, run_row
from tests.jobs import small_workspace
from tests.small_card import spec_of

from churnfit.cta.rules import decide
from churnfit.errors import UsageError
from churnfit.jobs.exports import export, export_labels, queue_frame, spreadsheet_safe
from churnfit.jobs.history import label_ledger
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace, find_workspace

Cli = Callable[..., Ended]
NAMES = [*HOSTILE, "two\r=rows", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"]


@pytest.fixture
def hostile_workspace(tmp_path: Path) -> Workspace:
    """A workspace whose queue is full of hostile names; its spec has forgotten the playbook they were given."""
    root = tmp_path / "workspace"
    root.mkdir()
    small_workspace.make(root, accounts=small_workspace.accounts(), events=small_workspace.events())
    workspace = find_workspace(root)
    red = [account(name, "red", owner=name, reasons=(name,)) for name in NAMES]
    store = workspace.store()
    store.publish(
        run_row(),
        lambda standing: decide(red, standing, spec_of(), as_of=date(2026, 3, 2), version="version-1"),
        at="2026-03-02T04:00:00Z",
    )
    store.close()
    return workspace


def test_csv_cells_cannot_run(hostile_workspace: Workspace, tmp_path: Path) -> None:
    """No cell of text begins with what a spreadsheet runs; taking the apostrophe away gives the name back."""
    path = tmp_path / "queue.csv"
    assert export(hostile_workspace, "small", "queue", path) == len(NAMES)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for column in ("owner", "account_id", "reasons", "to_do"):
            assert not row[column].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert {row["account_id"] for row in rows} == {spreadsheet_safe(name) for name in NAMES}
    assert {row["account_id"].removeprefix("'") for row in rows} >= {name for name in NAMES if name[0] != "'"}
    assert rows[0]["expected_value"] == "900.0"


def test_jsonl_and_parquet_keep_every_name(hostile_workspace: Workspace, tmp_path: Path) -> None:
    """One document a line, whatever line feeds a name has; nothing is altered."""
    export(hostile_workspace, "small", "queue", tmp_path / "queue.jsonl")
    lines = (tmp_path / "queue.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert sorted(json.loads(line)["account_id"] for line in lines) == sorted(NAMES)
    export(hostile_workspace, "small", "queue", tmp_path / "queue.parquet")
    assert sorted(pd.read_parquet(tmp_path / "queue.parquet")["account_id"]) == sorted(NAMES)


def test_names_cannot_paint_the_terminal(hostile_workspace: Workspace, churnfit: Cli) -> None:
    """Control characters are shown, markup is text, and --json gives the names back exactly."""
    ended = churnfit("queue", cwd=hostile_workspace.root)
    assert ended.code == 0
    assert not any(character in ended.out for character in "\x1b\u202e\r\t")
    assert "␛[31mred␛[0m" in ended.out
    assert "[bold]markup[/bold]" in ended.out
    assert "two␊lines␉and␉tabs" in ended.out
    document = json.loads(churnfit("queue", "--json", cwd=hostile_workspace.root).out)
    assert sorted(cta["account_id"] for cta in document["ctas"]) == sorted(NAMES)


def test_a_playbook_that_left_the_spec_is_named_as_it_was(hostile_workspace: Workspace, churnfit: Cli) -> None:
    """CTAs outlive the spec they were opened under; the queue still reads."""
    assert "     by 2026-03-12: visit" in churnfit("queue", cwd=hostile_workspace.root).out
    assert set(queue_frame(hostile_workspace, "small")["to_do"]) == {"visit"}


def test_an_empty_queue_has_its_columns(demo_workspace: Workspace, tmp_path: Path) -> None:
    """Whoever reads the file finds the header."""
    path = tmp_path / "queue.csv"
    assert export(demo_workspace, "dear", "queue", path) == 0
    assert (
        path.read_text()
        .splitlines()[0]
        .startswith('"owner","rank","part","overflow","to_do","cta_id","card","account_id",')
    )


def test_what_cannot_be_exported_is_said(demo_workspace: Workspace, tmp_path: Path) -> None:
    """Another ending, a file that is there, scores of a card never scored."""
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"CF506 .*there.csv: expected a new file; came an existing one"):
        export(demo_workspace, "onboarding", "queue", tmp_path / "there.csv")
    with pytest.raises(UsageError, match=r"CF703 .*ending in .csv, .jsonl, .parquet; came .xlsx"):
        export(demo_workspace, "onboarding", "queue", tmp_path / "new.xlsx")
    with pytest.raises(UsageError, match=r"CF702 card 'dear': expected a scoring run; came none"):
        export(demo_workspace, "dear", "scores", tmp_path / "new.csv")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_the_newest_scores_are_exported(demo_workspace: Workspace, tmp_path: Path) -> None:
    """As many rows as accounts, with health between 0 and 100."""
    rows = export(demo_workspace, "onboarding", "scores", tmp_path / "deep" / "scores.csv")
    table = pd.read_csv(tmp_path / "deep" / "scores.csv")
    assert len(table) == rows > 0
    assert table["health"].between(0, 100).all()


def test_labels_are_written_row_by_row_or_as_a_ledger(demo_workspace: Workspace, tmp_path: Path) -> None:
    """The table has every row with its reason, the Markdown counts them; a file that is there stays as it is."""
    export_labels(demo_workspace, "onboarding", tmp_path / "labels.csv", as_of=DEMO_DAY)
    rows = pd.read_csv(tmp_path / "labels.csv")
    found, per_cohort = label_ledger(demo_workspace, "onboarding", as_of=DEMO_DAY)
    assert rows["status"].tolist() == found["status"].tolist()
    assert rows["reason"].notna().equals(rows["status"] != "matured")
    export_labels(demo_workspace, "onboarding", tmp_path / "labels.md", as_of=DEMO_DAY)
    text = (tmp_path / "labels.md").read_text(encoding="utf-8")
    assert text.count("\n| 20") == len(per_cohort)
    assert f"| matured | its horizon is over | {(found['status'] == 'matured').sum():,} |" in text
    with pytest.raises(UsageError, match="CF506"):
        export_labels(demo_workspace, "onboarding", tmp_path / "labels.md", as_of=DEMO_DAY)
    with pytest.raises(UsageError, match="CF703"):
        export_labels(demo_workspace, "onboarding", tmp_path / "labels.pdf", as_of=DEMO_DAY)
