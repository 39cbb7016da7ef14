"""What day tables must hold for a set of readings: which events match which selections, and what is kept of them.

Three things are kept per selection, each only where a reading takes it:

* *cells*, a row per account, selection, day and lag: how many events;
* *sums*, the same key, of events that have a value: how many, their total, the last;
* *marks*, a row per user, feature or account, selection, 64 days and lag: on which of the days it was seen, as bits.

The *lag* is how many days after it occurred an event became known, most often 0: a row counts on as_of when its day and
lag end before it. So late events are rows like all others, and every as_of finds what was known then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from churnfit.history.readings import Reading, Selection, Taken

__all__ = ["CELLS", "COLUMNS", "LATEST", "MARKED", "SUMS", "Marked", "Matching", "Plan", "Rows"]

Marked = Literal["users", "features", "days"]
Rows = dict[str, NDArray[Any]]
"""Rows of one table, by column."""

MARKED: tuple[Marked, ...] = ("users", "features", "days")
CELLS: tuple[Taken, ...] = ("events", "first_day", "newest_day")
SUMS: tuple[Taken, ...] = ("values", "total", "last")

LATEST = np.int32(2**31 - 1)
"""A day after every day."""

_KEY = {"selection": np.int32, "account": np.int32, "day": np.int32, "lag": np.int32}
_MARK = {"selection": np.int32, "item": np.int32, "block": np.int32, "lag": np.int32, "bits": np.uint64}
COLUMNS: dict[str, dict[str, Any]] = {
    "cells": {**_KEY, "events": np.int32},
    "sums": {
        **_KEY,
        "values": np.int32,
        "total": np.int64,
        "occurred_at": np.int64,
        "delay": np.int64,
        "value": np.float64,
    },
    **{f"marks_{marked}": _MARK for marked in MARKED},
    "known": {"account": np.int32, "first_known": np.int32},
    "accounts": {"first": np.uint64, "second": np.uint64},
    "users": {"first": np.uint64, "second": np.uint64, "account": np.int32},
    "features": {"first": np.uint64, "second": np.uint64, "account": np.int32},
}
"""The columns of every table, in order."""


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Which of some selections an event belongs to, by small numbers.

    Parameters
    ----------
    start, listed : ndarray of shape (n_kinds + 1,), (n_pairs,)
        Selections ``listed[start[k]:start[k + 1]]`` have the kind k.
    feature, user : ndarray of shape (n_selections, n_named + 1)
        Whether a selection takes the feature or user of a number; the last column stands for those not named.
    """

    start: NDArray[np.int64]
    listed: NDArray[np.int64]
    feature: NDArray[np.bool_]
    user: NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """The readings of one card; equal readings under other names make equal tables."""

    readings: Mapping[str, Reading]

    @cached_property
    def selections(self) -> list[Selection]:
        """All selections, each once, in the order of their texts."""
        return sorted({reading.selection for reading in self.readings.values()}, key=repr)

    @cached_property
    def kinds(self) -> list[str]:
        """All kinds that are read, sorted."""
        return sorted({kind for selection in self.selections for kind in selection.kinds})

    @cached_property
    def features(self) -> list[str]:
        """All features that a selection names, sorted."""
        return sorted({name for selection in self.selections for name in selection.features or ()})

    @cached_property
    def users(self) -> list[str]:
        """All users that a selection names, sorted."""
        return sorted({name for selection in self.selections for name in selection.users or ()})

    def selections_of(self, *taken: Taken) -> list[int]:
        """Return the numbers of the selections of which one of `taken` is taken, rising."""
        wanted = {reading.selection for reading in self.readings.values() if reading.taken in taken}
        return [number for number, selection in enumerate(self.selections) if selection in wanted]

    def matching(self, numbers: list[int]) -> Matching:
        """Return how events find the selections of these `numbers`; it speaks of them by their place in the list.

        One that takes no feature, or no user, has no kind: no event is ever of it.
        """
        chosen = [self.selections[number] for number in numbers]
        kinds = [() if () in (each.features, each.users) else each.kinds for each in chosen]
        by_kind = [[place for place, each in enumerate(kinds) if kind in each] for kind in self.kinds]
        return Matching(
            start=np.cumsum([0, *map(len, by_kind)], dtype=np.int64),
            listed=np.array([place for places in by_kind for place in places], dtype=np.int64),
            feature=_takes([each.features for each in chosen], self.features),
            user=_takes([each.users for each in chosen], self.users),
        )

    def columns(self) -> list[str]:
        """Return the columns of events that are needed."""
        columns = ["account_id", "kind", "occurred_at", "recorded_at"]
        taken = {reading.taken for reading in self.readings.values()}
        needed = {
            "user_id": "users" in taken or any(each.users is not None for each in self.selections),
            "feature": "features" in taken or any(each.features is not None for each in self.selections),
            "value": not taken.isdisjoint(SUMS),
        }
        return columns + [name for name, need in needed.items() if need]

    def sha256(self) -> str:
        """Return the hash of what the tables hold."""
        kept_apart = (CELLS, SUMS, ("last",), *((each,) for each in MARKED))
        takers = [self.selections_of(*taken) for taken in kept_apart]
        kept = [
            [asdict(selection), [number in numbers for numbers in takers]]
            for number, selection in enumerate(self.selections)
        ]
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _takes(chosen: list[tuple[str, ...] | None], named: list[str]) -> NDArray[np.bool_]:
    rows = [[names is None or name in names for name in named] + [names is None] for names in chosen]
    return np.array(rows, dtype=np.bool_).reshape(len(chosen), len(named) + 1)
