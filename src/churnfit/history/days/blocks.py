"""Events that wait to be read by account, each a packed row: all that is known of it moves in one piece when sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.history.days import kernels
from churnfit.history.days.plan import Rows

__all__ = ["BATCH_EVENTS", "Block"]

BATCH_EVENTS = 1 << 18  # at once: a row group of many writers, so that its dictionaries are looked up once
_BLOCK_EVENTS = 1 << 21  # more: fewer rows where days are split between blocks, and 80 bytes of memory each


class Block:
    """Events until there are enough of them.

    Parameters
    ----------
    columns : dict of str to dtype
        What is kept of an event besides its account.
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        kind = np.dtype([(name, *each) if isinstance(each, tuple) else (name, each) for name, each in columns.items()])
        most = _BLOCK_EVENTS + BATCH_EVENTS
        self._rows, self._sorted = np.zeros(most, dtype=kind), np.zeros(most, dtype=kind)
        self._account, self._order = np.zeros((2, most), dtype=np.int32)
        self.events = 0

    @property
    def full(self) -> bool:
        """Whether it is worth reading them."""
        return self.events >= _BLOCK_EVENTS

    def add(self, account: NDArray[np.int32], events: Rows) -> None:
        """Take at most `BATCH_EVENTS` events with all columns, while it is not full."""
        end = self.events + len(account)
        self._account[self.events : end] = account
        for name in self._rows.dtype.names or ():
            self._rows[name][self.events : end] = events[name]
        self.events = end

    def emptied(self, n_accounts: int) -> Rows:
        """Return the events' columns by account, those of one account as they came, until it is called again."""
        n, self.events = self.events, 0
        order = self._order[:n]
        start = kernels.by_account(self._account[:n], n_accounts, order)
        rows = np.take(self._rows, order, out=self._sorted[:n], mode="clip")  # other modes copy twice
        account = np.repeat(np.arange(n_accounts, dtype=np.int32), np.diff(start, prepend=0))
        return {"account": account} | {name: rows[name] for name in rows.dtype.names or ()}
