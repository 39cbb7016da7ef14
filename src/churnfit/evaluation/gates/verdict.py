"""The gates in the order of their codes, and the verdict they make on a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from churnfit.errors import SpecError
from churnfit.evaluation.gates import bands, prediction
from churnfit.evaluation.gates.answers import Answer, Evidence, Finding, Gate, Verdict, Weeks, not_applicable
from churnfit.evaluation.results import EvaluationReport
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from churnfit.scorecard.card import Scorecard

__all__ = ["GATES", "judge"]


def judge(
    report: EvaluationReport,
    card: Scorecard,
    spec: ScorecardSpec,
    *,
    has_champion: bool = False,
    champion_lacks: Sequence[str] = (),
    leaks: Sequence[str] = (),
    weeks: Weeks | None = None,
) -> Verdict:
    """Return every gate's answer; one that the spec waives does not apply, and says why.

    Parameters
    ----------
    report : EvaluationReport
        The evaluation on the judged rows.
    card : Scorecard
        The card that was judged.
    spec : ScorecardSpec
        Its `gates` are the limits; a `baseline` must have been judged too.
    has_champion : bool
        Whether a champion is in production: then the report must hold it, else CF004 fails.
    champion_lacks : sequence of str
        Measures of the champion that the spec no longer has, or takes otherwise: it cannot be scored then, and CF004
        does not apply.
    leaks : sequence of str
        What the leak sentinel warned of.
    weeks : Weeks, optional
        What the card would have asked of the team in past weeks, where they could be replayed.

    Raises
    ------
    SpecError
        CF504 when the spec waives a gate that does not exist.
    """
    _require_known(spec)
    evidence = Evidence(
        report=report,
        card=card,
        spec=spec,
        has_champion=has_champion,
        champion_lacks=tuple(champion_lacks),
        leaks=tuple(leaks),
        weeks=weeks,
    )
    return Verdict(
        name=report.name,
        answers=tuple(Answer(code=gate.code, title=gate.title, **vars(_finding(gate, evidence))) for gate in GATES),
    )


def _finding(gate: Gate, evidence: Evidence) -> Finding:
    waived = evidence.spec.gates.waived.get(gate.code)
    return gate.ask(evidence) if waived is None else not_applicable("waived", f"Waived in the spec: {waived}")


def _require_known(spec: ScorecardSpec) -> None:
    known = [gate.code for gate in GATES]
    for code in spec.gates.waived:
        if code not in known:
            raise SpecError(
                "CF504",
                where="gates.waived",
                expected=f"codes of gates, {known[0]} to {known[-1]}",
                came=code,
                fix="`churnfit gates` lists them.",
            )


GATES: tuple[Gate, ...] = (
    Gate(
        code="CF001",
        title="enough churners",
        ask=prediction.enough_churners,
        limits=("min_churned_train", "min_churned_judged"),
        question="Did enough accounts churn, both to learn from and to judge by?",
    ),
    Gate(
        code="CF002",
        title="signal",
        ask=prediction.signal,
        limits=("min_auc_lower",),
        question="Does the card rank churners above the others, beyond chance?",
    ),
    Gate(
        code="CF003",
        title="beats the hand-made card",
        ask=prediction.beats_hand_made,
        question="Does it predict better than the card people typed in?",
    ),
    Gate(
        code="CF004",
        title="not worse than the champion",
        ask=prediction.not_worse_than_champion,
        limits=("max_champion_loss",),
        question="Is it at least as good as what is in production?",
    ),
    Gate(
        code="CF005",
        title="calibrated",
        ask=prediction.calibrated,
        limits=("calibration_slope",),
        question="Can its probabilities be taken at their word?",
    ),
    Gate(
        code="CF006",
        title="red churns",
        ask=bands.red_churns,
        limits=("min_red_lift",),
        question="Do red accounts churn far more often than the average account?",
    ),
    Gate(
        code="CF007",
        title="churners below green",
        ask=bands.churners_below_green,
        limits=("min_churners_below_green",),
        question="Were most churners red or amber before they left?",
    ),
    Gate(
        code="CF008",
        title="green is not everybody",
        ask=bands.green_share,
        limits=("max_green_share",),
        question="Does green leave out enough accounts to mean something?",
    ),
    Gate(
        code="CF009",
        title="coverage",
        ask=bands.coverage,
        limits=("min_coverage",),
        question="Does enough of the weight rest on fresh, applicable data?",
    ),
    Gate(
        code="CF010",
        title="matured",
        ask=prediction.matured,
        limits=("min_matured_share",),
        question="Are the labels of the judged accounts known, rather than of their first weeks alone?",
    ),
    Gate(
        code="CF011",
        title="segments",
        ask=prediction.segments,
        limits=("min_segment_auc",),
        question="Does it rank churners in every segment that can be judged by itself?",
    ),
    Gate(
        code="CF012",
        title="stable",
        ask=bands.stable,
        limits=("max_weak_weight",),
        question="Would another sample of the same accounts have given much the same card?",
    ),
    Gate(
        code="CF013",
        title="no leak",
        ask=bands.no_leak,
        question="Has the leak sentinel nothing to warn of?",
    ),
    Gate(
        code="CF014",
        title="queue load",
        ask=bands.queue_load,
        limits=("max_queue_load", "replay_weeks"),
        question="Could the team have worked the calls that would have opened?",
    ),
    Gate(
        code="CF015",
        title="band flips",
        ask=bands.band_flips,
        limits=("max_flips", "replay_weeks"),
        question="Do bands hold from week to week?",
    ),
)
"""The gates, in the order of their codes."""
