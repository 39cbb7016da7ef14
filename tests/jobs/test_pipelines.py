"""The scheduled flows, run as a scheduler would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from churnfit.jobs.workspace import Workspace

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def flow(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PIPELINES / f"{name}.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_scoring_flow_scores_exports_and_may_run_again(workspace: Workspace, tmp_path: Path) -> None:
    """The nightly flow ends with 0 both times; the second time there is nothing to do."""
    arguments = ("--card", "onboarding", "--as-of", "2026-06-30")
    first = flow("scoring", *arguments, "--export", str(tmp_path / "queue.csv"), cwd=workspace.root)
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "queue.csv").read_text(encoding="utf-8").startswith('"owner"')
    second = flow("scoring", *arguments, cwd=workspace.root)
    assert second.returncode == 0, second.stderr
    assert "nothing to do" in second.stdout


def test_a_flow_stops_at_the_first_step_that_does_not_end_well(workspace: Workspace) -> None:
    """An unknown card is a usage error, and the flow ends with its exit code."""
    ended = flow("training", "--card", "nosuch", cwd=workspace.root)
    assert ended.returncode == 2
    assert "CF504" in ended.stderr
