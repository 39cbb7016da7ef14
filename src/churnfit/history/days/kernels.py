"""Compiled loops from events to rows of cells, sums and marks.

Each loop keeps one open row per selection (and account, user or feature) and writes it out when the next event is of
another day, or of another lag. Events that come in the order of time so make few rows; in any other order they make
more, never wrong ones: rows of one key add up.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["by_account", "cells", "days_and_lags", "marks", "sums", "taken"]

_DAY = 86_400_000_000  # microseconds


@njit(cache=True)
def taken(codes, index):  # type: ignore[no-untyped-def]
    """Return ``codes[index]``, -1 where `index` is."""
    out = np.empty(len(index), dtype=np.int32)
    for row in range(len(index)):
        out[row] = codes[index[row]] if index[row] >= 0 else -1
    return out


@njit(cache=True)
def days_and_lags(occurred, recorded, account, day, lag, first_known):  # type: ignore[no-untyped-def]
    """Fill `day` and `lag`, and lower each account's `first_known` day to the first on which it had a known event.

    Returns the newest day on which an event became known.
    """
    newest = np.int64(-(2**62))
    for event in range(len(occurred)):
        day[event] = occurred[event] // _DAY
        lag[event] = max(recorded[event] // _DAY - day[event], 0)
        known = day[event] + lag[event]
        first_known[account[event]] = min(first_known[account[event]], known)
        newest = max(newest, np.int64(known))
    return newest


@njit(cache=True)
def by_account(account, n_accounts, order):  # type: ignore[no-untyped-def]
    """Fill `order` with the events' numbers by account, those of one account as they came."""
    start = np.zeros(n_accounts + 1, dtype=np.int64)
    for event in range(len(account)):
        start[account[event] + 1] += 1
    for number in range(n_accounts):
        start[number + 1] += start[number]
    for event in range(len(account)):
        order[start[account[event]]] = event
        start[account[event]] += 1


@njit(cache=True)
def cells(order, begin, events, matching, cell, out):  # type: ignore[no-untyped-def]
    """Write rows of (selection, account, day, lag, events) from ``order[begin:]`` on.

    Returns (where to go on, rows written); it stops when `out` might overflow. `cell` keeps what is open, of shape
    (n_selections, 4): account, day, lag, events.
    """
    account, kind, feature, user, day, lag = events
    start, listed, takes_feature, takes_user = matching
    selection_, account_, day_, lag_, events_ = out
    n = 0
    for position in range(begin, len(order)):
        event = order[position]
        first, last = start[kind[event]], start[kind[event] + 1]
        if n + last - first > len(account_):
            return position, n
        for place in range(first, last):
            s = listed[place]
            if not (takes_feature[s, feature[event]] and takes_user[s, user[event]]):
                continue
            if cell[s, 0] == account[event] and cell[s, 1] == day[event] and cell[s, 2] == lag[event]:
                cell[s, 3] += 1
                continue
            if cell[s, 3]:
                selection_[n], account_[n], day_[n], lag_[n], events_[n] = (
                    s,
                    cell[s, 0],
                    cell[s, 1],
                    cell[s, 2],
                    cell[s, 3],
                )
                n += 1
            cell[s, 0], cell[s, 1], cell[s, 2], cell[s, 3] = account[event], day[event], lag[event], 1
    return len(order), n


@njit(cache=True)
def sums(order, begin, events, matching, open_, out):  # type: ignore[no-untyped-def]
    """Write rows of (selection, account, day, lag, values, total, last) from ``order[begin:]`` on, as `cells` does.

    `open_` is (whole, value): whole numbers of shape (n_selections, 7): account, day, lag, values, total, and when the
    last value occurred and was recorded; and the last value. The third result is False when a total overflows.
    """
    account, kind, feature, user, day, lag, millionths, value, occurred, recorded = events
    start, listed, takes_feature, takes_user = matching
    cell, last_value = open_
    selection_, account_, day_, lag_, values_, total_, occurred_, recorded_, value_ = out
    n = 0
    for position in range(begin, len(order)):
        event = order[position]
        if np.isnan(value[event]):
            continue
        first, last = start[kind[event]], start[kind[event] + 1]
        if n + last - first > len(account_):
            return position, n, True
        for place in range(first, last):
            s = listed[place]
            if not (takes_feature[s, feature[event]] and takes_user[s, user[event]]):
                continue
            if cell[s, 0] != account[event] or cell[s, 1] != day[event] or cell[s, 2] != lag[event]:
                if cell[s, 3]:
                    selection_[n], account_[n], day_[n], lag_[n] = s, cell[s, 0], cell[s, 1], cell[s, 2]
                    values_[n], total_[n] = cell[s, 3], cell[s, 4]
                    occurred_[n], recorded_[n], value_[n] = cell[s, 5], cell[s, 6], last_value[s]
                    n += 1
                cell[s, 0], cell[s, 1], cell[s, 2], cell[s, 3], cell[s, 4] = (
                    account[event],
                    day[event],
                    lag[event],
                    0,
                    0,
                )
            total = cell[s, 4] + millionths[event]
            if ((cell[s, 4] ^ total) & (millionths[event] ^ total)) < 0:
                return position, n, False
            cell[s, 4] = total
            newer = occurred[event] > cell[s, 5]
            if occurred[event] == cell[s, 5]:
                newer = recorded[event] > cell[s, 6] or (recorded[event] == cell[s, 6] and value[event] > last_value[s])
            if cell[s, 3] == 0 or newer:
                cell[s, 5], cell[s, 6], last_value[s] = occurred[event], recorded[event], value[event]
            cell[s, 3] += 1
    return len(order), n, True


@njit(cache=True)
def marks(order, begin, events, item, matching, open_, out):  # type: ignore[no-untyped-def]
    """Write rows of (selection, item, block, lag, bits) from ``order[begin:]`` on, as `cells` does.

    Bit b of a row stands for day 64 · block + b. `open_` keeps, of shape (n_items, n_selections): block, lag and bits.
    """
    kind, feature, user, day, lag = events
    start, listed, takes_feature, takes_user = matching
    block_of, lag_of, bits_of = open_
    selection_, item_, block_, lag_, bits_ = out
    n = 0
    for position in range(begin, len(order)):
        event = order[position]
        i = item[event]
        first, last = start[kind[event]], start[kind[event] + 1]
        if i < 0 or first == last:
            continue
        if n + last - first > len(item_):
            return position, n
        block = day[event] >> 6
        bit = np.uint64(1) << np.uint64(day[event] & 63)
        for place in range(first, last):
            s = listed[place]
            if not (takes_feature[s, feature[event]] and takes_user[s, user[event]]):
                continue
            if block_of[i, s] != block or lag_of[i, s] != lag[event]:
                if bits_of[i, s]:
                    selection_[n], item_[n] = s, i
                    block_[n], lag_[n], bits_[n] = block_of[i, s], lag_of[i, s], bits_of[i, s]
                    n += 1
                block_of[i, s], lag_of[i, s], bits_of[i, s] = block, lag[event], np.uint64(0)
            bits_of[i, s] |= bit
    return len(order), n
