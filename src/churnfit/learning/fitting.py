"""A card from a spec: the estimator run on a labelled snapshot, lines named, bands cut by the spec's economics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.learning.bands import Stakes, call_price, learned_cuts
from churnfit.learning.baseline import hand_made_health
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.scorecard.band_words import cut_words
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.pairs import PAIR_SIGN
from churnfit.spec import Bands, ScorecardSpec
from churnfit.tables import STATE_SUFFIX

__all__ = ["learn_card", "measure_columns", "stakes_of", "tells_segments"]


def measure_columns(snapshot: pd.DataFrame, spec: ScorecardSpec) -> list[str]:
    """Return the columns of `snapshot` that hold the spec's measures and their states."""
    states = [name + STATE_SUFFIX for name in spec.measures]
    return [*spec.measures, *(name for name in states if name in snapshot and snapshot[name].notna().any())]


def tells_segments(snapshot: pd.DataFrame) -> bool:
    """Return whether `snapshot` has more than one segment; accounts without one are a segment."""
    return bool(snapshot["segment"].nunique(dropna=False) > 1)


def stakes_of(card: Scorecard, rows: pd.DataFrame, out_of_fold: NDArray[np.float64], bands: Bands) -> Stakes:
    """Return what the labelled `rows` stand for under `card`; an account without a value counts as the default."""
    health = card.health(rows)
    return Stakes(
        health=health,
        churn_probability=card.probability_of(health, rows["segment"]),
        value=np.asarray(rows["arr"].astype("float64").fillna(bands.default_value), dtype=np.float64),
        weight=np.asarray(rows["weight"] if "weight" in rows else np.ones(len(rows)), dtype=np.float64),
        account=np.unique(rows["account_id"].to_numpy(dtype=str), return_inverse=True)[1],
        churned=rows["churned"].to_numpy(dtype=np.float64),
        out_of_fold=np.where(np.isnan(out_of_fold), card.base_rate, out_of_fold),  # of rows that count for nothing
    )


def learn_card(
    training: pd.DataFrame,
    spec: ScorecardSpec,
    *,
    snapshot_sha256: str = "",
    pairs: int | None = None,
    certify: int | None = None,
) -> Scorecard:
    """Return the scorecard learned from labelled snapshot rows.

    Parameters
    ----------
    training : DataFrame
        A snapshot with a 0/1 column ``churned`` and, where rows are dated, ``started_at``; where held-out rows stand
        for treated ones, ``weight``.
    pairs, certify : int, optional
        Most named pairs, and resamples, in place of the spec's numbers.

    Raises
    ------
    DataError
        As `ScorecardClassifier.fit`: one class, or too few accounts or churners.
    """
    columns = measure_columns(training, spec)
    segmented = tells_segments(training)
    learner = ScorecardClassifier(
        shapes={name: measure.shape for name, measure in spec.measures.items()},
        max_knots=spec.learning.max_knots,
        max_levels=spec.learning.max_levels,
        penalties=tuple(spec.learning.penalties),
        folds=spec.learning.folds,
        pairs=spec.learning.pairs if pairs is None else pairs,
        measure_groups={name: measure.group for name, measure in spec.measures.items()},
        heaviest_group=spec.learning.heaviest_group,
        segment_column="segment" if segmented else None,
        horizon_days=spec.cohort.horizon_days,
        certify=spec.learning.certify if certify is None else certify,
        random_state=spec.learning.random_state,
    )
    dated = spec.evaluation.method == "out_of_time"
    learner.fit(
        training[[*columns, *(["segment"] if segmented else [])]],
        training["churned"].astype(int),
        stands_for=training.get("weight"),
        groups=training["account_id"],
        began=training["started_at"].fillna(training["as_of"]).dt.tz_convert(None) if dated else None,
        prior_health=hand_made_health(training, spec.baseline) if spec.baseline else None,
    )
    card = _named(learner.card_, spec)
    evidence = replace(
        card.evidence,
        first_as_of=_day(training["as_of"].min()),
        last_as_of=_day(training["as_of"].max()),
        snapshot_sha256=snapshot_sha256,
    )
    stakes = stakes_of(card, training, learner.out_of_fold_probability_, spec.bands)
    cuts = learned_cuts(stakes, spec.bands, resamples=learner.certify, random_state=spec.learning.random_state)
    remarks = (*card.remarks, *cut_words(card, cuts, spec.bands, price=call_price(stakes, spec.bands, cuts)))
    return replace(card, evidence=evidence, bands=cuts, remarks=remarks)


def _named(card: Scorecard, spec: ScorecardSpec) -> Scorecard:
    members = {pair.name: pair.members for pair in card.pairs}
    lines = []
    for line in card.measures:
        names = [name for name in members.get(line.name, (line.name,)) if name in spec.measures]
        groups = dict.fromkeys(spec.groups[spec.measures[name].group].label for name in names)
        lines.append(
            replace(
                line,
                label=PAIR_SIGN.join(map(_label(spec), members.get(line.name, (line.name,)))),
                group=next(iter(groups)),
                unit="" if line.name in members else spec.measures[line.name].unit,
                says="" if line.name in members else spec.measures[line.name].says,
                actionable=any(spec.measures[name].actionable for name in names),
            )
        )
    taken = tuple((name, text) for name, text in sorted(spec.definitions.items()) if name in card.read)
    return replace(card, name=spec.name, measures=tuple(lines), definitions=taken)


def _label(spec: ScorecardSpec) -> Callable[[str], str]:
    return lambda name: spec.label_of(name) if name in spec.measures else name


def _day(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%d")
