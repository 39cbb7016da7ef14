"""Selection: what carries over to other cohorts is kept, what does not is shrunk or left out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from churnfit.learning import selection
from churnfit.learning.codes import learn_bins
from churnfit.learning.folds import HELD_BY_NONE, Cohort
from churnfit.learning.penalties import Settings
from churnfit.learning.selection import learn_curves
from churnfit.scorecard.card import sigmoid

SETTINGS = Settings(shapes={}, max_knots=5, max_levels=8, penalties=(1.0, 4.0), folds=3, random_state=0)


def cohort_of(*, dated, seed=3, n=900):
    """`steady` decides in every cohort; `fashion` in the first one of three, and the other way round in the rest."""
    rng = np.random.default_rng(seed)
    month = np.arange(n) * 3 // n
    steady, fashion = rng.normal(size=n), rng.normal(size=n)
    churned = (rng.random(n) < sigmoid(-1.0 - steady + np.where(month == 0, -2.5, 1.0) * fashion)).astype(float)
    starts = np.array(["2026-01-01", "2026-02-01", "2026-03-01"], dtype="datetime64[us]")
    return Cohort(
        frame=pd.DataFrame({"steady": steady, "fashion": fashion}),
        churned=churned,
        weight=np.ones(n),
        groups=np.array([f"A{i}" for i in range(n)], dtype=object),
        began=starts[month] if dated else None,
    )


def added_by(curves, cohort):
    """What each measure of the card adds to each row's churn logit."""
    names = [plan.name for plan in curves.plans]
    bins = learn_bins(cohort.frame, cohort.weight).encode(cohort.frame)
    at = [list(cohort.frame.columns).index(name) for name in names]
    return dict(zip(names, curves.contributions(bins[at]), strict=True))


def spread(curves, cohort, name):
    return float(added_by(curves, cohort).get(name, np.zeros(1)).std())


def test_what_holds_in_one_cohort_only_is_not_believed():
    """Judged by cohorts the fashion misleads and is shrunk to nothing; what is steady keeps its strength."""
    cohort = cohort_of(dated=True)
    curves = learn_curves(cohort, SETTINGS).curves
    assert spread(curves, cohort, "fashion") < 0.05
    assert spread(curves, cohort, "steady") > 0.5


def test_out_of_fold_logits_come_from_other_cohorts():
    """They rank the accounts they judge, and less surely than the curves rank the accounts they were learned from."""
    cohort = cohort_of(dated=True)
    learned = learn_curves(cohort, SETTINGS)

    def mean_gap(logit):
        return logit[cohort.churned == 1].mean() - logit[cohort.churned == 0].mean()

    assert learned.fold.tolist() == [0] * 300 + [1] * 300 + [2] * 300
    assert 0 < mean_gap(learned.logit) <= mean_gap(sum(added_by(learned.curves, cohort).values())) + 0.05


def test_out_of_fold_logits_predict_as_many_churners_as_there_were():
    """Their level is matched, by weight."""
    cohort = replace(cohort_of(dated=False), weight=np.random.default_rng(1).uniform(0.2, 3.0, 900))
    predicted = sigmoid(learn_curves(cohort, SETTINGS).logit)
    assert cohort.weight @ predicted == pytest.approx(cohort.weight @ cohort.churned, rel=1e-9)


def test_where_nothing_can_be_held_out_the_rows_judge_themselves():
    """One churned account: no fold, and still an answer at the base rate."""
    cohort = replace(cohort_of(dated=False, n=100), churned=(np.arange(100) == 7).astype(float))
    learned = learn_curves(cohort, SETTINGS)
    assert set(learned.fold) == {HELD_BY_NONE}
    assert sigmoid(learned.logit).mean() == pytest.approx(0.01)


def test_every_fold_of_few_churners_judges_every_measure_of_the_card(monkeypatch):
    """Of eight readings of the same the joint fit takes some, other ones in every fold; the card has most of them."""
    rng = np.random.default_rng(0)
    deciding = rng.normal(size=200)
    cohort = replace(
        cohort_of(dated=True, n=200),
        frame=pd.DataFrame({f"reading {j}": deciding + 0.3 * rng.normal(size=200) for j in range(8)}),
        churned=(rng.random(200) < sigmoid(-0.9 - 1.5 * deciding)).astype(float),
    )
    judged = []

    def at_earned_slopes(found, held, by_fold, terms):
        judged.extend({plan.name for plan in one.curves.plans} for one in by_fold.values())
        return earned(found, held, by_fold, terms)

    earned = selection._at_earned_slopes
    monkeypatch.setattr(selection, "_at_earned_slopes", at_earned_slopes)
    learned = learn_curves(cohort, replace(SETTINGS, penalties=(8.0,)))
    assert len(judged) == 3
    assert all(names == {plan.name for plan in learned.curves.plans} for names in judged)
    assert len(learned.curves.plans) >= 6


def test_one_cohort_is_folded_by_accounts():
    """All began on one day: the same folds as for rows without dates, and what decides is found."""
    undated = cohort_of(dated=False)
    one_day = Cohort(
        frame=undated.frame, churned=undated.churned, weight=undated.weight, groups=undated.groups,
        began=np.full(900, np.datetime64("2026-01-01", "us")),
    )  # fmt: skip
    by_account, by_day = learn_curves(undated, SETTINGS), learn_curves(one_day, SETTINGS)
    assert by_account.fold.tolist() == by_day.fold.tolist()
    assert spread(by_day.curves, one_day, "steady") > 0.5


def test_settings_bound_the_curves():
    """Two knots are a straight line between flat ends."""
    narrow = Settings(shapes={}, max_knots=2, max_levels=8, penalties=(1.0,), folds=3, random_state=0)
    curves = learn_curves(cohort_of(dated=False), narrow).curves
    assert curves.plans
    assert {len(plan.places) for plan in curves.plans if len(set(plan.signs)) == 1} <= {2}


@pytest.mark.parametrize("name", ["steady", "fashion"])
def test_a_declared_direction_binds_every_fold(name):
    """Declared better when higher, risk may only fall: no increment rises."""
    declared = Settings(
        shapes={name: "higher_is_better"}, max_knots=5, max_levels=8, penalties=(1.0,), folds=3, random_state=0
    )
    curves = learn_curves(cohort_of(dated=False), declared).curves
    assert name in {plan.name for plan in curves.plans} or name == "fashion"
    for index, plan in enumerate(curves.plans):
        if plan.name == name:
            assert (np.diff(curves.heights(index)[0]) <= 0).all()
