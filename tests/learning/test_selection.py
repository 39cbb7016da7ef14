"""Selection: what carries over to other cohorts is kept, what does not is shrunk or left out."""

import numpy as np
import pandas as pd
import pytest

from churnfit.learning.selection import Cohort, Settings, learn_curves
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


def spread(curves, cohort, name):
    return float(curves.contributions(cohort.frame)[name].std()) if name in {p.name for p in curves.plans} else 0.0


def test_what_holds_in_one_cohort_only_is_not_believed():
    """Judged by cohorts the fashion misleads and is shrunk to nothing; what is steady keeps its strength."""
    cohort = cohort_of(dated=True)
    curves, _ = learn_curves(cohort, SETTINGS)
    assert spread(curves, cohort, "fashion") < 0.05
    assert spread(curves, cohort, "steady") > 0.5


def test_out_of_fold_logits_come_from_other_cohorts():
    """They rank the accounts they judge, and less surely than the curves rank the accounts they were learned from."""
    cohort = cohort_of(dated=True)
    curves, unseen = learn_curves(cohort, SETTINGS)

    def mean_gap(logit):
        return logit[cohort.churned == 1].mean() - logit[cohort.churned == 0].mean()

    assert unseen.shape == (900,)
    assert 0 < mean_gap(unseen) <= mean_gap(curves.logit(cohort.frame)) + 0.05


def test_one_cohort_is_folded_by_accounts():
    """All began on one day: the same answer as for rows without dates."""
    undated = cohort_of(dated=False)
    one_day = Cohort(
        frame=undated.frame, churned=undated.churned, weight=undated.weight, groups=undated.groups,
        began=np.full(900, np.datetime64("2026-01-01", "us")),
    )  # fmt: skip
    by_account, by_day = learn_curves(undated, SETTINGS), learn_curves(one_day, SETTINGS)
    assert by_account[1].tolist() == by_day[1].tolist()


def test_settings_bound_the_curves():
    """Two knots are a straight line between flat ends."""
    narrow = Settings(shapes={}, max_knots=2, max_levels=8, penalties=(1.0,), folds=3, random_state=0)
    curves, _ = learn_curves(cohort_of(dated=False), narrow)
    assert {len(plan.places) for plan in curves.plans if len(set(plan.signs)) == 1} <= {2}


@pytest.mark.parametrize("name", ["steady", "fashion"])
def test_a_declared_direction_binds_every_fold(name):
    """Declared better when higher, risk may only fall: no increment rises."""
    declared = Settings(
        shapes={name: "higher_is_better"}, max_knots=5, max_levels=8, penalties=(1.0,), folds=3, random_state=0
    )
    curves, _ = learn_curves(cohort_of(dated=False), declared)
    for index, plan in enumerate(curves.plans):
        if plan.name == name:
            assert (np.diff(curves.heights(index)[0]) <= 0).all()
