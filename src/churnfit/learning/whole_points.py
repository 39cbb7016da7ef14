"""Whole points: those that come nearest to the curves, all lines of the card taken together.

Each point rounded by itself is at most half a point off, but the errors that meet in one account add up. Rounding is
therefore only where the search begins: single points, and two weights against each other, move by one while

    Σ_i v_i (d_i − mean d)²,    d_i = health by whole points − health by exact points,

falls, where v_i is the likelihood's curvature at row i and the mean is what the intercept takes up. No number ends
further than 1 from its exact one, or than rounding put it; what earns more never earns less, and the weights still sum
to 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.joint import Curves, Design
from churnfit.scorecard.card import sigmoid

__all__ = ["nearest_whole"]

Floats: TypeAlias = NDArray[np.float64]

_SAME = 9  # decimals of a point beyond which two levels are one
_WORTH_A_MOVE = 1e-6  # as a share of the error of rounding: less is the arithmetic's own


def nearest_whole(
    curves: Curves, indexes: Sequence[int], exact: Sequence[Floats], rounded: Sequence[Floats], weight: Floats
) -> list[Floats]:
    """Return whole points near the exact ones, line by line.

    Parameters
    ----------
    curves : Curves
        What the points are of, with the rows they were learned from.
    indexes : sequence of int
        The plan of each line.
    exact, rounded : sequences of ndarray of shape (n_levels + n_states,)
        The points of each line at its knots or levels, then at its states; the least is 0. `rounded` are whole, and
        where the search begins.
    weight : ndarray of shape (n_rows,)
        How much each row counts.
    """
    labels = [np.unique(np.round(points, _SAME), return_inverse=True)[1] for points in exact]
    first = np.cumsum([0, *(label.max() + 1 for label in labels)])
    places = [start + label for start, label in zip(first[:-1], labels, strict=True)]  # of each level among all of them
    exactly, whole = np.empty(first[-1]), np.empty(first[-1])
    for place, points, start in zip(places, exact, rounded, strict=True):
        exactly[place], whole[place] = points, start
    error = _error_matrix(curves, indexes, places, weight)
    moved = _searched(whole, exactly, error, bottoms=first[:-1], tops=first[1:] - 1)
    return [moved[place] for place in places]


def _searched(
    whole: Floats, exact: Floats, error: Floats, *, bottoms: NDArray[np.intp], tops: NDArray[np.intp]
) -> Floats:
    """Return the whole points (n,) after the best move, and the best after it, until none lowers the error."""
    inner = np.setdiff1d(np.arange(len(whole)), np.concatenate([bottoms, tops]))
    neighbours = np.setdiff1d(np.arange(len(whole) - 1), tops)  # each and the next belong to one line
    most = np.maximum(np.abs(whole - exact), 1.0)
    off = whole - exact
    least = _WORTH_A_MOVE * max(0.0, float(off @ error @ off))  # single precision may say less than nothing
    while True:
        moves = _moves(whole, exact, inner, tops)
        after = whole + moves
        kept = (np.abs(after - exact) <= most).all(axis=1) & (after[:, tops] >= 1).all(axis=1)
        kept &= (after[:, neighbours] <= after[:, neighbours + 1]).all(axis=1)
        moves = moves[kept]
        if not len(moves):
            return whole
        pulled = moves @ error
        gains = -2 * pulled @ (whole - exact) - np.einsum("ij,ij->i", pulled, moves)
        best = int(np.argmax(gains))
        if gains[best] <= least:
            return whole
        whole = whole + moves[best]


def _moves(whole: Floats, exact: Floats, inner: NDArray[np.intp], tops: NDArray[np.intp]) -> Floats:
    """Return the moves towards the other whole number beside the exact one (n_moves, n): of a point, of two weights."""
    way = np.where(whole > exact, -1.0, 1.0)
    single = np.zeros((len(inner), len(whole)))
    single[np.arange(len(inner)), inner] = way[inner]
    up, down = tops[way[tops] > 0], tops[way[tops] < 0]
    both = np.zeros((len(up) * len(down), len(whole)))
    both[np.arange(len(both)), np.repeat(up, len(down))] = 1.0
    both[np.arange(len(both)), np.tile(down, len(up))] = -1.0
    return np.vstack([single, both])


def _error_matrix(curves: Curves, indexes: Sequence[int], places: Sequence[NDArray[np.intp]], weight: Floats) -> Floats:
    """Return what turns errors at the places (n,) into their squared error over the rows (n, n)."""
    p = sigmoid(curves.logit)
    squares = curves.design.gram(weight * p * (1 - p))
    centred = squares[:-1, :-1] - np.outer(squares[:-1, -1], squares[-1, :-1]) / max(squares[-1, -1], 1e-300)
    n_places = 1 + max((int(place.max()) for place in places), default=-1)
    columns = np.zeros((len(centred), n_places))
    for index, place in zip(indexes, places, strict=True):
        own = np.flatnonzero(curves.design.measure_of == index)
        for level, at in zip(_increments(curves.design, index).T, place, strict=True):
            columns[own, at] += level
    error: Floats = columns.T @ centred @ columns
    return error


def _increments(design: Design, index: int) -> Floats:
    """Return what one point at each level and state is in the columns of plan `index` (n_columns, n_levels + n_states).

    A constant is left to the intercept: everything is measured from the first level.
    """
    plan, mean = design.plans[index], design.mean_increments[index]
    n_levels, n_states = len(plan.signs) + 1, len(plan.states)
    steps = np.hstack([np.diff(np.eye(n_levels), axis=0), np.zeros((n_levels - 1, n_states))])
    states = np.hstack([np.zeros((n_states, n_levels)), np.eye(n_states)]) - mean @ steps
    states[:, 0] -= 1.0
    return np.vstack([steps, states])
