"""Each owner's week: what they are at, the open CTAs they have room for by expected value, and what is beyond.

A place of the week is taken by a CTA that is claimed now, and by one that a person closed in the same ISO week; open
ones get the places that are left. A call that costs more than it saves never takes a place: it is listed last, because
the account is at risk all the same and its owner may know better what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from churnfit.cta.records import OVERRIDE, Cta
from churnfit.spec import Queue

__all__ = ["UNASSIGNED", "Part", "QueueRow", "owner_of", "rank"]

UNASSIGNED = "unassigned"

Part = Literal["in work", "this week", "beyond capacity", "not worth a call"]


@dataclass(frozen=True, kw_only=True)
class QueueRow:
    """One CTA's place: its owner, its rank among the owner's CTAs from 1, and the part of the queue it stands in."""

    owner: str
    rank: int
    part: Part
    cta: Cta

    @property
    def overflow(self) -> bool:
        """Whether the owner has no room for it this week."""
        return self.part == "beyond capacity"


def owner_of(cta: Cta) -> str:
    """Return whose queue the CTA is in; accounts without an owner share one."""
    return cta.owner or UNASSIGNED


def rank(ctas: list[Cta], queue: Queue, *, done: Mapping[str, int] | None = None) -> list[QueueRow]:
    """Return every open and claimed CTA in its owner's order.

    First what the owner is at, by due date; then open ones: those that a person says are red, then by expected value,
    highest first, ties by account.

    Parameters
    ----------
    ctas : list of Cta
        Active ones; snoozed and held-out ones are left out.
    queue : Queue
        ``capacity_per_owner``: places per owner and ISO week.
    done : mapping of str to int, optional
        By owner, how many CTAs people closed this week.
    """
    shown = sorted((cta for cta in ctas if cta.status in ("open", "claimed")), key=owner_of)
    rows: list[QueueRow] = []
    for owner, group in groupby(shown, key=owner_of):
        mine = list(group)
        claimed = sorted((cta for cta in mine if cta.status == "claimed"), key=lambda cta: (cta.due_on, cta.account_id))
        waiting = sorted((cta for cta in mine if cta.status == "open"), key=_by_worth)
        worth = [cta for cta in waiting if cta.expected_value > 0 or OVERRIDE in cta.triggers]
        places = max(queue.capacity_per_owner - len(claimed) - (done or {}).get(owner, 0), 0)
        parts: tuple[tuple[Part, list[Cta]], ...] = (
            ("in work", claimed),
            ("this week", worth[:places]),
            ("beyond capacity", worth[places:]),
            ("not worth a call", waiting[len(worth) :]),
        )
        placed = [(part, cta) for part, some in parts for cta in some]
        rows += [QueueRow(owner=owner, rank=n, part=part, cta=cta) for n, (part, cta) in enumerate(placed, start=1)]
    return rows


def _by_worth(cta: Cta) -> tuple[bool, float, str]:
    return OVERRIDE not in cta.triggers, -cta.expected_value, cta.account_id
