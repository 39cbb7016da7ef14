"""Numbers and thresholds as a person would say them."""

from __future__ import annotations

import math

import pandas as pd

from churnfit.scorecard.card import Band, CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical
from churnfit.scorecard.thresholds import value_bands

__all__ = ["STATE_WORDS", "healthy_words", "number_words", "value_words"]

STATE_WORDS = {
    "missing": "no data",
    "not_due": "not due yet",
    "not_applicable": "does not apply",
    "no_answer": "asked, no answer",
    "stale": "data too old",
    "never": "not yet",
    "too_few_peers": "too few peers",
}
_SHARES = frozenset({"share", "%"})


def number_words(value: float, unit: str = "") -> str:
    """Return a number as people write it; shares become percentages.

    Examples
    --------
    >>> number_words(0.256, "share"), number_words(12.0, "days"), number_words(1234.5)
    ('26 %', '12 days', '1,234')
    """
    if unit in _SHARES:
        return f"{100 * value:.0f} %"
    if unit == "percentile":
        return f"percentile {value:.0f}"
    if abs(value) >= 100 or value == round(value):
        text = f"{value:,.0f}"
    else:
        text = f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"
    return f"{text} {unit}".rstrip()


def value_words(measure: CardMeasure, value: object, state: str | None) -> str:
    """Return a measured value, or its missing state, in words."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return STATE_WORDS.get(state or "missing", state or "no data")
    if isinstance(measure.curve, Categorical):
        return str(value)
    return number_words(float(str(value)), measure.unit)


def healthy_words(card: Scorecard, measure: CardMeasure, band: Band = "green") -> str:
    """Return the values of `measure` that are in `band`, in words ("from 5", "1 to 4", "below 10 days")."""
    runs = [run for run in value_bands(card, measure) if run.band == band]
    if isinstance(measure.curve, Categorical):
        return ", ".join(run.category for run in runs) or "no value"
    return " or ".join(_run_words(measure, run.low, run.high) for run in runs) or "no value"


def _run_words(measure: CardMeasure, low: float, high: float) -> str:
    unit = measure.unit
    if math.isinf(low) and math.isinf(high):
        return "any value"
    if math.isinf(low):
        return f"up to {number_words(high - 1, unit)}" if measure.whole else f"below {number_words(high, unit)}"
    if math.isinf(high):
        return f"from {number_words(low, unit)}"
    if measure.whole:
        last = high - 1
        return number_words(low, unit) if last == low else f"{number_words(low)} to {number_words(last, unit)}"
    return f"{number_words(low, unit)} to {number_words(high, unit)}"
