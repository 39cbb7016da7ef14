"""What a person knows better than the card: the band an account is shown in until a date, and why.

An override moves the shown band, and with it calls to action and their place in the queue; the score stays what the
card says. Nothing is ever changed: a newer override of an account replaces an older one, a lifted one is a row too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

__all__ = ["Override", "in_force", "said_by"]


@dataclass(frozen=True, kw_only=True)
class Override:
    """One row: `band` is "" and `until` None where `by` lifted the account's override; `at` is ISO-8601 in UTC.

    What a rule of the spec says is no row: it has no `until`, no `by` and no `at`.
    """

    card: str
    account_id: str
    band: str
    until: date | None
    why: str
    by: str
    at: str

    def holds_on(self, day: date) -> bool:
        """Say whether it is neither lifted nor over on `day`; on `until` it still holds."""
        return self.until is not None and day <= self.until

    @property
    def in_words(self) -> str:
        """The override as a reason."""
        if self.until is None:
            return f"a rule says {self.band}: {self.why}"
        return f"{self.by} says {self.band} until {self.until}: {self.why}"


def said_by(overrides: Iterable[Override], day: date) -> list[Override]:
    """Return those of `overrides` that were set, or lifted, on `day` or before."""
    return [override for override in overrides if date.fromisoformat(override.at[:10]) <= day]


def in_force(overrides: Iterable[Override], day: date) -> Mapping[str, Override]:
    """Return by account the newest of `overrides` (oldest first), where it holds on `day`."""
    newest = {override.account_id: override for override in overrides}
    return {account: override for account, override in newest.items() if override.holds_on(day)}
