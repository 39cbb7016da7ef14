import json
import math
from dataclasses import replace

import pytest
from tests.small_card import CARD

from churnfit.errors import SpecError
from churnfit.evaluation.gates import GATES, Weeks
from churnfit.evaluation.gates import judge as judge_card
from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.report import EvaluationReport
from churnfit.evaluation.results import BandRow, Profit, SegmentRow
from churnfit.scorecard.certificate import Certificate
from churnfit.spec import GateLimits

NAN = math.nan
BASELINE = {"logins": {"weight": 1, "green": 5, "amber": 2}}


SOUND_WEEKS = Weeks(weeks=5, opened=40, owners=2, flips=4, account_weeks=100)
"""Half of what two owners can work (queue.capacity_per_owner = 8), and 4 % of the weeks taken back."""


def certified(*grades):
    """The small card (weights 50, 30, 20) with the grade of each of its lines."""
    lines = [
        replace(line, certificate=Certificate(grade=grade, resamples=200, kept=0.9, churned=20, low=10.0, high=40.0))
        for line, grade in zip(CARD.measures, grades, strict=True)
    ]
    return replace(CARD, measures=tuple(lines))


def judge(report, spec, *, card=None, weeks=SOUND_WEEKS, **also):
    """The verdict on a report, of a card one line of which is weak, with sound weeks."""
    return judge_card(report, card or certified("firm", "fair", "weak"), spec, weeks=weeks, **also)


def segment(name, high):
    auc = Interval(0.5, 0.6, high)
    return SegmentRow(segment=name, rows=200, churned_accounts=20, auc=auc, base_rate=None, calibration_slope=None,
                      calibration_in_the_large=None, ece=None)  # fmt: skip


def band(name, *, share, of_churners, lift=1.0, rows=100):
    return BandRow(band=name, rows=rows, share=share, churned_rows=10, share_of_churners=of_churners,
                   churn_rate=Interval(0.1, 0.2, 0.3), lift=Interval(lift, lift, lift))  # fmt: skip


@pytest.fixture
def report(context):
    """A report that passes every gate."""
    better = {"log_loss": Interval(-0.03, -0.02, -0.01), "auc": Interval(0.01, 0.02, 0.03)}
    money = Interval(1.0, 2.0, 3.0)
    return EvaluationReport(
        name="tiny", training=context, judged_rows=400, judged_accounts=200, churned_rows=50, churned_accounts=40,
        base_rate=0.125, mean_coverage=0.9, resamples=50, random_state=7,
        models={"card": {"auc": Interval(0.7, 0.75, 0.8), "calibration_slope": Interval(0.9, 1.0, 1.1)}},
        differences={"hand_made": better, "champion": better}, segments=(segment("small", 0.7), segment("big", 0.8)),
        bands=(
            band("red", share=0.1, of_churners=0.6, lift=4.0),
            band("amber", share=0.2, of_churners=0.3),
            band("green", share=0.7, of_churners=0.1, lift=0.2),
        ),
        profit=Profit(by_band_per_1000=money, everybody_per_1000=money),
    )  # fmt: skip


def outcomes(verdict):
    return {answer.code: answer.outcome for answer in verdict.answers}


def with_card(report, name, interval):
    return replace(report, models={"card": {**report.models["card"], name: interval}})


def with_rival(report, rival, interval):
    return replace(report, differences={**report.differences, rival: {"log_loss": interval}})


def with_band(report, name, **change):
    return replace(report, bands=tuple(replace(row, **change) if row.band == name else row for row in report.bands))


BREAKS = {
    "CF001": lambda r: replace(r, churned_accounts=19),
    "CF002": lambda r: with_card(r, "auc", Interval(0.54, 0.6, 0.7)),
    "CF003": lambda r: with_rival(r, "hand_made", Interval(-0.02, -0.01, 0.001)),
    "CF004": lambda r: with_rival(r, "champion", Interval(0.001, 0.01, 0.02)),
    "CF005": lambda r: with_card(r, "calibration_slope", Interval(0.6, 0.79, 1.0)),
    "CF006": lambda r: with_band(r, "red", lift=Interval(2.0, 2.9, 4.0)),
    "CF007": lambda r: with_band(r, "amber", share_of_churners=0.06),
    "CF008": lambda r: with_band(r, "green", share=0.81),
    "CF009": lambda r: replace(r, mean_coverage=0.69),
    "CF010": lambda r: replace(r, training=replace(r.training, judged_matured=0.49)),
    "CF011": lambda r: replace(r, segments=(segment("small", 0.59), segment("big", 0.8))),
}
EVIDENCE_BREAKS = {
    "CF012": {"card": certified("weak", "firm", "weak")},
    "CF013": {"leaks": ["CF117 events: 12 written after churn"]},
    "CF014": {"weeks": replace(SOUND_WEEKS, opened=81)},
    "CF015": {"weeks": replace(SOUND_WEEKS, flips=6)},
}
UNKNOWN = {
    "CF002": lambda r: with_card(r, "auc", Interval(NAN, 0.75, NAN)),
    "CF003": lambda r: with_rival(r, "hand_made", Interval(NAN, -0.02, NAN)),
    "CF004": lambda r: with_rival(r, "champion", Interval(NAN, -0.02, NAN)),
    "CF005": lambda r: with_card(r, "calibration_slope", Interval(NAN, NAN, NAN)),
    "CF006": lambda r: with_band(r, "red", lift=Interval(NAN, NAN, NAN)),
    "CF007": lambda r: with_band(r, "amber", share_of_churners=NAN),
    "CF008": lambda r: with_band(r, "green", share=NAN),
    "CF009": lambda r: replace(r, mean_coverage=NAN),
    "CF010": lambda r: replace(r, training=replace(r.training, judged_matured=NAN)),
    "CF011": lambda r: replace(r, segments=(segment("small", NAN), segment("big", 0.8))),
}


def test_a_sound_report_passes_every_gate(report, make_spec):
    """Fifteen gates, fifteen passed; the verdict is open."""
    verdict = judge(report, make_spec(baseline=BASELINE), has_champion=True)
    assert outcomes(verdict) == {gate.code: "passed" for gate in GATES}
    assert verdict.passed
    assert [gate.code for gate in GATES] == [f"CF{number:03d}" for number in range(1, 16)]
    assert {*BREAKS, *EVIDENCE_BREAKS} == {gate.code for gate in GATES}


@pytest.mark.parametrize("code", sorted({*BREAKS, *EVIDENCE_BREAKS}))
def test_each_gate_fails_alone(report, make_spec, code):
    """What breaks one gate leaves the others passed, closes promotion, and is said in a sentence."""
    broken = BREAKS.get(code, lambda sound: sound)(report)
    verdict = judge(broken, make_spec(baseline=BASELINE), has_champion=True, **EVIDENCE_BREAKS.get(code, {}))
    assert {key for key, outcome in outcomes(verdict).items() if outcome == "failed"} == {code}
    assert not verdict.passed
    answer = next(answer for answer in verdict.answers if answer.code == code)
    assert f"{code}: {answer.sentence}" in verdict.to_text()


@pytest.mark.parametrize("code", sorted(UNKNOWN))
def test_what_is_unknown_never_passes(report, make_spec, code):
    """A NaN closes the gate it belongs to, and only that one."""
    verdict = judge(UNKNOWN[code](report), make_spec(baseline=BASELINE), has_champion=True)
    assert {key for key, outcome in outcomes(verdict).items() if outcome == "failed"} == {code}
    json.dumps(verdict.as_dict(), allow_nan=False)


NOTHING_TO_JUDGE = {
    "CF003": (lambda r: replace(r, differences={"champion": r.differences["champion"]}), {}),
    "CF004": (lambda r: replace(r, differences={"hand_made": r.differences["hand_made"]}), {}),
    "CF010": (lambda r: replace(r, training=replace(r.training, judged_matured=None)), {}),
    "CF011": (lambda r: replace(r, segments=(segment("small", 0.1),)), {}),
    "CF012": (lambda r: r, {"card": CARD}),
    "CF013": (lambda r: replace(r, training=replace(r.training, judged_matured=None)), {"leaks": ["CF119 old"]}),
    "CF014": (lambda r: r, {"weeks": replace(SOUND_WEEKS, owners=0, opened=1000)}),
    "CF015": (lambda r: r, {"weeks": None}),
}


@pytest.mark.parametrize("code", sorted(NOTHING_TO_JUDGE))
def test_gates_without_an_object_do_not_apply(report, make_spec, code):
    """No hand-made card, no champion, no dates, certificates or owners: not applicable, promotion stays open."""
    change, evidence = NOTHING_TO_JUDGE[code]
    verdict = judge(change(report), make_spec(), **evidence)
    assert outcomes(verdict)[code] == "not applicable"
    assert verdict.passed


@pytest.mark.parametrize("code", [gate.code for gate in GATES])
def test_a_waived_gate_does_not_apply_and_says_why(report, make_spec, code):
    """What would fail is let through, for a reason that stands in the verdict; the other gates still ask."""
    spec = make_spec(baseline=BASELINE, gates={"waived": {code: "agreed with the board in May"}})
    broken = BREAKS.get(code, lambda sound: sound)(report)
    verdict = judge(broken, spec, has_champion=True, **EVIDENCE_BREAKS.get(code, {}))
    assert verdict.passed
    [answer] = [answer for answer in verdict.answers if answer.outcome == "not applicable"]
    assert (answer.code, answer.sentence) == (code, "Waived in the spec: agreed with the board in May")


def test_only_gates_that_exist_can_be_waived(report, make_spec):
    """A typo would leave the gate shut and nobody the wiser."""
    with pytest.raises(SpecError, match=r"CF504 gates.waived: .*CF001 to CF015; came CF099"):
        judge(report, make_spec(gates={"waived": {"CF099": "agreed with the board in May"}}))


def test_a_rival_that_exists_but_was_not_judged_fails(report, make_spec):
    """Leaving the champion or the declared hand-made card out of the evaluation opens nothing."""
    verdict = judge(replace(report, differences={}), make_spec(baseline=BASELINE), has_champion=True)
    assert outcomes(verdict)["CF003"] == outcomes(verdict)["CF004"] == "failed"
    assert "was not scored on the judged rows" in verdict.to_text()


def test_no_signal_is_said_in_plain_words(report, make_spec):
    """At chance the sentence says that nothing here predicts churn; with a weak signal it says weak."""
    spec = make_spec()
    chance = judge(with_card(report, "auc", Interval(0.45, 0.5, 0.55)), spec).answers[1].sentence
    weak = judge(with_card(report, "auc", Interval(0.52, 0.56, 0.6)), spec).answers[1].sentence
    assert "no sufficient signal in these measures" in chance
    assert "Nothing here predicts churn better than chance. Do not promote" in chance
    assert "too weak to act on. Do not promote" in weak


TIGHT = {
    "min_churned_train": 51, "min_churned_judged": 41, "min_auc_lower": 0.71, "calibration_slope": (1.01, 1.2),
    "min_red_lift": 4.1, "min_churners_below_green": 0.91, "max_green_share": 0.69, "min_coverage": 0.91,
    "max_champion_loss": 0.0, "min_matured_share": 0.81, "min_segment_auc": 0.71, "max_weak_weight": 0.19,
    "max_queue_load": 0.49, "max_flips": 0.039,
}  # fmt: skip
NO_LIMITS = {"replay_weeks", "waived"}


@pytest.mark.parametrize("limit", sorted({*GateLimits.model_fields} - NO_LIMITS))
def test_every_limit_is_read(report, make_spec, limit):
    """Just out of reach, each limit of the spec closes promotion; a limit without a test here is a KeyError."""
    assert limit in {name for gate in GATES for name in gate.limits}
    worse = with_rival(report, "champion", Interval(0.005, 0.01, 0.02))
    generous = {"max_champion_loss": 0.01}
    assert judge(worse, make_spec(gates=generous)).passed
    assert not judge(worse, make_spec(gates=generous | {limit: TIGHT[limit]})).passed


def test_verdicts_render(report, make_spec):
    """The table names every gate, in text and in Markdown."""
    verdict = judge(report, make_spec())
    assert verdict.to_text().splitlines()[3] == "Promotion is open"
    assert verdict.to_markdown().count("| CF0") == 15
    assert verdict.as_dict()["passed"] is True


def test_a_card_that_would_never_call_anybody_fails(report, make_spec):
    """Nobody is red: CF006 says that a call never pays at these costs, and promotion is closed."""
    nobody = with_band(report, "red", rows=0, share=0.0, lift=Interval(NAN, NAN, NAN))
    [answer] = [answer for answer in judge(nobody, make_spec()).answers if answer.code == "CF006"]
    assert (answer.outcome, answer.found) == ("failed", "nobody is red")
    assert "a call never pays" in answer.sentence


def test_a_champion_that_cannot_be_scored_does_not_close_promotion_for_good(report, make_spec):
    """The spec dropped a measure of the champion: CF004 says which, and does not apply."""
    verdict = judge(replace(report, differences={}), make_spec(), has_champion=True, champion_lacks=["seats"])
    [answer] = [answer for answer in verdict.answers if answer.code == "CF004"]
    assert answer.outcome == "not applicable"
    assert "no longer measures seats, or does so otherwise" in answer.sentence
