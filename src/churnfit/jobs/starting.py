"""init and demo: a workspace from nothing, and the whole way on a simulated history."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pandas as pd

from churnfit.cta.ranking import QueueRow
from churnfit.errors import UsageError
from churnfit.jobs.history import Say
from churnfit.jobs.promotion import promote
from churnfit.jobs.queue import queue
from churnfit.jobs.scoring import ScoringResult, score
from churnfit.jobs.training import FitResult, fit
from churnfit.jobs.workspace import FILE_NAME, Workspace, find_workspace
from churnfit.registry import Version

__all__ = ["DEMO_DAY", "TEMPLATES", "DemoResult", "demo", "init"]

DEMO_DAY = pd.Timestamp("2026-06-30", tz="UTC")
"""The simulated history's last day: a fixed date, so that the demo is the same every time."""

TEMPLATES = ("onboarding", "dear", "commitment", "activation", "renewal")

_WORKSPACE_TOML = """\
# A churnfit workspace. Every command run in this folder or below it finds this file.

# folder = ".churnfit"                   # where scores, studies and, by default, both databases lie
# database = "env:CHURNFIT_DATABASE_URL" # runs and calls to action; default: SQLite in the folder
# tracking_uri = "http://127.0.0.1:5000" # MLflow; default: SQLite in the folder
# metrics = "/var/lib/node_exporter"     # a folder: each run writes churnfit_CARD.prom there

# [promotion]
# second_person = true # one asks (churnfit promote --ask), another promotes

# [sinks.crm] # told of every move of a call to action, by `churnfit deliver`
# url = "https://crm.example.com/hooks/churnfit"
# secret = "env:CRM_SECRET"

[cards] # name = where its spec lies
{cards}
"""


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made, for its summary."""

    workspace: Workspace
    fit: FitResult
    version: Version
    scoring: ScoringResult
    queue: list[QueueRow]


def init(folder: Path, *, templates: tuple[str, ...] = TEMPLATES[:1]) -> list[Path]:
    """Write `churnfit.toml` and a commented spec per template into `folder`; return the files.

    Raises
    ------
    UsageError
        CF506 when one of them is there already; none is written then.
    """
    content = {
        folder / FILE_NAME: _WORKSPACE_TOML.format(
            cards="\n".join(f'{name} = "models/{name}/scorecard.toml"' for name in templates)
        )
    }
    for name in templates:
        text = files("churnfit").joinpath("templates", f"{name}.toml").read_text(encoding="utf-8")
        content[folder / "models" / name / "scorecard.toml"] = text
    there = [path for path in content if path.exists()]
    if there:
        raise UsageError(
            "CF506",
            where=str(folder),
            expected="a folder without a workspace",
            came=f"{there[0]}",
            fix="Give another folder, or move that file away.",
        )
    for path, text in content.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(content)


def demo(folder: Path, *, say: Say, accounts: int = 1200) -> DemoResult:
    """Simulate a history in `folder`, unless it has one, and run every job on it, up to the CSMs' queues.

    Raises
    ------
    UsageError
        CF506 when `folder` is the workspace of something else.
    """
    from churnfit.synthetic import SIMULATED, simulate, write_world

    if (folder / FILE_NAME).exists() and not (folder / "data" / SIMULATED).exists():
        raise UsageError(
            "CF506",
            where=str(folder),
            expected="an empty folder, or an earlier demo",
            came="another workspace",
            fix="Give another folder: churnfit demo FOLDER.",
        )
    if not (folder / FILE_NAME).exists():
        say("Simulating a B2B SaaS history")
        write_world(simulate(accounts, as_of=DEMO_DAY), folder / "data")
        init(folder)
    workspace = find_workspace(folder)
    fitted = fit(workspace, "onboarding", as_of=DEMO_DAY, say=say)
    say("Promoting it")
    version = promote(workspace, "onboarding", fitted.version.reference, reason="first champion of the demo")
    scored = score(workspace, "onboarding", as_of=DEMO_DAY, say=say)
    rows = queue(workspace, "onboarding", today=DEMO_DAY.date())
    return DemoResult(workspace=workspace, fit=fitted, version=version, scoring=scored, queue=rows)
