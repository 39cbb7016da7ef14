"""The promotion gates CF001 to CF009: coded questions, each with a limit in the spec and one of three answers.

An unknown number (NaN) never passes: a gate passes only where the found number is known and within its limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.prose import Section, as_markdown, as_text, json_safe, number, percent, with_interval
from churnfit.evaluation.results import BandRow, EvaluationReport
from churnfit.spec import ScorecardSpec

__all__ = ["GATES", "Answer", "Evidence", "Finding", "Gate", "Verdict", "judge"]

Outcome = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the gates look at: the report, the spec with the limits, and whether there is a champion."""

    report: EvaluationReport
    spec: ScorecardSpec
    has_champion: bool
    champion_lacks: tuple[str, ...]

    def band(self, name: str) -> BandRow:
        """Return the row of one band."""
        return next(row for row in self.report.bands if row.band == name)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one gate found: the outcome, its limit and the number found, in words, and a sentence."""

    outcome: Outcome
    limit: str
    found: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A coded question about a card; `ask` answers it from the evidence."""

    code: str
    title: str
    question: str
    ask: Callable[[Evidence], Finding] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One gate's answer."""

    code: str
    title: str
    outcome: Outcome
    limit: str
    found: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All answers. A card may be promoted when every gate passed or does not apply."""

    name: str
    answers: tuple[Answer, ...]

    @property
    def passed(self) -> bool:
        """Whether no gate failed."""
        return all(answer.outcome != "failed" for answer in self.answers)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-safe values."""
        safe: dict[str, Any] = {"passed": self.passed} | json_safe(self)
        return safe

    def to_text(self) -> str:
        """Return the verdict as aligned plain text."""
        return as_text(f"{self.name}: gates", [self._section()])

    def to_markdown(self) -> str:
        """Return the verdict as Markdown."""
        return as_markdown(f"{self.name}: gates", [self._section()])

    def _section(self) -> Section:
        failed = [answer for answer in self.answers if answer.outcome == "failed"]
        return Section(
            title=f"Promotion is closed: {len(failed)} failed" if failed else "Promotion is open",
            sentences=tuple(f"{answer.code}: {answer.sentence}" for answer in failed),
            header=("code", "gate", "outcome", "limit", "found"),
            rows=tuple((a.code, a.title, a.outcome, a.limit, a.found) for a in self.answers),
        )


def judge(
    report: EvaluationReport, spec: ScorecardSpec, *, has_champion: bool = False, champion_lacks: Sequence[str] = ()
) -> Verdict:
    """Return every gate's answer.

    Parameters
    ----------
    report : EvaluationReport
        The evaluation on the judged rows.
    spec : ScorecardSpec
        Its `gates` are the limits; a `baseline` must have been judged too.
    has_champion : bool
        Whether a champion is in production: then the report must hold it, else CF004 fails.
    champion_lacks : sequence of str
        Measures of the champion that the spec no longer has: it cannot be scored then, and CF004 does not apply.
    """
    evidence = Evidence(report=report, spec=spec, has_champion=has_champion, champion_lacks=tuple(champion_lacks))
    answers = tuple(Answer(code=gate.code, title=gate.title, **vars(gate.ask(evidence))) for gate in GATES)
    return Verdict(name=report.name, answers=answers)


def _decided(passed: bool, limit: str, found: str, sentences: tuple[str, str]) -> Finding:
    """Return a finding; `sentences` are said when it passed, and when it failed."""
    return Finding(
        outcome="passed" if passed else "failed", limit=limit, found=found, sentence=sentences[0 if passed else 1]
    )


def _not_applicable(limit: str, sentence: str) -> Finding:
    return Finding(outcome="not applicable", limit=limit, found="-", sentence=sentence)


def _enough_churners(evidence: Evidence) -> Finding:
    limits, report = evidence.spec.gates, evidence.report
    trained, judged = report.training.churned_accounts, report.churned_accounts
    return _decided(
        trained >= limits.min_churned_train and judged >= limits.min_churned_judged,
        f">= {limits.min_churned_train:,} trained, >= {limits.min_churned_judged:,} judged",
        f"{trained:,} trained, {judged:,} judged",
        (
            "Enough accounts churned to learn from and to judge by.",
            f"Too few accounts churned: {trained:,} to learn from (at least {limits.min_churned_train:,}), "
            f"{judged:,} to judge by (at least {limits.min_churned_judged:,}). Wait for more cohorts to mature.",
        ),
    )


def _signal(evidence: Evidence) -> Finding:
    limit, found = evidence.spec.gates.min_auc_lower, evidence.report.models["card"]["auc"]
    weak = "What they say about churn is too weak to act on"
    verdict = weak if found.low > 0.5 else "Nothing here predicts churn better than chance"
    return _decided(
        found.known and found.low >= limit,
        f"lower end >= {number(limit)}",
        with_interval(found),
        (
            "The measures rank churners above those who stay, beyond chance.",
            f"There is no sufficient signal in these measures: the AUC is {with_interval(found)}, and its lower end "
            f"must reach {number(limit)} (0.5 is chance). {verdict}. Do not promote this card.",
        ),
    )


def _beats_hand_made(evidence: Evidence) -> Finding:
    limit = "log-loss difference below 0"
    found = evidence.report.differences.get("hand_made", {}).get("log_loss")
    if found is None and not evidence.spec.baseline:
        return _not_applicable(limit, "There is no hand-made card to compare with.")
    return _compared(
        found,
        lambda interval: interval.high < 0,
        limit,
        (
            "The card predicts better than the hand-made card on the same rows.",
            "The card is not shown to predict better than the hand-made card on the same rows.",
        ),
    )


def _not_worse_than_champion(evidence: Evidence) -> Finding:
    most = evidence.spec.gates.max_champion_loss
    limit = f"lower end <= {number(most, 4)}"
    found = evidence.report.differences.get("champion", {}).get("log_loss")
    if found is None and not evidence.has_champion:
        return _not_applicable(limit, "There is no champion yet.")
    if found is None and evidence.champion_lacks:
        lacking = ", ".join(evidence.champion_lacks)
        return _not_applicable(limit, f"The champion cannot be scored: the spec no longer measures {lacking}.")
    return _compared(
        found,
        lambda interval: interval.low <= most,
        limit,
        (
            "The card is not shown to predict worse than the champion on the same rows.",
            "The card predicts worse than the champion on the same rows, beyond chance.",
        ),
    )


def _compared(
    found: Interval | None, within: Callable[[Interval], bool], limit: str, sentences: tuple[str, str]
) -> Finding:
    """Return a finding about a log-loss difference, failed where a rival that exists was not judged."""
    if found is None:
        missing = "It exists but was not scored on the judged rows, so nothing is known. Evaluate it beside the card."
        return _decided(False, limit, "not judged", (sentences[0], missing))
    passed = found.known and within(found)
    said = f"Log-loss of the card minus the other's: {with_interval(found, 4)}."
    return _decided(passed, limit, with_interval(found, 4), (f"{sentences[0]} {said}", f"{sentences[1]} {said}"))


def _calibrated(evidence: Evidence) -> Finding:
    low, high = evidence.spec.gates.calibration_slope
    found = evidence.report.models["card"]["calibration_slope"]
    direction = "too extreme" if found.estimate < low else "too timid" if found.estimate > high else "not to be judged"
    return _decided(
        low <= found.estimate <= high,
        f"slope {number(low, 2)} to {number(high, 2)}",
        with_interval(found, 2),
        (
            "The churn probabilities can be taken at their word.",
            f"The churn probabilities are {direction}: the calibration slope is {with_interval(found, 2)}.",
        ),
    )


def _red_churns(evidence: Evidence) -> Finding:
    least, red = evidence.spec.gates.min_red_lift, evidence.band("red")
    limit = f"lift >= {number(least, 2)}"
    if red.rows == 0:
        nobody = "Nobody is red: at these costs and save rates a call never pays for an account of median value, so no "
        return _decided(
            False, limit, "nobody is red", ("", nobody + "call to action would ever open. Look at [bands].")
        )
    return _decided(
        red.lift.estimate >= least,
        limit,
        with_interval(red.lift, 2),
        (
            "Red accounts churn often enough above the base rate.",
            f"Red accounts churn {with_interval(red.lift, 2)} times as often as all; at least {number(least, 2)} "
            "times is asked.",
        ),
    )


def _churners_below_green(evidence: Evidence) -> Finding:
    least = evidence.spec.gates.min_churners_below_green
    share = evidence.band("red").share_of_churners + evidence.band("amber").share_of_churners
    return _decided(
        share >= least,
        f">= {percent(least)}",
        percent(share),
        (
            "Most churners were red or amber before they left.",
            f"Only {percent(share)} of the churners were red or amber; at least {percent(least)} is asked. "
            "The others left from green.",
        ),
    )


def _green_share(evidence: Evidence) -> Finding:
    most, share = evidence.spec.gates.max_green_share, evidence.band("green").share
    return _decided(
        share <= most,
        f"<= {percent(most)}",
        percent(share),
        (
            "Green does not cover nearly everybody.",
            f"{percent(share)} of the snapshots are green; at most {percent(most)} is asked.",
        ),
    )


def _coverage(evidence: Evidence) -> Finding:
    least, found = evidence.spec.gates.min_coverage, evidence.report.mean_coverage
    return _decided(
        found >= least,
        f">= {percent(least)}",
        percent(found),
        (
            "Enough of the weight rests on fresh, applicable data.",
            f"Only {percent(found)} of the weight rests on fresh, applicable data, not {percent(least)}.",
        ),
    )


GATES: tuple[Gate, ...] = (
    Gate(
        code="CF001",
        title="enough churners",
        ask=_enough_churners,
        question="Did enough accounts churn, both to learn from and to judge by?",
    ),
    Gate(
        code="CF002",
        title="signal",
        ask=_signal,
        question="Does the card rank churners above the others, beyond chance?",
    ),
    Gate(
        code="CF003",
        title="beats the hand-made card",
        ask=_beats_hand_made,
        question="Does it predict better than the card people typed in?",
    ),
    Gate(
        code="CF004",
        title="not worse than the champion",
        ask=_not_worse_than_champion,
        question="Is it at least as good as what is in production?",
    ),
    Gate(code="CF005", title="calibrated", ask=_calibrated, question="Can its probabilities be taken at their word?"),
    Gate(
        code="CF006",
        title="red churns",
        ask=_red_churns,
        question="Do red accounts churn far more often than the average account?",
    ),
    Gate(
        code="CF007",
        title="churners below green",
        ask=_churners_below_green,
        question="Were most churners red or amber before they left?",
    ),
    Gate(
        code="CF008",
        title="green is not everybody",
        ask=_green_share,
        question="Does green leave out enough accounts to mean something?",
    ),
    Gate(
        code="CF009",
        title="coverage",
        ask=_coverage,
        question="Does enough of the weight rest on fresh, applicable data?",
    ),
)
"""The gates, in the order of their codes."""
