"""Bagging: a card of few churned says the average of what its resamples say."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from churnfit.learning import estimator
from churnfit.learning.bagging import bagged_curves
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.joint import Curves
from churnfit.learning.resampling import Resampled
from churnfit.scorecard.points import Graded


def cohort(n: int = 400, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Accounts whose seats count straight down, whose plan counts, and of whose survey a third is missing."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"seats": rng.random(n).round(2), "plan": rng.choice(["basic", "plus", "pro"], n), "survey": rng.random(n)}
    )
    table.loc[rng.random(n) < 0.3, "survey"] = np.nan
    logit = 1.5 - 4 * table["seats"] + table["plan"].eq("basic") - 2 * table["survey"].fillna(0.0)
    return table, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


class Averaged(NamedTuple):
    """The curves that one cohort taught, the resamples of them, their average, and that of twice their heights."""

    curves: Curves
    resampled: Resampled
    bagged: Curves
    louder: Curves


@pytest.fixture(scope="module")
def averaged() -> Averaged:
    seen: list[Averaged] = []

    def spy(curves, rows, resampled, settings):
        bagged = bagged_curves(curves, rows, resampled, settings)
        twice = replace(resampled, tables=2 * resampled.tables)
        seen.append(Averaged(curves, resampled, bagged, bagged_curves(curves, rows, twice, settings)))
        return bagged

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(estimator, "bagged_curves", spy)
        ScorecardClassifier(certify=0).fit(*cohort())
    return seen[0]


def test_the_average_is_followed_but_for_the_tails(averaged: Averaged) -> None:
    """Lines between a few knots stay within a tenth of a logit of the average, where accounts are; levels are on it.

    Only differences within a measure count: what all its bins share is the intercept's.
    """
    resampled, bagged = averaged.resampled, averaged.bagged
    tables = bagged.design.tables(bagged.coefficients)
    for measure, mass, said, average in zip(
        resampled.measures, resampled.mass, tables, resampled.tables.mean(axis=0), strict=True
    ):
        cells = slice(0, measure.n_bins + len(measure.states))
        middle = np.cumsum(mass[cells]) / mass[cells].sum()
        inside = ((middle > 0.05) & (middle < 0.95)) | ~np.array([measure.numeric])
        apart = said[cells] - average[cells]
        assert np.ptp(apart[inside]) < 0.2, measure.name


def test_missing_states_lie_beside_the_average_as_they_did(averaged: Averaged) -> None:
    resampled, bagged = averaged.resampled, averaged.bagged
    index = [plan.name for plan in bagged.plans].index("survey")
    measure, average = resampled.measures[index], resampled.tables.mean(axis=0)[index]
    (own,) = bagged.design.tables(bagged.coefficients)[index][measure.n_bins : measure.n_bins + 1]
    mass = resampled.mass[index, : measure.n_bins]
    beside = own - bagged.design.tables(bagged.coefficients)[index, : measure.n_bins] @ mass / mass.sum()
    assert beside == pytest.approx(average[measure.n_bins] - average[: measure.n_bins] @ mass / mass.sum(), abs=0.05)


def test_predicted_churners_equal_observed_ones(averaged: Averaged) -> None:
    bagged = averaged.bagged
    _, churned = cohort()
    logit = bagged.design.logit(np.append(bagged.coefficients, bagged.intercept))
    assert (1 / (1 + np.exp(-logit))).sum() == pytest.approx(churned.sum())


def test_it_is_as_bold_as_the_curves_it_replaces(averaged: Averaged) -> None:
    """Unseen rows have judged how far their logits spread, whatever the resamples make of it: here, twice as much."""
    spreads = [np.std(one.design.logit(np.append(one.coefficients, 0.0))) for one in (averaged.curves, averaged.louder)]
    assert spreads[1] == pytest.approx(spreads[0], rel=0.02)


def test_a_declared_shape_stays() -> None:
    """Every resample falls, so their average does, in each of ten cohorts."""
    for seed in range(10):
        card = ScorecardClassifier(certify=0, shapes={"seats": "higher_is_better"}).fit(*cohort(150, seed)).card_
        curve = card.measure("seats").curve
        assert isinstance(curve, Graded)
        assert np.all(np.diff(curve.points) >= 0)
        assert curve.points[-1] > curve.points[0]


def test_what_is_certified_is_the_card_that_is_not() -> None:
    """Certificates ask for more resamples than the average takes: the card says the same with and without them."""
    plain, certified = (ScorecardClassifier(certify=n).fit(*cohort()).card_ for n in (0, 80))
    assert [(line.name, line.weight, line.curve) for line in plain.measures] == [
        (line.name, line.weight, line.curve) for line in certified.measures
    ]


def test_many_churned_speak_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 300 churned accounts on, nothing is averaged."""
    monkeypatch.setattr(estimator, "bagged_curves", lambda *_: pytest.fail("averaged"))
    table, churned = cohort(1_200)
    assert churned.sum() >= 300
    ScorecardClassifier(certify=0).fit(table, churned)
