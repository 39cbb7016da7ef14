"""Bagging: a card of few churned says the average of what its resamples say, as bold as unseen accounts allow."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from churnfit.learning import bagging, card_curves, estimator
from churnfit.learning.bagging import Average, averaged, bagged_curves, with_levels_of
from churnfit.learning.binned import sum_tables
from churnfit.learning.calibration import earned_slope, matched_intercept, matched_loss
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import Curves, make_design
from churnfit.learning.merging import merged_curves
from churnfit.learning.resampling import Resampled
from churnfit.learning.selection import Learned
from churnfit.scorecard.card import Scorecard
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


class Taught(NamedTuple):
    """What one cohort taught, its resamples, their average, and the curves that say it."""

    learned: Learned
    resampled: Resampled
    cohort: Cohort
    average: Average
    bagged: Curves


def taught_by(table: pd.DataFrame, churned: np.ndarray) -> Taught:
    """Return what the cohort taught."""
    seen: list[tuple] = []

    def average_of(learned, resampled, cohort):
        seen.append((learned, resampled, cohort, averaged(learned, resampled, cohort)))
        return seen[0][-1]

    def curves_of(*given):
        seen.append((bagged_curves(*given),))
        return seen[1][0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(card_curves, "averaged", average_of)
        patched.setattr(card_curves, "bagged_curves", curves_of)
        ScorecardClassifier(certify=0).fit(table, churned)
    return Taught(*seen[0], *seen[1])


@pytest.fixture(scope="module")
def taught() -> Taught:
    return taught_by(*cohort())


def dealt_at_random(taught: Taught) -> tuple[Learned, Cohort]:
    """Return what was learned, and the cohort, as if others of its accounts had churned."""
    churned = np.random.default_rng(0).permutation(taught.cohort.churned)
    learned = replace(taught.learned, rows=replace(taught.learned.rows, churned=churned))
    return learned, replace(taught.cohort, churned=churned)


def test_the_average_is_followed_but_for_the_tails(taught: Taught) -> None:
    """Lines between a few knots stay within a tenth of a logit of the average, where accounts are; levels are on it.

    Only differences within a measure count: what all its bins share is the intercept's.
    """
    resampled, bagged = taught.resampled, taught.bagged
    tables = bagged.design.tables(bagged.coefficients)
    for measure, mass, said, average in zip(
        resampled.measures, resampled.mass, tables, taught.average.tables, strict=True
    ):
        cells = slice(0, measure.n_bins + len(measure.states))
        middle = np.cumsum(mass[cells]) / mass[cells].sum()
        inside = ((middle > 0.05) & (middle < 0.95)) | ~np.array([measure.numeric])
        apart = said[cells] - average[cells]
        assert np.ptp(apart[inside]) < 0.2, measure.name


def test_the_side_of_few_rows_is_as_high_as_all_rows_have_it() -> None:
    """No tickets are a risk, as many are. Were every second resample flat up to the turn, the average would lose a good
    part of that side; the card has most of it.
    """
    rng = np.random.default_rng(1)
    tickets = rng.negative_binomial(2.5, 0.4, 700).astype(float)
    logit = np.interp(tickets, [0, 1, 4, 9], [0.5, -1.5, -1.5, 1.0])
    churned = (rng.random(700) < 1 / (1 + np.exp(-logit))).astype(int)
    learned, resampled, own, average, bagged = taught_by(pd.DataFrame({"tickets": tickets}), churned)
    tables = resampled.tables.copy()
    tables[::2, 0, 0] = tables[::2, 0, 1:5].min(axis=1)
    halved = averaged(learned, replace(resampled, tables=tables), own)
    settings = ScorecardClassifier()._settings()
    said = bagged_curves(learned.curves, learned, halved, replace(resampled, tables=tables), settings)

    def side(table: np.ndarray) -> float:
        return float(table[0] - table[1:5].min())

    assert side(average.tables[0]) > 1.0
    assert side(halved.tables[0]) < 0.7 * side(average.tables[0])
    assert side(said.design.tables(said.coefficients)[0]) > 0.85 * side(bagged.design.tables(bagged.coefficients)[0])


def test_heights_are_those_nearest_to_the_average_row_by_row() -> None:
    """What knots cannot say of measures that rise together adds up, where each is followed by itself."""
    rng = np.random.default_rng(5)
    seats = rng.random(400)
    table = pd.DataFrame({"seats": seats, "users": seats + rng.normal(0, 0.05, 400)})
    churned = (rng.random(400) < 1 / (1 + np.exp(8 * np.abs(seats - 0.4) + 3 * seats - 2.5))).astype(int)
    learned, _, _, average, bagged = taught_by(table, churned)
    rows = learned.rows
    logit = sum_tables(bagged.design.codes, average.tables, 0.0)
    said = 1 / (1 + np.exp(-(logit + matched_intercept(logit, rows.churned, rows.weight))))
    followed = replace(bagged, coefficients=bagged.design.start)
    together, apart = (matched_loss(curves.logit, said, rows.weight) for curves in (bagged, followed))
    assert together < apart


def test_a_side_is_learned_again_only_where_all_rows_gain_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seats only count down. An average that turns by chance at their end: rows gain nothing by a little of it."""
    learned, resampled, _, average, _ = taught_by(*cohort(seed=3))
    (index,) = (j for j, plan in enumerate(learned.curves.plans) if plan.name == "seats")
    n_bins = resampled.measures[index].n_bins
    rows, settings = learned.rows, ScorecardClassifier()._settings()

    def loss(turn: float, least: float) -> float:
        tables = average.tables.copy()
        tables[index, n_bins - 8 : n_bins] += np.linspace(0.5, 1.0, 8) * turn
        monkeypatch.setattr(bagging, "_SIDE_GAIN", least)
        said = bagged_curves(learned.curves, learned, replace(average, tables=tables), resampled, settings)
        return matched_loss(said.logit, rows.churned, rows.weight)

    gains = [loss(turn, np.inf) - loss(turn, 0.3) for turn in np.linspace(0.4, 1.2, 9)]
    assert all(gain == 0 or gain > 0.3 for gain in gains)
    assert 0 < np.count_nonzero(gains) < len(gains)


def test_categories_are_grouped_as_the_average_tells_them_apart(taught: Taught) -> None:
    """Were all plans one level when learned from all accounts at once, the average would still tell them apart."""
    learned, resampled, own, average, _ = taught
    (index,) = (j for j, plan in enumerate(learned.curves.plans) if plan.name == "plan")
    plans = list(learned.curves.plans)
    plans[index] = replace(
        plans[index], levels=(tuple(sorted(resampled.measures[index].levels)),), start=(0.0,), signs=()
    )
    rows, codes = learned.rows, learned.curves.design.codes
    alike = replace(learned, curves=learned.again(make_design(plans, resampled.measures, codes, rows.weight), rows))
    settings = ScorecardClassifier()._settings()
    again = with_levels_of(average, alike, resampled, settings)
    said = bagged_curves(merged_curves(again, resampled, own), again, average, resampled, settings)
    assert said.plans[index].levels[-1] == ("basic",)
    assert said.heights(index)[0].max() > 0.5


def test_missing_states_lie_beside_the_average_as_they_did(taught: Taught) -> None:
    resampled, bagged = taught.resampled, taught.bagged
    index = [plan.name for plan in bagged.plans].index("survey")
    measure, average = resampled.measures[index], taught.average.tables[index]
    (own,) = bagged.design.tables(bagged.coefficients)[index][measure.n_bins : measure.n_bins + 1]
    mass = resampled.mass[index, : measure.n_bins]
    beside = own - bagged.design.tables(bagged.coefficients)[index, : measure.n_bins] @ mass / mass.sum()
    assert beside == pytest.approx(average[measure.n_bins] - average[: measure.n_bins] @ mass / mass.sum(), abs=0.05)


def test_predicted_churners_equal_observed_ones(taught: Taught) -> None:
    bagged = taught.bagged
    _, churned = cohort()
    assert (1 / (1 + np.exp(-bagged.logit))).sum() == pytest.approx(churned.sum())


def test_it_is_as_bold_as_those_deserve_that_left_an_account_out(taught: Taught) -> None:
    """What resamples without its account say of each row is told apart by hand, and earns the factor of the average."""
    learned, resampled, cohort, average, _ = taught
    codes = learned.curves.design.codes
    unseen = np.zeros(len(cohort.churned))
    for row, account in enumerate(cohort.account):
        left = ~resampled.drew[:, account]
        unseen[row] = resampled.tables[left][:, np.arange(len(codes)), codes[:, row]].sum(axis=1).mean()
    (once,) = set(learned.factors.values())
    factor = earned_slope(unseen / once, cohort.churned, cohort.weight, most=np.inf) / once
    assert average.tables == pytest.approx(factor * resampled.tables.mean(axis=0))
    assert average.bold == pytest.approx(factor)
    assert np.ptp(average.logit - factor * unseen) == pytest.approx(0.0, abs=1e-9)


def test_what_the_curves_were_shrunk_by_is_doubted_once(taught: Taught) -> None:
    """Resamples are shrunk as the curves are: whatever that factor was, the average comes out the same."""
    learned, resampled, cohort, average, _ = taught
    shrunk = replace(learned, factors={name: factor / 4 for name, factor in learned.factors.items()})
    again = averaged(shrunk, replace(resampled, tables=resampled.tables / 4), cohort)
    assert again.tables == pytest.approx(average.tables, rel=1e-4)
    assert again.logit == pytest.approx(average.logit, abs=1e-4)


def test_a_timid_average_grows_and_one_that_others_do_not_confirm_vanishes(taught: Taught) -> None:
    learned, resampled, cohort, average, _ = taught
    timid = averaged(learned, replace(resampled, tables=resampled.tables / 2), cohort)
    assert np.ptp(timid.tables) > 0.8 * np.ptp(average.tables)
    by_chance, others = dealt_at_random(taught)
    chance = averaged(by_chance, resampled, others)
    assert np.ptp(chance.tables) < 0.2 * np.ptp(average.tables)


def test_what_leans_on_a_hand_made_card_earns_its_boldness_on_what_that_says_too(taught: Taught) -> None:
    """Sixteen rows of a hand-made card that agrees, for each row observed, outweigh those that churned by chance."""
    _, resampled, _, average, _ = taught
    by_chance, others = dealt_at_random(taught)
    rows, agreed = by_chance.rows, 1 / (1 + np.exp(-average.logit))
    leaning = replace(rows, churned=(rows.churned + 16 * agreed) / 17, weight=17 * rows.weight)
    leant = averaged(replace(by_chance, rows=leaning), resampled, others)
    assert np.ptp(leant.tables) > 0.8 * np.ptp(average.tables)


def test_of_dated_cohorts_another_time_has_judged_the_boldness(taught: Taught) -> None:
    """It is as bold as the curves then, whatever accounts of the same time say."""
    learned, resampled, cohort, *_ = taught
    one, louder, chance = (
        averaged(replace(of, in_time=True), replace(resampled, tables=times * resampled.tables), labels)
        for times, of, labels in ((1, learned, cohort), (2, learned, cohort), (1, *dealt_at_random(taught)))
    )
    assert louder.tables == pytest.approx(one.tables)
    assert chance.tables == pytest.approx(one.tables)
    assert one.logit is learned.logit
    codes = learned.curves.design.codes
    spreads = [
        np.std(tables[np.arange(len(codes))[:, np.newaxis], codes].sum(axis=0))
        for tables in (one.tables, learned.curves.design.tables(learned.curves.coefficients))
    ]
    assert spreads[0] == pytest.approx(spreads[1])


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


def test_what_certifies_a_card_is_as_bold_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red begins at so many logits: resamples more timid than the card would reach it later, or not at all."""
    seen: list = []

    def average_of(learned: Learned, resampled: Resampled, cohort: Cohort) -> Average:
        found = averaged(learned, resampled, cohort)
        twice = replace(found, tables=2 * found.tables, bold=2 * found.bold)
        seen.append((twice.tables, twice.bold * resampled.means))
        return twice

    def certifying(card: Scorecard, resampled: Resampled, cohort: Cohort) -> Scorecard:
        seen.append((resampled.tables.mean(axis=0), resampled.means))
        return card

    monkeypatch.setattr(card_curves, "averaged", average_of)
    monkeypatch.setattr(estimator, "certified", certifying)
    ScorecardClassifier(certify=50).fit(*cohort())
    (tables, means), (certified_tables, certified_means) = seen
    assert certified_tables == pytest.approx(tables)
    assert certified_means == pytest.approx(means)


def test_many_churned_speak_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 1,000 churned accounts on, nothing is averaged."""
    monkeypatch.setattr(card_curves, "bagged_curves", lambda *_: pytest.fail("averaged"))
    table, churned = cohort(4_000)
    assert churned.sum() >= 1000
    ScorecardClassifier(certify=0).fit(table, churned)


def test_resamples_know_whom_they_drew(taught: Taught) -> None:
    """About 1 - 1/e of the accounts; where many of those churned a resample's base rate is high, of those left low."""
    _, resampled, cohort, *_ = taught
    share = resampled.drew.mean(axis=1)
    assert np.all((share > 0.55) & (share < 0.72))
    drawn, left = (
        np.corrcoef([cohort.churned[one].mean() for one in chosen], resampled.base_rates)[0, 1]
        for chosen in (resampled.drew, ~resampled.drew)
    )
    assert drawn > 0.6
    assert left < -0.6
