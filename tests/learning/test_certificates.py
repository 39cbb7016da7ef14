"""Certificates, by hand: where a band passes a level, what counts as one level, and what a line is given."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from churnfit.learning import folds, merging
from churnfit.learning.certificates import certified
from churnfit.learning.codes import MeasureBins
from churnfit.learning.crossings import crossing_interval, passes_between
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.folds import Cohort
from churnfit.learning.merging import overlap_wholly
from churnfit.learning.resampling import Resampled
from churnfit.scorecard.card import BandCuts, CardMeasure, Evidence, Scorecard, sigmoid
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scorecard.thresholds import value_bands


def bins(name, middles, *, whole=False, states=()):
    """A number's bins around `middles`."""
    middles = np.array(middles, dtype=float)
    return MeasureBins(
        name=name, numeric=True, cuts=(middles[:-1] + middles[1:]) / 2, middles=middles, whole=whole, states=states
    )


FOUR = bins("x", [0, 10, 20, 30])


def test_a_threshold_lies_where_the_band_lets_the_risk_pass():
    """The upper end passes 0 halfway from 0 to 10, the lower end a quarter of the way from 20 to 30."""
    lower, upper = np.array([-4.0, -3.0, -1.0, 3.0]), np.array([-2.0, 2.0, 4.0, 5.0])
    assert passes_between(FOUR, lower, upper, at=12.0, stepped=False) == (5.0, 22.5)


def test_steps_change_colour_at_cuts_only():
    """Surely below in the first bin, surely above in the last: from the first cut to the last."""
    lower, upper = np.array([-4.0, -3.0, -1.0, 3.0]), np.array([-2.0, 2.0, 4.0, 5.0])
    assert passes_between(FOUR, lower, upper, at=15.0, stepped=True) == (5.0, 25.0)


def test_whole_numbers_change_colour_at_a_whole_number():
    """The risk passes between 0 and 1 at the earliest, between 2 and 3 at the latest: from 1 to 3."""
    counts = bins("tickets", [0, 1, 2, 3], whole=True)
    lower, upper = np.array([-4.0, -3.0, -1.0, 3.0]), np.array([-2.0, 2.0, 4.0, 5.0])
    assert passes_between(counts, lower, upper, at=2.0, stepped=False) == (1.0, 3.0)


def test_an_end_is_open_where_the_band_never_leaves_the_level():
    """Nothing is surely below, nothing surely above; and the printed value is always inside."""
    lower, upper = np.full(4, -1.0), np.full(4, 1.0)
    assert passes_between(FOUR, lower, upper, at=12.0, stepped=False) == (-np.inf, np.inf)
    sure = np.array([-2.0, -1.0, 1.0, 2.0])
    assert passes_between(FOUR, sure, sure, at=19.0, stepped=False) == (15.0, 19.0)


def test_a_twentieth_of_the_resamples_may_pass_on_either_side():
    """Risks rise by 1 from 10 to 20, where a shift of 0 passes halfway; of −0.5 to 0.5, nine tenths lie within 0.45."""
    risk = np.array([-1.5, -0.5, 0.5, 1.5]) + np.linspace(-0.5, 0.5, 101)[:, np.newaxis]
    assert crossing_interval(FOUR, risk, at=15.0, stepped=False) == (10.5, 19.5)


def test_between_whole_numbers_the_tenth_is_divided_as_makes_the_interval_shortest():
    """Of 100 resamples 6 pass 0 by the value 1, 91 at 2 and 3 at 3: 2 alone holds nine tenths, though 6 are many.

    Of a measured number a twentieth stays on either side: it may pass anywhere from 0, where 6 of 100 are above.
    """
    passed_by = np.repeat([1, 2, 3], [6, 91, 3])[:, np.newaxis]
    risk = np.where(np.arange(4) >= passed_by, 1.0, -1.0)
    counts = bins("tickets", [0, 1, 2, 3], whole=True)
    assert crossing_interval(counts, risk, at=2.0, stepped=False) == (2.0, 2.0)
    low, high = crossing_interval(bins("days", [0, 1, 2, 3]), risk, at=2.0, stepped=False)
    assert low < 1 < high <= 2
    passed_by = np.repeat([0, 2, 3], [6, 91, 3])[:, np.newaxis]  # a twentieth would leave the lower end open
    risk = np.where(np.arange(4) >= passed_by, 1.0, -1.0)
    assert crossing_interval(counts, risk, at=2.0, stepped=False) == (2.0, 2.0)
    passed_by = np.repeat([0, 2, 3], [40, 53, 7])[:, np.newaxis]  # below, nothing ends; above, 7 are no tenth
    risk = np.where(np.arange(4) >= passed_by, 1.0, -1.0)
    assert crossing_interval(counts, risk, at=2.0, stepped=False) == (-np.inf, 2.0)


def test_an_interval_of_steps_ends_at_cuts():
    """Seats are 1, 10 or 50: of 100 resamples 88 pass at 10, 12 at 50. Nearest to nine tenths is 10 alone, not 49."""
    seats = bins("seats", [1, 10, 50], whole=True)  # cuts 5.5 and 30: the first numbers past them are 6 and 30
    risk = np.where(np.arange(3) >= np.repeat([1, 2], [88, 12])[:, np.newaxis], 1.0, -1.0)
    assert crossing_interval(seats, risk, at=6.0, stepped=True) == (6.0, 6.0)
    risk = np.where(np.arange(3) >= np.repeat([1, 2], [75, 25])[:, np.newaxis], 1.0, -1.0)
    assert crossing_interval(seats, risk, at=6.0, stepped=True) == (6.0, 30.0)


@pytest.mark.parametrize(("early", "low"), [(12, 2.0), (18, 1.0)])
def test_an_interval_of_whole_numbers_holds_what_is_nearest_to_nine_tenths(early, low):
    """With 12 at 1 and 3 at 3, 2 alone leaves out 15 of 106; with 18 at 1 it is 21 of 112, and 1 to 2 leaves 3."""
    passed_by = np.repeat([1, 2, 3], [early, 91, 3])[:, np.newaxis]
    risk = np.where(np.arange(4) >= passed_by, 1.0, -1.0)
    counts = bins("tickets", [0, 1, 2, 3], whole=True)
    for stepped in (False, True):
        assert crossing_interval(counts, risk, at=2.0, stepped=stepped) == (low, 2.0)


def test_two_levels_overlap_wholly_when_neither_the_difference_nor_an_end_tells_them_apart():
    """Around the same height, one wider: yes. Always a little higher: no. Further out at both ends of one side: no."""
    even = np.linspace(-1, 1, 101)
    assert overlap_wholly(even, 2 * even[::-1], 0.0)
    assert not overlap_wholly(even, even + 0.1, 0.0)
    assert not overlap_wholly(even, even[::-1] + 0.5, 0.0)
    assert overlap_wholly(even, even[::-1] + 0.5, 0.5)


def test_a_resample_of_a_block_differs_from_its_block_as_one_of_the_whole_from_the_whole():
    """3 against its block's 2, 7 against 5, the whole says 10: 11 and 12. Without blocks nothing is moved."""
    empty = np.empty((2, 0))
    one = {"measures": (), "means": empty, "base_rates": empty, "mass": empty, "tables": empty, "drew": empty > 0}
    two = Resampled(**one, block_of=np.array([0, 1]))
    assert two.spread(np.array([3.0, 7.0, 2.0, 5.0, 10.0])).tolist() == [11.0, 12.0]
    assert two.spread(np.array([3.0, 7.0])).tolist() == [3.0, 7.0]


def line(name, curve, shape="rising", missing=()):
    return CardMeasure(name=name, label=name, shape=shape, curve=curve, missing=missing, expected_points=30.0)


def test_a_line_gets_the_share_of_ranges_the_points_and_the_churned_accounts_of_every_place():
    """x runs over 3 logits in half of the resamples, over 1 in the others; plan always over 1: 75 or 50 of 100.

    Points at 10 and 30 are nothing and all of it. Below 20 are the churned accounts a and b (twice), from there c; d's
    value is missing. The riskiest category is b.
    """
    plan = MeasureBins(name="plan", numeric=False, cuts=np.empty(0), middles=np.empty(0), levels=("a", "b"))
    x = bins("x", [10, 30], states=("missing",))
    tables = np.zeros((40, 2, 3))
    tables[::2, 0], tables[1::2, 0] = [3.0, 0.0, 0.0], [1.0, 0.0, 0.0]
    tables[:, 1, :2] = [0.0, 1.0]
    resampled = Resampled(
        measures=(x, plan),
        tables=tables,
        means=np.full((40, 2), 0.5),
        base_rates=np.full(40, 0.2),
        mass=np.array([[4.0, 2.0, 1.0], [4.0, 3.0, 0.0]]),
        block_of=np.zeros(40, dtype=np.int64),
        drew=np.ones((40, 6), dtype=bool),
    )
    frame = pd.DataFrame(
        {"x": [10.0, 12.0, 12.0, 30.0, np.nan, 10.0, 30.0], "plan": list("aabbbaa")}, dtype=object
    ).astype({"x": float})
    cohort = Cohort(
        frame=frame,
        churned=np.array([1.0, 1, 1, 1, 1, 0, 0]),
        weight=np.ones(7),
        groups=np.array(list("abbcdef"), dtype=object),
    )
    card = Scorecard(
        name="by hand",
        horizon_days=90,
        measures=(
            line("x", Graded((10.0, 30.0), (0.0, 60.0)), missing=(("missing", 60.0),)),
            line("plan", Categorical(("a", "b"), (40.0, 0.0)), "categories"),
        ),
        intercept=2.0,
        slope=0.05,
        base_rate=0.2,
        bands=BandCuts(red_below=30.0, green_from=60.0),
        evidence=Evidence(rows=7, accounts=6, churned_rows=5),
    )
    on_x, on_plan = (measure.certificate for measure in certified(card, resampled, cohort).measures)
    assert (on_x.low, on_x.high, on_x.kept, on_x.churned) == (50.0, 75.0, 1.0, 3)
    assert [(p.low, p.high, p.churned) for p in on_x.points] == [(0.0, 0.0, 2), (50.0, 75.0, 1), (50.0, 75.0, 1)]
    assert (on_plan.low, on_plan.high) == (25.0, 50.0)
    assert [(p.low, p.high, p.churned) for p in on_plan.points] == [(25.0, 50.0, 2), (0.0, 0.0, 3)]
    assert on_plan.thresholds == ()


def test_what_no_resample_confirms_is_graded_weak_and_stretched_to_the_print():
    """The resamples say that y falls by one logit and is all there is; the card says it rises."""
    y = bins("y", [0, 1])
    resampled = Resampled(
        measures=(y,),
        tables=np.tile(np.array([0.0, 1.0]), (20, 1, 1)),
        means=np.full((20, 1), 0.5),
        base_rates=np.full(20, 0.5),
        mass=np.array([[1.0, 1.0]]),
        block_of=np.zeros(20, dtype=np.int64),
        drew=np.ones((20, 1), dtype=bool),
    )
    card = Scorecard(
        name="contradicted",
        horizon_days=90,
        measures=(line("y", Graded((0.0, 1.0), (0.0, 100.0))),),
        intercept=0.0,
        slope=0.01,
        base_rate=0.5,
        bands=BandCuts(red_below=30.0, green_from=60.0),
        evidence=Evidence(rows=2, accounts=2, churned_rows=1),
    )
    frame = pd.DataFrame({"y": [0.0, 1.0]})
    cohort = Cohort(frame=frame, churned=np.array([0.0, 1.0]), weight=np.ones(2), groups=np.array(["a", "b"], object))
    certificate = certified(card, resampled, cohort).measures[0].certificate
    assert (certificate.grade, certificate.kept) == ("weak", 0.0)
    assert [(p.low, p.high) for p in certificate.points] == [(0.0, 100.0), (0.0, 100.0)]


def world(n=600, seed=3):
    """Logins protect, tickets cost, plans c and d are alike and better than a; `level` is a duplicate-free account."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"logins": rng.poisson(5, n), "tickets": rng.poisson(3, n), "plan": rng.choice(["a", "c", "d"], n)}
    )
    logit = 0.5 - 0.6 * table["logins"] + 0.4 * table["tickets"] + 1.5 * (table["plan"] == "a")
    return table, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


@pytest.fixture(scope="module")
def learned():
    X, y = world()
    return X, y, ScorecardClassifier(certify=40).fit(X, y).card_


def test_every_interval_contains_the_printed_value(learned):
    """Weights, points and thresholds of all lines; thresholds are those that the card colours by."""
    card = learned[2]
    assert {"logins", "plan"} <= set(card.weights)
    for measure in card.measures:
        certificate = measure.certificate
        assert certificate.resamples == 40
        assert certificate.low <= measure.weight <= certificate.high
        printed = [*measure.curve.levels, *(points for _, points in measure.missing)]
        assert all(one.low <= said <= one.high for one, said in zip(certificate.points, printed, strict=True))
        if not isinstance(measure.curve, Categorical):
            assert [t.at for t in certificate.thresholds] == [run.low for run in value_bands(card, measure)[1:]]
        for one in certificate.thresholds:
            assert one.low is None or one.low <= one.at
            assert one.high is None or one.at <= one.high


def test_churned_accounts_are_counted_where_they_stand(learned):
    """Every churned account is at one level of its plan, and on one side of each threshold of its logins."""
    X, y, card = learned
    lost = X["plan"][y == 1].value_counts()
    plan = card.measure("plan")
    assert {v: one.churned for v, one in zip(plan.curve.values, plan.certificate.points, strict=True)} == lost.to_dict()
    first = card.measure("logins").certificate.thresholds[0]
    assert first.churned_below == int((X["logins"][y == 1] < first.at).sum())


def test_neighbours_that_cannot_be_told_apart_are_one_level(learned, monkeypatch):
    """Plans c and d are alike in truth, a is worse. Chance alone sets c and d apart, and so does a price of nothing."""
    X, y, card = learned

    def points(of):
        curve = of.measure("plan").curve
        return dict(zip(curve.values, curve.points, strict=True))

    merged = points(card)
    assert merged["c"] == merged["d"] > merged["a"]
    monkeypatch.setattr(merging, "_PRICE", -1.0)
    bare = points(ScorecardClassifier(certify=40).fit(X, y).card_)
    assert bare["c"] != bare["d"]
    assert min(bare["c"], bare["d"]) > bare["a"]


def test_the_same_rows_give_the_same_bytes_and_no_certificates_when_not_asked(learned):
    """Learned again; and with certify=0."""
    X, y, card = learned
    assert ScorecardClassifier(certify=40).fit(X, y).card_.to_json() == card.to_json()
    bare = ScorecardClassifier(certify=0).fit(X, y).card_
    assert [measure.certificate for measure in bare.measures] == [None] * len(bare.measures)


def test_rows_of_one_account_are_drawn_together(learned):
    """Every row twice, as the same account: no new evidence, so intervals do not shrink as with new accounts."""
    X, y, _ = learned
    twice, labels = pd.concat([X, X], ignore_index=True), np.concatenate([y, y])
    settings = ScorecardClassifier(certify=60, penalties=(2.0,))
    together = settings.fit(twice, labels, groups=np.tile(np.arange(len(X)), 2)).card_.measure("logins").certificate
    apart = settings.fit(twice, labels).card_.measure("logins").certificate
    assert together.high - together.low > 1.2 * (apart.high - apart.low)


def test_blocks_of_accounts_say_about_what_the_whole_says(monkeypatch):
    """Two blocks of 1,500 beside resamples of all 3,000: weights' intervals of like width around like middles."""
    X, y = world(3000)
    monkeypatch.setattr(folds, "_AVERAGED", 300)  # of an average there is one block
    direct = ScorecardClassifier(certify=60, penalties=(2.0,)).fit(X, y).card_
    monkeypatch.setattr(folds, "_BLOCK", 1500)
    blocked = ScorecardClassifier(certify=60, penalties=(2.0,)).fit(X, y).card_
    for name in ("logins", "plan"):
        one, other = (card.measure(name).certificate for card in (direct, blocked))
        assert 0.5 < (other.high - other.low) / (one.high - one.low) < 2.0
        assert max(one.low, other.low) < min(one.high, other.high)
    assert replace(blocked.measure("plan"), certificate=None) == replace(direct.measure("plan"), certificate=None)


def test_thresholds_of_rows_that_stand_for_others_are_certified_for_those():
    """Rows above 60 stand for eight each: where risk passes the average moves up, and its whole interval with it."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"x": rng.uniform(0, 100, 1200).round(1)})
    y = (rng.random(1200) < sigmoid(X["x"] / 25 - 3.0)).astype(int)
    stands_for = np.where(X["x"] > 60, 8.0, 1.0)

    def green_until(**given):
        card = ScorecardClassifier(certify=60, penalties=(2.0,)).fit(X, y, **given).card_
        return card.measure("x").certificate.thresholds[0]

    plain, standing = green_until(), green_until(stands_for=stands_for)
    assert plain.high < standing.low < standing.at < standing.high
    assert standing.high - standing.low < 2 * (plain.high - plain.low)
