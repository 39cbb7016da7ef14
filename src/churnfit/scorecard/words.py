"""Numbers and thresholds as a person would say them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from churnfit.scorecard.card import Band, CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical
from churnfit.scorecard.thresholds import value_bands

__all__ = [
    "NO_SEGMENT",
    "PERCENTILE",
    "SHARES",
    "STATE_WORDS",
    "fine_scale",
    "healthy_words",
    "is_small",
    "number_words",
    "said_number",
    "to_scale",
    "usual_scale",
    "value_words",
]

STATE_WORDS = {
    "missing": "no data",
    "not_due": "not due yet",
    "not_applicable": "does not apply",
    "no_answer": "asked, no answer",
    "stale": "data too old",
    "never": "not yet",
    "too_few_peers": "too few peers",
}
NO_SEGMENT = "(no segment)"
SHARES = frozenset({"share", "%"})
PERCENTILE = "percentile"
_NOUGHT = 1e-12  # what is smaller is said as 0


def said_number(value: float, share: bool = False, whole: bool = False) -> float:
    """Return the number that is said for `value`: a share in whole percent, else two to three digits.

    Values that are said alike come out the same, so that words are made once for all of them. Halves go to the even
    neighbour.

    Examples
    --------
    >>> [float(said_number(value)) for value in (3.96, 1234.5, 0.0123)]
    [4.0, 1234.0, 0.012]
    """
    size = abs(value)
    scale = usual_scale(size, share, whole)
    if not (share or whole) and is_small(size):
        scale = fine_scale(size)
    return to_scale(value, scale, share)


def usual_scale(size: float, share: bool, whole: bool) -> float:
    """Return what a number of that size is multiplied by before it is rounded, but where `is_small` asks for more."""
    scale = 100.0 if share or size < 1.0 else 10.0
    return 1.0 if not share and (whole or size >= 100.0) else scale


def is_small(size: float) -> bool:
    """Return whether a number of that size, no share and not whole, is said in more than two decimals."""
    return _NOUGHT < size < 0.1


def fine_scale(size: float) -> float:
    """Return what a small number is multiplied by before it is rounded: two digits stay."""
    scale = 100.0
    while size * scale < 10.0:
        scale *= 10.0
    return scale


def to_scale(value: float, scale: float, share: bool) -> float:
    """Return `value` rounded to multiples of 1 / `scale`; a share in percent."""
    said: float = np.rint(value * scale) / (1.0 if share else scale) + 0.0  # + 0.0: nobody says minus nought
    return said


def number_words(value: float, unit: str = "") -> str:
    """Return a number as people write it; shares become percentages.

    Examples
    --------
    >>> number_words(0.256, "share"), number_words(12.0, "days"), number_words(1234.5)
    ('26 %', '12 days', '1,234')
    """
    said = float(said_number(float(value), share=unit in SHARES, whole=unit == PERCENTILE))
    if unit in SHARES:
        return f"{said:.0f} %"
    if unit == PERCENTILE:
        return f"percentile {said:.0f}"
    if abs(said) >= 100 or said == round(said):
        text = f"{said:,.0f}"
    else:
        text = f"{said:.2g}" if abs(said) < 1 else f"{said:.1f}"
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
