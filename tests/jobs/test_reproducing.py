"""reproduce and the canary: what was published comes out again, and what was changed is found."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import CARD as DEMO_CARD
from tests.jobs.test_ledger import CARD, OTHER, made, register
from tests.small_card import AS_OF, snapshot

from churnfit.cta.rules import Decision
from churnfit.cta.store import RunRow
from churnfit.errors import IntegrityError
from churnfit.history.snapshot import snapshot_hash
from churnfit.jobs.promotion import promote, rollback
from churnfit.jobs.reproducing import reproduce
from churnfit.jobs.scoring import score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.card import Scorecard
from churnfit.scoring.batch import publish, run_folder, run_key
from churnfit.scoring.batch import score as score_snapshot


def scored(workspace: Workspace, card: Scorecard, version: str, measured: pd.DataFrame) -> RunRow:
    """Publish `measured` under `card`, as `churnfit score` does."""
    sha256 = snapshot_hash(measured)
    key = run_key(card, sha256, AS_OF)
    folder = run_folder(workspace.scores, "small", AS_OF, key)
    publish(score_snapshot(card, measured, key=key), folder)
    row = RunRow(
        run_key=key,
        card="small",
        as_of=AS_OF.date(),
        version=version,
        card_sha256=card.sha256,
        snapshot_sha256=sha256,
        accounts=len(measured),
        folder=str(folder.relative_to(workspace.folder)),
    )
    with closing(workspace.store()) as store:
        store.publish(row, lambda _: Decision(), at="2026-03-02T04:00:00Z")
    return row


@pytest.fixture
def two_champions(empty_mlflow: Path, tmp_path: Path) -> Workspace:
    """version-1 scored four accounts, then gave way to version-2."""
    workspace = made(tmp_path / "workspace", empty_mlflow)
    register(workspace, CARD)
    promote(workspace, "small", "latest", reason="first", by="ann")
    scored(workspace, CARD, "version-1", snapshot())
    register(workspace, OTHER)
    promote(workspace, "small", "latest", reason="second", by="ann")
    return workspace


def test_twenty_six_weeks_come_out_byte_for_byte(workspace: Workspace) -> None:
    """Half a year of weekly scores of the demo: snapshot, scores and reasons, all as published."""
    for week in range(1, 26):
        score(workspace, DEMO_CARD, as_of=DEMO_DAY - pd.Timedelta(weeks=week), say=lambda _: None)
    found = reproduce(workspace, DEMO_CARD, every=True)
    assert len({one.run.as_of for one in found}) == 26
    assert {(one.compared, one.byte_for_byte) for one in found} == {(("snapshot", "scores", "reasons"), True)}


def edit(name: str, column: str) -> Callable[[Workspace, Path], object]:
    """Return what makes one number of a published file a little better."""

    def deed(_: Workspace, folder: Path) -> None:
        frame = pd.read_parquet(folder / f"{name}.parquet")
        frame.loc[1, column] += 1.0
        frame.to_parquet(folder / f"{name}.parquet")

    return deed


def touch(_: Workspace, folder: Path) -> None:
    """Change a byte that is no value."""
    path = folder / "scores.parquet"
    path.write_bytes(path.read_bytes().replace(b"parquet-cpp-arrow", b"parquet-cpp-arrov"))


def change_ledger(workspace: Workspace, _: Path) -> None:
    """Change the card that the ledger kept."""
    with closing(sqlite3.connect(workspace.folder / "churnfit.db")) as database:
        database.execute("UPDATE ledger SET card_json = replace(card_json, '40.0', '41.0') WHERE sequence = 1")
        database.commit()


SPOILED: dict[str, tuple[Callable[[Workspace, Path], object], str]] = {
    "a score": (edit("scores", "health"), r"scores.parquet as published; came another health of 1 \(B\)"),
    "a reason": (edit("reasons", "health_points"), r"reasons.parquet as published; came another health_points"),
    "the snapshot": (edit("snapshot", "logins"), "snapshot.parquet of the recorded hash"),
    "a lost file": (lambda _, folder: (folder / "reasons.parquet").unlink(), "reasons.parquet of the run"),
    "no Parquet": (lambda _, folder: (folder / "scores.parquet").write_text("x"), "scores.parquet of the run"),
    "the ledger's card": (change_ledger, "the card .* that it was scored with; came none, or one that was changed"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_one_changed_value_is_found(two_champions: Workspace, what: str) -> None:
    """Scores, reasons, snapshot or card: CF614, exit code 4."""
    [one] = reproduce(two_champions, "small", as_of=AS_OF.date())
    assert one.run.version == "version-1"
    deed, said = SPOILED[what]
    deed(two_champions, two_champions.folder / one.run.folder)
    with pytest.raises(IntegrityError, match=f"CF614 .*{said}") as fault:
        reproduce(two_champions, "small")
    assert fault.value.exit_code == 4


def test_the_same_values_of_another_writer_count_as_the_same(two_champions: Workspace) -> None:
    """An update of pyarrow changes its name in every file: the values decide then."""
    [one] = reproduce(two_champions, "small")
    touch(two_champions, two_champions.folder / one.run.folder)
    assert reproduce(two_champions, "small") == [replace(one, byte_for_byte=False)]


def test_a_rollback_is_proved_on_what_the_version_published(two_champions: Workspace) -> None:
    """Its four accounts score as they did; the ledger's row says so."""
    version, said = rollback(two_champions, "small", by="bob")
    assert (version.reference, said) == ("version-1", "4 accounts of 2026-03-01 score as published")
    assert two_champions.registry().ledger.rows("small")[-1].canary == said


def test_a_canary_that_sings_another_song_stops_the_rollback(two_champions: Workspace) -> None:
    """CF613 names the account; the champion stays, the ledger has no new row."""
    [one] = reproduce(two_champions, "small")
    edit("scores", "health")(two_champions, two_champions.folder / one.run.folder)
    with pytest.raises(IntegrityError, match=r"CF613 .*came another health of 1 \(B\)"):
        rollback(two_champions, "small", by="bob")
    assert two_champions.registry().resolve("small", "champion").reference == "version-2"
    assert len(two_champions.registry().ledger.rows("small")) == 2


def test_a_version_that_scored_nothing_is_held_against_its_copy_in_the_ledger(
    empty_mlflow: Path, tmp_path: Path
) -> None:
    """On the newest run's accounts, ten thousand at most; it takes seconds."""
    workspace = made(tmp_path / "workspace", empty_mlflow)
    for card in (CARD, OTHER):
        register(workspace, card)
        promote(workspace, "small", "latest", reason="next", by="ann")
    scored(workspace, OTHER, "version-2", snapshot(*(f"A{n:05}" for n in range(10_500))))
    began = time.monotonic()
    _, said = rollback(workspace, "small", by="bob")
    assert time.monotonic() - began < 60
    assert said == "10,000 accounts of 2026-03-01 score as its copy in the ledger does"
