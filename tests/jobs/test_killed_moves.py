"""kill -9 between any two steps of a promotion or a rollback leaves the old or the new champion, and heals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs.test_ledger import CARD, OTHER, THIRD, made, register
from tests.killing import Killer

from churnfit.jobs.promotion import promote, rollback
from churnfit.registry.mending import faults

KILLER = """
import json, os, signal, sys
from pathlib import Path
import mlflow, churnfit.files, churnfit.jobs.promotion as jobs
from churnfit.jobs.workspace import Workspace
from churnfit.registry.ledger import Ledger

STEPS = [(mlflow.MlflowClient, "copy_model_version"), (mlflow.MlflowClient, "set_model_version_tag"),
         (Ledger, "append"), (mlflow.MlflowClient, "set_registered_model_alias"),
         (mlflow.MlflowClient, "set_registered_model_tag"), (jobs, "write_text")]

def arm(fuse, seen):
    # the process dies before the step that comes when the fuse is burnt; between two steps nothing is written
    for owner, name in STEPS:
        def stepped(*a, _real=getattr(owner, name), _name=name, **k):
            seen.append(_name)
            if len(seen) > fuse:
                os.kill(os.getpid(), signal.SIGKILL)
            return _real(*a, **k)
        setattr(owner, name, stepped)

def run(task):
    w = {k: Path(v) if k in ("root", "folder") else v for k, v in task["workspace"].items()}
    w["cards"] = {name: Path(path) for name, path in w["cards"].items()}
    workspace, seen = Workspace(**w), []
    arm(task["fuse"], seen)
    if task["move"] == "promote":
        jobs.promote(workspace, "small", "latest", reason="to be killed", by="ann")
    else:
        jobs.rollback(workspace, "small", by="ann")
    print(json.dumps(seen), flush=True)

for line in sys.stdin:  # one process imports MLflow, each task runs, and dies, in a fork of it
    child = os.fork()
    if not child:
        run(json.loads(line))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.parametrize("move", ["promote", "rollback"])
def test_a_move_killed_at_any_step_leaves_a_whole_champion(move: str, empty_mlflow: Path, tmp_path: Path) -> None:
    """After each kill: the old or the new champion, ledger intact, the export whole, and the move can be made."""
    start = made(tmp_path / "start", empty_mlflow)
    for card in (CARD, OTHER):
        register(start, card)
        promote(start, "small", "latest", reason="before", by="ann")
    register(start, THIRD)
    old, new = (OTHER, THIRD) if move == "promote" else (OTHER, CARD)
    killer, outcomes, steps = Killer(KILLER), [], None
    while steps is None:
        fuse = len(outcomes)
        root = tmp_path / f"killed-{fuse}"
        shutil.copytree(start.root, root)  # MLflow's artifacts stay where they are, in start: nothing writes there
        workspace = replace(
            start,
            root=root,
            folder=root / ".churnfit",
            database=f"sqlite:///{root / '.churnfit' / 'churnfit.db'}",
            tracking_uri=f"sqlite:///{root / '.churnfit' / 'mlflow.db'}",
            cards={"small": root / "small" / "scorecard.toml"},
        )
        told = {name: getattr(workspace, name) for name in ("database", "tracking_uri")}
        told |= {"root": str(root), "folder": str(workspace.folder), "cards": {"small": str(workspace.cards["small"])}}
        killer.start(workspace=told, move=move, fuse=fuse)
        steps = killer.end()
        registry = workspace.registry()
        champion = registry.champion("small")
        assert champion is not None
        card = registry.load(champion)
        assert card in (old, new)
        assert registry.mirror("small").version == champion.number
        assert faults(registry, "small") == []
        exported = (workspace.cards["small"].parent / "champion.json").read_text(encoding="utf-8")
        assert exported in (old.to_json(), new.to_json())
        outcomes.append("new" if card == new else "old")
        if card == old:  # the same command again does it, with no spare version left unused
            again = promote(workspace, "small", "latest", reason="again", by="ann") if move == "promote" else None
            again = again or rollback(workspace, "small", by="ann")[0]
            assert again.number == (3 if move == "promote" else 1)
            assert faults(workspace.registry(), "small") == []
    killer.stop()
    assert len(steps) == len(outcomes) - 1 == (8 if move == "promote" else 5)
    turned = steps.index("append") + 1  # the row is the move
    assert outcomes == ["old"] * turned + ["new"] * (len(outcomes) - turned)
