"""Whatever the card: points add up, colours cover the line, reasons leave nothing over, JSON comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.invariants import assert_scorecard

from churnfit.learning.rounding import whole_weights
from churnfit.scorecard.card import BandCuts, CardMeasure, Evidence, Scorecard
from churnfit.scorecard.points import Categorical, Graded, Stepped
from churnfit.scorecard.shap import reasons
from churnfit.scorecard.thresholds import band_of_value, value_bands
from churnfit.scorecard.words import healthy_words

STATES = ("missing", "never", "no_answer")


@st.composite
def levels_of(draw: st.DrawFn, weight: int, n_levels: int) -> tuple[float, ...]:
    """Whole points from 0 to the weight, both of them reached."""
    drawn = draw(st.lists(st.integers(0, weight), min_size=n_levels, max_size=n_levels))
    order = draw(st.permutations(range(n_levels)))
    drawn[order[0]], drawn[order[1]] = 0, weight
    return tuple(float(p) for p in drawn)


@st.composite
def lines(draw: st.DrawFn, name: str, weight: int, *, text: bool | None = None) -> CardMeasure:
    numeric = ["graded", "stepped"]
    form = draw(st.sampled_from({None: [*numeric, "categorical"], True: ["categorical"], False: numeric}[text]))
    places = sorted(draw(st.sets(st.integers(-20, 60), min_size=2, max_size=5)))
    scale = draw(st.sampled_from([1.0, 0.25]))
    at = tuple(place * scale for place in places)
    if form == "graded":
        curve = Graded(at, draw(levels_of(weight, len(at))))
    elif form == "stepped":
        curve = Stepped(at, draw(levels_of(weight, len(at) + 1)))
    else:
        curve = Categorical(("a", "b", "c"), draw(levels_of(weight, 3)))
    missing = draw(st.lists(st.sampled_from(STATES), unique=True))
    return CardMeasure(
        name=name,
        label=name,
        shape="categories" if form == "categorical" else "peak",
        curve=curve,
        missing=tuple((state, float(draw(st.integers(0, weight)))) for state in missing),
        expected_points=draw(st.floats(0, weight)),
        whole=draw(st.booleans()),
        says=draw(
            st.sampled_from(["", "{label}: only {value}, healthy {healthy}", "{colour}: {points}, peers {peers}"])
        ),
    )


@st.composite
def cards(draw: st.DrawFn, *, text: Mapping[str, bool] | None = None) -> Scorecard:
    """Any card; `text` says which of its measures are categories, by default any."""
    kinds = text or {}
    parts = np.array(draw(st.lists(st.floats(0.2, 1.0), min_size=1, max_size=4)))
    weights = sorted(whole_weights(parts).tolist(), reverse=True)
    red, green = sorted(draw(st.tuples(st.integers(0, 100), st.integers(0, 100))))
    return Scorecard(
        name="any",
        horizon_days=90,
        measures=tuple(draw(lines(f"m{i}", weight, text=kinds.get(f"m{i}"))) for i, weight in enumerate(weights)),
        intercept=draw(st.floats(-3, 3)),
        slope=draw(st.floats(0.01, 0.2)),
        base_rate=draw(st.floats(0.02, 0.9)),
        bands=BandCuts(red_below=float(red), green_from=float(green)),
        evidence=Evidence(rows=10, accounts=10, churned_rows=2),
    )


@st.composite
def snapshots_of(draw: st.DrawFn, card: Scorecard) -> pd.DataFrame:
    n = 6
    columns: dict[str, object] = {
        "account_id": [f"A{i}" for i in range(n)],
        "as_of": pd.Timestamp("2026-03-01", tz="UTC"),
    }
    for measure in card.measures:
        if isinstance(measure.curve, Categorical):
            value = st.sampled_from(["a", "b", "c", "unseen", None])
            columns[measure.name] = pd.array(draw(st.lists(value, min_size=n, max_size=n)), dtype=object)
        else:
            value = st.floats(-30, 70) | st.sampled_from([math.inf, -math.inf, math.nan]) | st.integers(-20, 60)
            columns[measure.name] = np.array(draw(st.lists(value, min_size=n, max_size=n)), dtype=float)
        states = st.sampled_from([*STATES, "unseen", None])
        columns[f"{measure.name}__state"] = pd.array(draw(st.lists(states, min_size=n, max_size=n)), dtype=object)
    return pd.DataFrame(columns)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_card_scores_every_table_and_keeps_its_invariants(data: st.DataObject) -> None:
    """Gaps, infinite values, unseen states and categories included; row and column order change no bit."""
    card = data.draw(cards())
    table = data.draw(snapshots_of(card))
    assert_scorecard(card, table)
    order = data.draw(st.permutations(range(len(table))))
    shuffled = table.iloc[order, ::-1]
    assert (card.health(shuffled) == card.health(table)[list(order)]).all()
    coverage = card.coverage(table)
    assert ((coverage >= 0) & (coverage <= 1)).all()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_reasons_leave_nothing_over(data: st.DataObject) -> None:
    """Health points sum to the distance from the expected health, probability points to that in probability."""
    card = data.draw(cards())
    table = data.draw(snapshots_of(card))
    sums = reasons(card, table).groupby("account_id")[["health_points", "probability_points"]].sum()
    health = card.health(table)
    assert np.abs(sums["health_points"] - (health - card.expected_health)).max() <= 1e-9
    distance = card.probability_of(health) - card.probability_of(np.full(len(table), card.expected_health))
    assert np.abs(sums["probability_points"] - distance).max() <= 1e-9


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_red_amber_and_green_cover_the_line_without_overlap(data: st.DataObject) -> None:
    """Runs follow each other from −∞ to ∞, neighbours differ, and a value has the colour of its points."""
    card = data.draw(cards())
    for measure in card.measures:
        assert all(healthy_words(card, measure, band) for band in ("red", "amber", "green"))
        curve = measure.curve
        runs = value_bands(card, measure)
        if isinstance(curve, Categorical):
            assert [run.category for run in runs] == list(curve.values)
            continue
        assert (runs[0].low, runs[-1].high) == (-math.inf, math.inf)
        assert all(left.high == right.low and left.band != right.band for left, right in pairwise(runs))
        assert all(run.low < run.high for run in runs)
        values = np.arange(-25.0, 66.0) if measure.whole else np.linspace(-25, 65, 91)
        settled = np.ones(len(values), dtype=bool)
        exact = colours(card, measure, values)
        if isinstance(curve, Graded) and not measure.whole:  # edges are said in few digits: stay away from them
            rounding = 0.006 * max(right - left for left, right in pairwise(curve.knots))
            for shift in (-rounding, -rounding / 2, rounding / 2, rounding):
                settled &= colours(card, measure, values + shift) == exact
        edges = np.array([run.low for run in runs])
        shown = np.array([run.band for run in runs])[np.searchsorted(edges, values, side="right") - 1]
        assert (shown[settled] == exact[settled]).all(), values[settled][shown[settled] != exact[settled]]


def colours(card: Scorecard, measure: CardMeasure, values: np.ndarray) -> np.ndarray:
    """The colour of the points that each value earns."""
    return np.array([band_of_value(card, measure, points) for points in measure.curve.at(values).tolist()])
