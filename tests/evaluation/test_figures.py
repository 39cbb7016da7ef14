import io

import pytest

from churnfit.evaluation.figures import calibration_figure, lift_figure


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
