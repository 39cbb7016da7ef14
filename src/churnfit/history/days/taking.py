"""Readings of a whole grid from day tables: one pass over the rows serves all readings and all as_ofs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from churnfit.history.days import gathering
from churnfit.history.days.building import too_large
from churnfit.history.days.joining import Joined
from churnfit.history.days.names import Names
from churnfit.history.days.plan import CELLS, LATEST, MARKED, SUMS, Marked, Plan
from churnfit.history.days.texts import keys_of
from churnfit.history.readings import Reading, Taken, Window

__all__ = ["readings_over_days"]

_AT_ONCE = 64  # as_ofs of one account in one pass: the bits of a word
_FEW = 8  # of those that need a byte only, an eighth of the memory
_NEVER, _ALWAYS = -(2**30), 2**30  # days before and after all others, with room to add to


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Grid rows sorted by account: rows ``start[a]`` to ``start[a + 1]`` are account a's."""

    start: NDArray[np.int64]
    as_of: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]

    @property
    def rows(self) -> int:
        return len(self.as_of)

    @cached_property
    def reach(self) -> NDArray[np.int64]:
        """From which day to before which other any row's window has days, of shape (n_windows, 2)."""
        first, last = self.first.min(axis=1, initial=_ALWAYS), self.last.max(axis=1, initial=_NEVER)
        return np.column_stack([first, last]).astype(np.int64)

    def days(self, listed: tuple[NDArray[np.int64], NDArray[np.int64]], window: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the `reach` of each selection, over the windows of its readings, of shape (n_selections, 2)."""
        start, numbers = listed
        reaches = [self.reach[window[numbers[begin:end]]] for begin, end in pairwise(start)]
        first = [reach[:, 0].min(initial=_ALWAYS) for reach in reaches]
        return np.column_stack([first, [reach[:, 1].max(initial=_NEVER) for reach in reaches]])


def readings_over_days(readings: Mapping[str, Reading], grid: pa.Table, tables: Joined) -> pa.Table:
    """Return what `churnfit.history.events_sql.readings_over_events` returns: rows with known events, any order.

    Parameters
    ----------
    readings : dict of str to Reading
        The very readings, by any name, that the tables were built for.
    grid : pyarrow.Table
        account_id, as_of, as_of_day and start_day (days since 1970-01-01; a start may be null).
    tables : Joined
        The rows.

    Raises
    ------
    DataError
        CF203 when values do not add up in 64 bits.
    """
    plan = Plan(readings)
    account, seen = _known(grid, tables)
    # an account's as_ofs lie together; of very many, 64 at a time
    rows = np.flatnonzero(seen)
    place = (account[rows].astype(np.int64) << 32) + grid["as_of_day"].to_numpy()[rows]
    rows = rows[np.argsort(place, kind="stable")]
    account = account[rows]
    turn = (np.arange(len(rows)) - np.searchsorted(account, account)) // _AT_ONCE
    n_accounts = int(account.max(initial=-1)) + 1
    taken = []
    for each in range(int(turn.max(initial=0)) + 1):
        own = turn == each
        taken.append(_taken(plan, grid.take(rows[own]), account[own], tables, n_accounts=n_accounts))
    return pa.concat_tables(taken).select(["account_id", "as_of", *readings])


def _known(grid: pa.Table, tables: Joined) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each grid row's account by number, and whether it had known events."""
    names = Names()
    names.add(tables.names("accounts"))
    first_known = np.full(names.count + 1, LATEST, dtype=np.int32)
    for rows in tables.rows("known"):
        np.minimum.at(first_known, rows["account"], rows["first_known"])
    named = grid["account_id"].combine_chunks().dictionary_encode()
    account = names.find(keys_of(named.dictionary.to_pylist()))[named.indices.to_numpy()]
    return account, (account >= 0) & (first_known[account] < grid["as_of_day"].to_numpy())


def _taken(plan: Plan, grid: pa.Table, account: NDArray[np.int32], tables: Joined, *, n_accounts: int) -> pa.Table:
    windows = sorted({reading.window for reading in plan.readings.values()}, key=repr)
    made = _as_grid(grid, account, windows, n_accounts)
    columns: dict[str, Any] = {name: grid[name] for name in ("account_id", "as_of")}
    for taken, take in ((CELLS, _from_cells), (SUMS, _from_sums)):
        chosen = {name: each for name, each in plan.readings.items() if each.taken in taken}
        if chosen:
            columns |= take(plan, chosen, windows, made, tables)
    for marked in MARKED:
        chosen = {name: each for name, each in plan.readings.items() if each.taken == marked}
        if chosen:
            counts = _from_marks(plan, chosen, windows, made, tables, marked)
            columns |= dict(zip(chosen, counts, strict=True))
    return pa.table(columns)


def _as_grid(grid: pa.Table, account: NDArray[np.int32], windows: list[Window], n_accounts: int) -> _Grid:
    as_of = grid["as_of_day"].to_numpy().astype(np.int32)
    begun = grid["start_day"].fill_null(_ALWAYS).to_numpy().astype(np.int32)
    first = np.empty((len(windows), len(as_of)), dtype=np.int32)
    last = np.repeat(as_of[None], len(windows), axis=0)
    for row, window in enumerate(windows):
        if window.ever:
            first[row] = _NEVER
        elif window.days is None:
            first[row] = begun
        else:
            first[row], last[row] = as_of - window.days - window.skip, as_of - window.skip
    start = np.searchsorted(account, np.arange(n_accounts + 1))
    return _Grid(start=start, as_of=as_of, first=first, last=last)


def _listed(plan: Plan, chosen: Mapping[str, Reading]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which readings each selection has: those of s are ``listed[start[s]:start[s + 1]]``."""
    by_selection = [
        [number for number, each in enumerate(chosen.values()) if each.selection == selection]
        for selection in plan.selections
    ]
    start = np.cumsum([0, *map(len, by_selection)], dtype=np.int64)
    return start, np.array([number for numbers in by_selection for number in numbers], dtype=np.int64)


def _asked(
    chosen: Mapping[str, Reading], windows: list[Window], taken: tuple[Taken, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what each reading takes, by its place in `taken`, and from which window."""
    what = np.array([taken.index(each.taken) for each in chosen.values()], dtype=np.int64)
    return what, np.array([windows.index(each.window) for each in chosen.values()], dtype=np.int64)


def _from_cells(
    plan: Plan, chosen: Mapping[str, Reading], windows: list[Window], grid: _Grid, tables: Joined
) -> dict[str, Any]:
    what, window = _asked(chosen, windows, CELLS)
    out = np.empty((len(chosen), grid.rows), dtype=np.int64)
    out[:] = np.array([0, _ALWAYS, _NEVER])[what][:, None]
    listed = _listed(plan, chosen)
    for rows in tables.rows("cells", days=grid.days(listed, window)):
        gathering.cells(tuple(rows.values()), _arrays(grid), (*listed, what, window), out)
    return {
        name: counted if each.taken == "events" else pa.array(counted, mask=np.abs(counted) == _ALWAYS)
        for (name, each), counted in zip(chosen.items(), out, strict=True)
    }


def _from_sums(
    plan: Plan, chosen: Mapping[str, Reading], windows: list[Window], grid: _Grid, tables: Joined
) -> dict[str, Any]:
    what, window = _asked(chosen, windows, SUMS)
    is_last = what == SUMS.index("last")
    added = np.zeros((len(chosen), grid.rows, 2), dtype=np.int64)
    newest = np.zeros((int(is_last.sum()), grid.rows, 2), dtype=np.int64)
    value = np.zeros(newest.shape[:2])
    place_of_last = np.where(is_last, np.cumsum(is_last) - 1, -1)
    listed = _listed(plan, chosen)
    asked = (*listed, place_of_last, window)
    for rows in tables.rows("sums", days=grid.days(listed, window)):
        if not gathering.sums(tuple(rows.values()), _arrays(grid), asked, added, newest, value):
            raise too_large("the sums of windows below it")
    taken: dict[str, Any] = {}
    for number, (name, each) in enumerate(chosen.items()):
        counted, total = added[number].T
        if each.taken == "values":
            taken[name] = pa.array(counted)
        else:
            said = value[place_of_last[number]] if each.taken == "last" else total
            taken[name] = pa.array(said, mask=counted == 0)
    return taken


def _from_marks(
    plan: Plan, chosen: Mapping[str, Reading], windows: list[Window], grid: _Grid, tables: Joined, marked: Marked
) -> NDArray[np.int64]:
    """Return how many different users, features or days each reading saw in each grid row."""
    _, window = _asked(chosen, windows, (marked,))
    listed = _listed(plan, chosen)
    out = np.zeros((len(chosen), grid.rows), dtype=np.int64)
    if marked == "days":
        parts = list(tables.rows("marks_days", days=grid.days(listed, window)))
        if parts:
            rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            order = np.lexsort((rows["block"], rows["item"], rows["selection"]))
            sorted_rows = tuple(values[order] for values in rows.values())
            gathering.days(sorted_rows, _arrays(grid), (*listed, window), out)
        return out
    owner = tables.owners(marked)
    most = int(np.diff(grid.start).max(initial=0))  # rows of one account: a bit each
    seen = np.zeros((len(chosen), len(owner)), dtype=np.uint8 if most <= _FEW else np.uint64)
    for rows in tables.rows(f"marks_{marked}", days=grid.days(listed, window)):
        gathering.marks(tuple(rows.values()), owner, _arrays(grid), (*listed, window), seen)
    gathering.count(seen, owner, grid.start, out)
    return out


def _arrays(grid: _Grid) -> tuple[NDArray[Any], ...]:
    return grid.start, grid.as_of, grid.first, grid.last, grid.reach
