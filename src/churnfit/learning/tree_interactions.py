"""Exact SHAP interaction values of a LightGBM model, with measures as players and categorical splits understood.

Written here because ``shap.TreeExplainer(...).shap_interaction_values`` (0.51) reads LightGBM's categorical splits as
numbers and is then wrong without saying so (by more than a logit on the data of our tests), and because a measure and
its ``__state`` column are one player: what they say together is no interaction between measures. Where all splits are
numeric and every column is a player, the values are those of shap (tested).

A leaf of value v is reached by a coalition S with weight ``Π_{i in S} hit_i · Π_{i not in S} share_i``: `hit_i` says
whether the row goes the leaf's way at every split of player i, `share_i` which part of the training rows does. For
such a product the interaction index is an integral of a polynomial, which Gauss-Legendre nodes evaluate exactly::

    interaction_ij = v · (hit_i − share_i)(hit_j − share_j) · ∫₀¹ Π_{k ≠ i, j} (hit_k · t + share_k · (1 − t)) dt

References
----------
Owen (1972), "Multilinear extensions of games"; Fujimoto, Kojadinovic and Marichal (2006), the Shapley interaction
index; Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees" (the
same values; shap gives half of each to (i, j) and half to (j, i)).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["interaction_values"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Pair = tuple[int, int]

_FEW_PLAYERS = 8  # up to here a table of every pattern is cheaper than finding those that occur


@dataclass(frozen=True, eq=False, kw_only=True)
class _Leaf:
    """A leaf: its value, and by player whether each row goes its way (n,) and which part of training rows does."""

    value: float
    hit: dict[int, Mask]
    share: dict[int, float]


def interaction_values(booster: Any, design: FloatArray, players: Sequence[int]) -> dict[Pair, FloatArray]:
    """Return the SHAP interaction values in churn logits, shape (n_rows,), by pair of players, the smaller first.

    Parameters
    ----------
    booster : lightgbm.Booster
        A binary model.
    design : ndarray of shape (n_rows, n_columns)
        The rows, encoded as the booster was trained on them.
    players : sequence of int, of length n_columns
        The player each column belongs to. Pairs that never meet in a tree are absent: their value is 0.
    """
    found: dict[Pair, FloatArray] = {}
    for tree in booster.dump_model()["tree_info"]:
        for leaf in _leaves(tree["tree_structure"], design, players):
            if len(leaf.hit) > 1:
                for pair, values in _of_leaf(leaf):
                    found[pair] = found[pair] + values if pair in found else values
    return found


def _of_leaf(leaf: _Leaf) -> Iterator[tuple[Pair, FloatArray]]:
    """Yield the leaf's pairs of players and what it adds to each row, (n_rows,).

    Rows that hit for the same players are alike, and there are far fewer such patterns than rows.
    """
    order = sorted(leaf.hit)
    pattern = sum(leaf.hit[player].astype(np.intp) << bit for bit, player in enumerate(order))
    patterns, of_row = np.arange(1 << len(order)), pattern
    if len(order) > _FEW_PLAYERS:
        patterns, of_row = np.unique(pattern, return_inverse=True)
    hit = (patterns[:, np.newaxis] >> np.arange(len(order)) & 1).astype(np.float64)
    share = np.array([leaf.share[player] for player in order])
    first, second = np.triu_indices(len(order), k=1)
    values = np.zeros((len(first), len(patterns)))
    for node, weight in _quadrature(len(order)):
        factors = hit * node + share * (1 - node)  # above 0: nodes lie inside (0, 1), shares above 0
        per_player = ((hit - share) / factors).T
        values += leaf.value * weight * factors.prod(axis=1) * per_player[first] * per_player[second]
    for i, j, of_pattern in zip(first, second, values, strict=True):
        yield (order[i], order[j]), of_pattern[of_row]


@cache
def _quadrature(players: int) -> list[tuple[float, float]]:
    """Return nodes in (0, 1) and weights that integrate the product over all players but two exactly."""
    nodes, weights = np.polynomial.legendre.leggauss(players // 2)  # n nodes are exact up to degree 2n - 1
    return [((node + 1) / 2, weight / 2) for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True)]


def _leaves(
    node: dict[str, Any],
    design: FloatArray,
    players: Sequence[int],
    hit: dict[int, Mask] | None = None,
    share: dict[int, float] | None = None,
) -> Iterator[_Leaf]:
    hit, share = hit or {}, share or {}
    if "leaf_value" in node:
        yield _Leaf(value=node["leaf_value"], hit=hit, share=share)
        return
    player = players[node["split_feature"]]
    left = _goes_left(node, design[:, node["split_feature"]])
    rows = _rows_of(node)
    for child, goes in ((node["left_child"], left), (node["right_child"], ~left)):
        yield from _leaves(
            child,
            design,
            players,
            hit | {player: hit[player] & goes if player in hit else goes},
            share | {player: share.get(player, 1.0) * _rows_of(child) / rows},
        )


def _rows_of(node: dict[str, Any]) -> float:
    return float(node["leaf_count"] if "leaf_value" in node else node["internal_count"])


def _goes_left(node: dict[str, Any], values: FloatArray) -> Mask:
    """Return which rows go left at a split, by LightGBM's rules for categories and gaps."""
    if node["decision_type"] == "==":
        categories = [float(code) for code in str(node["threshold"]).split("||")]
        return np.isin(values, categories)  # a gap is no category: right
    if node["missing_type"] == "None":  # training saw no gap in this column: LightGBM takes one for 0
        values = np.nan_to_num(values, nan=0.0)
    left: Mask = np.where(np.isnan(values), node["default_left"], values <= node["threshold"])
    return left
