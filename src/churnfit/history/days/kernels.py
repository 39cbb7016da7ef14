"""Compiled loops from events to rows of cells, sums and marks.

Each loop keeps one open row per selection (and account, user or feature) and writes it out when the next event is of
another day, or of another lag. Events that come in the order of time so make few rows; in any other order they make
more, never wrong ones: rows of one key add up.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from churnfit.history.readings import MILLIONTHS

__all__ = ["by_account", "by_number", "cells", "known_when", "marks", "sums", "taken"]

_DAY = 86_400_000_000  # microseconds
_MILLIONTHS = float(MILLIONTHS)
_LOW = 0xFFFFFFFF


@njit(cache=True)
def taken(codes, index):  # type: ignore[no-untyped-def]
    """Return ``codes[index]``, -1 where `index` is."""
    out = np.empty(len(index), dtype=np.int32)
    for row in range(len(index)):
        out[row] = codes[index[row]] if index[row] >= 0 else -1
    return out


@njit(cache=True)
def known_when(occurred, recorded, account, when, first_known):  # type: ignore[no-untyped-def]
    """Fill `when` with each event's day and lag (``day << 32 | lag``), and lower each account's `first_known` day.

    Returns the newest day on which an event became known.
    """
    newest = np.int64(-(2**31))
    for event in range(len(occurred)):
        day = occurred[event] // _DAY
        known = max(day, recorded[event] // _DAY)
        when[event] = day << 32 | (known - day)
        first_known[account[event]] = min(first_known[account[event]], known)
        newest = max(newest, known)
    return newest


@njit(cache=True)
def by_account(account, n_accounts, waiting, rows):  # type: ignore[no-untyped-def]
    """Write events, the columns of `waiting`, to `rows` by account, those of one as they came; return where each ends.

    `waiting` is of shape (n_words, n_events), `rows` of shape (n_events, n_words), both or more of events.
    """
    end = np.zeros(n_accounts + 1, dtype=np.int64)
    for event in range(len(account)):
        end[account[event] + 1] += 1
    for number in range(n_accounts):
        end[number + 1] += end[number]
    for event in range(len(account)):
        place = end[account[event]]
        end[account[event]] += 1
        for word in range(waiting.shape[0]):
            rows[place, word] = waiting[word, event]
    return end[:n_accounts]


@njit(cache=True)
def by_number(numbers):  # type: ignore[no-untyped-def]
    """Return the places of small `numbers`, >= 0, in their order; those of one number as they came."""
    end = np.zeros(numbers.max() + 2, dtype=np.int64)
    for place in range(len(numbers)):
        end[numbers[place] + 1] += 1
    for number in range(len(end) - 1):
        end[number + 1] += end[number]
    order = np.empty(len(numbers), dtype=np.int64)
    for place in range(len(numbers)):
        order[end[numbers[place]]] = place
        end[numbers[place]] += 1
    return order


@njit(cache=True)
def cells(begin, events, matching, cell, out):  # type: ignore[no-untyped-def]
    """Write rows of (selection, account, day, lag, events) from event `begin` on.

    Returns (where to go on, rows written); it stops when `out` might overflow. `cell` keeps what is open, of shape
    (n_selections, 3): account, day and lag, events.
    """
    account, kind, feature, user, when = events
    start, listed, takes_feature, takes_user = matching
    selection_, account_, day_, lag_, events_ = out
    n = 0
    for event in range(begin, len(account)):
        first, last = start[kind[event]], start[kind[event] + 1]
        if n + last - first > len(account_):
            return event, n
        for place in range(first, last):
            s = listed[place]
            if not (takes_feature[s, feature[event]] and takes_user[s, user[event]]):
                continue
            if cell[s, 0] == account[event] and cell[s, 1] == when[event]:
                cell[s, 2] += 1
                continue
            if cell[s, 2]:
                selection_[n], account_[n], events_[n] = s, cell[s, 0], cell[s, 2]
                day_[n], lag_[n] = cell[s, 1] >> 32, cell[s, 1] & _LOW
                n += 1
            cell[s, 0], cell[s, 1], cell[s, 2] = account[event], when[event], 1
    return len(account), n


@njit(cache=True)
def sums(begin, events, matching, open_, out):  # type: ignore[no-untyped-def]
    """Write rows of (selection, account, day, lag, values, total, last) from event `begin` on, as `cells` does.

    `open_` is (whole, value): whole numbers of shape (n_selections, 6): account, day and lag, values, total, and when
    the last value occurred and was recorded; and the last value. The third result is False when a total overflows.
    """
    account, kind, feature, user, when, value, occurred, recorded = events
    start, listed, takes_feature, takes_user, keeps_last = matching
    cell, last_value = open_
    selection_, account_, day_, lag_, values_, total_, occurred_, delay_, value_ = out
    n = 0
    for event in range(begin, len(account)):
        first, last = start[kind[event]], start[kind[event] + 1]
        if n + last - first > len(account_):
            return event, n, True
        millionths = np.int64(np.floor(value[event] * _MILLIONTHS + 0.5))
        for place in range(first, last):
            s = listed[place]
            if not (takes_feature[s, feature[event]] and takes_user[s, user[event]]):
                continue
            if cell[s, 0] != account[event] or cell[s, 1] != when[event]:
                if cell[s, 2]:
                    selection_[n], account_[n], day_[n], lag_[n] = s, cell[s, 0], cell[s, 1] >> 32, cell[s, 1] & _LOW
                    values_[n], total_[n] = cell[s, 2], cell[s, 3]
                    occurred_[n], delay_[n], value_[n] = cell[s, 4], cell[s, 5] - cell[s, 4], last_value[s]
                    n += 1
                cell[s, 0], cell[s, 1], cell[s, 2], cell[s, 3] = account[event], when[event], 0, 0
            total = cell[s, 3] + millionths
            if ((cell[s, 3] ^ total) & (millionths ^ total)) < 0:
                return event, n, False
            cell[s, 3] = total
            cell[s, 2] += 1
            if keeps_last[s] and (
                cell[s, 2] == 1
                or occurred[event] > cell[s, 4]
                or (occurred[event] == cell[s, 4] and recorded[event] > cell[s, 5])
                or (occurred[event] == cell[s, 4] and recorded[event] == cell[s, 5] and value[event] > last_value[s])
            ):
                cell[s, 4], cell[s, 5], last_value[s] = occurred[event], recorded[event], value[event]
    return len(account), n, True


@njit(cache=True)
def marks(begin, events, item, matching, mark, out):  # type: ignore[no-untyped-def]
    """Write rows of (selection, item, block, lag, bits) from event `begin` on, as `cells` does.

    Bit b of a row stands for day 64 · block + b. `mark` keeps what is open, of shape (n_items, n_selections, 2): block
    and lag, and the bits.
    """
    kind, feature, user, when = events
    start, listed, takes_feature, takes_user = matching
    selection_, item_, block_, lag_, bits_ = out
    n = 0
    for event in range(begin, len(kind)):
        i = item[event]
        first, last = start[kind[event]], start[kind[event] + 1]
        if i < 0 or first == last:
            continue
        if n + last - first > len(item_):
            return event, n
        day = when[event] >> 32
        key = day >> 6 << 32 | (when[event] & _LOW)
        bit = np.int64(np.uint64(1) << np.uint64(day & 63))
        for place in range(first, last):
            s = listed[place]
            if not (takes_feature[s, feature[event]] and takes_user[s, user[event]]):
                continue
            if mark[i, s, 0] != key:
                if mark[i, s, 1]:
                    selection_[n], item_[n], bits_[n] = s, i, np.uint64(mark[i, s, 1])
                    block_[n], lag_[n] = mark[i, s, 0] >> 32, mark[i, s, 0] & _LOW
                    n += 1
                mark[i, s, 0], mark[i, s, 1] = key, 0
            mark[i, s, 1] |= bit
    return len(kind), n
