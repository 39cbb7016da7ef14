"""Certificates: the 90 % interval of every weight, point and threshold of a card, and the churned accounts behind it.

What is covered, given that the measure is on the card:

- *weight*: the range of the measure's curve, from its riskiest to its safest value or state within the central accounts
  (between the card's outer knots), as a share of the ranges of all measures on the card;
- *points* at a knot, level or state: the risk that it takes away from the riskiest, on the same scale;
- *threshold*: the value at which the measure's risk passes that of the average account (green), or the odds at which
  that account is half as likely again to churn (red). Test inversion: every value at which the 90 % band of the risk
  reaches the level; an open end says that the band never leaves it.

The curves are those of `churnfit.learning.resampling`, as bold as the card, intervals their 5th and 95th percentiles
(of whole numbers the shortest that comes nearest to nine tenths), stretched to the printed value. Learning shapes and
knots again in every resample is what makes them cover (`benchmarks/recovery.py`): on fixed knots, with or without the
penalty, green thresholds are covered 70 % of the time. Not covered: that a pair's cells keep the order they were found
in, and the chance that a measure without effect is on the card at all; its true weight is 0, and a card names it only
when it looked otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.learning.codes import state_array, value_array
from churnfit.learning.crossings import crossing_interval, straight_between
from churnfit.learning.folds import Cohort
from churnfit.learning.resampling import Resampled
from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.certificate import Certificate, CertifiedPoints, CertifiedThreshold, grade_of
from churnfit.scorecard.points import Categorical, Graded, Stepped
from churnfit.scorecard.thresholds import ValueBand, points_to_red, value_bands

__all__ = ["certified"]

Floats: TypeAlias = NDArray[np.float64]

_LEVEL = (0.05, 0.95)  # of the resamples: a 90 % interval
_ALIKE = 0.8  # correlation with the card's curve, over accounts, from which a resample keeps it
_RATES = (1e-4, 1 - 1e-4)  # base rates of resamples stay odds
_RANK = {"green": 0, "amber": 1, "red": 2}


def certified(card: Scorecard, resampled: Resampled, cohort: Cohort) -> Scorecard:
    """Return the card with a certificate on every line."""
    if not card.measures:
        return card
    lines = [_Line(card, line, resampled, cohort) for line in card.measures]
    total = np.maximum(np.sum([np.ptp(line.span, axis=1) for line in lines], axis=0), 1e-12)
    return replace(card, measures=tuple(replace(line.printed, certificate=line.certificate(total)) for line in lines))


class _Line:
    """One line of the card beside what the resamples say about it."""

    def __init__(self, card: Scorecard, printed: CardMeasure, resampled: Resampled, cohort: Cohort) -> None:
        self.index = index = resampled.place(printed.name)
        self.card, self.printed, self.resampled = card, printed, resampled
        self.measure = resampled.measures[index]
        n_cells = self.measure.n_bins + len(self.measure.states)
        self.draws = resampled.tables[:, index, :n_cells]
        self.above_average = self.draws - resampled.means[:, index, np.newaxis]
        self.to_red = [card.slope * points_to_red(card, rate) for rate in np.clip(resampled.base_rates, *_RATES)]
        self.mass = resampled.mass[index, :n_cells]
        values = value_array(cohort.frame, printed.name)
        lost = cohort.churned > 0
        self.lost_values = values[lost]
        self.lost_states = state_array(cohort.frame, printed.name)[lost]
        self.lost_accounts = cohort.groups[lost]
        self.lost_known = ~pd.isna(self.lost_values)

    @property
    def span(self) -> Floats:
        """Churn logits at all values and states that set the range (n_curves, n)."""
        curve, n_bins = self.printed.curve, self.measure.n_bins
        if not isinstance(curve, Graded):
            return self.draws
        low, high = curve.knots[0], curve.knots[-1]
        middles = self.measure.middles
        inside = np.flatnonzero((middles >= low) & (middles <= high))
        return np.hstack(
            [
                straight_between(self.measure, self.draws, np.array([low, high])),
                self.draws[:, inside],
                self.draws[:, n_bins:],
            ]
        )

    def certificate(self, total: Floats) -> Certificate:
        """Return the certificate; `total` is the sum of all measures' ranges in each curve."""
        weight = self.printed.weight
        low, high = _stretched(self.resampled.spread(100 * np.ptp(self.span, axis=1) / total), weight)
        kept = self._kept()
        return Certificate(
            grade=grade_of(kept, high - low, weight),
            resamples=len(self.resampled.block_of),
            kept=round(kept, 2),
            churned=len(set(self.lost_accounts[self.lost_known])),
            low=low,
            high=high,
            points=self._points(total),
            thresholds=self._thresholds(),
        )

    def _kept(self) -> float:
        """Return the share of resamples whose curve is like the card's."""
        curve = self.printed.curve
        if isinstance(curve, Categorical):
            points = curve.at(np.array(self.measure.levels or (None,), dtype=object))
        else:
            points = curve.at(self.measure.middles)
        states = [dict(self.printed.missing)[state] for state in self.measure.states]
        said = -np.concatenate([points, states])
        share = np.where(np.isnan(said), 0.0, self.mass)
        share = share / max(share.sum(), 1e-12)
        said = np.nan_to_num(said)
        own = said - share @ said
        theirs = self.draws - (self.draws @ share)[:, np.newaxis]
        scale = np.sqrt((theirs**2 @ share) * (own**2 @ share))
        alike = ((theirs * own) @ share >= _ALIKE * scale) & (scale > 0)
        return float(np.mean(alike[: len(self.resampled.block_of)]))

    def _points(self, total: Floats) -> tuple[CertifiedPoints, ...]:
        curve, n_bins = self.printed.curve, self.measure.n_bins
        draws = [
            self._heights(),
            *(self.draws[:, [n_bins + self.measure.states.index(s)]] for s, _ in self.printed.missing),
        ]
        points = 100 * (self.span.max(axis=1, keepdims=True) - np.hstack(draws)) / total[:, np.newaxis]
        printed = [*curve.levels, *(points for _, points in self.printed.missing)]
        behind = [
            *self._churned_at_levels(),
            *(self._lost(~self.lost_known & (self.lost_states == s)) for s, _ in self.printed.missing),
        ]
        found = []
        spread = self.resampled.spread(points)
        for column, said, churned in zip(spread.T, printed, behind, strict=True):
            low, high = _stretched(column, said)
            found.append(CertifiedPoints(low=max(0.0, low), high=high, churned=churned))
        return tuple(found)

    def _heights(self) -> Floats:
        """Return the churn logits at the curve's knots or levels (n_curves, n_levels)."""
        curve = self.printed.curve
        if isinstance(curve, Graded):
            return straight_between(self.measure, self.draws, np.array(curve.knots))
        if isinstance(curve, Categorical):
            return self.draws[:, [self.measure.levels.index(value) for value in curve.values]]
        level = np.searchsorted(np.array(curve.cuts), self.measure.middles, side="right")
        return self.resampled.at_levels(self.index, level, len(curve.points))

    def _churned_at_levels(self) -> list[int]:
        curve = self.printed.curve
        if isinstance(curve, Categorical):
            return [self._lost(self.lost_values == value) for value in curve.values]
        edges = [(a + b) / 2 for a, b in pairwise(curve.knots)] if isinstance(curve, Graded) else curve.cuts
        return [self._lost_between(low, high) for low, high in pairwise([-np.inf, *edges, np.inf])]

    def _lost(self, rows: NDArray[np.bool_]) -> int:
        return len(set(self.lost_accounts[rows]))

    def _lost_between(self, low: float, high: float) -> int:
        values = np.where(self.lost_known, self.lost_values, np.nan).astype(np.float64)
        return self._lost((values >= low) & (values < high))

    def _thresholds(self) -> tuple[CertifiedThreshold, ...]:
        curve = self.printed.curve
        if isinstance(curve, Categorical):
            return ()
        found = []
        for below, above in pairwise(value_bands(self.card, self.printed)):
            ends = [self._crossing(below, above, level) for level in self._levels(below, above)]
            low, high = min(end[0] for end in ends), max(end[1] for end in ends)
            found.append(
                CertifiedThreshold(
                    at=above.low,
                    low=float(low) if np.isfinite(low) else None,
                    high=float(high) if np.isfinite(high) else None,
                    churned_below=self._lost_between(below.low, below.high),
                    churned_above=self._lost_between(above.low, above.high),
                )
            )
        return tuple(found)

    def _levels(self, below: ValueBand, above: ValueBand) -> list[Floats]:
        """Return the risks above average (n_curves,) that the change from one colour to the other passes."""
        colours = {below.band, above.band}
        green, red = np.zeros(len(self.draws)), np.array(self.to_red)
        return [level for colour, level in (("green", green), ("red", red)) if colour in colours]

    def _crossing(self, below: ValueBand, above: ValueBand, level: Floats) -> tuple[float, float]:
        sign = 1.0 if _RANK[above.band] > _RANK[below.band] else -1.0
        risk = sign * (self.above_average[:, : self.measure.n_bins] - level[:, np.newaxis])
        stepped = isinstance(self.printed.curve, Stepped)
        return crossing_interval(self.measure, self.resampled.spread(risk), at=above.low, stepped=stepped)


def _stretched(draws: Floats, printed: float) -> tuple[float, float]:
    """Return the 90 % interval of `draws` (n_resamples,), to a tenth, stretched to the printed value."""
    low, high = np.quantile(draws, _LEVEL)
    return min(round(float(low), 1), printed), max(round(float(high), 1), printed)
