"""What measures read from events: small numbers per account and as_of, the same from every engine.

A *reading* is one number over the events of one account that were known on one as_of, for example "distinct users of
kind login in the 28 days before". A measure (`churnfit.history.measures`) is arithmetic over its readings. Three
engines take them, and agree exactly: SQL over the events (`churnfit.history.events_sql`, the reference, short enough to
check by eye), day tables (`churnfit.history.days`, for many events and dates), and Spark (`churnfit.history.spark`).

Time is counted in calendar days, UTC, written as whole days since 1970-01-01. A snapshot as of day D knows the events
that occurred *and* were recorded on a day before D. Values are added in whole millionths: integers add up alike in any
order and engine, so the same events give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LARGEST_VALUE", "MILLIONTHS", "Reading", "Selection", "Taken", "Window"]

MILLIONTHS = 1_000_000
"""Per unit of ``value``: what is added."""

LARGEST_VALUE = 9e12
"""A value this large or larger is an error (CF203): its millionths do not fit 64 bits."""

Taken = Literal["events", "values", "total", "last", "users", "features", "days", "first_day", "newest_day"]
"""What is taken from the selected events.

``events`` how many; ``values`` how many have a value; ``total`` their sum, in millionths; ``last`` the value of the
newest that has one (by occurred_at, then recorded_at, then value); ``users``, ``features``, ``days`` how many
different; ``first_day`` and ``newest_day`` when, in days since 1970-01-01. ``total``, ``last`` and the two days are
null without any event to take them from; the rest are 0.
"""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which events: of one of `kinds`, and where given of one of `features` and by one of `users`."""

    kinds: tuple[str, ...]
    features: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which days before as_of: half-open, [as_of - `days` - `skip`, as_of - `skip`).

    Without `days` it begins with the day on which the account's stage began, or, with `ever`, with the first event.
    """

    days: int | None = None
    skip: int = 0
    ever: bool = False


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One number per account and as_of: what is taken, from which events, of which days."""

    taken: Taken
    selection: Selection
    window: Window = Window()
