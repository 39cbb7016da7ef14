"""Compiled loops from events to rows of cells, sums and marks.

Rows lie in drawers, one for each selection: arrays of shape (n_selections, room), and in `filled` the place of each
one's newest row; in place 0 is none. Each loop keeps one row per selection (and account, user or feature) open, until
an event is of another day, or of another lag. Events that come in the order of time so make few rows; in any other
order they make more, never wrong ones: rows of one key add up.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from churnfit.history.readings import MILLIONTHS

__all__ = ["admit", "by_account", "cells", "marks", "open_cells", "open_marks", "sums", "valued"]

_DAY = 86_400_000_000  # microseconds
_MILLIONTHS = float(MILLIONTHS)
_LOW = 0xFFFFFFFF


@njit(cache=True)
def admit(batch, codes, events, first_known):  # type: ignore[no-untyped-def]
    """Write the events of known kinds: their rows in the batch, accounts, kinds, days and lags (``day << 32 | lag``).

    Parameters
    ----------
    batch : tuple
        By row: which kind and which account, by their places in `codes` or -1; occurred and recorded, in microseconds.
    codes : tuple
        The numbers of kinds, -1 for one that is not known, and of accounts; each ends with -1, for none.
    events : tuple
        Where to write.
    first_known : ndarray
        By account, the day on which its first event became known; it is lowered.

    Returns
    -------
    tuple
        How many events; the newest day on which one became known.
    """
    kind_index, account_index, occurred, recorded = batch
    kinds, accounts = codes
    rows, account, kind, when = events
    n = 0
    for row in range(len(kind_index)):  # without a branch, which would be guessed wrongly at every third event
        rows[n] = row
        n += (kinds[kind_index[row]] >= 0) & (account_index[row] >= 0)
    newest = np.int64(-(2**31))
    for event in range(n):
        row = rows[event]
        account[event], kind[event] = accounts[account_index[row]], kinds[kind_index[row]]
        day = occurred[row] // _DAY
        known = recorded[row] // _DAY if recorded[row] > occurred[row] else day
        when[event] = day << 32 | (known - day)
        first_known[account[event]] = min(first_known[account[event]], known)
        newest = max(newest, known)
    return n, newest


@njit(cache=True)
def valued(events, takes, batch, largest, out):  # type: ignore[no-untyped-def]
    """Write the events with a value of the kinds that `takes` names: their places first.

    One of `largest` or more is faulty: a fit refused it, a night set it aside.

    `batch` is (value, whether there is one, occurred, recorded) by row. Returns how many events.
    """
    rows, account, kind, when = events
    value, there, occurred, recorded = batch
    places, account_, kind_, when_, value_, occurred_, recorded_ = out
    n = 0
    for event in range(len(rows)):
        places[n] = event
        n += takes[kind[event]] & there[rows[event]] & (abs(value[rows[event]]) < largest)
    for place in range(n):
        event = places[place]
        row = rows[event]
        account_[place], kind_[place], when_[place] = account[event], kind[event], when[event]
        value_[place], occurred_[place], recorded_[place] = value[row], occurred[row], recorded[row]
    return n


@njit(cache=True)
def by_account(account, n_accounts, waiting, rows):  # type: ignore[no-untyped-def]
    """Write the rows of `waiting` to `rows` by account, those of one as they came; return where each ends.

    Both are of shape (n_events, n_words), or more of events.
    """
    end = np.zeros(n_accounts + 1, dtype=np.int64)
    for event in range(len(account)):
        end[account[event] + 1] += 1
    for number in range(n_accounts):
        end[number + 1] += end[number]
    for event in range(len(account)):
        place = end[account[event]]
        end[account[event]] += 1
        for word in range(waiting.shape[1]):
            rows[place, word] = waiting[event, word]
    return end[:n_accounts]


@njit(cache=True, forceinline=True)
def _takes(matching, s, feature, user):  # type: ignore[no-untyped-def]
    """Return whether selection `s` takes a feature and a user; where nobody names any, all take all."""
    takes_feature, takes_user = matching[2], matching[3]
    none_named = takes_feature.shape[1] + takes_user.shape[1] == 2
    return none_named or (takes_feature[s, feature] and takes_user[s, user])


@njit(cache=True)
def cells(begin, events, matching, cell, drawers):  # type: ignore[no-untyped-def]
    """Count events from `begin` on in rows of (account, day, lag, events); return where to go on when a drawer is full.

    `cell` keeps what is open, of shape (n_selections, 3): account, day and lag, events.
    """
    account, kind, feature, user, when = events
    start, listed = matching[:2]
    full = False
    for event in range(begin, len(account)):
        if full:
            return event
        for place in range(start[kind[event]], start[kind[event] + 1]):
            s = listed[place]
            if not _takes(matching, s, feature[event], user[event]):
                continue
            if cell[s, 0] == account[event] and cell[s, 1] == when[event]:
                cell[s, 2] += 1
                continue
            full |= _closed_cell(cell, s, drawers)
            cell[s, 0], cell[s, 1], cell[s, 2] = account[event], when[event], 1
    return len(account)


@njit(cache=True)
def open_cells(cell, drawers):  # type: ignore[no-untyped-def]
    """Make rows of what is open."""
    for s in range(len(cell)):
        _closed_cell(cell, s, drawers)
        cell[s, 2] = 0


@njit(cache=True, forceinline=True)
def _closed_cell(cell, s, drawers):  # type: ignore[no-untyped-def]
    """Make a row of what is open of selection `s`, if any; return whether its drawer is full."""
    filled, account_, day_, lag_, events_ = drawers
    if cell[s, 2] == 0:
        return False
    n = filled[s] = filled[s] + 1
    account_[s, n], events_[s, n] = cell[s, 0], cell[s, 2]
    day_[s, n], lag_[s, n] = cell[s, 1] >> 32, cell[s, 1] & _LOW
    return n + 1 == account_.shape[1]


@njit(cache=True)
def sums(begin, events, matching, drawers):  # type: ignore[no-untyped-def]
    """Add up values in rows of (account, day, lag, values, total, last) from event `begin` on, as `cells` counts.

    The last value is kept with when it occurred and how much later it was recorded. Returns (where to go on, whether
    all totals fit into 64 bits).
    """
    account, kind, feature, user, when, value, occurred, recorded = events
    start, listed, _, _, keeps_last = matching
    filled, account_, day_, lag_, values_, total_, occurred_, delay_, value_ = drawers
    full = False
    for event in range(begin, len(account)):
        if full:
            return event, True
        day, lag = np.int32(when[event] >> 32), np.int32(when[event] & _LOW)
        millionths = np.int64(np.floor(value[event] * _MILLIONTHS + 0.5))
        delay = recorded[event] - occurred[event]
        for place in range(start[kind[event]], start[kind[event] + 1]):
            s = listed[place]
            if not _takes(matching, s, feature[event], user[event]):
                continue
            n = filled[s]
            if account_[s, n] != account[event] or day_[s, n] != day or lag_[s, n] != lag:
                n = filled[s] = n + 1
                account_[s, n], day_[s, n], lag_[s, n], values_[s, n], total_[s, n] = account[event], day, lag, 0, 0
                occurred_[s, n], delay_[s, n], value_[s, n] = 0, 0, 0.0
                full |= n + 1 == account_.shape[1]
            total = total_[s, n] + millionths
            if ((total_[s, n] ^ total) & (millionths ^ total)) < 0:
                return event, False
            total_[s, n] = total
            values_[s, n] += 1
            if keeps_last[s] and (
                values_[s, n] == 1
                or occurred[event] > occurred_[s, n]
                or (occurred[event] == occurred_[s, n] and delay > delay_[s, n])
                or (occurred[event] == occurred_[s, n] and delay == delay_[s, n] and value[event] > value_[s, n])
            ):
                occurred_[s, n], delay_[s, n], value_[s, n] = occurred[event], delay, value[event]
    return len(account), True


@njit(cache=True)
def marks(begin, events, item, matching, mark, drawers):  # type: ignore[no-untyped-def]
    """Set bits in rows of (item, block, lag, bits) from event `begin` on; return where to go on when a drawer is full.

    Bit b of a row stands for day 64 · block + b. `mark` keeps what is open, of shape (n_items, n_selections, 2): block
    and lag, and the bits.
    """
    kind, feature, user, when = events
    start, listed = matching[:2]
    full = False
    for event in range(begin, len(kind)):
        if full:
            return event
        i = item[event]
        if i < 0:
            continue
        day = when[event] >> 32
        key = day >> 6 << 32 | (when[event] & _LOW)
        bit = np.int64(np.uint64(1) << np.uint64(day & 63))
        for place in range(start[kind[event]], start[kind[event] + 1]):
            s = listed[place]
            if not _takes(matching, s, feature[event], user[event]):
                continue
            if mark[i, s, 0] != key:
                full |= _closed_mark(mark, i, s, drawers)
                mark[i, s, 0], mark[i, s, 1] = key, 0
            mark[i, s, 1] |= bit
    return len(kind)


@njit(cache=True)
def open_marks(begin, mark, drawers):  # type: ignore[no-untyped-def]
    """Make rows of what is open from item `begin` on; return where to go on when a drawer is full."""
    full = False
    for i in range(begin, len(mark)):
        if full:
            return i
        for s in range(mark.shape[1]):
            full |= _closed_mark(mark, i, s, drawers)
    return len(mark)


@njit(cache=True, forceinline=True)
def _closed_mark(mark, i, s, drawers):  # type: ignore[no-untyped-def]
    """Make a row of what is open of item `i`, if any; return whether its drawer is full."""
    filled, item_, block_, lag_, bits_ = drawers
    if mark[i, s, 1] == 0:
        return False
    n = filled[s] = filled[s] + 1
    item_[s, n], block_[s, n], lag_[s, n] = i, mark[i, s, 0] >> 32, mark[i, s, 0] & _LOW
    bits_[s, n] = np.uint64(mark[i, s, 1])
    return n + 1 == item_.shape[1]
