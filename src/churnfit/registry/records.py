"""What goes into the registry and what comes out, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunRecord", "Version"]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What one fit leaves behind: parameters, metrics, figures and texts by file name.

    `champion_sha256` is the champion the gates compared the card with; empty when there was none.
    """

    params: Mapping[str, str | int | float]
    metrics: Mapping[str, float]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    gates_passed: bool = False
    champion_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One registered version of a card; `reference` is how commands name it."""

    card: str
    kind: str
    number: int
    sha256: str
    run_id: str
    gates_passed: bool
    judged_against: str = ""
    is_champion: bool = False
    promoted_from: str = ""
    reason: str = ""
    created_at: str = ""

    @property
    def reference(self) -> str:
        """``candidate-3`` or ``version-2``."""
        return f"{self.kind}-{self.number}"
