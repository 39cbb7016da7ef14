"""Compiled loops from rows of cells, sums and marks to the readings of a grid.

Every row finds the grid rows of its account, and counts in those whose window has its day and that knew it: a row is
known on as_of when day + lag < as_of. Rows come in any order, and several may share a key. An account's grid rows rise
by as_of, and so do the first and last days of every window: the grid rows that a day counts in lie together. Most days
are in no account's window: `reach` says from which day to before which other a window has any at all.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["cells", "count", "days", "marks", "sums"]


@njit(cache=True)
def _counting(oldest, newest, lag, g, end, as_of, first, last):  # type: ignore[no-untyped-def]
    """Return those of the grid rows `g` to `end` whose window has one of the days, known `lag` days later: from, to."""
    while g < end and (as_of[g] <= oldest + lag or last[g] <= oldest):
        g += 1
    begin = g
    while g < end and first[g] <= newest:
        g += 1
    return begin, g


@njit(cache=True)
def cells(rows, grid, asked, out):  # type: ignore[no-untyped-def]
    """Add (selection, account, day, lag, events) to `out` of shape (n_readings, n_grid): events, first, newest day."""
    selection, account, day, lag, events = rows
    start, as_of, window_first, window_last, reach = grid
    listed_from, listed, what, window = asked
    for row in range(len(account)):
        a, d = account[row], day[row]
        if a + 1 >= len(start):
            continue
        for place in range(listed_from[selection[row]], listed_from[selection[row] + 1]):
            r = listed[place]
            w = window[r]
            if d < reach[w, 0] or d >= reach[w, 1]:
                continue
            begin, end = _counting(d, d, lag[row], start[a], start[a + 1], as_of, window_first[w], window_last[w])
            for g in range(begin, end):
                if what[r] == 0:
                    out[r, g] += events[row]
                elif what[r] == 1:
                    out[r, g] = min(out[r, g], d)
                else:
                    out[r, g] = max(out[r, g], d)


@njit(cache=True)
def sums(rows, grid, asked, added, newest, value):  # type: ignore[no-untyped-def]
    """Add rows of sums: `added` (n_readings, n_grid, 2) has values and total.

    Of readings of the last value, `newest` (n_last, n_grid, 2) has when it occurred and was recorded, `value` the
    value. Returns False when a total overflows.
    """
    selection, account, day, lag, values_, total_, occurred_, delay, last_value = rows
    start, as_of, window_first, window_last, reach = grid
    listed_from, listed, place_of_last, window = asked
    for row in range(len(account)):
        a, d = account[row], day[row]
        if a + 1 >= len(start):
            continue
        occurred, recorded = occurred_[row], occurred_[row] + delay[row]
        for place in range(listed_from[selection[row]], listed_from[selection[row] + 1]):
            r = listed[place]
            w, last = window[r], place_of_last[r]
            if d < reach[w, 0] or d >= reach[w, 1]:
                continue
            begin, end = _counting(d, d, lag[row], start[a], start[a + 1], as_of, window_first[w], window_last[w])
            for g in range(begin, end):
                total = added[r, g, 1] + total_[row]
                if ((added[r, g, 1] ^ total) & (total_[row] ^ total)) < 0:
                    return False
                if last >= 0:
                    newer = occurred > newest[last, g, 0]
                    if occurred == newest[last, g, 0]:
                        newer = recorded > newest[last, g, 1]
                        newer |= recorded == newest[last, g, 1] and last_value[row] > value[last, g]
                    if added[r, g, 0] == 0 or newer:
                        newest[last, g, 0], newest[last, g, 1], value[last, g] = occurred, recorded, last_value[row]
                added[r, g, 0] += values_[row]
                added[r, g, 1] = total
    return True


@njit(cache=True)
def _within(bits, block, first, last):  # type: ignore[no-untyped-def]
    """Return the bits of `block` that stand for days of [first, last)."""
    begin = max(first - block * 64, 0)
    end = min(last - block * 64, 64)
    if begin >= end:
        return np.uint64(0)
    mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - (end - begin))
    return bits & (mask << np.uint64(begin))


@njit(cache=True)
def marks(rows, owner, grid, asked, seen):  # type: ignore[no-untyped-def]
    """Set bit k of ``seen[reading, item]`` where the item was seen in the window of its account's k-th grid row."""
    selection, item, block, lag, bits = rows
    start, as_of, window_first, window_last, reach = grid
    listed_from, listed, window = asked
    for row in range(len(item)):
        a = owner[item[row]]
        if a + 1 >= len(start):
            continue
        for place in range(listed_from[selection[row]], listed_from[selection[row] + 1]):
            r = listed[place]
            w = window[r]
            d = np.int64(block[row]) * 64
            if d + 63 < reach[w, 0] or d >= reach[w, 1]:
                continue
            begin, end = _counting(d, d + 63, lag[row], start[a], start[a + 1], as_of, window_first[w], window_last[w])
            for g in range(begin, end):
                last = min(window_last[w, g], as_of[g] - lag[row])
                if _within(bits[row], np.int64(block[row]), window_first[w, g], last):
                    seen[r, item[row]] |= np.uint64(1) << np.uint64(g - start[a])


@njit(cache=True)
def count(seen, owner, start, out):  # type: ignore[no-untyped-def]
    """Add to each grid row how many items were seen in its window."""
    for r in range(seen.shape[0]):
        for item in range(seen.shape[1]):
            if seen[r, item] == 0:
                continue
            a = owner[item]
            for g in range(start[a], start[a + 1]):
                out[r, g] += np.int64(seen[r, item] >> np.uint64(g - start[a]) & np.uint64(1))


@njit(cache=True)
def days(rows, grid, asked, out):  # type: ignore[no-untyped-def]
    """Count the different days of each window; rows are sorted by selection, account and block."""
    selection, account, block, lag, bits = rows
    start, as_of, window_first, window_last, reach = grid
    listed_from, listed, window = asked
    begin = 0
    while begin < len(account):
        s, a, b = selection[begin], account[begin], block[begin]
        end = begin
        while end < len(account) and selection[end] == s and account[end] == a and block[end] == b:
            end += 1
        if a + 1 < len(start):
            for place in range(listed_from[s], listed_from[s + 1]):
                r = listed[place]
                w = window[r]
                if np.int64(b) * 64 + 63 < reach[w, 0] or np.int64(b) * 64 >= reach[w, 1]:
                    continue
                for g in range(start[a], start[a + 1]):
                    together = np.uint64(0)
                    for row in range(begin, end):
                        last = min(window_last[w, g], as_of[g] - lag[row])
                        together |= _within(bits[row], np.int64(b), window_first[w, g], last)
                    while together:
                        together &= together - np.uint64(1)
                        out[r, g] += 1
        begin = end
