"""Readings of a whole grid from day tables: one pass over the rows serves all readings and all as_ofs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
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

    def reach(self) -> NDArray[np.int64]:
        """Return the first day that any row's window has, and the day after the last, of shape (n_windows, 2)."""
        return np.column_stack([self.first.min(axis=1, initial=_ALWAYS), self.last.max(axis=1, initial=_NEVER)])

    def days(self) -> tuple[int, int]:
        """Return the first and last day that any window has."""
        return int(self.first.min(initial=_ALWAYS)), int(self.last.max(initial=_NEVER))


def readings_over_days(readings: Mapping[str, Reading], grid: pd.DataFrame, tables: Joined) -> pd.DataFrame:
    """Return what `churnfit.history.events_sql.readings_over_events` returns: rows with known events, any order.

    Parameters
    ----------
    readings : dict of str to Reading
        The very readings, by any name, that the tables were built for.
    grid : pandas.DataFrame
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
    kept = grid[seen].assign(account=account[seen]).sort_values(["account", "as_of_day"], kind="stable")
    turn = kept.groupby("account").cumcount().to_numpy() // _AT_ONCE
    turns = [kept[turn == each] for each in range(int(turn.max(initial=-1)) + 1)] or [kept]
    taken = pd.concat([_taken(plan, each, tables, n_accounts=int(account.max(initial=-1)) + 1) for each in turns])
    return taken[["account_id", "as_of", *readings]].reset_index(drop=True)


def _known(grid: pd.DataFrame, tables: Joined) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each grid row's account by number, and whether it had known events."""
    names = Names()
    names.add(tables.names("accounts"))
    first_known = np.full(names.count + 1, LATEST, dtype=np.int32)
    for rows in tables.rows("known"):
        np.minimum.at(first_known, rows["account"], rows["first_known"])
    which, different = pd.factorize(grid["account_id"])
    account = names.find(keys_of(different.to_numpy(dtype=object).tolist()))[which]
    return account, (account >= 0) & (first_known[account] < grid["as_of_day"].to_numpy())


def _taken(plan: Plan, grid: pd.DataFrame, tables: Joined, *, n_accounts: int) -> pd.DataFrame:
    windows = sorted({reading.window for reading in plan.readings.values()}, key=repr)
    made = _as_grid(grid, windows, n_accounts)
    columns: dict[str, Any] = {"account_id": grid["account_id"].array, "as_of": grid["as_of"].array}
    for taken, take in ((CELLS, _from_cells), (SUMS, _from_sums)):
        chosen = {name: each for name, each in plan.readings.items() if each.taken in taken}
        if chosen:
            columns |= take(plan, chosen, windows, made, tables)
    for marked in MARKED:
        chosen = {name: each for name, each in plan.readings.items() if each.taken == marked}
        if chosen:
            counts = _from_marks(plan, chosen, windows, made, tables, marked)
            columns |= dict(zip(chosen, counts, strict=True))
    return pd.DataFrame(columns)


def _as_grid(grid: pd.DataFrame, windows: list[Window], n_accounts: int) -> _Grid:
    as_of = grid["as_of_day"].to_numpy("int32")
    begun = grid["start_day"].astype("Float64").to_numpy("float64", na_value=_ALWAYS).astype("int32")
    first = np.empty((len(windows), len(grid)), dtype=np.int32)
    last = np.repeat(as_of[None], len(windows), axis=0)
    for row, window in enumerate(windows):
        if window.ever:
            first[row] = _NEVER
        elif window.days is None:
            first[row] = begun
        else:
            first[row], last[row] = as_of - window.days - window.skip, as_of - window.skip
    start = np.searchsorted(grid["account"].to_numpy(), np.arange(n_accounts + 1))
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
    for rows in tables.rows("cells", days=grid.days()):
        gathering.cells(tuple(rows.values()), _arrays(grid), (*listed, what, window), out)
    missing = (np.abs(out) == _ALWAYS) & (what != CELLS.index("events"))[:, None]
    return dict(zip(chosen, map(pd.arrays.IntegerArray, out, missing), strict=True))


def _from_sums(
    plan: Plan, chosen: Mapping[str, Reading], windows: list[Window], grid: _Grid, tables: Joined
) -> dict[str, Any]:
    what, window = _asked(chosen, windows, SUMS)
    shape = (len(chosen), grid.rows)
    whole, value = np.zeros((*shape, 4), dtype=np.int64), np.full(shape, np.nan)
    asked = (*_listed(plan, chosen), what, window)
    for rows in tables.rows("sums", days=grid.days()):
        if not gathering.sums(tuple(rows.values()), _arrays(grid), asked, whole, value):
            raise too_large("the sums of windows below it")
    taken: dict[str, Any] = {}
    for number, name in enumerate(chosen):
        nothing = whole[number, :, 0] == 0
        if SUMS[what[number]] == "values":
            taken[name] = whole[number, :, 0]
        elif SUMS[what[number]] == "total":
            taken[name] = pd.arrays.IntegerArray(whole[number, :, 1], nothing)
        else:
            taken[name] = value[number]
    return taken


def _from_marks(
    plan: Plan, chosen: Mapping[str, Reading], windows: list[Window], grid: _Grid, tables: Joined, marked: Marked
) -> NDArray[np.int64]:
    """Return how many different users, features or days each reading saw in each grid row."""
    _, window = _asked(chosen, windows, (marked,))
    listed = _listed(plan, chosen)
    out = np.zeros((len(chosen), grid.rows), dtype=np.int64)
    if marked == "days":
        parts = list(tables.rows("marks_days", days=grid.days()))
        if parts:
            rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            order = np.lexsort((rows["block"], rows["item"], rows["selection"]))
            sorted_rows = tuple(values[order] for values in rows.values())
            gathering.days(sorted_rows, _arrays(grid), (*listed, window), out)
        return out
    owner = tables.owners(marked)
    most = int(np.diff(grid.start).max(initial=0))  # rows of one account: a bit each
    seen = np.zeros((len(chosen), len(owner)), dtype=np.uint8 if most <= _FEW else np.uint64)
    for rows in tables.rows(f"marks_{marked}", days=grid.days()):
        gathering.marks(tuple(rows.values()), owner, _arrays(grid), (*listed, window), seen)
    gathering.count(seen, owner, grid.start, out)
    return out


def _arrays(grid: _Grid) -> tuple[NDArray[Any], ...]:
    return grid.start, grid.as_of, grid.first, grid.last, grid.reach().astype(np.int64)
