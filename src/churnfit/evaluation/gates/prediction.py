"""Gates on what the card predicts: enough evidence, signal, rivals, calibration, segments.

An unknown number (NaN) never passes: a gate passes only where the found number is known and within its limit.
"""

from __future__ import annotations

from collections.abc import Callable

from churnfit.evaluation.gates.answers import Evidence, Finding, decided, not_applicable
from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.prose import number, percent, with_interval

__all__ = [
    "beats_hand_made",
    "calibrated",
    "enough_churners",
    "matured",
    "not_worse_than_champion",
    "segments",
    "signal",
]


def enough_churners(evidence: Evidence) -> Finding:
    """CF001: below these numbers every other gate reads noise."""
    limits, report = evidence.spec.gates, evidence.report
    trained, judged = report.training.churned_accounts, report.churned_accounts
    return decided(
        trained >= limits.min_churned_train and judged >= limits.min_churned_judged,
        f">= {limits.min_churned_train:,} trained, >= {limits.min_churned_judged:,} judged",
        f"{trained:,} trained, {judged:,} judged",
        (
            "Enough accounts churned to learn from and to judge by.",
            f"Too few accounts churned: {trained:,} to learn from (at least {limits.min_churned_train:,}), "
            f"{judged:,} to judge by (at least {limits.min_churned_judged:,}). Wait for more cohorts to mature.",
        ),
    )


def signal(evidence: Evidence) -> Finding:
    """CF002: the lower end of the AUC's interval counts, not its estimate."""
    limit, found = evidence.spec.gates.min_auc_lower, evidence.report.models["card"]["auc"]
    weak = "What they say about churn is too weak to act on"
    verdict = weak if found.low > 0.5 else "Nothing here predicts churn better than chance"
    return decided(
        found.known and found.low >= limit,
        f"lower end >= {number(limit)}",
        with_interval(found),
        (
            "The measures rank churners above those who stay, beyond chance.",
            f"There is no sufficient signal in these measures: the AUC is {with_interval(found)}, and its lower end "
            f"must reach {number(limit)} (0.5 is chance). {verdict}. Do not promote this card.",
        ),
    )


def beats_hand_made(evidence: Evidence) -> Finding:
    """CF003: paired on the same rows; the whole interval must favour the card."""
    limit = "log-loss difference below 0"
    found = evidence.report.differences.get("hand_made", {}).get("log_loss")
    if found is None and not evidence.spec.baseline:
        return not_applicable(limit, "There is no hand-made card to compare with.")
    return _compared(
        found,
        lambda interval: interval.high < 0,
        limit,
        (
            "The card predicts better than the hand-made card on the same rows.",
            "The card is not shown to predict better than the hand-made card on the same rows.",
        ),
    )


def not_worse_than_champion(evidence: Evidence) -> Finding:
    """CF004: paired on the same rows; refused only where the card is surely worse."""
    most = evidence.spec.gates.max_champion_loss
    limit = f"lower end <= {number(most, 4)}"
    found = evidence.report.differences.get("champion", {}).get("log_loss")
    if found is None and not evidence.has_champion:
        return not_applicable(limit, "There is no champion yet.")
    if found is None and evidence.champion_lacks:
        lacking = ", ".join(evidence.champion_lacks)
        return not_applicable(
            limit, f"The champion cannot be scored: the spec no longer measures {lacking}, or does so otherwise."
        )
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
        return decided(False, limit, "not judged", (sentences[0], missing))
    passed = found.known and within(found)
    said = f"Log-loss of the card minus the other's: {with_interval(found, 4)}."
    return decided(passed, limit, with_interval(found, 4), (f"{sentences[0]} {said}", f"{sentences[1]} {said}"))


def calibrated(evidence: Evidence) -> Finding:
    """CF005: a slope below 1 is too extreme, above 1 too timid."""
    low, high = evidence.spec.gates.calibration_slope
    found = evidence.report.models["card"]["calibration_slope"]
    direction = "too extreme" if found.estimate < low else "too timid" if found.estimate > high else "not to be judged"
    return decided(
        low <= found.estimate <= high,
        f"slope {number(low, 2)} to {number(high, 2)}",
        with_interval(found, 3),
        (
            "The churn probabilities can be taken at their word.",
            f"The churn probabilities are {direction}: the calibration slope is {with_interval(found, 3)}.",
        ),
    )


def matured(evidence: Evidence) -> Finding:
    """CF010: a cohort of which only the early landmarks matured is judged by those alone."""
    least, found = evidence.spec.gates.min_matured_share, evidence.report.training.judged_matured
    limit = f">= {percent(least)}"
    if found is None:
        return not_applicable(limit, "The labels came ready, without dates: nothing here can mature.")
    return decided(
        found >= least,
        limit,
        percent(found),
        (
            "The judged accounts' labels are known, most of them.",
            f"Only {percent(found)} of the judged accounts' snapshots have matured; at least {percent(least)} is "
            "asked. Judge older cohorts (evaluation.judge_from), or wait.",
        ),
    )


def segments(evidence: Evidence) -> Finding:
    """CF011: good on the whole may be blind in one segment; an interval that still reaches the floor accuses nobody."""
    least = evidence.spec.gates.min_segment_auc
    limit = f"upper end >= {number(least)} in each"
    found = [(row.segment, row.auc) for row in evidence.report.segments if row.auc is not None]
    if len(found) < 2:
        return not_applicable(limit, "Fewer than two segments have enough churners to be judged by themselves.")
    blind = [f"{segment} ({with_interval(auc)})" for segment, auc in found if not auc.high >= least]
    lowest = min(auc.high for _, auc in found)
    return decided(
        not blind,
        limit,
        f"{len(found)} judged, lowest {number(lowest)}",
        (
            "No segment is known in which the card ranks poorly.",
            f"The card does not rank churners in {', '.join(blind)}: the AUC's upper end must reach {number(least)}. "
            "Give the segment measures of its own, or a card of its own.",
        ),
    )
