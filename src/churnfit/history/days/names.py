"""Accounts, users and features as small numbers, dealt in the order of appearance and looked up by their keys."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from churnfit.history.days.ahead import fetch
from churnfit.history.days.texts import keys_of

__all__ = ["Names", "OwnedNames", "longer"]

_LEAST_SLOTS = 1 << 8
_AHEAD = 32  # turns of a loop until a slot is needed: at 8 half of them are late, at 64 they come no earlier
_LOAD = 0.6  # share of slots in use above which look-ups run into each other
_TOGETHER = 1024  # accounts whose users share a table: few enough for the processor's cache
_U = np.uint64
_LOW = _U(0xFFFFFFFF)


class Names:
    """Numbers for names: the first name is 0, the next new one 1, and so on; -1 for no name."""

    def __init__(self) -> None:
        self._slots = _Slots()
        self.count = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> Names:
        """Return the names of different `texts`, numbered in their order."""
        names = cls()
        names.add(keys_of(list(texts)))
        return names

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the number of each name; -1 where it is unknown."""
        return self._slots.find(keys)

    def add(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the number of each name, new or known."""
        found = np.empty(len(keys), dtype=np.int32)
        self.count = self._slots.add(keys, self.count, found)
        return found

    def keys(self) -> NDArray[np.uint64]:
        """Return the names' keys, in the order of their numbers."""
        keys = np.empty((self.count, 2), dtype=np.uint64)
        self._slots.write(keys)
        return keys


class OwnedNames:
    """Numbers for users or features, each of one account: the first is 0, the next new one 1, and so on.

    Those of a run of accounts share a table, so that events sorted by account find it in the processor's cache.
    """

    def __init__(self) -> None:
        self._tables: list[_Slots] = []
        self._owners = np.zeros(0, dtype=np.int32)
        self.count = 0

    def add(self, keys: NDArray[np.uint64], account: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the number of each name, new or known; `account` is whose it is, and rises."""
        n_tables = int(account[-1]) // _TOGETHER + 1 if len(account) else 0
        self._tables += [_Slots() for _ in range(n_tables - len(self._tables))]
        bounds = np.searchsorted(account, np.arange(n_tables + 1, dtype=np.int32) * _TOGETHER)
        found = np.empty(len(keys), dtype=np.int32)
        before = self.count
        for table, (begin, end) in enumerate(pairwise(bounds)):
            if begin < end:
                self.count = self._tables[table].add(keys[begin:end], self.count, found[begin:end])
        self._owners = longer(self._owners, self.count)
        _own(found, before, account, self._owners)
        return found

    def keys(self) -> NDArray[np.uint64]:
        """Return the names' keys, in the order of their numbers."""
        keys = np.empty((self.count, 2), dtype=np.uint64)
        for table in self._tables:
            table.write(keys)
        return keys

    def owners(self) -> NDArray[np.int32]:
        """Return the account of each name."""
        return self._owners[: self.count]


class _Slots:
    """A hash table: a slot holds 64 bits of a key, 32 more, and the name's number plus one."""

    def __init__(self) -> None:
        self._slots = np.zeros((_LEAST_SLOTS, 2), dtype=np.uint64)
        self._used = 0

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        found = np.empty(len(keys), dtype=np.int32)
        _look_up(self._slots, keys, found, 0, 0, -1)
        return found

    def add(self, keys: NDArray[np.uint64], count: int, out: NDArray[np.int32]) -> int:
        """Write the keys' numbers to `out`, from `count` on for new ones; return the next free number."""
        begin = 0
        while True:
            room = int(_LOAD * len(self._slots)) - self._used
            begin, reached = _look_up(self._slots, keys, out, begin, count, count + room)
            self._used, count = self._used + reached - count, reached
            if begin == len(keys):
                return count
            old, self._slots = self._slots, np.zeros((2 * len(self._slots), 2), dtype=np.uint64)
            _fill(self._slots, old)

    def write(self, keys: NDArray[np.uint64]) -> None:
        """Write each key to its number's place."""
        used = self._slots[self._slots[:, 1] & _LOW != 0]
        keys[(used[:, 1] & _LOW) - _U(1)] = np.column_stack([used[:, 0], used[:, 1] & ~_LOW | _U(1)])


def longer(values: NDArray[Any], length: int, fill: Any = 0) -> NDArray[Any]:
    """Return `values` with room for at least `length` entries, twice as many as before; new ones are `fill`."""
    if length <= len(values):
        return values
    grown = np.zeros((max(length, 2 * len(values)), *values.shape[1:]), dtype=values.dtype)
    grown[: len(values)] = values
    if fill:
        grown[len(values) :] = fill
    return grown


@njit(cache=True)
def _look_up(slots, keys, out, begin, count, end):  # type: ignore[no-untyped-def]
    """Write the keys' numbers from row `begin` on; new names get those from `count` to `end`, or with `end` -1 none.

    Returns (where to go on with more room, the next free number).
    """
    mask = _U(len(slots) - 1)
    for row in range(begin, len(keys)):
        if row + _AHEAD < len(keys):
            fetch(slots, keys[row + _AHEAD, 0] & mask)  # type: ignore[call-arg]
        out[row] = -1
        first, second = keys[row, 0], keys[row, 1]
        if second == _U(0):
            continue
        slot = first & mask
        while True:
            number = slots[slot, 1] & _LOW
            if number == _U(0):
                if end >= 0:
                    if count == end:
                        return row, count
                    slots[slot, 0] = first
                    slots[slot, 1] = (second & ~_LOW) | _U(count + 1)
                    out[row] = count
                    count += 1
                break
            if slots[slot, 0] == first and (slots[slot, 1] ^ second) & ~_LOW == _U(0):
                out[row] = np.int32(number - _U(1))
                break
            slot = (slot + _U(1)) & mask
    return len(keys), count


@njit(cache=True)
def _own(numbers, before, account, owners):  # type: ignore[no-untyped-def]
    """Write whose the names with `numbers` from `before` on are."""
    for row in range(len(numbers)):
        if numbers[row] >= before:
            owners[numbers[row]] = account[row]


@njit(cache=True)
def _fill(slots, entries):  # type: ignore[no-untyped-def]
    """Put each used entry (hash, number) into the first free slot of its place."""
    mask = _U(len(slots) - 1)
    for row in range(len(entries)):
        if entries[row, 1] & _LOW == _U(0):
            continue
        slot = entries[row, 0] & mask
        while slots[slot, 1] & _LOW != _U(0):
            slot = (slot + _U(1)) & mask
        slots[slot, 0] = entries[row, 0]
        slots[slot, 1] = entries[row, 1]
