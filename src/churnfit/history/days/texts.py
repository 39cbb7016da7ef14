"""Names as keys: 96 bits that stand for a text, and nothing of it is written to disk.

A key is made of a name's MurmurHash3 (x64, 128 bits). Among 10⁸ names two are taken for one with a probability of about
10⁻¹³. A user or feature is one of its account's: the account's hash goes into its key, so that a name has the same key
in every build, however accounts are numbered. Keys are arrays of shape (n_names, 2); 0 in the second place: no name.

References
----------
Appleby, A. (2011). MurmurHash3, public domain. Two lanes of 64 bits take 8 bytes each in turn: multiply, rotate,
multiply, join; what is left at the end likewise; the lanes are mixed at last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TextColumn", "Texts", "keys_of", "owned_keys"]

_U = np.uint64
_C1, _C2 = _U(0x87C37B91114253D5), _U(0x4CF5AD432745937F)
_LOW = _U(0xFFFFFFFF)
_SALT = _U(0x9E3779B97F4A7C15)  # 2⁶⁴ divided by the golden ratio: spreads the accounts' hashes


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

    def keys(self) -> NDArray[np.uint64]:
        """Return the keys of the texts, of names that nobody owns."""
        return np.column_stack([self.hashes[:, 0], self.hashes[:, 1] & ~_LOW | _U(1)])


def keys_of(texts: list[str]) -> NDArray[np.uint64]:
    """Return the keys of names that nobody owns, of shape (n_texts, 2).

    Examples
    --------
    >>> hex(keys_of(["hello"])[0, 0])  # as the reference implementation, seed 0
    '0xcbd8a7b341bd9b02'
    """
    import pyarrow as pa

    return TextColumn().texts(pa.array(texts, type=pa.string()), np.arange(len(texts))).keys()


def owned_keys(names: Texts, owners: Texts, wanted: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return each row's key of shape (n_rows, 2); no name where there is none, or where it is not `wanted`."""
    keys = np.empty((len(names.index), 2), dtype=np.uint64)
    _own(names.hashes, names.index, owners.hashes, owners.index, wanted, keys)
    return keys


class TextColumn:
    """A column of text in batches; batches that share a dictionary share its hashes, the very array."""

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._hashes = np.zeros((0, 2), dtype=np.uint64)

    def texts(self, column: pa.Array, rows: NDArray[np.int64]) -> Texts:
        """Return `rows` of an Arrow column of text, or of a dictionary of text, as hashes."""
        import pyarrow as pa

        if not pa.types.is_dictionary(column.type):
            index = np.arange(len(rows), dtype=np.int32)
            if column.null_count:
                index[column.is_null().to_numpy(zero_copy_only=False)[rows]] = -1
            return Texts(hashes=_hashed(column, rows), index=index)
        if self._dictionary is None or not column.dictionary.equals(self._dictionary):
            self._dictionary = column.dictionary
            self._hashes = _hashed(column.dictionary, np.arange(len(column.dictionary)))
        codes = column.indices.cast(pa.int32())
        index = (codes.fill_null(-1) if codes.null_count else codes).to_numpy(zero_copy_only=False)
        return Texts(hashes=self._hashes, index=np.take(index, rows))


def _hashed(array: pa.Array, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    import pyarrow as pa

    if not pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, ends, letters = array.buffers()
    hashes = np.empty((len(rows), 2), dtype=np.uint64)
    if len(array):
        offsets = np.frombuffer(ends, dtype=width)[array.offset : array.offset + len(array) + 1]
        _hash(offsets, np.frombuffer(letters or b"", dtype=np.uint8), rows, hashes)
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
def _hash(offsets, letters, rows, out):  # type: ignore[no-untyped-def]
    """Write MurmurHash3 of the texts in `rows`."""
    for place in range(len(rows)):
        row = rows[place]
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
        out[place, 0] = h1
        out[place, 1] = h2 + h1


@njit(cache=True)
def _own(hashes, index, owners, owner_index, wanted, out):  # type: ignore[no-untyped-def]
    """Write each row's key: the hash of its name, mixed with its owner's."""
    for row in range(len(index)):
        i = index[row]
        if i < 0 or not wanted[row]:
            out[row, 0] = out[row, 1] = _U(0)
            continue
        salt = owners[owner_index[row], 0] * _SALT
        out[row, 0] = _mixed(hashes[i, 0] + salt)
        out[row, 1] = ((hashes[i, 1] ^ salt) & ~_LOW) | _U(1)
