"""The evaluation of a card: every number with its interval, beside the hand-made card, champion and challenger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.errors import DataError, count_and_examples
from churnfit.evaluation.calibration_error import ece_interval
from churnfit.evaluation.interactions import Interactions
from churnfit.evaluation.intervals import Interval, Key, bootstrap
from churnfit.evaluation.metrics import METRIC_TITLES, MODEL_TITLES, every_metric
from churnfit.evaluation.profit import money_of
from churnfit.evaluation.ranking import auc_of, caught_of, ladder, ratio
from churnfit.evaluation.results import (
    Backtest,
    BandRow,
    EvaluationReport,
    Price,
    Profit,
    SegmentRow,
    TrainingContext,
)
from churnfit.evaluation.rolling import too_few
from churnfit.learning.recalibration import intercepts_in_the_large, recalibrations
from churnfit.learning.steadiness import FlipCurve
from churnfit.scorecard.words import NO_SEGMENT
from churnfit.spec import Bands, ScorecardSpec, nearest

__all__ = ["EvaluationReport", "TrainingContext", "evaluate"]

FloatArray = NDArray[np.float64]

_BANDS = ("red", "amber", "green")
_COMPARED = ("auc", "log_loss")
_REQUIRED = ("account_id", "as_of", "segment", "churned", "arr", "health", "band", "coverage", "p_card")
_OF_SEGMENTS = ("auc", "base_rate", "calibration_slope", "calibration_in_the_large", "ece")


def evaluate(
    judged: pd.DataFrame,
    *,
    spec: ScorecardSpec,
    context: TrainingContext,
    interactions: Interactions | None = None,
    backtest: Backtest | None = None,
    pairs_asked: tuple[str, ...] = (),
    flips: FlipCurve | None = None,
) -> EvaluationReport:
    """Return the evaluation of a card on rows it was not learned from.

    Parameters
    ----------
    judged : DataFrame
        One row per account and as_of: account_id, as_of, segment, churned (0/1), arr (yearly value, may be null),
        health (0-100), band, coverage (0-1), p_card, and where there are such models p_hand_made, p_champion,
        p_challenger; weight, where rows count differently. The order of the rows does not matter.
    spec : ScorecardSpec
        Costs and save rates of the bands, resamples, random_state.
    context : TrainingContext
        What the card was learned from.
    interactions : Interactions, optional
        What the challenger joins and the card cannot, where there is a challenger.
    backtest : Backtest, optional
        The rolling backtest, where there is more than one origin.
    pairs_asked : tuple of str
        The named pairs of the card behind ``p_paired``, which the card itself does without.
    flips : FlipCurve, optional
        What steadier bands do on a replay, where there was one.

    Raises
    ------
    DataError
        CF217 when a column is missing, CF202 when a probability is not in [0, 1], CF105 when a label is not 0 or 1,
        CF102 when nobody churned or everybody did.
    """
    _check(judged)
    rows = judged.sort_values(["account_id", "as_of"], kind="stable", ignore_index=True)
    if "weight" not in rows:
        rows["weight"] = 1.0
    rows["segment"] = rows["segment"].astype(object).where(rows["segment"].notna(), NO_SEGMENT).astype(str)
    models = [model for model in MODEL_TITLES if f"p_{model}" in rows]
    sample = _sample(rows, models, spec.bands)
    found = bootstrap(
        sample.statistics,
        rows["account_id"],
        n=spec.evaluation.bootstrap,
        random_state=spec.learning.random_state,
        row_weight=sample.weight,
    )
    found |= _calibration_errors(rows, sample, spec)
    return EvaluationReport(
        name=spec.title or spec.name,
        training=context,
        judged_rows=len(rows),
        judged_accounts=rows["account_id"].nunique(),
        churned_rows=int(sample.churned.sum()),
        churned_accounts=_churned_accounts(rows),
        base_rate=float(np.average(sample.churned, weights=sample.weight)),
        mean_coverage=float(np.average(rows["coverage"], weights=sample.weight)),
        resamples=spec.evaluation.bootstrap,
        random_state=spec.learning.random_state,
        models={model: {name: found["model", model, name] for name in METRIC_TITLES} for model in models},
        differences={model: {name: found["difference", model, name] for name in _COMPARED} for model in models[1:]},
        segments=tuple(_segment_row(str(name), part, found) for name, part in rows.groupby("segment", sort=True)),
        bands=tuple(_band_row(band, rows, found) for band in _BANDS),
        profit=Profit(by_band_per_1000=found["profit", "bands"], everybody_per_1000=found["profit", "everybody"]),
        money=money_of(rows, models, spec),
        price=_price(found, sample.capacity, interactions) if "challenger" in models else None,
        backtest=backtest,
        pairs_asked=pairs_asked,
        flips=flips,
    )


def _check(judged: pd.DataFrame) -> None:
    missing = [name for name in _REQUIRED if name not in judged]
    if missing:
        raise DataError(
            "CF217",
            where="judged rows",
            expected=f"columns {', '.join(_REQUIRED)}",
            came=f"no {', '.join(missing)} ({nearest(missing[0], [str(name) for name in judged])})",
            fix="Score the rows with the card first.",
        )
    for model in MODEL_TITLES:
        column = f"p_{model}"
        if column in judged and not judged[column].between(0, 1).all():
            bad = judged.loc[~judged[column].between(0, 1), "account_id"]
            raise DataError(
                "CF202",
                where=f"judged rows, {column}",
                expected="probabilities in [0, 1]",
                came=f"others at {count_and_examples(bad, len(bad))}",
                fix="Score every judged row, or leave the column out.",
            )
    if not judged["churned"].isin((0, 1)).all():
        bad = judged.loc[~judged["churned"].isin((0, 1)), "account_id"]
        raise DataError(
            "CF105",
            where="judged rows, churned",
            expected="0 or 1",
            came=f"other labels at {count_and_examples(bad, len(bad))}",
            fix="Judge matured rows only.",
        )
    if not 0 < judged["churned"].sum() < len(judged):
        raise DataError(
            "CF102",
            where="judged rows",
            expected="rows that churned and rows that stayed",
            came=f"{len(judged):,} rows, of which {int(judged['churned'].sum()):,} churned",
            fix="Judge on more accounts, or over a longer horizon.",
        )


def _churned_accounts(rows: pd.DataFrame) -> int:
    return int(rows.loc[rows["churned"] == 1, "account_id"].nunique())


@dataclass(frozen=True, eq=False, kw_only=True)
class _Sample:
    """The judged rows as arrays, and every statistic of them under many weightings."""

    churned: FloatArray
    weight: FloatArray
    probabilities: Mapping[str, FloatArray]
    segments: Mapping[str, NDArray[np.intp]]
    bands: Mapping[str, FloatArray]
    gains: Mapping[str, FloatArray]
    capacity: float

    def statistics(self, weights: FloatArray) -> dict[Key, FloatArray]:
        total, churned = weights.sum(axis=1), weights @ self.churned
        found: dict[Key, FloatArray] = {}
        for model, probability in self.probabilities.items():
            for name, values in every_metric(self.churned, probability, weights).items():
                found["model", model, name] = values
                if model != "card" and name in _COMPARED:
                    found["difference", model, name] = found["model", "card", name] - values
        for band, members in self.bands.items():
            rate = ratio(weights @ (members * self.churned), weights @ members)
            found["band", band, "churn_rate"] = rate
            found["band", band, "lift"] = ratio(rate * total, churned)
        for name, gain in self.gains.items():
            found["profit", name] = 1000 * (weights @ gain) / total
        if "challenger" in self.probabilities and self.capacity > 0:
            caught = {
                model: caught_of(ladder(self.churned, self.probabilities[model], weights), self.capacity)
                for model in ("challenger", "card")
            }
            found[("missed",)] = 1000 * (caught["challenger"] - caught["card"]) * churned / total
        return found | self._segment_statistics(weights)

    def _segment_statistics(self, weights: FloatArray) -> dict[Key, FloatArray]:
        found: dict[Key, FloatArray] = {}
        for name, members in self.segments.items():
            y, p, w = self.churned[members], self.probabilities["card"][members], weights[:, members]
            found["segment", name, "auc"] = auc_of(ladder(y, p, w))
            found["segment", name, "base_rate"] = ratio(w @ y, w.sum(axis=1))
            found["segment", name, "calibration_slope"] = recalibrations(y, p, w)[1]
            found["segment", name, "calibration_in_the_large"] = intercepts_in_the_large(y, p, w)
        return found


def _calibration_errors(rows: pd.DataFrame, sample: _Sample, spec: ScorecardSpec) -> dict[Key, Interval]:
    """Return the calibration error of every model, and of the card in every segment; it needs resamples of its own."""
    everybody = np.arange(len(rows))
    asked: dict[Key, tuple[str, NDArray[np.intp]]] = {
        ("model", model, "ece"): (model, everybody) for model in sample.probabilities
    }
    asked |= {("segment", name, "ece"): ("card", members) for name, members in sample.segments.items()}
    return {
        key: ece_interval(
            sample.churned[members],
            sample.probabilities[model][members],
            rows["account_id"].to_numpy()[members],
            n=spec.evaluation.bootstrap,
            random_state=spec.learning.random_state,
            row_weight=sample.weight[members],
        )
        for key, (model, members) in asked.items()
    }


def _sample(rows: pd.DataFrame, models: list[str], bands: Bands) -> _Sample:
    churned = rows["churned"].to_numpy(dtype=np.float64)
    members: dict[str, FloatArray] = {band: np.where(rows["band"] == band, 1.0, 0.0) for band in _BANDS}
    value = rows["arr"].astype("float64").fillna(bands.default_value).to_numpy(dtype=np.float64) * bands.margin
    gains = {
        band: churned * action.save_rate * value - action.cost
        for band, action in (("red", bands.red), ("amber", bands.amber))
    }
    return _Sample(
        churned=churned,
        weight=rows["weight"].to_numpy(dtype=np.float64),
        probabilities={model: rows[f"p_{model}"].to_numpy(dtype=np.float64) for model in models},
        segments={
            str(name): np.asarray(places)
            for name, places in rows.groupby("segment").indices.items()
            if not too_few(rows.iloc[places])
        },
        bands=members,
        gains={
            "bands": members["red"] * gains["red"] + members["amber"] * gains["amber"],
            "everybody": gains["red"],
        },
        capacity=float(np.average(members["red"], weights=rows["weight"])),
    )


def _segment_row(name: str, rows: pd.DataFrame, found: Mapping[Key, Interval]) -> SegmentRow:
    reason = too_few(rows)
    return SegmentRow(
        segment=name,
        rows=len(rows),
        churned_accounts=_churned_accounts(rows),
        reason=reason,
        **{metric: None if reason else found["segment", name, metric] for metric in _OF_SEGMENTS},
    )


def _band_row(band: str, rows: pd.DataFrame, found: Mapping[Key, Interval]) -> BandRow:
    members, weight = rows.loc[rows["band"] == band, "churned"], rows["weight"]
    lost = weight * rows["churned"]
    return BandRow(
        band=band,
        rows=len(members),
        share=float(weight[members.index].sum() / weight.sum()),
        churned_rows=int(members.sum()),
        share_of_churners=float(lost[members.index].sum() / lost.sum()),
        churn_rate=found["band", band, "churn_rate"],
        lift=found["band", band, "lift"],
    )


def _price(found: Mapping[Key, Interval], capacity: float, interactions: Interactions | None) -> Price:
    gap = found["difference", "challenger", "auc"]
    return Price(
        auc=Interval(-gap.high, -gap.estimate, -gap.low),
        log_loss=found["difference", "challenger", "log_loss"],
        capacity=capacity,
        missed_per_1000=found.get(("missed",)),
        interactions=interactions,
    )
