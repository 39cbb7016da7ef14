"""Events that wait to be read by account: each a row of numbers, moved in one piece."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.history.days import kernels
from churnfit.history.days.plan import Rows

__all__ = ["BATCH_EVENTS", "Block"]

BATCH_EVENTS = 1 << 18  # at once: what was read of them is still at hand when it is looked up
_BLOCK_EVENTS = 1 << 21  # more: fewer rows where days are split between blocks, and 80 bytes of memory each


class Block:
    """Events until there are enough of them.

    Parameters
    ----------
    columns : dict of str to dtype
        What is kept of an event besides its account: a number of 64 bits, or several of one kind, as (dtype, number).
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns: dict[str, tuple[Any, slice | int]] = {}
        words = 0
        for name, kind in columns.items():
            dtype, several = kind if isinstance(kind, tuple) else (kind, 0)
            self._columns[name] = dtype, slice(words, words + several) if several else words
            words += several or 1
        most = _BLOCK_EVENTS + BATCH_EVENTS
        self._waiting, self._rows = np.empty((2, most, words), dtype=np.uint64)
        self._account = np.empty(most, dtype=np.int32)
        self.events = 0

    @property
    def full(self) -> bool:
        """Whether it is worth reading them."""
        return self.events >= _BLOCK_EVENTS

    def room(self) -> Rows:
        """Return where to write the next events, at most `BATCH_EVENTS`, while it is not full: account, and columns."""
        new = slice(self.events, self.events + BATCH_EVENTS)
        return {"account": self._account[new]} | self._named(self._waiting[new])

    def add(self, n_events: int) -> None:
        """Take so many events that were written."""
        self.events += n_events

    def emptied(self, n_accounts: int) -> Rows:
        """Return the events' columns by account, those of one account as they came, until it is called again."""
        n, self.events = self.events, 0
        ends = kernels.by_account(self._account[:n], n_accounts, self._waiting, self._rows)
        account = np.repeat(np.arange(n_accounts, dtype=np.int32), np.diff(ends, prepend=0))
        return {"account": account} | self._named(self._rows[:n])

    def _named(self, rows: NDArray[np.uint64]) -> Rows:
        return {name: rows[:, words].view(dtype) for name, (dtype, words) in self._columns.items()}
