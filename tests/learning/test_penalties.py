"""The path of penalties: from the fewest bends to the most, each shape as declared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from churnfit.learning.codes import learn_bins, normalised
from churnfit.learning.folds import Cohort
from churnfit.learning.joint import refit
from churnfit.learning.penalties import (
    SHAPES,
    Settings,
    card_design,
    coded_rows,
    designs,
    last_design,
    tables_alone,
)
from churnfit.scorecard.card import sigmoid

SETTINGS = Settings(shapes={}, max_knots=5, max_levels=8, penalties=(1.0,), folds=3, random_state=0)
N = 800


@pytest.fixture(scope="module")
def cohort():
    """Risk rises with `up`, falls with `down`, is least in the middle of `middle`, most in plan c; `flat` is 1."""
    rng = np.random.default_rng(0)
    table = {name: rng.integers(0, 9, N) * 1.0 for name in ("up", "down", "middle")}
    table |= {"plan": rng.choice(["a", "b", "c"], N), "flat": np.ones(N)}
    logit = 0.4 * table["up"] - 0.4 * table["down"] + 0.5 * np.abs(table["middle"] - 4) - 2.0
    churned = rng.random(N) < sigmoid(logit + 1.5 * (table["plan"] == "c"))
    return Cohort(
        frame=normalised(pd.DataFrame(table)),
        churned=churned.astype(float),
        weight=np.ones(N),
        groups=np.array([f"A{i:03}" for i in range(N)], dtype=object),
    )


def part_of(cohort, rows=None):
    binning = learn_bins(cohort.frame, cohort.weight)
    rows = np.ones(len(cohort.churned), dtype=bool) if rows is None else rows
    return coded_rows(binning, binning.encode(cohort.frame), cohort, rows)


def plans_of(cohort, *, penalty=1.0, **changes):
    [(_, design)] = designs(part_of(cohort), [penalty], replace(SETTINGS, **changes))
    return {plan.name: plan for plan in design.plans}


def test_each_penalty_has_its_design_and_movement_grows_as_prices_fall(cohort):
    """At a price beyond all gain nothing is left; at each lower one the curves move at least as much."""
    found = designs(part_of(cohort), [1e6, 16.0, 4.0, 0.5], SETTINGS)
    assert [penalty for penalty, _ in found] == [1e6, 16.0, 4.0, 0.5]
    assert found[0][1].plans == ()
    moved = [sum(np.abs(np.diff(plan.start)).sum() for plan in design.plans) for _, design in found]
    assert moved == sorted(moved)
    assert moved[-1] > moved[1] > 0


def test_the_last_design_is_that_of_the_whole_path(cohort):
    """Prices 16, 4, 0.5: the curves at 0.5, whether or not those before are reduced too."""
    part, path = part_of(cohort), [16.0, 4.0, 0.5]
    assert last_design(part, path, SETTINGS).plans == designs(part, path, SETTINGS)[-1][1].plans


def test_few_churners_get_knots_on_both_sides_of_a_turn():
    """Without a ticket 20 of 50 churn, with one to three 80 of 400, with more 90 of 150: two-sided, and it shows.

    At λ = 16 the first drop is flat in the fine fit (9 churners speak for it), and so would be the line to 3.
    """
    of = ((50, 20), (130, 26), (140, 28), (130, 26), (90, 54), (60, 36))
    tickets = np.repeat(np.arange(6.0), [rows for rows, _ in of])
    churned = np.concatenate([np.arange(rows) < lost for rows, lost in of])
    part = part_of(
        Cohort(
            frame=pd.DataFrame({"tickets": tickets}),
            churned=churned.astype(float),
            weight=np.ones(len(tickets)),
            groups=np.array([f"A{i:03}" for i in range(len(tickets))], dtype=object),
        )
    )
    [flat], [kept] = (card_design(part, [16.0], SETTINGS, few_churned=few).plans for few in (False, True))
    assert (flat,) == last_design(part, [16.0], SETTINGS).plans
    assert flat.start[0] - min(flat.start) < 0.05
    assert kept.start[0] - min(kept.start) > 0.5
    assert kept.places[1] == 1


def test_of_measures_that_say_the_same_few_churners_get_every_curve():
    """Beside seats a blurred reading of them has nothing to say, and no curve; of few churners both have theirs.

    It is the one that the reading has alone; a measure that says nothing is flat for all.
    """
    rng = np.random.default_rng(0)
    seats = rng.random(300).round(2)
    blurred = (seats + 0.2 * rng.normal(size=300)).round(2)
    churned = (rng.random(300) < sigmoid(1.0 - 4.0 * seats)).astype(float)
    part = part_of(
        Cohort(
            frame=pd.DataFrame({"seats": seats, "blurred": blurred, "flat": np.ones(300)}),
            churned=churned,
            weight=np.ones(300),
            groups=np.array([f"A{i:03}" for i in range(300)], dtype=object),
        )
    )
    many, few = (
        {plan.name: plan for plan in card_design(part, [8.0], SETTINGS, few_churned=few).plans} for few in (False, True)
    )
    assert list(many) == ["seats"]
    assert set(few) == {"seats", "blurred"}
    assert few["seats"] == many["seats"]
    alone = dict(zip((m.name for m in part.coded.measures), tables_alone(part, 8.0, SETTINGS), strict=True))
    assert set(few["blurred"].signs) == {-1}
    assert np.ptp(few["blurred"].start) > 0.9 * np.ptp(alone["blurred"]) > 1
    assert np.ptp(alone["flat"]) == 0


def test_shapes_are_found_where_none_is_declared(cohort):
    """Up, down, and down then up; a measure of one value has no curve."""
    plans = plans_of(cohort)
    assert set(plans["up"].signs) == {1}
    assert set(plans["down"].signs) == {-1}
    assert (plans["middle"].signs[0], plans["middle"].signs[-1]) == (-1, 1)
    assert plans["plan"].levels[-1] == ("c",)
    assert "flat" not in plans


@pytest.mark.parametrize(
    ("shape", "name", "signs"),
    [
        ("higher_is_better", "down", {-1}),
        ("lower_is_better", "up", {1}),
        ("healthy_range", "middle", {-1, 1}),
    ],
)
def test_what_is_declared_is_what_is_learned(cohort, shape, name, signs):
    """The direction of risk that each declared shape allows; against the data the curve stays flat or leaves."""
    assert set(plans_of(cohort, shapes={name: shape})[name].signs) == signs
    against = {"higher_is_better": "up", "lower_is_better": "down"}.get(shape)
    if against:
        plan = plans_of(cohort, shapes={against: shape}).get(against)
        assert plan is None or np.ptp(plan.start) < 0.05


def test_every_shape_a_person_may_declare_is_known():
    """The five words of a spec."""
    assert set(SHAPES) == {"auto", "higher_is_better", "lower_is_better", "healthy_range", "free"}


def test_curves_have_no_more_knots_and_levels_than_allowed(cohort):
    """Two knots of monotone measures, three where one must turn; two levels of three plans."""
    plans = plans_of(cohort, penalty=0.1, max_knots=2, max_levels=2)
    assert len(plans["up"].places) == len(plans["down"].places) == 2
    assert len(plans["middle"].places) == 3
    assert len(plans["plan"].levels) == 2


def test_a_part_is_coded_by_its_own_rows_only(cohort):
    """Where the labels of the other rows are turned round, nothing changes here."""
    rows = np.arange(N) % 2 == 0
    turned = replace(cohort, churned=np.where(rows, cohort.churned, 1 - cohort.churned))
    part, same = part_of(cohort, rows), part_of(turned, rows)
    assert len(part.churned) == N // 2
    assert part.coded.codes.tolist() == same.coded.codes.tolist()
    [(_, design)], [(_, again)] = (designs(p, [1.0], SETTINGS) for p in (part, same))
    assert design.plans == again.plans


def test_a_design_holds_the_rows_it_was_learned_from(cohort):
    """The refit of a design predicts as many churners as there were."""
    part = part_of(cohort)
    [(_, design)] = designs(part, [1.0], SETTINGS)
    curves = refit(design, part.churned, part.weight, 1.0)
    predicted = sigmoid(curves.logit)
    assert predicted.sum() == pytest.approx(cohort.churned.sum(), rel=1e-4)
