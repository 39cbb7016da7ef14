"""Names as keys: 96 bits that stand for a text, and nothing of it is written to disk.

A key is made of a name's MurmurHash3 (x64, 128 bits). Among 10⁸ names two are taken for one with a probability of about
10⁻¹³. A user or feature is one of its account's: its hash begins with 64 bits of the account's, so that a name has the
same key in every build, however accounts are numbered; equal names of two accounts are so told apart. Keys are arrays
of shape (n_names, 2); 0 in the second place: no name.

References
----------
Appleby, A. (2011). MurmurHash3, public domain. Two lanes of 64 bits take 8 bytes each in turn: multiply, rotate,
multiply, join; what is left at the end likewise; the lanes are mixed at last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TextColumn", "Texts", "Words", "keys_of", "write_owned_keys"]

_U = np.uint64
_C1, _C2 = _U(0x87C37B91114253D5), _U(0x4CF5AD432745937F)
_LOW = _U(0xFFFFFFFF)


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """Texts one after the other, as Arrow has them: word w is ``letters[offsets[w]:offsets[w + 1]]``."""

    offsets: NDArray[Any]
    letters: NDArray[np.uint8]

    @classmethod
    def of(cls, array: pa.Array) -> Words:
        """Return the words of an Arrow array of text, none of them missing or else of any content."""
        import pyarrow as pa

        if not pa.types.is_large_string(array.type):
            array = array.cast(pa.string())
        width = np.int64 if pa.types.is_large_string(array.type) else np.int32
        _, ends, letters = array.buffers()
        offsets = np.frombuffer(ends or bytes(8), dtype=width)[array.offset : array.offset + len(array) + 1]
        return cls(offsets=offsets, letters=np.frombuffer(letters or b"", dtype=np.uint8))

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """Their hashes, of shape (n_words, 2)."""
        hashes = np.empty((len(self.offsets) - 1, 2), dtype=np.uint64)
        _hash(self.offsets, self.letters, hashes)
        return hashes

    @cached_property
    def seeds(self) -> NDArray[np.uint64]:
        """What the hashes of names that they own begin with."""
        return self.hashes[:, 0].copy()

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """Their keys, of names that nobody owns."""
        return np.column_stack([self.hashes[:, 0], self.hashes[:, 1] & ~_LOW | _U(1)])


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A column of text.

    Parameters
    ----------
    words : Words
        The texts that occur, perhaps more than once.
    index : ndarray of shape (n_rows,)
        Which of them each row has; -1 for none.
    """

    words: Words
    index: NDArray[np.int32]


def keys_of(texts: list[str]) -> NDArray[np.uint64]:
    """Return the keys of names that nobody owns, of shape (n_texts, 2).

    Examples
    --------
    >>> hex(keys_of(["hello"])[0, 0])  # as the reference implementation, seed 0
    '0xcbd8a7b341bd9b02'
    """
    import pyarrow as pa

    return Words.of(pa.array(texts, type=pa.string())).keys


def write_owned_keys(
    names: Texts, owners: Texts, rows: NDArray[np.int32], wanted: NDArray[np.bool_], keys: NDArray[np.uint64]
) -> None:
    """Write the keys of the names of `rows` to `keys`, of shape (n_rows, 2); no name where it is not `wanted`."""
    words = names.words
    _own((words.offsets, words.letters, names.index), (owners.words.seeds, owners.index), rows, wanted, keys)


class TextColumn:
    """A column of text in batches; batches that share a dictionary share its words, the very object."""

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._words: Words | None = None

    def texts(self, column: pa.Array) -> Texts:
        """Return an Arrow column of text, or of a dictionary of text."""
        import pyarrow as pa

        if not pa.types.is_dictionary(column.type):
            index = np.arange(len(column), dtype=np.int32)
            if column.null_count:
                index[column.is_null().to_numpy(zero_copy_only=False)] = -1
            return Texts(words=Words.of(column), index=index)
        if self._words is None or not column.dictionary.equals(self._dictionary):
            self._dictionary, self._words = column.dictionary, Words.of(column.dictionary)
        codes = column.indices.cast(pa.int32())
        codes = codes.fill_null(-1) if codes.null_count else codes
        return Texts(words=self._words, index=codes.to_numpy(zero_copy_only=False))


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


@njit(cache=True, forceinline=True)  # called, it takes twice as long
def _murmur(offsets, letters, word, seed):  # type: ignore[no-untyped-def]
    """Return MurmurHash3 of a word."""
    at, end = _U(offsets[word]), _U(offsets[word + 1])
    length = end - at
    h1, h2 = seed, seed
    while end - at >= _U(16):
        h1 ^= _turned(_word(letters, at + _U(8), 8) * _C1, 31) * _C2
        h1 = (_turned(h1, 27) + h2) * _U(5) + _U(0x52DCE729)
        h2 ^= _turned(_word(letters, at + _U(16), 8) * _C2, 33) * _C1
        h2 = (_turned(h2, 31) + h1) * _U(5) + _U(0x38495AB5)
        at += _U(16)
    left = end - at
    if left > _U(8):
        h2 ^= _turned(_word(letters, end, left - _U(8)) * _C2, 33) * _C1
    if left > _U(0):
        first = min(left, _U(8))
        h1 ^= _turned(_word(letters, at + first, first) * _C1, 31) * _C2
    h1 ^= length
    h2 ^= length
    h1 += h2
    h2 += h1
    h1, h2 = _mixed(h1), _mixed(h2)
    h1 += h2
    return h1, h2 + h1


@njit(cache=True)
def _hash(offsets, letters, out):  # type: ignore[no-untyped-def]
    """Write the hash of each word."""
    for word in range(len(out)):
        out[word, 0], out[word, 1] = _murmur(offsets, letters, word, _U(0))


@njit(cache=True)
def _own(names, owners, rows, wanted, out):  # type: ignore[no-untyped-def]
    """Write each row's key: the hash of its name, with its owner's for a seed."""
    offsets, letters, index = names
    seeds, owner = owners
    for place in range(len(rows)):
        row = rows[place]
        if index[row] < 0 or not wanted[place]:
            out[place, 0] = out[place, 1] = _U(0)
            continue
        out[place, 0], second = _murmur(offsets, letters, index[row], seeds[owner[row]])
        out[place, 1] = (second & ~_LOW) | _U(1)
