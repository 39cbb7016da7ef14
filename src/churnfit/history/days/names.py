"""Accounts, users and features as small numbers: dealt in the order of appearance, looked up by a hash of the name.

A name is known by 96 bits of its MurmurHash3 (x64, 128 bits); no id is written to disk. Among 10⁸ names two are taken
for one with a probability of about 10⁻¹³. A user or feature is one of its account's: its name is hashed with the
account's number, so that one table serves all accounts.

References
----------
Appleby, A. (2011). MurmurHash3, public domain. Two lanes of 64 bits take 8 bytes each in turn: multiply, rotate,
multiply, join; what is left at the end likewise; the lanes are mixed at last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from churnfit.history.days.kernels import taken

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Names", "Texts", "hashes_of", "texts_of"]

_LEAST_SLOTS = 1 << 12
_LOAD = 0.6  # share of slots in use above which look-ups run into each other
_U = np.uint64
_C1, _C2 = _U(0x87C37B91114253D5), _U(0x4CF5AD432745937F)
_LOW = _U(0xFFFFFFFF)
_SALT = _U(0x9E3779B97F4A7C15)  # 2⁶⁴ divided by the golden ratio: spreads the accounts' numbers


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A column of text as hashes.

    Parameters
    ----------
    hashes : ndarray of shape (n_texts, 2)
        Of each text that occurs.
    index : ndarray of shape (n_rows,)
        Which text each row has; -1 for none.
    """

    hashes: NDArray[np.uint64]
    index: NDArray[np.int32]

    def taken(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return what `codes` (one per text) says for each row; -1 for rows without a text."""
        found: NDArray[np.int32] = taken(codes, self.index)
        return found


class Names:
    """Numbers for names: the first name is 0, the next new one 1, and so on."""

    def __init__(self) -> None:
        self._slots = np.zeros((_LEAST_SLOTS, 2), dtype=np.uint64)
        self.count = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> Names:
        """Return the names of different `texts`, numbered in their order."""
        names = cls()
        hashes = hashes_of(list(texts))
        names.add(hashes, np.arange(len(hashes), dtype=np.int32))
        return names

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the number of each name without an account; -1 where it is unknown."""
        found = np.empty(len(hashes), dtype=np.int32)
        nobody = np.zeros(len(hashes), dtype=np.int32)
        _look_up(self._slots, self.count, hashes, np.arange(len(hashes), dtype=np.int32), nobody, False, found)
        return found

    def add(
        self, hashes: NDArray[np.uint64], index: NDArray[np.int32], account: NDArray[np.int32] | None = None
    ) -> NDArray[np.int32]:
        """Return the number of each row's name, its account's where given; -1 where `index` or `account` is."""
        wanted = self.count + len(index)
        if wanted > _LOAD * len(self._slots):
            self._grow(wanted)
        found = np.empty(len(index), dtype=np.int32)
        owner = np.zeros(len(index), dtype=np.int32) if account is None else account
        self.count = _look_up(self._slots, self.count, hashes, index, owner, True, found)
        return found

    def stored(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return what is kept of each name's hash, in order: 64 bits, and 32 more in the upper half."""
        used = self._slots[self._slots[:, 1] & _LOW != 0]
        halves = np.empty((2, self.count), dtype=np.uint64)
        halves[:, (used[:, 1] & _LOW) - _U(1)] = used[:, 0], used[:, 1] & ~_LOW
        return halves[0], halves[1]

    def restore(self, first: NDArray[np.uint64], second: NDArray[np.uint64]) -> None:
        """Take up further names as they were stored, in their order."""
        self._grow(self.count + len(first))
        numbers = np.arange(self.count + 1, self.count + len(first) + 1, dtype=np.uint64)
        _fill(self._slots, np.column_stack([first, second | numbers]))
        self.count += len(first)

    def _grow(self, wanted: int) -> None:
        size = len(self._slots)
        while wanted > _LOAD * size:
            size *= 2
        old, self._slots = self._slots, np.zeros((size, 2), dtype=np.uint64)
        _fill(self._slots, old)


def hashes_of(texts: list[str]) -> NDArray[np.uint64]:
    """Return the hashes, of shape (n_texts, 2).

    Examples
    --------
    >>> [hex(half) for half in hashes_of(["hello"])[0]]  # as the reference implementation, seed 0
    ['0xcbd8a7b341bd9b02', '0x5b1e906a48ae1d19']
    """
    import pyarrow as pa

    return texts_of(pa.array(texts, type=pa.string())).hashes


def texts_of(column: pa.Array, wanted: NDArray[np.bool_] | None = None) -> Texts:
    """Return an Arrow column of text, or of a dictionary of text, as hashes; only where `wanted`, if given."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        codes = column.indices.cast(pa.int32())
        index = (codes.fill_null(-1) if codes.null_count else codes).to_numpy(zero_copy_only=False)
        if wanted is not None:
            index = np.where(wanted, index, np.int32(-1))
        return Texts(hashes=_hashed(column.dictionary, None), index=index)
    index = np.arange(len(column), dtype=np.int32)
    if column.null_count:
        index[column.is_null().to_numpy(zero_copy_only=False)] = -1
    if wanted is not None:
        index[~wanted] = -1
    return Texts(hashes=_hashed(column, index), index=index)


def _hashed(array: pa.Array, index: NDArray[np.int32] | None) -> NDArray[np.uint64]:
    import pyarrow as pa

    if not pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, ends, letters = array.buffers()
    hashes = np.zeros((len(array), 2), dtype=np.uint64)
    if len(array) and letters is not None:
        offsets = np.frombuffer(ends, dtype=width)[array.offset : array.offset + len(array) + 1]
        marked = np.arange(len(array), dtype=np.int32) if index is None else index
        _hash(offsets, np.frombuffer(letters, dtype=np.uint8), marked, hashes)
    return hashes


@njit(cache=True)
def _turned(x, by):  # type: ignore[no-untyped-def]
    return (x << _U(by)) | (x >> _U(64 - by))


@njit(cache=True)
def _mixed(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> _U(33))) * _U(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> _U(33))) * _U(0xC4CEB9FE1A85EC53)
    return x ^ (x >> _U(33))


@njit(cache=True)
def _word(letters, end, length):  # type: ignore[no-untyped-def]
    """Return the last `length` bytes, at most 8, before `end`, little-endian."""
    end, length = _U(end), _U(length)
    word = _U(0)
    if end >= _U(8):  # written out, it compiles to one load
        at = end - _U(8)
        word = _U(letters[at]) | _U(letters[at + _U(1)]) << _U(8)
        word |= _U(letters[at + _U(2)]) << _U(16) | _U(letters[at + _U(3)]) << _U(24)
        word |= _U(letters[at + _U(4)]) << _U(32) | _U(letters[at + _U(5)]) << _U(40)
        word |= _U(letters[at + _U(6)]) << _U(48) | _U(letters[at + _U(7)]) << _U(56)
        return word >> (_U(64) - _U(8) * length)
    for byte in range(length):
        word |= _U(letters[end - length + _U(byte)]) << (_U(8) * _U(byte))
    return word


@njit(cache=True)
def _hash(offsets, letters, index, out):  # type: ignore[no-untyped-def]
    """Write MurmurHash3 of each text that `index` marks."""
    for row in range(len(index)):
        if index[row] < 0:
            continue
        at, length = offsets[row], offsets[row + 1] - offsets[row]
        h1, h2 = _U(0), _U(0)
        end = at + length
        while end - at >= 16:
            h1 ^= _turned(_word(letters, at + 8, 8) * _C1, 31) * _C2
            h1 = (_turned(h1, 27) + h2) * _U(5) + _U(0x52DCE729)
            h2 ^= _turned(_word(letters, at + 16, 8) * _C2, 33) * _C1
            h2 = (_turned(h2, 31) + h1) * _U(5) + _U(0x38495AB5)
            at += 16
        left = end - at
        if left > 8:
            h2 ^= _turned(_word(letters, end, left - 8) * _C2, 33) * _C1
        if left > 0:
            h1 ^= _turned(_word(letters, at + min(left, 8), min(left, 8)) * _C1, 31) * _C2
        h1 ^= _U(length)
        h2 ^= _U(length)
        h1 += h2
        h2 += h1
        h1, h2 = _mixed(h1), _mixed(h2)
        h1 += h2
        out[row, 0] = h1
        out[row, 1] = h2 + h1


@njit(cache=True)
def _look_up(slots, count, hashes, index, account, add, out):  # type: ignore[no-untyped-def]
    """Write each row's number; a slot holds 64 bits of the hash, 32 more, and the number plus one."""
    mask = _U(len(slots) - 1)
    for row in range(len(index)):
        out[row] = -1
        if index[row] < 0 or account[row] < 0:
            continue
        salt = _U(account[row]) * _SALT
        first = _mixed(hashes[index[row], 0] + salt)
        second = (hashes[index[row], 1] ^ salt) & ~_LOW
        slot = first & mask
        while True:
            number = slots[slot, 1] & _LOW
            if number == _U(0):
                if add:
                    slots[slot, 0] = first
                    slots[slot, 1] = second | _U(count + 1)
                    out[row] = count
                    count += 1
                break
            if slots[slot, 0] == first and (slots[slot, 1] & ~_LOW) == second:
                out[row] = np.int32(number - _U(1))
                break
            slot = (slot + _U(1)) & mask
    return count


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
