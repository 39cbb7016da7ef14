"""promote, rollback, show and diff over the demo's workspace."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import CARD
from tests.small_card import contents

from churnfit.errors import BusyError, DataError, GateError, IntegrityError, UsageError
from churnfit.files import read_parquet, write_parquet
from churnfit.jobs.promotion import ask, differences, load, plan_promotion, promote, rollback
from churnfit.jobs.scoring import scoring_snapshot
from churnfit.jobs.workspace import Workspace
from churnfit.registry import RunRecord
from churnfit.scorecard.card import Scorecard

HIGHER = 4.0  # health points: somebody is between the cuts on every replayed day


def another(workspace: Workspace, *, gates_passed: bool = True) -> Scorecard:
    """Register the champion with its red cut a little higher as a new candidate; return it."""
    _, champion = load(workspace, CARD, "champion")
    card = replace(champion, bands=replace(champion.bands, red_below=champion.bands.red_below + HIGHER))
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


def test_a_plan_replays_the_last_weeks_account_by_account(workspace: Workspace) -> None:
    """Only the red cut moves, a point up: just the amber accounts below the new cut change band, and open CTAs."""
    card = another(workspace)
    before = contents(workspace.root)
    plan = plan_promotion(workspace, CARD, "latest", weeks=3)
    assert plan.replay is not None
    days = [date(2026, 6, 16), date(2026, 6, 23), date(2026, 6, 30)]
    assert list(plan.replay.accounts) == days
    expected = set()
    for day in days:
        as_of = pd.Timestamp(day, tz="UTC")
        measured = scoring_snapshot(workspace, workspace.spec(CARD), as_of=as_of)
        health = card.health(measured)
        between = (health >= card.bands.red_below - HIGHER) & (health < card.bands.red_below)
        expected |= {(day, account) for account in measured.loc[between, "account_id"]}
    assert {(change.as_of, change.account_id) for change in plan.replay.changes} == expected != set()
    assert {(change.before, change.after) for change in plan.replay.changes} == {("amber", "red")}
    assert plan.replay.champion is not None
    assert plan.replay.candidate is not None
    first = {account for day, account in expected if day == days[0]}
    opened = [set(side.asked.opened[days[0]]) for side in (plan.replay.champion, plan.replay.candidate)]
    assert opened[1] - opened[0] == first
    warned = [side.warned for side in (plan.replay.champion, plan.replay.candidate)]
    assert (warned[0].churned, warned[0].called) <= (warned[1].churned, warned[1].called)
    assert plan.replay.champion.coverage == plan.replay.candidate.coverage > 0.5
    changed = {name for name, content in contents(workspace.root).items() if before.get(name) != content}
    assert not {name for name in changed if not name.startswith((".churnfit/churnfit.db", ".churnfit/mlflow.db"))}


def test_an_empty_source_is_no_week_without_accounts(workspace: Workspace) -> None:
    """A replay says that the events are gone; it does not call every week empty."""
    another(workspace)
    path = workspace.root / "data" / "events.parquet"
    write_parquet(read_parquet(path).iloc[:0], path)
    with pytest.raises(DataError, match=r"CF110 sources.events\[0\].*at least one row"):
        plan_promotion(workspace, CARD, "latest", weeks=2)


def test_a_plan_is_stale_once_the_champion_moved(workspace: Workspace) -> None:
    """--plan applies what was decided on or nothing, CF609; an ask in between is no move; without it, what is true."""
    another(workspace)
    plan = plan_promotion(workspace, CARD, "latest", weeks=0)
    assert plan.plan_id.startswith("20260630x0-")
    assert plan.replay is None
    ask(workspace, CARD, "latest", reason="please look", by="ann")
    assert plan_promotion(workspace, CARD, "latest", weeks=0).plan_id == plan.plan_id
    promote(workspace, CARD, "candidate-2", reason="decided", by="bob", plan_id=plan.plan_id)
    with pytest.raises(BusyError, match=r"CF609 plan for 'onboarding': .*decide anew") as fault:
        promote(workspace, CARD, "candidate-2", reason="decided", by="bob", plan_id=plan.plan_id)
    assert fault.value.exit_code == 3


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
