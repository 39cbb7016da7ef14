"""Events in, rows of day tables out: block by block, so that memory grows with accounts and users, not with events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.history.days import kernels
from churnfit.history.days.blocks import BATCH_EVENTS, Block
from churnfit.history.days.names import Names, OwnedNames, longer
from churnfit.history.days.plan import CELLS, COLUMNS, LATEST, MARKED, SUMS, Marked, Matching, Plan, Rows
from churnfit.history.days.texts import TextColumn, Texts, owned_keys
from churnfit.history.readings import LARGEST_VALUE

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Builder", "too_large"]

Write = Callable[[str, Rows], None]

_ROWS_AT_ONCE = 1 << 18  # rows of a table in memory before they are written
_LOW = 0xFFFFFFFF  # the lag in a number of day and lag
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
        self._kinds, self._kinds_column = Names.of(plan.kinds), TextColumn()
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
        self._texts = {str(column): TextColumn() for column in read}
        self._looked_up, self._codes = np.zeros((0, 2), dtype=np.uint64), np.zeros(0, dtype=np.int32)
        self._first_known = np.zeros(0, dtype=np.int32)
        self.built_to = 0
        event = dict.fromkeys(("when", "kind", *self._named), np.int64)
        self._events = Block(event | dict.fromkeys(self._owned, _KEY))
        self._valued = Block(event | _VALUED)
        self._out = {name: _empty(COLUMNS[name]) for name in self._numbers}
        self._open_marks: dict[str, NDArray[np.int64]] = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Take events of any kinds, with the plan's columns; without ``recorded_at``, known as they occurred."""
        for begin in range(0, len(batch), BATCH_EVENTS):
            self._take(batch.slice(begin, BATCH_EVENTS))

    def _take(self, batch: pa.RecordBatch) -> None:
        kind = self._kind(batch)
        rows = np.flatnonzero((kind >= 0) & _there(batch["account_id"]) & _there(batch["occurred_at"]))
        kind = np.take(kind, rows)
        texts = {name: column.texts(batch[name], rows) for name, column in self._texts.items()}
        account = self._account(texts["account_id"])
        occurred = np.take(_moments(batch["occurred_at"]), rows)
        apart = "recorded_at" in batch.schema.names
        recorded = np.take(_moments(batch["recorded_at"]), rows) if apart else occurred
        when = np.empty(len(rows), dtype=np.int64)
        newest = kernels.known_when(occurred, recorded, account, when, self._first_known)
        self.built_to = max(self.built_to, int(newest) + 1)
        events: Rows = {"kind": kind, "when": when}
        for field, (column, named) in self._named.items():
            codes = kernels.taken(named.find(texts[column].keys()), texts[column].index)
            events[field] = np.where(codes < 0, np.int32(named.count), codes)
        if self._numbers["sums"]:
            valued, values = _valued(batch["value"], rows, np.take(_takes(self._matching["sums"]), kind))
            summed = np.abs(values) < LARGEST_VALUE  # larger is faulty: a fit refused it, a night set it aside
            valued, values = valued[summed], values[summed]
            known = events | {"occurred": occurred, "recorded": recorded}
            taken = {name: np.take(each, valued) for name, each in known.items()}
            self._valued.add(np.take(account, valued), taken | {"value": values})
        for marked in self._owned:
            wanted = np.take(_takes(self._matching[f"marks_{marked}"]), kind)
            events[marked] = owned_keys(texts[_COLUMN_OF[marked]], texts["account_id"], wanted)
        self._events.add(account, events)
        if self._events.full:
            self._empty_blocks()

    def _kind(self, batch: pa.RecordBatch) -> NDArray[np.int32]:
        texts = self._kinds_column.texts(batch["kind"], np.arange(len(batch)))
        found: NDArray[np.int32] = kernels.taken(self._kinds.find(texts.keys()), texts.index)
        return found

    def _account(self, texts: Texts) -> NDArray[np.int32]:
        if texts.hashes is not self._looked_up:
            self._looked_up, self._codes = texts.hashes, self._accounts.add(texts.keys())
            self._first_known = longer(self._first_known, self._accounts.count, LATEST)
        found: NDArray[np.int32] = kernels.taken(self._codes, texts.index)
        return found

    def finish(self) -> None:
        """Write what is still open, and the names and first days."""
        self._empty_blocks()
        rows: Rows
        for table, open_ in self._open_marks.items():
            item, selection = np.nonzero(open_[:, :, 1])
            key, bits = open_[item, selection].T
            rows = {"selection": selection, "item": item, "block": key >> 32, "lag": key & _LOW}
            rows["bits"] = bits.astype(np.uint64)
            for begin in range(0, len(item), _ROWS_AT_ONCE):
                self._send(table, {name: values[begin : begin + _ROWS_AT_ONCE] for name, values in rows.items()})
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
        out, matching = self._out["cells"], _arrays(self._matching["cells"])
        open_ = np.zeros((len(self._numbers["cells"]), 3), dtype=np.int64)
        begin, end = 0, len(events[0])
        while begin < end:
            begin, rows = kernels.cells(begin, events, matching, open_, tuple(out.values()))
            self._send("cells", {name: values[:rows] for name, values in out.items()})
        selection = np.flatnonzero(open_[:, 2])
        account, when, count = open_[selection].T
        self._send("cells", dict(zip(out, (selection, account, when >> 32, when & _LOW, count), strict=True)))

    def _sums(self, events: tuple[NDArray[Any], ...]) -> None:
        out, matching = self._out["sums"], _arrays(self._matching["sums"])
        numbers = self._numbers["sums"]
        keeps_last = np.isin(numbers, self._plan.selections_of("last"))
        whole, last = np.zeros((len(numbers), 6), dtype=np.int64), np.zeros(len(numbers))
        begin, end = 0, len(events[0])
        while begin < end:
            begin, rows, fits = kernels.sums(begin, events, (*matching, keeps_last), (whole, last), tuple(out.values()))
            if not fits:
                raise too_large("sums of an account's values in one day below it")
            self._send("sums", {name: values[:rows] for name, values in out.items()})
        selection = np.flatnonzero(whole[:, 2])
        account, when, values, total, occurred, recorded = whole[selection].T
        moments = (occurred, recorded - occurred, last[selection])
        rows = (selection, account, when >> 32, when & _LOW, values, total, *moments)
        self._send("sums", dict(zip(out, rows, strict=True)))

    def _marks(self, events: tuple[NDArray[Any], ...], table: str, item: NDArray[np.int32]) -> None:
        out, matching = self._out[table], _arrays(self._matching[table])
        open_ = self._open_marks.get(table, np.zeros((0, len(self._numbers[table]), 2), np.int64))
        open_ = self._open_marks[table] = longer(open_, int(item.max(initial=0)) + 1)
        begin, end = 0, len(item)
        while begin < end:
            begin, rows = kernels.marks(begin, events, item, matching, open_, tuple(out.values()))
            self._send(table, {name: values[:rows] for name, values in out.items()})

    def _send(self, table: str, rows: Rows) -> None:
        """Write rows, their selections by the plan's numbers instead of the places in the matching."""
        if len(rows["selection"]):
            numbers = np.array(self._numbers[table], dtype=np.int32)
            self._write(table, rows | {"selection": numbers[rows["selection"]]})


def too_large(expected: str) -> DataError:
    """Return the error of values that do not add up in 64 bits."""
    return DataError(
        "CF203",
        where="events, column 'value'",
        expected=f"values below {LARGEST_VALUE:.0e}, and {expected}",
        came="larger ones",
        fix="Give them in a larger unit (MB instead of bytes).",
    )


def _empty(columns: dict[str, Any]) -> Rows:
    return {name: np.empty(_ROWS_AT_ONCE, dtype=kind) for name, kind in columns.items()}


def _arrays(matching: Matching) -> tuple[NDArray[Any], ...]:
    return matching.start, matching.listed, matching.feature, matching.user


def _takes(matching: Matching) -> NDArray[np.bool_]:
    """Return, by kind, whether any selection has it."""
    return np.diff(matching.start) > 0


def _there(column: pa.Array) -> NDArray[np.bool_] | np.bool_:
    return column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else np.True_


def _moments(column: pa.Array) -> NDArray[np.int64]:
    """Return microseconds since 1970-01-01, UTC; 0 where there is none."""
    import pyarrow as pa

    whole = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    moments: NDArray[np.int64] = (whole.fill_null(0) if whole.null_count else whole).to_numpy(zero_copy_only=False)
    return moments


def _valued(
    column: pa.Array, rows: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which of the `rows` are `wanted` and have a value, as places in `rows`, and their values."""
    import pyarrow as pa

    numbers = column.cast(pa.float64())
    given = _there(numbers)
    places = np.flatnonzero(wanted if given is np.True_ else wanted & np.take(given, rows))
    stored = np.frombuffer(numbers.buffers()[1], dtype=np.float64)  # of gaps, whatever lies there
    values = np.take(stored, np.take(rows, places) + numbers.offset)
    numbered = ~np.isnan(values)
    return places[numbered], values[numbered]
