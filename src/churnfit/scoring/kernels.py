"""Compiled loops of the blockwise scorer: the curves of a card, an account's worst measures, reasons said alike.

They compute what `churnfit.scorecard` says, to the last bit, a column at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from churnfit.scorecard import words
from churnfit.scorecard.points import GRAIN

__all__ = ["graded", "reasons_alike", "stepped"]

_CHUNK = 512  # accounts whose numbers stay in the cache; loops over them without a branch run eight at a time
_usual_scale = njit(cache=True)(words.usual_scale)
_is_small = njit(cache=True)(words.is_small)
_fine_scale = njit(cache=True)(words.fine_scale)
_to_scale = njit(cache=True)(words.to_scale)


@njit(cache=True)
def graded(values, knots, points, slopes, out):  # type: ignore[no-untyped-def]
    """Fill `out` (n,) with the points of `values` (n,) on straight lines between knots; NaN stays NaN.

    `slopes` is each knot's: that of the line which begins there, 0 at the last.
    """
    left, base, slope = np.empty(_CHUNK), np.empty(_CHUNK), np.empty(_CHUNK)
    first, last = knots[0], knots[-1]
    for begin in range(0, len(values), _CHUNK):
        value, earned = values[begin : begin + _CHUNK], out[begin : begin + _CHUNK]
        left[:], base[:], slope[:] = knots[0], points[0], slopes[0]
        for knot, level, rise in zip(knots[1:], points[1:], slopes[1:]):  # noqa: B905 - numba knows no strict
            for row in range(len(value)):
                above = value[row] >= knot
                left[row] = knot if above else left[row]
                base[row] = level if above else base[row]
                slope[row] = rise if above else slope[row]
        for row in range(len(value)):
            inner = first if value[row] < first else value[row]
            inner = last if inner > last else inner
            exact = slope[row] * (inner - left[row]) + base[row]
            earned[row] = np.floor(exact * GRAIN + 0.5) / GRAIN


@njit(cache=True)
def stepped(values, cuts, points, out):  # type: ignore[no-untyped-def]
    """Fill `out` (n,) with the points of `values` (n,) between cuts; NaN stays NaN."""
    for begin in range(0, len(values), _CHUNK):
        value, earned = values[begin : begin + _CHUNK], out[begin : begin + _CHUNK]
        earned[:] = points[0]
        for cut, level in zip(cuts, points[1:]):  # noqa: B905 - as above
            for row in range(len(value)):
                earned[row] = level if value[row] >= cut else earned[row]
        for row in range(len(value)):
            earned[row] = earned[row] if value[row] == value[row] else np.nan


@njit(cache=True)
def reasons_alike(points, told_of, said, table, known, numbers):  # type: ignore[no-untyped-def]
    """Return how many numbers there are once each account's worst reasons have one, the same for the same words.

    Fills `numbers` (top, n): of the lines that cost health, most first, then 0. `points` is (lines, at least n).
    `told_of` is (rows, values, states, segments): columns of (columns, at least n), `rows` says which is a line's, and
    a NaN is said by its state. `said` (lines, 5) holds what a line's words depend on: expected points, points from
    which it is green, above which amber, whether values are shares, or whole. `table` is (slots, key, example): an open
    hash table with `known` numbers from earlier calls, number 0 among them, which is no reason; and for each number its
    key and the line and account where it was first met.
    """
    top, n = numbers.shape
    cost, line_of = np.empty((top, _CHUNK)), np.empty((top, _CHUNK))
    for begin in range(0, n, _CHUNK):  # what is read of an account for its worst lines is at hand for their words
        size = min(_CHUNK, n - begin)
        _find_worst(points, said, begin, size, cost, line_of)
        for rank in range(top):
            known = _number(line_of[rank, :size], begin, points, told_of, said, table, known, numbers[rank])
    return known


@njit(cache=True)
def _find_worst(points, said, begin, size, cost, line_of):  # type: ignore[no-untyped-def]
    """Fill `cost` and `line_of` (top, at least size) with the lines that cost health, most first, then 0 and -1.

    Of lines that cost the same, the card's earlier one comes first.
    """
    cost[:] = 0.0
    line_of[:] = -1.0
    for line in range(len(points)):
        earned = points[line, begin : begin + size]
        for place in range(len(cost) - 1, -1, -1):  # from the last: what moves down has not been overwritten
            before = max(place - 1, 0)
            _let_in(earned, said[line, 0], line, cost[before], line_of[before], cost[place], line_of[place], place == 0)


@njit(cache=True)
def _let_in(earned, expected, line, cost_before, line_before, cost, line_of, first):  # type: ignore[no-untyped-def]
    """Let a line into one place of the order: as itself, or what it pushes down from the place before."""
    if first:
        for row in range(len(earned)):
            health = earned[row] - expected
            enters = health < cost[row]
            line_of[row] = line if enters else line_of[row]
            cost[row] = health if enters else cost[row]
        return
    for row in range(len(earned)):
        health = earned[row] - expected
        pushed = health < cost_before[row]
        enters = health < cost[row]
        line_of[row] = line_before[row] if pushed else line if enters else line_of[row]
        cost[row] = cost_before[row] if pushed else health if enters else cost[row]


@njit(cache=True)
def _number(line_of, begin, points, told_of, said, table, known, numbers):  # type: ignore[no-untyped-def]
    """Return how many numbers there are once those of the reasons `line_of` stand in `numbers` (n,), from `begin`."""
    rows, values, states, segments = told_of
    slots, key, example = table
    size = len(line_of)
    line, tag = np.empty((2, size), dtype=np.int64)
    value, earned, number = np.empty((3, size))
    for row in range(size):
        line[row] = max(line_of[row], 0)  # no reason is reckoned as any other, and left out at the end
        value[row] = values[rows[line[row]], begin + row]
        earned[row] = points[line[row], begin + row]
    any_small = False
    for row in range(size):
        about, is_share = said[line[row]], said[line[row], 3] > 0
        number[row] = _to_scale(value[row], _usual_scale(abs(value[row]), is_share, about[4] > 0), is_share)
        any_small |= _is_small(abs(value[row]))
        band = np.int64(earned[row] >= about[1]) + np.int64(earned[row] > about[2])
        tag[row] = (segments[begin + row] + 1) * len(said) + line[row]
        tag[row] = (tag[row] * 3 + band) * 16384 - np.int64(np.rint(10.0 * (earned[row] - about[0])))
    if any_small:
        for row in range(size):
            if _is_small(abs(value[row])) and said[line[row], 3] == said[line[row], 4] == 0.0:
                number[row] = _to_scale(value[row], _fine_scale(abs(value[row])), False)
    bits = number.view(np.int64)
    for row in range(size):
        if line_of[row] < 0:
            numbers[begin + row] = 0
            continue
        gap = value[row] != value[row]
        key[known, 0] = states[rows[line[row]], begin + row] if gap else bits[row]
        key[known, 1] = tag[row] * 2 + gap
        place = _slot(slots, key, known)
        if slots[place] < 0:
            slots[place] = known
            example[known, 0], example[known, 1] = line[row], begin + row
            known += 1
        numbers[begin + row] = slots[place]
    return known


@njit(cache=True)
def _slot(slots, key, new):  # type: ignore[no-untyped-def]
    """Return where key number `new` stands in the hash table, or would."""
    first, second = key[new, 0], key[new, 1]
    mixed = (first ^ (first >> 29)) * -7046029254386353131 + second * -4417276706812531889
    place = (mixed ^ (mixed >> 31)) & (len(slots) - 1)
    while slots[place] >= 0 and (key[slots[place], 0] != first or key[slots[place], 1] != second):
        place = (place + 1) & (len(slots) - 1)
    return place
