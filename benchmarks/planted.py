"""A planted truth: six measures that decide churn by known curves, four that decide nothing.

Accounts are drawn from it, and it knows what a perfect card would say: each measure's share of all ranges, the points
at any value, and the values at which a measure's colour changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pandas as pd

from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scorecard.thresholds import RED_RISK, value_bands

CURVES = {
    "seats": ((0.2, 0.5, 0.8), (2.0, 0.8, 0.0)),
    "tickets": ((0.0, 1.0, 4.0, 8.0), (1.3, 0.0, 0.0, 1.6)),
    "first_value": ((8.0, 20.0, 40.0), (0.0, 0.6, 1.3)),
    "logins": ((4.0, 14.0), (1.0, 0.0)),
    "survey": ((3.0, 7.0, 9.0), (0.8, 0.3, 0.0)),
}
"""Values and the churn logits there, straight lines between; all bends lie within the central 95 % of accounts."""
PLAN = {"basic": 0.6, "pro": 0.2, "enterprise": 0.0}
SURVEY_MISSING = 0.8
INTERCEPT = -4.3
WHOLE = {"tickets", "logins", "survey", "emails", "office"}
NOISE = ("emails", "themes", "region", "office")


def accounts(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the measures of `n` accounts."""
    table = pd.DataFrame(
        {
            "seats": rng.beta(1.5, 1.5, n).round(3),
            "tickets": rng.negative_binomial(2.5, 0.4, n).astype(float),
            "first_value": rng.gamma(2.5, 8, n).round(1),
            "logins": rng.negative_binomial(4, 0.3, n).astype(float),
            "survey": np.clip(rng.normal(7, 2.5, n).round(), 0, 10),
        }
    )
    table.loc[rng.random(n) < 0.25, "survey"] = np.nan
    table["plan"] = rng.choice(list(PLAN), n, p=[0.5, 0.3, 0.2])
    table["emails"] = rng.poisson(5, n).astype(float)
    table["themes"] = rng.normal(0, 1, n).round(2)
    table["region"] = rng.choice(["n", "s", "e", "w", "x"], n)
    table["office"] = rng.integers(1, 40, n).astype(float)
    return table


def risk_at(name: str, value: float | str | None) -> float:
    """Return the churn logits that a value of a measure adds; None: missing."""
    if name in NOISE:
        return 0.0
    if name == "plan":
        return PLAN[str(value)]
    if value is None:
        return SURVEY_MISSING
    return float(np.interp(float(value), *CURVES[name]))


def risks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the churn logits that each measure adds to each account."""
    added = {name: np.interp(table[name].to_numpy(float), *curve) for name, curve in CURVES.items()}
    added["survey"] = np.where(table["survey"].isna(), SURVEY_MISSING, added["survey"])
    added["plan"] = table["plan"].map(PLAN).to_numpy(float)
    return pd.DataFrame(added)


_AVERAGE_RISK = float(risks(accounts(50_000, np.random.default_rng(998))).sum(axis=1).mean())


def churn_probability(table: pd.DataFrame, *, strength: float = 1.0, level: float = 0.0) -> np.ndarray:
    """Return the true churn probability of accounts (n,).

    Parameters
    ----------
    strength : float
        Every measure moves the churn logit so many times as much as planted; the average account stays where it is.
    level : float
        Churn logits that everybody has more than planted.
    """
    risk = risks(table).sum(axis=1).to_numpy()
    logit = INTERCEPT + level + strength * risk + (1.0 - strength) * _AVERAGE_RISK
    probability: np.ndarray = 1 / (1 + np.exp(-logit))
    return probability


def cohort(n: int, seed: int, *, strength: float = 1.0, level: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return `n` accounts and whether each churned (0 or 1), by `churn_probability`."""
    rng = np.random.default_rng(seed)
    table = accounts(n, rng)
    return table, (rng.random(n) < churn_probability(table, strength=strength, level=level)).astype(int)


RANGES = {name: max(heights) - min(heights) for name, (_, heights) in CURVES.items()} | {"plan": 0.6}
"""What each measure moves the churn logit, over the central 95 % of accounts."""
_CROWD = cohort(200_000, 999)
AVERAGE = risks(_CROWD[0]).mean().to_dict() | dict.fromkeys(NOISE, 0.0)
"""The churn logits that each measure adds to the average account."""
BASE_RATE = float(_CROWD[1].mean())
RED_LOGITS = float(np.log(RED_RISK * BASE_RATE / (1 - RED_RISK * BASE_RATE)) - np.log(BASE_RATE / (1 - BASE_RATE)))


def true_weight(name: str, on_card: Iterable[str]) -> float:
    """Return the measure's range as a share of the ranges of all measures on the card, in percent."""
    return 100 * RANGES.get(name, 0.0) / sum(RANGES.get(other, 0.0) for other in on_card)


def true_points(name: str, value: float | str | None, on_card: Iterable[str]) -> float:
    """Return the points a perfect card of these measures gives to a value."""
    if name in NOISE:
        return 0.0
    riskiest = PLAN["basic"] if name == "plan" else max(CURVES[name][1])
    return 100 * (riskiest - risk_at(name, value)) / sum(RANGES.get(other, 0.0) for other in on_card)


def true_crossings(name: str, level: float) -> list[tuple[float, int]]:
    """Return where the risk passes `level` logits above the average, and whether it rises (1) or falls (−1)."""
    if name not in CURVES:
        return []
    x, y = (np.array(part) for part in CURVES[name])
    above = y - AVERAGE[name] - level
    return [
        (float(x[i] + (x[i + 1] - x[i]) * above[i] / (above[i] - above[i + 1])), int(np.sign(above[i + 1] - above[i])))
        for i in range(len(x) - 1)
        if above[i] * above[i + 1] < 0
    ]


def covered(card: Scorecard) -> dict[str, list[bool]]:
    """Return, for every certified number of the card, whether its interval contains the truth, by kind of number.

    Thresholds are given again by what they are thresholds of. Those of whole numbers cover by steps: "one number
    narrower" is the next smaller interval that there is, without the ends, but never without what the card prints.
    """
    found: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    names = list(card.weights)
    for line in card.measures:
        certificate = line.certificate
        if certificate is None:
            raise ValueError("the card has no certificates")
        kind = "weights of noise" if line.name in NOISE else "weights"
        found[kind].append(certificate.low <= true_weight(line.name, names) <= certificate.high)
        if line.name in NOISE:
            continue
        for value, interval in zip(_places(line), certificate.points, strict=True):
            if value != "any":
                found["points"].append(interval.low <= true_points(line.name, value, names) <= interval.high)
        for kind, answers in _thresholds_covered(card, line).items():
            found[kind] += answers
    return found


def _thresholds_covered(card: Scorecard, line: CardMeasure) -> dict[str, list[bool]]:
    """Return whether the interval of each threshold of one line contains the truth, by kind of number."""
    found: dict[str, list[bool]] = defaultdict(list)
    if line.certificate is None or isinstance(line.curve, Categorical):
        return found
    for (below, above), interval in zip(pairwise(value_bands(card, line)), line.certificate.thresholds, strict=True):
        rises = 1 if _RANK[above.band] > _RANK[below.band] else -1
        for colour, level in (("green", 0.0), ("red", RED_LOGITS)):
            if colour not in {below.band, above.band}:
                continue
            low = -np.inf if interval.low is None else interval.low
            high = np.inf if interval.high is None else interval.high
            true = [x for x, direction in true_crossings(line.name, level) if direction == rises]
            if not true:  # a colour that the truth does not have
                found[f"spurious {colour} thresholds"].append(bool(np.isinf(low) or np.isinf(high)))
                continue
            nearest = min(true, key=lambda x: abs(x - interval.at))
            first = np.floor(nearest) + 1 if line.whole else nearest
            inside = bool(low <= first <= high)
            found["thresholds"].append(inside)
            found[f"{colour} thresholds"].append(inside)
            found[f"{colour}, {'whole' if line.whole else 'measured'} numbers"].append(inside)
            if line.whole:
                narrower = min(low + 1, interval.at) <= first <= max(high - 1, interval.at)
                found[f"{colour}, one number narrower"].append(bool(narrower))
    return found


KINDS = (
    "weights",
    "weights of noise",
    "points",
    "thresholds",
    "green thresholds",
    "green, measured numbers",
    "green, whole numbers",
    "green, one number narrower",
    "red thresholds",
    "red, measured numbers",
    "red, whole numbers",
    "red, one number narrower",
    "spurious green thresholds",
    "spurious red thresholds",
)
_RANK = {"green": 0, "amber": 1, "red": 2}


def _places(line: CardMeasure) -> list[float | str | None]:
    """Return the value of every certified number of points; None: missing; "any": a step, which has no one value."""
    if isinstance(line.curve, Graded):
        values: list[float | str | None] = list(line.curve.knots)
    elif isinstance(line.curve, Categorical):
        values = list(line.curve.values)
    else:
        values = ["any"] * len(line.curve.points)
    return values + [None] * len(line.missing)


def tickets_are_right(card: Scorecard) -> bool:
    """Return whether tickets are green in one run whose first and last whole number are right, give or take one."""
    if "tickets" not in card.weights:
        return False
    green = [run for run in value_bands(card, card.measure("tickets")) if run.band == "green"]
    low, high = (x for x, _ in true_crossings("tickets", 0.0))
    first, last = np.ceil(low), np.floor(high)
    return len(green) == 1 and abs(green[0].low - first) <= 1 and abs(green[0].high - 1 - last) <= 1
