"""doctor: whether this machine and workspace are able to do their work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from churnfit.errors import ChurnfitError, IntegrityError, count_and_examples
from churnfit.jobs.promotion import ledger_faults
from churnfit.jobs.workspace import Workspace, find_workspace

__all__ = ["Health", "examine"]


@dataclass(frozen=True, kw_only=True)
class Health:
    """One thing that was looked at."""

    what: str
    well: bool
    found: str


def examine(start: Path) -> list[Health]:
    """Return what was found, in order; nothing is written but an empty database where there was none."""
    seen = [_python(), _packages()]
    try:
        workspace = find_workspace(start)
    except ChurnfitError as fault:
        return [*seen, Health(what="workspace", well=False, found=str(fault))]
    seen.append(Health(what="workspace", well=True, found=str(workspace.root)))
    seen.append(_looked_at("database of runs and CTAs", lambda: _store(workspace)))
    seen.append(_looked_at("MLflow", lambda: _mlflow(workspace)))
    for card in workspace.cards:
        seen.append(_looked_at(f"spec of {card}", partial(_spec, workspace, card)))
        seen.append(_looked_at(f"champion of {card}", partial(_champion, workspace, card)))
        seen.append(_looked_at(f"ledger of {card}", partial(_ledger, workspace, card)))
    return seen


def _python() -> Health:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Health(what="Python >= 3.11", well=sys.version_info >= (3, 11), found=found)


def _packages() -> Health:
    wrong = []
    for line in requires("churnfit") or []:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            if not need.specifier.contains(version(need.name), prereleases=True):
                wrong.append(f"{need.name} {version(need.name)} is not {need.specifier}")
        except PackageNotFoundError:
            wrong.append(f"{need.name} is not installed")
    return Health(what="packages", well=not wrong, found="; ".join(wrong) or "all there, new enough")


def _looked_at(what: str, look: Callable[[], str]) -> Health:
    try:
        return Health(what=what, well=True, found=look())
    except ChurnfitError as fault:
        return Health(what=what, well=False, found=str(fault))


def _store(workspace: Workspace) -> str:
    with closing(workspace.store()) as store:
        runs = sum(len(store.runs(card)) for card in workspace.cards)
    return f"{runs} runs"


def _mlflow(workspace: Workspace) -> str:
    registry = workspace.registry()
    return f"{sum(len(registry.versions(card)) for card in workspace.cards)} versions"


def _spec(workspace: Workspace, card: str) -> str:
    return f"{len(workspace.spec(card).measures)} measures"


def _ledger(workspace: Workspace, card: str) -> str:
    if faults := ledger_faults(workspace, card):
        raise IntegrityError(
            "CF610",
            where=f"ledger of '{card}'",
            expected="every row, card and artifact as written",
            came=count_and_examples(faults),
            fix=f"churnfit ledger verify --card {card} says each in full.",
        )
    return f"intact; rows: {len(workspace.ledger().rows(card))}"


def _champion(workspace: Workspace, card: str) -> str:
    registry = workspace.registry()
    champion = registry.champion(card)
    if champion is None:
        return "none yet"
    return f"{champion.reference}, sha256 {registry.load(champion).sha256[:12]} as registered"
