"""promote, rollback, show and diff over the demo's workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import CARD

from churnfit.errors import GateError, IntegrityError, UsageError
from churnfit.jobs.promotion import differences, load, plan_promotion, promote, rollback
from churnfit.jobs.workspace import Workspace
from churnfit.registry import RunRecord
from churnfit.scorecard.card import Scorecard


def another(workspace: Workspace, *, gates_passed: bool = True) -> Scorecard:
    """Register the champion with its red cut a little higher as a new candidate; return it."""
    _, champion = load(workspace, CARD, "champion")
    card = replace(champion, bands=replace(champion.bands, red_below=champion.bands.red_below + 1.0))
    record = RunRecord(
        params={},
        metrics={},
        texts={"gates.txt": "the gates"},
        gates_passed=gates_passed,
        champion_sha256=champion.sha256,
    )
    workspace.registry().register(card, record)
    return card


def exported(workspace: Workspace) -> Scorecard:
    """Return the champion.json beside the spec."""
    path = workspace.cards[CARD].parent / "champion.json"
    return Scorecard.from_json(path.read_text(encoding="utf-8"))


def test_the_demos_champion_is_exported_beside_its_spec(demo_workspace: Workspace) -> None:
    """champion.json is the registered card, champion.md is for people."""
    version, champion = load(demo_workspace, CARD, "champion")
    assert version is not None
    assert (version.reference, version.promoted_from) == ("version-1", "candidate-1")
    assert exported(demo_workspace) == champion
    text = (demo_workspace.cards[CARD].parent / "champion.md").read_text(encoding="utf-8")
    assert all(measure.label in text for measure in champion.measures)


def test_a_plan_changes_nothing_and_says_what_would(workspace: Workspace) -> None:
    """The difference in words and the gates, and the champion stays."""
    card = another(workspace)
    plan = plan_promotion(workspace, CARD, "latest")
    assert plan.candidate.reference == "candidate-2"
    assert plan.champion is not None
    assert plan.champion.reference == "version-1"
    assert any("red" in change and f"{card.bands.red_below:g}" in change for change in plan.changes)
    assert plan.gates == "the gates"
    assert workspace.registry().resolve(CARD, "champion").reference == "version-1"


def test_promotion_and_rollback_move_champion_and_export_together(workspace: Workspace) -> None:
    """There and back again; a second step back is refused."""
    _, first = load(workspace, CARD, "champion")
    second = another(workspace)
    promote(workspace, CARD, "latest", reason="a little earlier")
    assert exported(workspace) == second
    assert differences(workspace, CARD, "version-2", "candidate-2") == []
    rollback(workspace, CARD)
    assert exported(workspace) == first
    with pytest.raises(UsageError, match="CF607"):
        rollback(workspace, CARD)
    assert exported(workspace) == first


def test_what_is_refused_leaves_the_champion(workspace: Workspace) -> None:
    """A candidate whose gates said no, and a version that was promoted before."""
    another(workspace, gates_passed=False)
    for reference, message in (("latest", "expected every gate passed"), ("version-1", "a version promoted before")):
        with pytest.raises(GateError, match=f"CF606 .*{message}"):
            promote(workspace, CARD, reference, reason="please")
    assert [version.reference for version in workspace.registry().versions(CARD)] == [
        "candidate-1",
        "candidate-2",
        "version-1",
    ]


def test_a_tampered_champion_is_neither_shown_nor_scored(workspace: Workspace) -> None:
    """Every use of a version checks its bytes: CF601."""
    for path in (workspace.folder / "artifacts").rglob("scorecard-*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace('"slope": ', '"slope": 1'), encoding="utf-8")
    with pytest.raises(IntegrityError, match="CF601"):
        load(workspace, CARD, "champion")


def test_a_file_can_be_shown_like_a_version(demo_workspace: Workspace, tmp_path: Path) -> None:
    """A scorecard's JSON by its path; what is not there, or no scorecard, is said."""
    path = demo_workspace.cards[CARD].parent / "champion.json"
    version, card = load(demo_workspace, CARD, str(path))
    assert version is None
    assert card == load(demo_workspace, CARD, "version-1")[1]
    with pytest.raises(UsageError, match=r"CF401 nowhere.json: expected a scorecard's JSON"):
        load(demo_workspace, CARD, "nowhere.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(IntegrityError, match="CF601 scorecard JSON"):
        load(demo_workspace, CARD, str(tmp_path / "other.json"))
