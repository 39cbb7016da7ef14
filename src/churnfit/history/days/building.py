"""Events in, rows of day tables out: block by block, so that memory grows with accounts and users, not with events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.history.days import kernels
from churnfit.history.days.blocks import BATCH_EVENTS, Block
from churnfit.history.days.drawers import Drawers, Write
from churnfit.history.days.names import Names, OwnedNames, longer
from churnfit.history.days.plan import CELLS, LATEST, MARKED, SUMS, Marked, Matching, Plan, Rows
from churnfit.history.days.texts import TextColumn, Words, write_owned_keys
from churnfit.history.readings import LARGEST_VALUE

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Builder", "too_large"]

_EVENT = ("kind", "when")
_VALUED = {"value": np.float64, "occurred": np.int64, "recorded": np.int64}
_KEY = (np.uint64, 2)
_COLUMN_OF: dict[Marked, str] = {"users": "user_id", "features": "feature"}


class Builder:
    """Takes batches of events and writes rows; after `finish` all rows are written.

    Accounts, users and features are numbered anew in every build; `churnfit.history.days.joining` puts builds together.

    Parameters
    ----------
    plan : Plan
        What is kept.
    write : callable
        Gets the name of a table and some of its rows.
    """

    def __init__(self, plan: Plan, write: Write) -> None:
        self._plan, self._write = plan, write
        self._kinds = Names.of(plan.kinds)
        named = {"feature": ("feature", plan.features), "user": ("user_id", plan.users)}
        self._named = {field: (column, Names.of(texts)) for field, (column, texts) in named.items() if texts}
        self._numbers: dict[str, list[int]] = {
            "cells": plan.selections_of(*CELLS),
            "sums": plan.selections_of(*SUMS),
            **{f"marks_{each}": plan.selections_of(each) for each in MARKED},
        }
        self._matching = {table: plan.matching(numbers) for table, numbers in self._numbers.items()}
        self._accounts = Names()
        self._owned = {marked: OwnedNames() for marked in _COLUMN_OF if self._numbers[f"marks_{marked}"]}
        read = ["account_id", *(column for column, _ in self._named.values()), *map(_COLUMN_OF.get, self._owned)]
        self._texts = {str(column): TextColumn() for column in ("kind", *read)}
        self._looked_up: Words | None = None
        self._codes = np.zeros(0, dtype=np.int32)
        self._batch_rows, self._places = np.empty((2, BATCH_EVENTS), dtype=np.int32)
        self._first_known = np.zeros(0, dtype=np.int32)
        self.built_to = 0
        event = dict.fromkeys((*_EVENT, *self._named), np.int64)
        self._events = Block(event | dict.fromkeys(self._owned, _KEY))
        self._valued = Block(event | _VALUED)
        self._drawers = {name: Drawers(name, numbers, write) for name, numbers in self._numbers.items()}
        self._open_cells = np.zeros((len(self._numbers["cells"]), 3), dtype=np.int64)
        self._open_marks: dict[str, NDArray[np.int64]] = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Take events of any kinds, with the plan's columns; without ``recorded_at``, known as they occurred."""
        for begin in range(0, len(batch), BATCH_EVENTS):
            self._take(batch.slice(begin, BATCH_EVENTS))

    def _take(self, batch: pa.RecordBatch) -> None:
        texts = {name: column.texts(batch[name]) for name, column in self._texts.items()}
        accounts = texts["account_id"]
        occurred = _moments(batch["occurred_at"])
        recorded = _moments(batch["recorded_at"]) if "recorded_at" in batch.schema.names else occurred
        kinds = texts["kind"].index
        if batch["occurred_at"].null_count:  # what has no moment is of no kind
            kinds = np.where(_there(batch["occurred_at"]), kinds, np.int32(-1))
        codes = _or_none(self._kinds.find(texts["kind"].words.keys)), _or_none(self._account_codes(accounts.words))
        room = self._events.room()
        events = (self._batch_rows, room["account"], room["kind"], room["when"])
        n_events, newest = kernels.admit((kinds, accounts.index, occurred, recorded), codes, events, self._first_known)
        self.built_to = max(self.built_to, int(newest) + 1)
        rows, kind = self._batch_rows[:n_events], room["kind"][:n_events]
        for field, (column, named) in self._named.items():
            found = _or_none(named.find(texts[column].words.keys))[texts[column].index[rows]]
            room[field][:n_events] = np.where(found < 0, named.count, found)
        if self._numbers["sums"]:
            values = batch["value"].cast("float64", safe=False)
            given = _stored(values), _there(values), occurred, recorded
            self._take_values(rows, {name: room[name][:n_events] for name in ("account", *_EVENT, *self._named)}, given)
        for marked in self._owned:
            wanted = np.take(_takes(self._matching[f"marks_{marked}"]), kind)
            write_owned_keys(texts[_COLUMN_OF[marked]], accounts, rows, wanted, room[marked])
        self._events.add(n_events)
        if self._events.full:
            self._empty_blocks()

    def _take_values(self, rows: NDArray[np.int32], events: Rows, given: tuple[NDArray[Any], ...]) -> None:
        """Let those of `events` wait that have a value which a selection takes."""
        room = self._valued.room()
        out = (self._places, *(room[name] for name in ("account", *_EVENT, *_VALUED)))
        own = (rows, *(events[name] for name in ("account", *_EVENT)))
        n_valued = kernels.valued(own, _takes(self._matching["sums"]), given, LARGEST_VALUE, out)
        for field in self._named:
            room[field][:n_valued] = events[field][self._places[:n_valued]]
        self._valued.add(n_valued)

    def _account_codes(self, words: Words) -> NDArray[np.int32]:
        """Return the number of each word as an account."""
        if words is not self._looked_up:
            self._looked_up, self._codes = words, self._accounts.add(words.keys)
            self._first_known = longer(self._first_known, self._accounts.count, LATEST)
        return self._codes

    def finish(self) -> None:
        """Write what is still open, and the names and first days."""
        self._empty_blocks()
        kernels.open_cells(self._open_cells, self._drawers["cells"].arrays())
        for table, open_ in self._open_marks.items():
            item = 0
            while item < len(open_):
                item = kernels.open_marks(item, open_, self._drawers[table].arrays())
                self._drawers[table].write_full()
        for drawers in self._drawers.values():
            drawers.write_all()
        account = np.flatnonzero(self._first_known < LATEST)
        self._write("known", {"account": account, "first_known": self._first_known[account]})
        first, second = self._accounts.keys().T
        self._write("accounts", {"first": first, "second": second})
        for marked, names in self._owned.items():
            first, second = names.keys().T
            self._write(marked, {"first": first, "second": second, "account": names.owners()})

    def _empty_blocks(self) -> None:
        """Write the rows of the events that wait, by account: what belongs together lies together."""
        if not self._events.events:
            return
        if self._numbers["sums"]:
            valued = self._valued.emptied(self._accounts.count)
            self._sums((valued["account"], *self._matched(valued), *(valued[name] for name in _VALUED)))
        events = self._events.emptied(self._accounts.count)
        account, matched = events["account"], self._matched(events)
        if self._numbers["cells"]:
            self._cells((account, *matched))
        for marked in MARKED:
            if self._numbers[f"marks_{marked}"]:
                item = self._owned[marked].add(events[marked], account) if marked in self._owned else account
                self._marks(matched, f"marks_{marked}", item)

    def _matched(self, events: Rows) -> tuple[NDArray[Any], ...]:
        """Return what events are matched by, and when they were; features and users that nothing names are all 0."""
        unnamed = np.lib.stride_tricks.as_strided(np.zeros(1, dtype=np.int64), (len(events["kind"]),), (0,))
        return events["kind"], events.get("feature", unnamed), events.get("user", unnamed), events["when"]

    def _cells(self, events: tuple[NDArray[Any], ...]) -> None:
        drawers, matching = self._drawers["cells"], _arrays(self._matching["cells"])
        event = 0
        while event < len(events[0]):
            event = kernels.cells(event, events, matching, self._open_cells, drawers.arrays())
            drawers.write_full()

    def _sums(self, events: tuple[NDArray[Any], ...]) -> None:
        drawers, matching = self._drawers["sums"], _arrays(self._matching["sums"])
        keeps_last = np.isin(self._numbers["sums"], self._plan.selections_of("last"))
        event = 0
        while event < len(events[0]):
            event, fits = kernels.sums(event, events, (*matching, keeps_last), drawers.arrays())
            if not fits:
                raise too_large("sums of an account's values in one day below it")
            drawers.write_full()

    def _marks(self, events: tuple[NDArray[Any], ...], table: str, item: NDArray[np.int32]) -> None:
        drawers, matching = self._drawers[table], _arrays(self._matching[table])
        open_ = self._open_marks.get(table, np.zeros((0, len(self._numbers[table]), 2), np.int64))
        open_ = self._open_marks[table] = longer(open_, int(item.max(initial=0)) + 1)
        event = 0
        while event < len(item):
            event = kernels.marks(event, events, item, matching, open_, drawers.arrays())
            drawers.write_full()


def too_large(expected: str) -> DataError:
    """Return the error of values that do not add up in 64 bits."""
    return DataError(
        "CF203",
        where="events, column 'value'",
        expected=f"values below {LARGEST_VALUE:.0e}, and {expected}",
        came="larger ones",
        fix="Give them in a larger unit (MB instead of bytes).",
    )


def _arrays(matching: Matching) -> tuple[NDArray[Any], ...]:
    return matching.start, matching.listed, matching.feature, matching.user


def _takes(matching: Matching) -> NDArray[np.bool_]:
    """Return, by kind, whether any selection has it."""
    return np.diff(matching.start) > 0


def _or_none(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return `numbers` with -1 at the end, which an index of -1 finds."""
    return np.append(numbers, np.int32(-1))


def _there(column: pa.Array) -> NDArray[np.bool_]:
    """Return whether each cell has something in it."""
    if not column.null_count:
        return np.ones(len(column), dtype=np.bool_)
    marks = np.frombuffer(column.buffers()[0], dtype=np.uint8)
    return np.unpackbits(marks, count=column.offset + len(column), bitorder="little")[column.offset :].view(np.bool_)


def _stored(numbers: pa.Array) -> NDArray[np.float64]:
    """Return the numbers of a column; where there is none, whatever lies there."""
    return np.frombuffer(numbers.buffers()[1], dtype=np.float64)[numbers.offset :][: len(numbers)]


def _moments(column: pa.Array) -> NDArray[np.int64]:
    """Return microseconds since 1970-01-01, UTC; 0 where there is none."""
    import pyarrow as pa

    whole = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    moments: NDArray[np.int64] = (whole.fill_null(0) if whole.null_count else whole).to_numpy(zero_copy_only=False)
    return moments
