"""What an additive card cannot say: the pairs of measures that the challenger joins, named where chance cannot be why.

A tree joins whatever splits meet in it, so a tuned LightGBM shows some interaction on data that have none. How much, it
says itself on histories drawn from a rival without interactions: only what is stronger has a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.intervals import Interval, Key, bootstrap
from churnfit.learning.boosting import Task, row_weight
from churnfit.learning.challenger import ChallengerFit
from churnfit.learning.tree_interactions import interaction_values
from churnfit.spec import ScorecardSpec
from churnfit.tables import STATE_SUFFIX

__all__ = ["Interactions", "MissedInteraction", "missed_interactions"]

FloatArray = NDArray[np.float64]
Pair = tuple[int, int]

_ROWS = 1_000  # snapshots explained: a mean over so many is sure to a few percent, at a second or two
_HISTORIES = 19  # with the real one twenty: by chance the real one has the strongest pair in one case of twenty
_FEWEST = 0.05  # share of the explained rows below which a corner is not worth a sentence


@dataclass(frozen=True, kw_only=True)
class MissedInteraction:
    """Two measures that the challenger joins, and how strongly.

    `mean_abs_logit` is the mean of the absolute SHAP interaction value in churn logits, `share` its part of the same
    sum over all pairs. `riskiest` says at which values of the two ("low", "high", a category or "missing") the pair
    raises the risk most, `riskiest_logit` by how much on average; None where every such corner is nearly empty.
    """

    first: str
    second: str
    mean_abs_logit: Interval
    share: float
    riskiest: tuple[str, str] | None
    riskiest_logit: float


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """The pairs of measures that the challenger joins and the card cannot, strongest first.

    `named` are those whose whole interval lies above `chance_logit`: the strongest pair that the same model found in
    any of `histories` histories drawn without interactions. `strongest` is the first of all pairs, named or not; None
    where no two measures ever meet. `labels` are the measures' names as people read them.
    """

    named: tuple[MissedInteraction, ...]
    strongest: MissedInteraction | None
    pairs: int
    chance_logit: float
    histories: int
    rows: int
    accounts: int
    labels: Mapping[str, str]


def missed_interactions(
    challenger: ChallengerFit, training: pd.DataFrame, judged: pd.DataFrame, *, spec: ScorecardSpec
) -> Interactions:
    """Return the interactions of the challenger on judged rows.

    Parameters
    ----------
    challenger : ChallengerFit
        The tuned LightGBM.
    training : DataFrame
        The rows it was fitted on: account_id, churned and its columns.
    judged : DataFrame
        Rows it has not seen, with the same columns. Whole accounts are drawn until about a thousand rows are there.
    spec : ScorecardSpec
        Labels, resamples and random_state.

    References
    ----------
    Friedman and Popescu (2008), "Predictive learning via rule ensembles", section 8.3: interactions are held against
    those of the same model on labels drawn from an additive fit. Here rows of one account share their random number,
    so that labels hang together as much as they can: chance is not understated.
    """
    encoding, random_state = challenger.encoding, spec.learning.random_state
    names = list(dict.fromkeys(_measure(column) for column in encoding.columns))
    players = [names.index(_measure(column)) for column in encoding.columns]
    explained = _sample(judged, random_state)
    design = encoding.encoded(explained)
    found = interaction_values(challenger.booster, design, players)
    histories = _without_interactions(challenger, training, players, random_state)
    chance = max((_strongest(interaction_values(booster, design, players)) for booster in histories), default=0.0)
    strengths = _strengths(found, explained, spec)
    total = sum(strength.estimate for strength in strengths.values())
    ranked = [
        _missed(names[pair[0]], names[pair[1]], strengths[pair], total, explained, found[pair])
        for pair in sorted(strengths, key=lambda pair: (-strengths[pair].estimate, pair))
        if strengths[pair].estimate > 0
    ]
    return Interactions(
        named=tuple(pair for pair in ranked if pair.mean_abs_logit.low > chance),
        strongest=ranked[0] if ranked else None,
        pairs=len(names) * (len(names) - 1) // 2,
        chance_logit=chance,
        histories=_HISTORIES,
        rows=len(explained),
        accounts=explained["account_id"].nunique(),
        labels={name: spec.label_of(name) if name in spec.measures else name for name in names},
    )


def _measure(column: str) -> str:
    return column.removesuffix(STATE_SUFFIX)


def _sample(judged: pd.DataFrame, random_state: int) -> pd.DataFrame:
    """Return whole accounts, drawn until there are about a thousand rows, in the order of their ids."""
    rows = judged.assign(account_id=judged["account_id"].astype(str))
    sizes = rows["account_id"].value_counts().sort_index()
    drawn = sizes.iloc[np.random.default_rng(random_state).permutation(len(sizes))]
    kept = drawn.index[drawn.cumsum() - drawn < _ROWS]
    return rows[rows["account_id"].isin(kept)].sort_values("account_id", kind="stable", ignore_index=True)


def _without_interactions(
    challenger: ChallengerFit, training: pd.DataFrame, players: list[int], random_state: int
) -> list[object]:
    """Return the challenger refitted on histories drawn from a rival whose trees hold one measure each."""
    encoding = challenger.encoding
    design = encoding.encoded(training)
    params = dict(challenger.best_params)
    rounds = int(params.pop("num_boost_round"))
    weight = row_weight(training)
    alone = [[place for place, owner in enumerate(players) if owner == player] for player in sorted(set(players))]

    def task(labels: FloatArray) -> Task:
        return Task(
            design=design, labels=labels, categorical=encoding.categorical, random_state=random_state, weight=weight
        )

    probability = (
        task(training["churned"].to_numpy(dtype=np.float64)).train(params, rounds, alone=alone).predict(design)
    )
    accounts, account_of_row = np.unique(training["account_id"].astype(str), return_inverse=True)
    generator = np.random.default_rng(random_state)
    draws = generator.random((_HISTORIES, len(accounts)))[:, account_of_row] < probability
    return [task(labels.astype(np.float64)).train(params, rounds) for labels in draws]


def _strongest(found: Mapping[Pair, FloatArray]) -> float:
    return max((float(np.abs(values).mean()) for values in found.values()), default=0.0)


def _strengths(found: Mapping[Pair, FloatArray], rows: pd.DataFrame, spec: ScorecardSpec) -> dict[Pair, Interval]:
    pairs = list(found)
    if not pairs:
        return {}
    absolute = np.abs(np.column_stack([found[pair] for pair in pairs]))

    def statistics(weights: FloatArray) -> dict[Key, FloatArray]:
        means = weights @ absolute / weights.sum(axis=1, keepdims=True)
        return {(str(place),): means[:, place] for place in range(len(pairs))}

    intervals = bootstrap(
        statistics, rows["account_id"], n=spec.evaluation.bootstrap, random_state=spec.learning.random_state
    )
    return {pair: intervals[(str(place),)] for place, pair in enumerate(pairs)}


def _missed(
    first: str, second: str, strength: Interval, total: float, rows: pd.DataFrame, values: FloatArray
) -> MissedInteraction:
    corners = pd.DataFrame({"first": _sides(rows[first]), "second": _sides(rows[second]), "logit": values})
    means = corners.groupby(["first", "second"], as_index=False).agg(mean=("logit", "mean"), size=("logit", "size"))
    means = means[means["size"] >= _FEWEST * len(rows)].sort_values("mean", kind="stable")
    riskiest, logit = None, float("nan")
    if len(means):
        last = means.iloc[-1]
        riskiest, logit = (str(last["first"]), str(last["second"])), float(last["mean"])
    return MissedInteraction(
        first=first,
        second=second,
        mean_abs_logit=strength,
        share=strength.estimate / total,
        riskiest=riskiest,
        riskiest_logit=logit,
    )


def _sides(column: pd.Series) -> pd.Series:
    """Return each value as "low" or "high" (at or above the median), a category as itself, a gap as "missing"."""
    if pd.api.types.is_numeric_dtype(column):
        median = column.median()
        sides = pd.Series(np.where(column >= median, "high", "low"), index=column.index, dtype=object)
    else:
        sides = column.astype(object).map(str)
    return sides.where(column.notna(), "missing")
