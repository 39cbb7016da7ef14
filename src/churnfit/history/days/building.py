"""Events in, rows of day tables out: block by block, so that memory grows with accounts and users, not with events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.history.days import kernels
from churnfit.history.days.names import Names, texts_of
from churnfit.history.days.plan import CELLS, COLUMNS, LATEST, MARKED, SUMS, Marked, Matching, Plan, Rows
from churnfit.history.readings import LARGEST_VALUE

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Builder", "item_names", "too_large"]

Write = Callable[[str, Rows], None]

BLOCK_EVENTS = 1 << 21  # more: fewer rows where days are split between blocks, and 100 bytes of memory each
_BATCH_EVENTS = 1 << 17
_ROWS_AT_ONCE = 1 << 20  # rows of a table in memory before they are written
_LOW = 0xFFFFFFFF  # the lag in a number of day and lag
_BLOCK = {
    "account": np.int32,
    "kind": np.int32,
    "feature": np.int32,
    "user": np.int32,
    "feature_item": np.int32,
    "user_item": np.int32,
    "occurred": np.int64,
    "recorded": np.int64,
    "value": np.float64,
}


def item_names() -> dict[str, Names]:
    """Return names for accounts, and for the users and features of accounts."""
    return {"accounts": Names(), "users": Names(), "features": Names()}


class Builder:
    """Takes batches of events and writes rows; after `finish` all rows are written.

    Parameters
    ----------
    plan : Plan
        What is kept.
    names : dict of str to Names
        Of earlier builds, or new ones; they grow.
    write : callable
        Gets the name of a table and some of its rows.
    """

    def __init__(self, plan: Plan, names: dict[str, Names], write: Write) -> None:
        self._plan, self._names, self._write = plan, names, write
        self._before = {each: known.count for each, known in names.items()}
        self._kinds, self._features, self._users = Names.of(plan.kinds), Names.of(plan.features), Names.of(plan.users)
        self._block = {name: np.zeros(BLOCK_EVENTS + _BATCH_EVENTS, dtype=kind) for name, kind in _BLOCK.items()}
        self._events = 0
        self.built_to = 0
        self._when = np.zeros(BLOCK_EVENTS + _BATCH_EVENTS, dtype=np.int64)
        self._order = np.zeros(BLOCK_EVENTS + _BATCH_EVENTS, dtype=np.int32)
        self._owner = {name: np.zeros(0, dtype=np.int32) for name in ("users", "features")}
        self._first_known = np.zeros(0, dtype=np.int32)
        self._out = {name: _empty(COLUMNS[name]) for name in ("cells", "sums", *(f"marks_{each}" for each in MARKED))}
        self._numbers: dict[str, list[int]] = {
            "cells": plan.selections_of(*CELLS),
            "sums": plan.selections_of(*SUMS),
            **{f"marks_{each}": plan.selections_of(each) for each in MARKED},
        }
        used = {"account", "kind", "when"}
        used |= {"value", "occurred", "recorded"} if self._numbers["sums"] else set()
        used |= {name for name, named in (("feature", plan.features), ("user", plan.users)) if named}
        used |= {f"{each[:-1]}_item" for each in MARKED[:2] if self._numbers[f"marks_{each}"]}
        self._sorted = {name: np.zeros(len(self._when), dtype=_BLOCK.get(name, np.int64)) for name in sorted(used)}
        self._matching = {table: plan.matching(numbers) for table, numbers in self._numbers.items()}
        self._open_marks: dict[str, NDArray[np.int64]] = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Take events of any kinds, with the plan's columns."""
        for begin in range(0, len(batch), _BATCH_EVENTS):
            self._take(batch.slice(begin, _BATCH_EVENTS))

    def _take(self, batch: pa.RecordBatch) -> None:
        columns = {name: batch.column(number) for number, name in enumerate(batch.schema.names)}
        kinds = texts_of(columns["kind"])
        kind = kinds.taken(self._kinds.find(kinds.hashes))
        occurred, there = _moments(columns["occurred_at"])
        recorded, _ = _moments(columns["recorded_at"])
        wanted = (kind >= 0) & there
        accounts = texts_of(columns["account_id"], wanted)
        account = self._numbered_accounts(accounts.hashes, accounts.index)
        wanted &= account >= 0
        filled: dict[str, NDArray[Any]] = {"account": account, "kind": kind, "occurred": occurred, "recorded": recorded}
        if "value" in columns:
            filled["value"] = _values(columns["value"], wanted)
        for field, column, known in (("feature", "feature", self._features), ("user", "user_id", self._users)):
            if column in columns:
                filled |= self._items(columns[column], field, known, account=account, kind=kind, wanted=wanted)
        chosen = np.flatnonzero(wanted)
        end = self._events + len(chosen)
        for name, values in filled.items():
            np.take(values, chosen, out=self._block[name][self._events : end], mode="clip")  # other modes copy twice
        self._events = end
        if self._events >= BLOCK_EVENTS:
            self._empty_block()

    def finish(self) -> None:
        """Write what is still open, and the names and first days that are new."""
        self._empty_block()
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
        for table, names in self._names.items():
            first, second = (half[self._before[table] :] for half in names.stored())
            rows = {"first": first, "second": second}
            if table in self._owner:
                rows["account"] = self._owner[table][self._before[table] : names.count]
            self._write(table, rows)

    def _numbered_accounts(self, hashes: NDArray[np.uint64], index: NDArray[np.int32]) -> NDArray[np.int32]:
        names = self._names["accounts"]
        if len(hashes) == len(index):
            found = names.add(hashes, index)
        else:  # a dictionary: look up each account that occurs, once
            used = np.bincount(index[index >= 0], minlength=len(hashes)) > 0
            codes = names.add(hashes, np.where(used, np.arange(len(hashes)), -1).astype(np.int32))
            found = kernels.taken(codes, index)
        self._first_known = _longer(self._first_known, names.count, LATEST)
        return found

    def _items(
        self,
        column: pa.Array,
        field: str,
        known: Names,
        *,
        account: NDArray[np.int32],
        kind: NDArray[np.int32],
        wanted: NDArray[np.bool_],
    ) -> dict[str, NDArray[np.int32]]:
        """Return the number of each event's user or feature, among those that selections name and among all."""
        marked: Marked = "users" if field == "user" else "features"
        matching = self._matching[f"marks_{marked}"]
        takes = np.diff(matching.start) > 0
        named = known.count > 0
        texts = texts_of(column, wanted if named else wanted & takes[kind])
        found = {}
        if named:
            codes = texts.taken(known.find(texts.hashes))
            found[field] = np.where(codes < 0, np.int32(known.count), codes)
        if takes.any():
            names = self._names[marked]
            before = names.count
            item = names.add(texts.hashes, np.where(takes[kind], texts.index, np.int32(-1)), account)
            self._owner[marked] = _longer(self._owner[marked], names.count, np.int32(-1))
            new = item >= before
            self._owner[marked][item[new]] = account[new]
            found[f"{field}_item"] = item
        return found

    def _empty_block(self) -> None:
        """Write the rows of the block's events, which are read by account: what belongs together lies together."""
        n, self._events = self._events, 0
        if not n:
            return
        block = {name: values[:n] for name, values in self._block.items()}
        account, when, order = block["account"], self._when[:n], self._order[:n]
        newest = kernels.known_when(block["occurred"], block["recorded"], account, when, self._first_known)
        self.built_to = max(self.built_to, int(newest) + 1)
        kernels.by_account(account, self._names["accounts"].count, order)
        if self._numbers["sums"]:
            valued = order[~np.isnan(block["value"])[order]]
            names = ("account", "kind", "feature", "user", "when", "value", "occurred", "recorded")
            self._sums(self._by_account(block | {"when": when}, valued, names))
        by_account = self._by_account(block | {"when": when}, order, ("account", "kind", "feature", "user", "when"))
        if self._numbers["cells"]:
            self._cells(by_account)
        for marked, item in (("users", "user_item"), ("features", "feature_item"), ("days", "account")):
            if self._numbers[f"marks_{marked}"]:
                events = self._by_account(block, order, (item,))
                self._marks(by_account[1:], f"marks_{marked}", *events)

    def _by_account(self, block: Rows, order: NDArray[np.int32], names: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
        """Return these columns of the block's events in this order, until it is called again.

        Columns that no selection asks for are all 0.
        """
        return tuple(
            np.take(block[name], order, out=self._sorted[name][: len(order)], mode="clip")
            if name in self._sorted
            else self._block[name][: len(order)]
            for name in names
        )

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
        items = self._names["accounts" if table == "marks_days" else table.removeprefix("marks_")].count
        open_ = self._open_marks.get(table, np.zeros((0, len(self._numbers[table]), 2), np.int64))
        open_ = self._open_marks[table] = _longer(open_, max(items, 1), 0)
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


def _longer(values: NDArray[Any], length: int, fill: Any) -> NDArray[Any]:
    """Return `values` with room for at least `length` entries, twice as many as before."""
    if length <= len(values):
        return values
    longer = np.zeros((max(length, 2 * len(values)), *values.shape[1:]), dtype=values.dtype)
    longer[: len(values)] = values
    if fill:
        longer[len(values) :] = fill
    return longer


def _moments(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return microseconds since 1970-01-01, UTC, and where there are any."""
    import pyarrow as pa

    there = np.ones(len(column), dtype=np.bool_)
    if column.null_count:
        there = column.is_valid().to_numpy(zero_copy_only=False)
    whole = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return whole.fill_null(0).to_numpy(zero_copy_only=False), there


def _values(column: pa.Array, wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values, NaN where there is none."""
    import pyarrow as pa

    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if np.any(wanted & (np.abs(values) >= LARGEST_VALUE)):
        raise too_large("their sums below it")
    return values
