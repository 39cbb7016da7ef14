"""Several builds as one: each numbers its accounts, users and features anew, and their keys tell which are the same.

An increment so costs what its own events cost, whatever there is already. A reader joins the builds: it looks at the
keys of all, and numbers the rows of all but the first anew. Builds are put together once newer ones outweigh an older
one, so that no row is written again more often than the number of builds can be halved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from churnfit.history.days.names import Names
from churnfit.history.days.plan import COLUMNS, Rows
from churnfit.history.days.tables import Manifest, PartWriter, read_rows

__all__ = ["Joined", "put_together"]

_MANY_BUILDS = 8  # fewer cost a reader next to nothing
_NUMBERED = {
    **dict.fromkeys(("cells", "sums", "known", "users", "features"), ("account", "accounts")),
    "marks_days": ("item", "accounts"),
    "marks_users": ("item", "users"),
    "marks_features": ("item", "features"),
}
"""By table: the column that has numbers, and of what."""


class Joined:
    """The rows of all builds of a manifest, with common numbers: those of the first build, then further ones."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._numbers = lru_cache(maxsize=None)(self._common)

    def rows(self, table: str, *, days: NDArray[np.int64] | None = None) -> Iterator[Rows]:
        """Yield the rows of cells, sums, marks or first days; without those of no day in `days`, as `read_rows`."""
        column, named = _NUMBERED[table]
        for part in self._manifest.of(table):
            numbers = self._numbers(named).get(part.build)
            for rows in read_rows(self._folder, part, days=days):
                yield rows if numbers is None else rows | {column: numbers[rows[column]]}

    def names(self, table: str) -> NDArray[np.uint64]:
        """Return the keys of all accounts, users or features, in the order of their common numbers."""
        keys = {build: self._keys(table, build) for build in self._manifest.builds}
        joined = np.empty((self._count(table), 2), dtype=np.uint64)
        for build, its in keys.items():
            joined[self._numbers(table).get(build, slice(len(its)))] = its
        return joined

    def owners(self, table: str) -> NDArray[np.int32]:
        """Return the account of each user or feature."""
        owners = np.empty(self._count(table), dtype=np.int32)
        for build in self._manifest.builds:
            its = self._column(table, build, "account")
            accounts = self._numbers("accounts").get(build)
            owners[self._numbers(table).get(build, slice(len(its)))] = its if accounts is None else accounts[its]
        return owners

    def _common(self, table: str) -> dict[int, NDArray[np.int32]]:
        """Return the common number of each name of each build but the first, whose numbers are the common ones."""
        first, *later = self._manifest.builds
        if not later:
            return {}
        names = Names()  # of later builds: few, so that looking all of the first up in them is cheap
        numbers = {build: names.add(self._keys(table, build)) for build in later}
        known = names.find(self._keys(table, first))
        common = np.full(names.count, -1, dtype=np.int32)
        common[known[known >= 0]] = np.flatnonzero(known >= 0)
        new = common < 0
        common[new] = len(known) + np.arange(np.count_nonzero(new))
        return {build: common[its] for build, its in numbers.items()}

    def _count(self, table: str) -> int:
        later = self._numbers(table).values()
        first = sum(part.rows for part in self._manifest.of(table) if part.build == self._manifest.builds[0])
        return max([first, *(int(its.max(initial=-1)) + 1 for its in later)])

    def _keys(self, table: str, build: int) -> NDArray[np.uint64]:
        return np.column_stack([self._column(table, build, half) for half in ("first", "second")])

    def _column(self, table: str, build: int, column: str) -> NDArray[np.generic]:
        parts = [part for part in self._manifest.of(table) if part.build == build]
        read = (rows[column] for part in parts for rows in read_rows(self._folder, part, columns=[column]))
        return np.concatenate([np.zeros(0, dtype=COLUMNS[table][column]), *read])


def put_together(folder: Path, manifest: Manifest) -> Manifest:
    """Return `manifest` with its newest builds as one, once there are many, and they outweigh the one before them."""
    builds = manifest.builds
    rows = [sum(part.rows for part in manifest.parts if part.build == build) for build in builds]
    ripe = [first for first in range(len(rows) - _MANY_BUILDS + 1) if rows[first] <= sum(rows[first + 1 :])]
    if not ripe:
        return manifest
    chosen = builds[ripe[0] :]
    joined = Joined(folder, manifest.only(chosen))
    writer = PartWriter(folder, build=chosen[0])
    try:
        for table in COLUMNS:
            for written in _all_rows(joined, table):
                writer.write(table, written)
        return replace(manifest, parts=manifest.only(builds[: ripe[0]]).parts + writer.close())
    finally:
        writer.discard()


def _all_rows(joined: Joined, table: str) -> Iterator[Rows]:
    if table not in ("accounts", "users", "features"):
        yield from joined.rows(table)
        return
    keys = joined.names(table)
    owners = {} if table == "accounts" else {"account": joined.owners(table)}
    yield {"first": keys[:, 0], "second": keys[:, 1]} | owners
