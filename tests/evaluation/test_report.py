import json

import numpy as np
import pytest

from churnfit.errors import DataError
from churnfit.evaluation.report import evaluate
from churnfit.learning.steadiness import flip_curve
from churnfit.scorecard.bands import BandCuts


def test_bands_profit_and_base_rate_by_hand(judged, make_spec, context):
    """50 of 400 churned; red: 30 of 40, amber 15 of 60, green 5 of 300; saving a churner is worth 1,000 x rate."""
    report = evaluate(judged, spec=make_spec(), context=context)
    red, amber, green = report.bands
    assert (red.rows, red.churned_rows, red.share, red.share_of_churners) == (40, 30, 0.1, 0.6)
    assert red.churn_rate.estimate == pytest.approx(0.75)
    assert red.lift.estimate == pytest.approx(0.75 / 0.125)
    assert (amber.lift.estimate, green.share) == (pytest.approx(2.0), 0.75)
    # red: 30 x 0.5 x 1000 - 40 x 100 = 11,000; amber: 15 x 0.1 x 1000 - 60 x 10 = 900; per 1,000 of 400: x 2.5
    assert report.profit.by_band_per_1000.estimate == pytest.approx(29_750)
    # everybody: 50 x 0.5 x 1000 - 400 x 100 = -15,000
    assert report.profit.everybody_per_1000.estimate == pytest.approx(-37_500)
    assert report.base_rate == 0.125
    assert report.mean_coverage == pytest.approx(0.9)


def test_a_card_that_knows_the_rates_is_calibrated(judged, make_spec, context):
    """Probabilities equal to the churn rates have slope 1, intercept 0 and no calibration error."""
    numbers = evaluate(judged, spec=make_spec(), context=context).models["card"]
    assert numbers["calibration_slope"].estimate == pytest.approx(1.0, abs=1e-6)
    assert numbers["calibration_intercept"].estimate == pytest.approx(0.0, abs=1e-6)
    assert numbers["ece"].estimate == pytest.approx(0.0, abs=1e-12)
    assert numbers["auc"].low < numbers["auc"].estimate < numbers["auc"].high


def test_a_rival_with_equal_probabilities_differs_by_exactly_nothing(judged, make_spec, context):
    """Paired on the same resamples, two equal scores differ by 0 in every one of them."""
    report = evaluate(judged.assign(p_champion=judged["p_card"]), spec=make_spec(), context=context)
    for interval in report.differences["champion"].values():
        assert (interval.low, interval.estimate, interval.high) == (0.0, 0.0, 0.0)


def test_price_of_readability_counts_the_churners_missed(judged, make_spec, context):
    """An all-knowing challenger calls 40 churners (10 % of 400), the card's red holds 30: 10 missed, 25 per 1,000."""
    wise = judged.assign(p_challenger=np.where(judged["churned"] == 1, 0.9, 0.1))
    price = evaluate(wise, spec=make_spec(), context=context).price
    assert price.capacity == 0.1
    assert price.missed_per_1000.estimate == pytest.approx(25.0)
    assert price.auc.estimate > 0
    assert price.log_loss.estimate > 0


def test_price_without_red_accounts_is_unknown_with_a_reason(judged, make_spec, context):
    """Nobody red, no call list to compare at: the text says so."""
    nobody = judged.assign(p_challenger=judged["p_card"], band=judged["band"].replace("red", "amber"))
    report = evaluate(nobody, spec=make_spec(), context=context)
    assert report.price.missed_per_1000 is None
    assert "No account is red" in report.to_text()
    assert report.as_dict()["bands"][0]["lift"]["estimate"] is None


def test_small_segments_are_not_judged_and_say_why(judged, make_spec, context):
    """The tiny segment has nobody who churned; a missing segment is a segment of its own."""
    report = evaluate(judged, spec=make_spec(), context=context)
    by_name = {row.segment: row for row in report.segments}
    assert list(by_name) == ["(no segment)", "mid", "tiny"]
    assert by_name["mid"].auc is not None
    assert by_name["mid"].calibration_slope.known
    assert by_name["mid"].calibration_in_the_large.known
    assert by_name["mid"].ece.known
    assert by_name["tiny"].auc is by_name["tiny"].calibration_slope is by_name["tiny"].ece is None
    assert by_name["tiny"].reason == "too few: 0 churned, 10 stayed; 5 of each needed"


def test_calibration_is_told_for_all_and_for_every_segment(judged, make_spec, context):
    """Slope, in the large and ECE with intervals in one table; a segment too small says why, once."""
    text = evaluate(judged, spec=make_spec(), context=context).to_text()
    table = text.split("Calibration\n-----------\n")[1].split("\n\n")[0]
    rows = {line.split("  ")[0]: line for line in table.splitlines()}
    assert rows["all"].count(" to ") == rows["mid"].count(" to ") == 3
    assert rows["tiny"].count("too few") == 1
    assert "ten bins of equally many snapshots, corrected for what chance alone would show" in table


def test_the_report_depends_on_the_rows_not_on_their_order(judged, make_spec, context):
    """Shuffled rows give the same bytes, and the same input twice does."""
    spec = make_spec()
    first = evaluate(judged, spec=spec, context=context)
    again = evaluate(judged.sample(frac=1, random_state=1), spec=spec, context=context)
    assert first.to_text() == again.to_text()
    assert json.dumps(first.as_dict(), allow_nan=False) == json.dumps(again.as_dict(), allow_nan=False)


def test_text_and_markdown_read_well(judged, make_spec, context):
    """Columns line up, and a segment name from data cannot open a cell, a tag or a link."""
    rows = judged.assign(p_hand_made=0.125, p_challenger=judged["p_card"])
    rows.loc[:379, "segment"] = "a|<b>[x]"
    report = evaluate(rows, spec=make_spec(), context=context)
    text = report.to_text()
    assert "Judged on 400 snapshots of 200 accounts" in text
    assert "hand-made card" in text
    assert r"a\|\<b\>\[x\]" in report.to_markdown()
    table = [line for line in report.to_markdown().splitlines() if line.startswith("| red")]
    assert table[0].count("|") == 8


def test_the_callers_table_is_not_changed(judged, make_spec, context):
    """evaluate returns a new value and leaves its input alone."""
    before = judged.copy()
    evaluate(judged, spec=make_spec(), context=context)
    assert before.equals(judged)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"p_champion": np.nan}, r"CF202.*p_champion.*400 \("),
        ({"p_card": 1.5}, "CF202.*p_card"),
        ({"churned": 2}, "CF105"),
        ({"churned": 0}, "CF102.*400 rows, of which 0 churned"),
    ],
)
def test_faulty_rows_are_named(judged, make_spec, context, change, match):
    """What cannot be judged is an error that says which column and how many."""
    with pytest.raises(DataError, match=match):
        evaluate(judged.assign(**change), spec=make_spec(), context=context)


def test_a_missing_column_names_the_nearest(judged, make_spec, context):
    """A misspelt column is found."""
    with pytest.raises(DataError, match=r"CF217.*no band.*'bandd'"):
        evaluate(judged.rename(columns={"band": "bandd"}), spec=make_spec(), context=context)


def test_steady_bands_are_told_with_what_they_cost(judged, make_spec, context):
    """Ten accounts flip three times each; without a replay there is no such section, with six flips no choice."""
    cuts = BandCuts(red_below=40.0, green_from=70.0)
    wobbly = np.tile([50.0, 50, 38, 50, 38, 50, 50, 50, 50, 50, 50], (10, 1))
    steady, too_few = (flip_curve(cuts, rows, days_apart=7) for rows in (wobbly, wobbly[:2]))
    said = evaluate(judged, spec=make_spec(), context=context, flips=steady).to_text()
    assert "bands flipped 30 times" in said
    assert "100% fewer flips" in said
    assert "Do bands hold?" not in evaluate(judged, spec=make_spec(), context=context).to_text()
    assert "Too few flips" in evaluate(judged, spec=make_spec(), context=context, flips=too_few).to_text()
