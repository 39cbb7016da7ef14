"""Each owner's queue: open CTAs by expected value, as many as the owner can work, the rest listed as overflow."""

from __future__ import annotations

from dataclasses import dataclass

from churnfit.cta.rules import Cta
from churnfit.spec import Queue

__all__ = ["QueueRow", "rank"]

UNASSIGNED = "unassigned"


@dataclass(frozen=True, kw_only=True)
class QueueRow:
    """One CTA's place: rank within its owner's CTAs from 1, and whether it lies beyond the owner's capacity."""

    owner: str
    rank: int
    overflow: bool
    cta: Cta


def rank(ctas: list[Cta], queue: Queue) -> list[QueueRow]:
    """Return every open CTA in its owner's order: highest expected value first, ties by account."""
    rows: list[QueueRow] = []
    places: dict[str, int] = {}
    for cta in sorted(ctas, key=lambda cta: (cta.owner or UNASSIGNED, -cta.expected_value, cta.account_id)):
        owner = cta.owner or UNASSIGNED
        places[owner] = places.get(owner, 0) + 1
        overflow = places[owner] > queue.capacity_per_owner
        rows.append(QueueRow(owner=owner, rank=places[owner], overflow=overflow, cta=cta))
    return rows
