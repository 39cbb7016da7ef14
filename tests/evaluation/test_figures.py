import io

import numpy as np
import pytest

from churnfit.evaluation.figures import (
    calibration_figure,
    flips_figure,
    health_figure,
    lift_figure,
    origins_figure,
    profit_figure,
)
from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.profit import money_of
from churnfit.evaluation.results import Backtest, OriginRow
from churnfit.learning.steadiness import flip_curve
from churnfit.scorecard.bands import BandCuts


def drawn(figure):
    """The figure as PNG bytes, drawn without pyplot."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=40)
    return target.getvalue()


def test_calibration_has_one_panel_per_model_and_wilson_intervals(judged):
    """Of 40 red rows 30 churned: Wilson's interval, z = 1.645 and z² = 2.706, is 0.734 -/+ 0.110.

    Centre (0.75 + 2.706/80) / (1 + 2.706/40) = 0.734; half 1.645 sqrt(0.75 x 0.25/40 + 2.706/6400) / 1.0676 = 0.110.
    """
    figure = calibration_figure(judged.assign(p_hand_made=0.125))
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["card", "hand-made card"]
    bars = figure.axes[0].collections[0].get_segments()
    assert bars[-1][:, 1] == pytest.approx([0.624, 0.844], abs=0.001)
    assert drawn(figure).startswith(b"\x89PNG")


def test_a_row_that_counts_for_more_moves_its_point_as_much(judged):
    """Held-out rows stand for the called: red rows that churned, counted thrice, are 90 of 100.

    Kish: (30 x 3 + 10)^2 / (30 x 9 + 10) = 35.7 rows; Wilson around 0.9 then: 0.787 to 0.956.
    """
    red, churned = judged["band"] == "red", judged["churned"] == 1
    figure = calibration_figure(judged.assign(weight=np.where(red & churned, 3.0, 1.0)))
    assert figure.axes[0].collections[0].get_segments()[-1][:, 1] == pytest.approx([0.787, 0.956], abs=0.001)
    lift = lift_figure(judged.assign(weight=np.where(red, 9.0, 1.0)))
    said = " ".join(text.get_text() for text in lift.axes[0].texts).replace("\n", " ")
    assert "red band: 50 % called, 93 % caught" in said


def test_lift_marks_what_the_red_band_catches(judged):
    """10 % are red and hold 60 % of the churners."""
    figure = lift_figure(judged.assign(p_challenger=judged["p_card"]))
    said = " ".join(text.get_text() for text in figure.axes[0].texts).replace("\n", " ")
    assert "red band: 10 % called, 60 % caught" in said
    assert "challenger" in said
    assert drawn(figure).startswith(b"\x89PNG")


def test_lift_without_red_accounts_marks_nothing(judged):
    """A card that calls nobody still has a curve."""
    figure = lift_figure(judged.assign(band="green"))
    assert not any("red band" in text.get_text() for text in figure.axes[0].texts)


def test_lift_has_the_card_s_interval_where_it_is_known(judged, make_spec):
    """One shaded band more, from nobody to everybody."""
    money = money_of(judged.assign(weight=1.0), ["card"], make_spec())
    without, with_band = lift_figure(judged).axes[0], lift_figure(judged, money).axes[0]
    assert len(with_band.collections) == len(without.collections) + 1


def test_profit_marks_the_red_cut_and_keeps_its_peak_in_sight(judged, make_spec):
    """The curve peaks at 31,250 between health 76 and 98; the cut at 60 has its interval beside it."""
    money = money_of(judged.assign(weight=1.0), ["card"], make_spec())
    cuts = BandCuts(red_below=60.0, green_from=80.0, red_interval=(50.0, 65.0), green_interval=(75.0, 90.0))
    figure = profit_figure(money, cuts)
    [axes] = figure.axes
    assert "red below 60 (50 to 65)" in {text.get_text() for text in axes.texts}
    heights = axes.lines[1].get_ydata()
    assert max(heights) == 31_250.0
    assert axes.get_ylim()[1] > 31_250.0
    assert drawn(figure).startswith(b"\x89PNG")


def test_health_shows_both_groups_in_shares_and_the_bands_below(judged):
    """Of 50 churners 30 have health 25: a bar of 60 % below the line; the red band is one point, health 25."""
    figure = health_figure(judged)
    bars = [patch for patch in figure.axes[0].patches if patch.get_height() < 0]
    assert min(bar.get_height() for bar in bars) == pytest.approx(-60.0)
    said = {text.get_text() for text in figure.axes[0].texts}
    assert {"red", "amber", "green", "stayed: 350 snapshots", "churned: 50 snapshots"} <= said
    assert drawn(figure).startswith(b"\x89PNG")


def test_origins_keep_their_place_when_they_cannot_be_judged():
    """Of two origins the first has no numbers: one point per panel, at the second place, two names below."""
    interval = Interval(0.6, 0.7, 0.8)
    numbers = {"card": {"auc": interval, "log_loss": interval, "calibration_in_the_large": interval}}
    counts = {"trained_rows": 9, "embargoed_rows": 0, "judged_rows": 9, "judged_accounts": 9, "churned_accounts": 0}
    origins = (
        OriginRow(origin="2025-01-01", until="2025-02-01", pooled=False, models={}, reason="too few", **counts),
        OriginRow(origin="2025-02-01", until="", pooled=True, models=numbers, **counts),
    )
    figure = origins_figure(
        Backtest(name="tiny", horizon_days=30, origins=origins, judged_rows=9, judged_accounts=9, pooled=numbers,
                 differences={}, resamples=50, random_state=7)
    )  # fmt: skip
    points = [line.get_xdata().tolist() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert points == [[1.0]]
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["2025-01-01", "2025-02-01"]
    assert drawn(figure).startswith(b"\x89PNG")


def test_flips_name_the_chosen_policy():
    """Every policy is a point; the chosen one is said."""
    wobbly = np.tile([50.0, 50, 38, 50, 38, 50, 50, 50, 50, 50, 50], (10, 1))
    flips = flip_curve(BandCuts(red_below=40.0, green_from=70.0), wobbly, days_apart=7)
    figure = flips_figure(flips)
    [axes] = figure.axes
    assert any("chosen: at once from" in text.get_text() for text in axes.texts)
    assert len(axes.lines[2].get_xdata()) == len(flips.policies)
    assert drawn(figure).startswith(b"\x89PNG")
