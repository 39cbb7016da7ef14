"""list, show, diff, promote and rollback: which version is the champion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churnfit.errors import GateError, UsageError
from churnfit.files import write_text
from churnfit.jobs.workspace import Workspace
from churnfit.registry import Version
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.diff import diff
from churnfit.scorecard.render import to_markdown

__all__ = ["PromotionPlan", "differences", "load", "plan_promotion", "promote", "rollback"]


@dataclass(frozen=True, kw_only=True)
class PromotionPlan:
    """What a promotion would change: the candidate, the champion it replaces, the difference in words, its gates."""

    candidate: Version
    champion: Version | None
    changes: list[str]
    gates: str

    @property
    def open(self) -> bool:
        """Whether the candidate's gates let it through."""
        return self.candidate.gates_passed


def load(workspace: Workspace, card: str, reference: str) -> tuple[Version | None, Scorecard]:
    """Return the version and card that `reference` names: a version, or the path of a scorecard's JSON."""
    if reference.endswith(".json"):
        return None, Scorecard.from_json(_text_of(Path(reference)))
    registry = workspace.registry()
    version = registry.resolve(card, reference)
    return version, registry.load(version)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(
            "CF401", where=str(path), expected="a scorecard's JSON", came=str(fault), fix="Correct the path."
        ) from fault


def differences(workspace: Workspace, card: str, before: str, after: str) -> list[str]:
    """Return what changed between two versions, in words."""
    return diff(load(workspace, card, before)[1], load(workspace, card, after)[1])


def plan_promotion(workspace: Workspace, card: str, reference: str) -> PromotionPlan:
    """Return what promoting `reference` would change; nothing is written."""
    registry = workspace.registry()
    candidate = registry.resolve(card, reference)
    learned = registry.load(candidate)
    champion = registry.champion(card)
    changes = ["the first champion of this card"]
    if champion is not None:
        changes = diff(registry.load(champion), learned) or ["no difference: promoting it changes nothing"]
    gates = registry.text(candidate, "gates.txt")
    return PromotionPlan(candidate=candidate, champion=champion, changes=changes, gates=gates)


def promote(workspace: Workspace, card: str, reference: str, *, reason: str) -> Version:
    """Make the candidate the champion and write ``champion.json`` and ``champion.md`` beside its spec.

    Raises
    ------
    GateError
        CF606 when its gates did not pass.
    """
    registry = workspace.registry()
    candidate = registry.resolve(card, reference)
    if candidate.kind != "candidate":
        raise GateError(
            "CF606",
            where=f"{card} {reference}",
            expected="a candidate",
            came="a version promoted before",
            fix="Use `churnfit rollback` to go back to it.",
        )
    version = registry.promote(candidate, reason=reason)
    _export(workspace, card, registry.load(version))
    return version


def rollback(workspace: Workspace, card: str) -> Version:
    """Make the version that the champion replaced the champion again."""
    registry = workspace.registry()
    version = registry.rollback(card)
    _export(workspace, card, registry.load(version))
    return version


def _export(workspace: Workspace, card: str, champion: Scorecard) -> None:
    """Write the champion for review in git; nothing reads these files back."""
    folder = workspace.cards[card].parent
    write_text(champion.to_json(), folder / "champion.json")
    write_text(to_markdown(champion), folder / "champion.md")
