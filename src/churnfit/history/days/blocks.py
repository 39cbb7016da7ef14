"""Events that wait to be read by account, each a packed row: all that is known of it moves in one piece when sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnfit.history.days import kernels
from churnfit.history.days.plan import Rows

__all__ = ["BATCH_EVENTS", "Block"]

BATCH_EVENTS = 1 << 18  # at once: a row group of many writers, so that its dictionaries are looked up once
_BLOCK_EVENTS = 1 << 20  # more: fewer rows where days are split between blocks, and 80 bytes of memory each


class Block:
    """Events until there are enough of them.

    Parameters
    ----------
    columns : dict of str to dtype
        What is kept of an event; ``account`` is.
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        kind = np.dtype([(name, *each) if isinstance(each, tuple) else (name, each) for name, each in columns.items()])
        most = _BLOCK_EVENTS + BATCH_EVENTS
        self._rows, self._sorted = np.zeros(most, dtype=kind), np.zeros(most, dtype=kind)
        self._order = np.zeros(most, dtype=np.int32)
        self.events = 0

    @property
    def full(self) -> bool:
        """Whether it is worth reading them."""
        return self.events >= _BLOCK_EVENTS

    def add(self, events: Rows) -> None:
        """Take at most `BATCH_EVENTS` events, while it is not full; columns that are not given are 0."""
        end = self.events + len(events["account"])
        for name, values in events.items():
            self._rows[name][self.events : end] = values
        self.events = end

    def emptied(self, n_accounts: int) -> NDArray[Any]:
        """Return the events by account, those of one account as they came, until it is called again."""
        n, self.events = self.events, 0
        order = self._order[:n]
        kernels.by_account(self._rows["account"][:n], n_accounts, order)
        return np.take(self._rows, order, out=self._sorted[:n], mode="clip")  # other modes copy twice
