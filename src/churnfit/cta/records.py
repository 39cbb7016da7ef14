"""What is kept about a call to action (CTA): its facts, its status, and each move from one status to another.

::

    open ──claim──► claimed          people: claim, snooze, close, reopen
      │ ▲ ╲           │ ▲            runs:   open, wake, auto-resolve, bring back within the cooldown
      │ │  snooze   snooze
      │ │    ╲      ╱ │ wake on its date
      │ │     snoozed ┘
      │ └─reopen── resolved · not valid          (close, by a person)
      └─recovered─► auto-resolved                (by a run, where nobody has claimed or snoozed it)
    held out ─recovered─► auto-resolved          (never shown in a queue, closed by runs alone)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

__all__ = ["ACTIVE", "OUTCOMES", "OVERRIDE", "RUN", "STATUSES", "Cta", "Event", "Outcome", "Status"]

Status = Literal["open", "claimed", "snoozed", "held out", "resolved", "auto-resolved", "not valid"]
STATUSES: tuple[Status, ...] = get_args(Status)
ACTIVE: tuple[Status, ...] = ("open", "claimed", "snoozed", "held out")
"""The statuses of which an account has at most one CTA per card."""

Outcome = Literal["done", "saved", "churned", "not valid"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

OVERRIDE = "override"
"""The trigger of an account that a person says is red; such calls are made whatever they are worth."""

RUN = "churnfit score"
"""Who does what a scoring run does."""


@dataclass(frozen=True, kw_only=True)
class Cta:
    """A call to action, as stored.

    Runs write its facts: owner, triggers, health (0–100), churn_probability, expected_value, lead_measure, reasons,
    version, last_scored_on, recovered_on (since when it is at risk no longer) and back_at (the health at which a drop
    counts as made good). People write claimed_by, snoozed_until, closed_by, outcome and note; both write status and
    closed_on, a run only where no person has acted. `holdout_share` is filled where the account was held out: the share
    of accounts that were.
    """

    cta_id: str
    card: str
    account_id: str
    owner: str
    triggers: tuple[str, ...]
    playbook: str
    opened_on: date
    due_on: date
    status: Status
    health: float
    churn_probability: float
    expected_value: float
    lead_measure: str
    reasons: tuple[str, ...]
    version: str
    last_scored_on: date
    back_at: float | None = None
    recovered_on: date | None = None
    holdout_share: float | None = None
    claimed_by: str = ""
    snoozed_until: date | None = None
    closed_on: date | None = None
    closed_by: str = ""
    outcome: str = ""
    note: str = ""

    @property
    def active(self) -> bool:
        """Whether it is not closed."""
        return self.status in ACTIVE

    @property
    def person_closed_on(self) -> date | None:
        """When a person closed it; None where nobody did."""
        return self.closed_on if self.closed_by else None

    def overdue(self, today: date) -> bool:
        """Say whether it should have been done before `today` and is not."""
        return self.active and self.due_on < today


@dataclass(frozen=True, kw_only=True)
class Event:
    """One move of a CTA, never changed: who, when (ISO-8601, UTC), from and to which status ("" before it was opened).

    `why` is the person's reason, or what the run saw.
    """

    cta_id: str
    card: str
    at: str
    by: str
    from_status: str
    to_status: str
    why: str
