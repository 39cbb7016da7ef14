"""The ledger: what it records, that every kind of tampering is found, and what brings MLflow back to it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.small_card import CARD

from churnfit.errors import BusyError, GateError, IntegrityError, UsageError
from churnfit.jobs.promotion import ask, mend, promote, rollback
from churnfit.jobs.workspace import Workspace
from churnfit.registry import Ledger, Registry, Row, RunRecord, Version, moves
from churnfit.registry.ledger import FIRST_LINK, faults_of, moves_in, reigns
from churnfit.registry.mending import faults
from churnfit.registry.moves import Deed
from churnfit.scorecard.card import Scorecard

if TYPE_CHECKING:
    from mlflow import MlflowClient

OTHER, THIRD = replace(CARD, slope=0.09), replace(CARD, slope=0.10)


def register(workspace: Workspace, card: Scorecard) -> Version:
    """Register `card` as a candidate that passed its gates against the champion of now."""
    registry = workspace.registry()
    champion = registry.champion("small")
    against = champion.sha256 if champion else ""
    texts = {"gates.txt": "every gate passed"}
    return registry.register(
        card, RunRecord(params={}, metrics={}, texts=texts, gates_passed=True, champion_sha256=against)
    )


def made(root: Path, empty_mlflow: Path, *, second_person: bool = False) -> Workspace:
    """Return a workspace of one card without champion."""
    folder = root / ".churnfit"
    folder.mkdir(parents=True)
    shutil.copy(empty_mlflow, folder / "mlflow.db")
    return Workspace(
        root=root,
        folder=folder,
        database=f"sqlite:///{folder / 'churnfit.db'}",
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        cards={"small": root / "small" / "scorecard.toml"},
        second_person=second_person,
    )


@pytest.fixture
def fresh(empty_mlflow: Path, tmp_path: Path) -> Workspace:
    """A workspace without champion."""
    return made(tmp_path / "workspace", empty_mlflow)


@pytest.fixture(scope="module")
def moved(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three promotions, the last one asked for, and a rollback: five rows. Tests that touch MLflow put it back."""
    workspace = made(tmp_path_factory.mktemp("moved"), empty_mlflow)
    for card in (CARD, OTHER):
        register(workspace, card)
        promote(workspace, "small", "latest", reason="better", by="ann")
    register(workspace, THIRD)
    ask(workspace, "small", "latest", reason="look at this", by="ann")
    promote(workspace, "small", "latest", reason="better still", by="bob")
    rollback(workspace, "small", reason="it was not", by="cid")
    return workspace


class Copied:
    """The moved workspace's MLflow with a ledger of one's own, to be spoiled."""

    def __init__(self, workspace: Workspace, path: Path) -> None:
        shutil.copy(workspace.folder / "churnfit.db", path)
        self.path = path
        self.registry = Registry(workspace.tracking_uri, workspace.folder / "artifacts", Ledger(f"sqlite:///{path}"))

    def run(self, *statements: str) -> None:
        """Change the ledger behind churnfit's back."""
        connection = sqlite3.connect(self.path)
        for statement in statements:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute(statement)
        connection.commit()
        connection.close()

    def rewrite(self, rows: list[Row]) -> None:
        """Put `rows` in place of all rows, as they are."""
        connection = sqlite3.connect(self.path)
        connection.execute("DELETE FROM ledger")
        for row in rows:
            content = asdict(row)
            names = ", ".join(content)
            marks = ", ".join("?" * len(content))
            connection.execute(f"INSERT INTO ledger ({names}) VALUES ({marks})", tuple(content.values()))
        connection.commit()
        connection.close()


@pytest.fixture
def copied(moved: Workspace, tmp_path: Path) -> Copied:
    """A ledger to spoil."""
    return Copied(moved, tmp_path / "ledger.db")


def rechained(rows: list[Row]) -> list[Row]:
    """Return `rows` numbered and chained anew, as a forger with time would."""
    done: list[Row] = []
    for place, row in enumerate(rows, start=1):
        row = replace(row, sequence=place, previous_hash=done[-1].row_hash if done else FIRST_LINK)  # noqa: PLW2901
        done.append(replace(row, row_hash=row.reckoned_hash()))
    return done


def test_the_ledger_says_who_did_what_when_and_why(moved: Workspace) -> None:
    """Five rows in a chain; a rollback names the version it went back to, and an asker moves nothing."""
    rows = moved.registry().ledger.rows("small")
    assert [(row.sequence, row.kind, row.version, row.done_by, row.asked_by, row.reason) for row in rows] == [
        (1, "promoted", 1, "ann", "", "better"),
        (2, "promoted", 2, "ann", "", "better"),
        (3, "asked", 0, "ann", "", "look at this"),
        (4, "promoted", 3, "bob", "ann", "better still"),
        (5, "rolled back", 2, "cid", "", "it was not"),
    ]
    assert [row.previous_hash for row in rows] == [FIRST_LINK, *(row.row_hash for row in rows[:-1])]
    assert [Scorecard.from_json(row.card_json) for row in rows] == [CARD, OTHER, THIRD, THIRD, OTHER]
    assert {row.verdict for row in rows} == {"every gate passed"}
    assert [row.version for row in reigns(rows)] == [1, 2]
    assert faults(moved.registry(), "small") == []
    champion = moved.registry().resolve("small", "champion")
    assert (champion.reference, champion.is_champion) == ("version-2", True)


def test_the_export_names_the_row_of_the_ledger(moved: Workspace) -> None:
    """What lies in git holds the hash that a forger of both databases could not change."""
    text = (moved.cards["small"].parent / "champion.md").read_text(encoding="utf-8")
    assert moved.registry().ledger.rows("small")[-1].row_hash in text
    assert (moved.cards["small"].parent / "champion.json").read_text(encoding="utf-8") == OTHER.to_json()


FIELDS = {
    "card": "'other'",
    "sequence": "17",
    "kind": "'adopted'",
    "asked_by": "'nobody'",
    "done_by": "'mallory'",
    "at": "'2020-01-01T00:00:00Z'",
    "reason": "reason || '.'",
    "verdict": "'no gate passed'",
    "canary": "'sang'",
    "version": "version + 7",
    "candidate": "'candidate-9'",
    "card_sha256": "'" + "c" * 64 + "'",
    "card_json": "replace(card_json, '40.0', '41.0')",
    "previous_hash": "'" + "a" * 64 + "'",
    "row_hash": "'" + "b" * 64 + "'",
}


@pytest.mark.parametrize("sequence", [1, 3, 5], ids=["first", "middle", "last"])
@pytest.mark.parametrize("field", FIELDS)
def test_one_changed_field_is_found(copied: Copied, field: str, sequence: int) -> None:
    """Every column of the first, a middle and the last row."""
    before = copied.registry.ledger.rows("small")
    copied.run(f"UPDATE ledger SET {field} = {FIELDS[field]} WHERE sequence = {sequence}")
    assert copied.registry.ledger.rows("small") != before
    assert faults(copied.registry, "small") != []


def swap(rows: list[Row]) -> list[Row]:
    """Return `rows` with the contents of the second and the fourth exchanged, numbers kept."""
    return [rows[0], replace(rows[3], sequence=2), rows[2], replace(rows[1], sequence=4), rows[4]]


def card_swapped(rows: list[Row]) -> list[Row]:
    """Return `rows` with another card in the second, hash and all."""
    other = rows[3]
    changed = replace(rows[1], card_json=other.card_json, card_sha256=other.card_sha256)
    return [rows[0], changed, *rows[2:]]


REWRITTEN: dict[str, Callable[[list[Row]], list[Row]]] = {
    "first row deleted": lambda rows: rows[1:],
    "middle row deleted": lambda rows: rows[:2] + rows[3:],
    "last row deleted": lambda rows: rows[:-1],
    "last two deleted": lambda rows: rows[:-2],
    "all deleted": lambda rows: [],
    "middle row deleted, numbers closed": lambda rows: (
        rows[:2] + [replace(r, sequence=r.sequence - 1) for r in rows[3:]]
    ),
    "middle row deleted, chained anew": lambda rows: rechained(rows[:2] + rows[3:]),
    "last row deleted, chained anew": lambda rows: rechained(rows[:-1]),
    "rows swapped": swap,
    "rows swapped, chained anew": lambda rows: rechained(swap(rows)),
    "last row duplicated": lambda rows: [*rows, replace(rows[-1], sequence=6)],
    "last row duplicated, chained anew": lambda rows: rechained([*rows, rows[-1]]),
    "a row added": lambda rows: rechained([*rows, replace(rows[3], version=3, done_by="mallory")]),
    "a row put between": lambda rows: rechained([*rows[:2], replace(rows[2], done_by="mallory"), *rows[2:]]),
    "card swapped, hash and all": card_swapped,
    "card swapped, chained anew": lambda rows: rechained(card_swapped(rows)),
    "reason changed, chained anew": lambda rows: rechained([replace(rows[0], reason="?"), *rows[1:]]),
    "last reason changed, chained anew": lambda rows: rechained([*rows[:-1], replace(rows[-1], reason="?")]),
    "a promotion called a rollback": lambda rows: rechained([*rows[:3], replace(rows[3], kind="rolled back"), rows[4]]),
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_rows_deleted_swapped_added_or_forged_are_found(copied: Copied, how: str) -> None:
    """By links and sequence; where the forger reckoned all hashes anew, by the mark that MLflow carries."""
    copied.rewrite(REWRITTEN[how](copied.registry.ledger.rows("small")))
    assert faults(copied.registry, "small") != []


@pytest.mark.parametrize(
    "how", ["last row deleted", "all deleted", "last row deleted, chained anew", "last reason changed, chained anew"]
)
def test_a_ledger_without_its_end_names_no_champion(copied: Copied, how: str) -> None:
    """Every command that asks who is champion is refused: CF610, exit code 4, and what to do."""
    copied.rewrite(REWRITTEN[how](copied.registry.ledger.rows("small")))
    with pytest.raises(IntegrityError, match=r"CF610 .*ledger mend --adopt") as fault:
        copied.registry.champion("small")
    assert fault.value.exit_code == 4


@pytest.fixture
def mlflow_again(moved: Workspace) -> Iterator[Workspace]:
    """The moved workspace; alias, mark and artifacts are put back afterwards."""
    registry = moved.registry()
    files = {path: path.read_bytes() for path in (moved.folder / "artifacts").rglob("scorecard-*.json")}
    assert files
    yield moved
    for path, content in files.items():
        path.write_bytes(content)
    registry.reflect("small")


def client(workspace: Workspace) -> MlflowClient:
    """Return MLflow's own client, as somebody in its web page would use it."""
    import mlflow

    return mlflow.MlflowClient(workspace.tracking_uri, workspace.tracking_uri)


def spoil_artifact(workspace: Workspace, sha256: str) -> None:
    """Improve a number in the card that MLflow keeps."""
    for path in (workspace.folder / "artifacts").rglob(f"scorecard-{sha256}.json"):
        path.write_bytes(path.read_bytes().replace(b'"red_below": 40.0', b'"red_below": 39.0'))


def lose_artifact(workspace: Workspace, sha256: str) -> None:
    """Delete the card that MLflow keeps."""
    for path in (workspace.folder / "artifacts").rglob(f"scorecard-{sha256}.json"):
        path.unlink()


def forge_artifact(workspace: Workspace, sha256: str) -> None:
    """Put another card there, under its own right name, and change the tag that names its hash."""
    for path in (workspace.folder / "artifacts").rglob(f"scorecard-{sha256}.json"):
        path.write_text(THIRD.to_json(), encoding="utf-8")
    client(workspace).set_model_version_tag("small", "2", "sha256", THIRD.sha256)


BY_HAND: dict[str, tuple[Callable[[Workspace], object], str]] = {
    "alias moved": (lambda w: client(w).set_registered_model_alias("small", "champion", "3"), "alias is on version-3"),
    "alias removed": (lambda w: client(w).delete_registered_model_alias("small", "champion"), "alias is on no version"),
    "mark changed": (
        lambda w: client(w).set_registered_model_tag("small", "churnfit.ledger", "6:" + "a" * 64),
        "rows are gone",
    ),
    "mark removed": (lambda w: client(w).delete_registered_model_tag("small", "churnfit.ledger"), "no mark"),
    "artifact changed": (lambda w: spoil_artifact(w, OTHER.sha256), "version-2: .*SHA-256"),
    "artifact of an old version changed": (lambda w: spoil_artifact(w, CARD.sha256), "version-1: .*SHA-256"),
    "artifact lost": (lambda w: lose_artifact(w, OTHER.sha256), "version-2: .*0 JSON files"),
    "artifact forged with its tag": (lambda w: forge_artifact(w, OTHER.sha256), "version-2: .*SHA-256"),
}


@pytest.mark.parametrize("how", BY_HAND)
def test_what_is_done_to_mlflow_by_hand_is_found(mlflow_again: Workspace, how: str) -> None:
    """Alias, mark and artifact are held against the ledger."""
    deed, said = BY_HAND[how]
    deed(mlflow_again)
    found = faults(mlflow_again.registry(), "small")
    assert any(re.search(said, fault) for fault in found), found


@pytest.mark.parametrize("how", ["alias moved", "alias removed"])
def test_an_alias_moved_by_hand_is_refused_and_mended(mlflow_again: Workspace, how: str) -> None:
    """CF611, exit code 4; `ledger mend` sets it back, and there is nothing to adopt."""
    BY_HAND[how][0](mlflow_again)
    with pytest.raises(IntegrityError, match=r"CF611 .*alias on version-2.*ledger mend") as fault:
        mlflow_again.registry().champion("small")
    assert fault.value.exit_code == 4
    with pytest.raises(UsageError, match=r"CF703 ledger mend --adopt"):
        mend(mlflow_again, "small", reason="why not", adopt=True)
    assert "it is on version-2 now" in mend(mlflow_again, "small", reason="mended")
    assert faults(mlflow_again.registry(), "small") == []
    assert mend(mlflow_again, "small", reason="mended").startswith("nothing to mend")


def test_a_mirror_that_is_behind_is_set_forward(mlflow_again: Workspace) -> None:
    """As a promoter leaves it that was killed between row and alias, or between alias and mark."""
    registry = mlflow_again.registry()
    rows = registry.ledger.rows("small")
    for version in ("3", "2"):  # row 4 made version-3 champion, row 5 version-2 again
        client(mlflow_again).set_registered_model_tag("small", "churnfit.ledger", rows[3].mark)
        client(mlflow_again).set_registered_model_alias("small", "champion", version)
        champion = mlflow_again.registry().champion("small")
        assert champion is not None
        assert champion.reference == "version-2"
        assert faults(registry, "small") == []


def test_a_forged_artifact_is_not_scored_with_even_if_its_tag_agrees(mlflow_again: Workspace) -> None:
    """The champion's hash is the ledger's, not MLflow's: CF601."""
    forge_artifact(mlflow_again, OTHER.sha256)
    registry = mlflow_again.registry()
    with pytest.raises(IntegrityError, match="CF601"):
        registry.load(registry.resolve("small", "champion"))
    client(mlflow_again).set_model_version_tag("small", "2", "sha256", OTHER.sha256)


def test_a_lost_champion_comes_back_from_the_ledger(fresh: Workspace) -> None:
    """MLflow's files are gone: `mend` registers the ledger's copy as a new version, on the record."""
    for card in (CARD, OTHER):
        register(fresh, card)
        promote(fresh, "small", "latest", reason="better", by="ann")
    lose_artifact(fresh, OTHER.sha256)
    assert "it is version-3 now, from the ledger" in mend(fresh, "small", reason="gc ran", by="ann")
    registry = fresh.registry()
    assert registry.load(registry.resolve("small", "champion")) == OTHER
    assert rollback(fresh, "small", by="ann")[0].reference == "version-1"  # not to the lost twin of version-3


def test_a_deleted_champion_version_comes_back_too(fresh: Workspace) -> None:
    """Deleting a version drops its alias silently; CF611 says so, `mend` restores the card."""
    register(fresh, CARD)
    promote(fresh, "small", "latest", reason="first", by="ann")
    client(fresh).delete_model_version("small", "1")
    with pytest.raises(IntegrityError, match="CF611"):
        fresh.registry().champion("small")
    assert "version-1 is not in MLflow any more" in faults(fresh.registry(), "small")
    assert "it is version-2 now" in mend(fresh, "small", reason="clicked in the web page", by="ann")
    assert fresh.registry().load(fresh.registry().resolve("small", "champion")) == CARD


def test_a_lost_ledger_can_be_begun_anew_on_the_record(fresh: Workspace) -> None:
    """No backup: MLflow's champion is adopted with a reason, scoring goes on, and the row says what was lost."""
    register(fresh, CARD)
    promote(fresh, "small", "latest", reason="first", by="ann")
    (fresh.folder / "churnfit.db").unlink()
    with pytest.raises(IntegrityError, match="CF610"):
        mend(fresh, "small", reason="")
    mend(fresh, "small", reason="the disk died", by="ann", adopt=True)
    [row] = fresh.registry().ledger.rows("small")
    assert (row.kind, row.version, row.reason) == ("adopted", 1, "the disk died")
    assert "MLflow was marked with row 1:" in row.verdict
    assert fresh.registry().resolve("small", "champion").reference == "version-1"


def test_of_two_promoters_one_wins_and_the_other_is_told(fresh: Workspace) -> None:
    """Both looked at the same row; the second gets CF609, exit code 3, and its copy serves the next promotion."""
    first, second = register(fresh, CARD), register(fresh, OTHER)
    registry = fresh.registry()
    deed = Deed(by="ann", at="2026-03-01T12:00:00Z", reason="why")
    admit = registry.admit

    def overtaken(candidate: Version, *, reason: str) -> int:
        registry.admit = admit  # type: ignore[method-assign]
        moves.promote(fresh.registry(), second, replace(deed, by="bob"))
        return admit(candidate, reason=reason)

    registry.admit = overtaken  # type: ignore[method-assign]
    with pytest.raises(BusyError, match=r"CF609 .*Somebody else was first") as fault:
        moves.promote(registry, first, deed)
    assert fault.value.exit_code == 3
    assert [row.done_by for row in fresh.registry().ledger.rows("small")] == ["bob"]
    assert fresh.registry().load(fresh.registry().resolve("small", "champion")) == OTHER
    register(fresh, CARD)
    assert promote(fresh, "small", "latest", reason="again", by="ann").reference == "version-2"
    assert faults(fresh.registry(), "small") == []


RACE = """
import sys
from churnfit.errors import BusyError
from churnfit.registry import Ledger, Row
ledger, won = Ledger(sys.argv[1]), 0
while won < 20:
    rows = ledger.rows("small")
    row = Row(card="small", kind="asked", done_by=sys.argv[2], at="t", reason="r", card_sha256="s", card_json="j")
    try:
        ledger.append(row, after=rows[-1].mark if rows else "")
        won += 1
    except BusyError as fault:
        assert fault.code == "CF609", fault
"""


def test_two_processes_never_write_the_same_row(tmp_path: Path) -> None:
    """Twenty rows each, all the time at once: forty rows in one unbroken chain."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    running = [subprocess.Popen([sys.executable, "-c", RACE, url, who], env=os.environ) for who in ("ann", "bob")]
    assert [one.wait(timeout=120) for one in running] == [0, 0]
    rows = Ledger(url).rows("small")
    assert [row.sequence for row in rows] == list(range(1, 41))
    assert sorted(row.done_by for row in rows) == ["ann"] * 20 + ["bob"] * 20
    assert not [fault for fault in faults_of(rows) if "JSON" not in fault]


def test_with_second_person_one_asks_and_another_promotes(empty_mlflow: Path, tmp_path: Path) -> None:
    """Nobody asked, or the same one did: CF612. Who asked is in the row; an ask is good for one move."""
    workspace = made(tmp_path / "workspace", empty_mlflow, second_person=True)
    register(workspace, CARD)
    with pytest.raises(GateError, match=r"CF612 .*nobody asked since the last move.*promote --ask"):
        promote(workspace, "small", "latest", reason="first", by="ann")
    ask(workspace, "small", "latest", reason="please", by="ann")
    with pytest.raises(GateError, match=r"CF612 .*'ann' asked alone"):
        promote(workspace, "small", "latest", reason="first", by="ann")
    promote(workspace, "small", "latest", reason="first", by="bob")
    assert moves_in(workspace.registry().ledger.rows("small"))[-1].asked_by == "ann"
    register(workspace, OTHER)
    with pytest.raises(GateError, match=r"CF612 .*nobody asked"):
        promote(workspace, "small", "latest", reason="second", by="bob")
    assert faults(workspace.registry(), "small") == []
