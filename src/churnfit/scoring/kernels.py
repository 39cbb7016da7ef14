"""Compiled loops of the blockwise scorer: the curves of a card, an account's worst measures, reasons said alike.

They compute what `churnfit.scorecard` says, to the last bit, a column at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from churnfit.scorecard import words
from churnfit.scorecard.points import GRAIN

__all__ = ["graded", "said_alike", "stepped", "worst"]

_CHUNK = 512  # accounts whose worst measures stay in the cache
_said_number = njit(cache=True)(words.said_number)


@njit(cache=True)
def graded(values, knots, points, slopes, out):  # type: ignore[no-untyped-def]
    """Fill `out` (n,) with the points of `values` (n,) on straight lines between knots; NaN stays NaN."""
    last = len(knots) - 1
    for row in range(len(values)):
        value = values[row]
        if value <= knots[0]:
            exact = points[0]
        elif value >= knots[last]:
            exact = points[last]
        else:
            piece = 0
            for knot in range(1, last):
                piece += value >= knots[knot]
            exact = slopes[piece] * (value - knots[piece]) + points[piece]
        out[row] = np.floor(exact * GRAIN + 0.5) / GRAIN


@njit(cache=True)
def stepped(values, cuts, points, out):  # type: ignore[no-untyped-def]
    """Fill `out` (n,) with the points of `values` (n,) between cuts; NaN stays NaN."""
    for row in range(len(values)):
        value = values[row]
        level = 0
        for cut in cuts:
            level += value >= cut
        out[row] = points[level] if value == value else value  # noqa: PLR0124 - only NaN is not itself


@njit(cache=True)
def worst(points, expected, which):  # type: ignore[no-untyped-def]
    """Fill `which` (top, n) with each account's lines that cost health, most first, then -1.

    `points` is (lines, n), `expected` (lines,). Of lines that cost the same, the card's earlier one comes first.
    """
    lines, n = points.shape
    top = len(which)
    cost, line_of = np.empty((top, _CHUNK)), np.empty((top, _CHUNK))
    for begin in range(0, n, _CHUNK):
        size = min(_CHUNK, n - begin)
        cost[:] = 0.0
        line_of[:] = -1.0
        for line in range(lines):
            earned = points[line, begin : begin + size]
            for place in range(top - 1, -1, -1):  # from the last: what moves down has not been overwritten
                _let_in(
                    earned,
                    expected[line],
                    line,
                    cost[max(place - 1, 0)],
                    line_of[max(place - 1, 0)],
                    cost[place],
                    line_of[place],
                    place == 0,
                )
        for place in range(top):
            for row in range(size):
                which[place, begin + row] = line_of[place, row]


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
def said_alike(which, told_of, said, table, known, codes):  # type: ignore[no-untyped-def]
    """Give reasons numbers, the same where they have the same words, in order of appearance; return the numbers so far.

    `which` is (top, n): lines, -1 without a reason. `told_of` is (rows, values, states, points, segments): columns of
    (columns, n), `rows` says which is a line's, and a NaN is said by its state. `said` (lines, 5) holds what a line's
    words depend on: expected points, points from which it is green, above which amber, whether values are shares, or
    whole. `table` is (slots, key, example): an open hash table with `known` numbers from earlier calls, number 0 among
    them, which is no reason; and for each number its key and the place in `which` where it was first met. Fills `codes`
    (top, n).
    """
    top, n = which.shape
    rows, values, states, points, segments = told_of
    slots, key, example = table
    bits = key.view(np.float64)
    for begin in range(0, n, _CHUNK):  # what the ranks read of the same accounts is read once
        for rank in range(top):
            for row in range(begin, min(begin + _CHUNK, n)):
                line = which[rank, row]
                if line < 0:
                    codes[rank, row] = 0
                    continue
                value, earned = values[rows[line], row], points[line, row]
                gap = value != value  # noqa: PLR0124 - only NaN is not itself
                if gap:
                    bits[known, 0] = states[rows[line], row]
                else:
                    bits[known, 0] = _said_number(value, said[line, 3] > 0, said[line, 4] > 0)
                band = (earned >= said[line, 1]) + (earned > said[line, 2])
                tag = ((segments[row] + 1) * len(said) + line) * 2 + gap
                key[known, 1] = (tag * 3 + band) * 16384 - np.int64(np.rint(10.0 * (earned - said[line, 0])))
                place = _slot(slots, key, known)
                if slots[place] < 0:
                    slots[place] = known
                    example[known] = rank * n + row
                    known += 1
                codes[rank, row] = slots[place]
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
