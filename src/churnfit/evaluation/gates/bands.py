"""Gates on the bands, on what the card rests on, and on what it would ask of the team."""

from __future__ import annotations

from churnfit.evaluation.gates.answers import Evidence, Finding, decided, not_applicable
from churnfit.evaluation.prose import number, percent, with_interval

__all__ = [
    "band_flips",
    "churners_below_green",
    "coverage",
    "green_share",
    "no_leak",
    "queue_load",
    "red_churns",
    "stable",
]


def red_churns(evidence: Evidence) -> Finding:
    """CF006: a red band in which hardly more churn than elsewhere wastes calls."""
    least, red = evidence.spec.gates.min_red_lift, evidence.band("red")
    limit = f"lift >= {number(least, 2)}"
    if red.rows == 0:
        nobody = "Nobody is red: at these costs and save rates a call never pays for an account of median value, so no "
        return decided(False, limit, "nobody is red", ("", nobody + "call to action would ever open. Look at [bands]."))
    return decided(
        red.lift.estimate >= least,
        limit,
        with_interval(red.lift, 2),
        (
            "Red accounts churn often enough above the base rate.",
            f"Red accounts churn {with_interval(red.lift, 2)} times as often as all; at least {number(least, 2)} "
            "times is asked.",
        ),
    )


def churners_below_green(evidence: Evidence) -> Finding:
    """CF007: who leaves from green was never called."""
    least = evidence.spec.gates.min_churners_below_green
    share = evidence.band("red").share_of_churners + evidence.band("amber").share_of_churners
    return decided(
        share >= least,
        f">= {percent(least)}",
        percent(share),
        (
            "Most churners were red or amber before they left.",
            f"Only {percent(share)} of the churners were red or amber; at least {percent(least)} is asked. "
            "The others left from green.",
        ),
    )


def green_share(evidence: Evidence) -> Finding:
    """CF008: a card that paints everybody green warns of nothing."""
    most, share = evidence.spec.gates.max_green_share, evidence.band("green").share
    return decided(
        share <= most,
        f"<= {percent(most)}",
        percent(share),
        (
            "Green does not cover nearly everybody.",
            f"{percent(share)} of the snapshots are green; at most {percent(most)} is asked.",
        ),
    )


def coverage(evidence: Evidence) -> Finding:
    """CF009: points that rest on gaps are the reference's, not the account's."""
    least, found = evidence.spec.gates.min_coverage, evidence.report.mean_coverage
    return decided(
        found >= least,
        f">= {percent(least)}",
        percent(found),
        (
            "Enough of the weight rests on fresh, applicable data.",
            f"Only {percent(found)} of the weight rests on fresh, applicable data, not {percent(least)}.",
        ),
    )


def stable(evidence: Evidence) -> Finding:
    """CF012: of lines graded weak, another sample of the same accounts would say something else."""
    most = evidence.spec.gates.max_weak_weight
    limit = f"<= {percent(most)} of the weight"
    graded = [(line, line.certificate) for line in evidence.card.measures if line.certificate is not None]
    if not graded:
        return not_applicable(limit, "The card has no certificates (learning.certify = 0).")
    weak = {line.label: line.weight for line, certificate in graded if certificate.grade == "weak"}
    share = sum(weak.values()) / sum(line.weight for line in evidence.card.measures)
    return decided(
        share <= most,
        limit,
        percent(share),
        (
            "Most of the weight lies on lines that resampling leaves as they are.",
            f"{percent(share)} of the weight lies on lines that resampling changes ({', '.join(weak)}); at most "
            f"{percent(most)} is asked. Drop measures, or learn from more accounts.",
        ),
    )


def no_leak(evidence: Evidence) -> Finding:
    """CF013: what stops a fit is an error; what the sentinel only warns of still keeps a card from being promoted."""
    if evidence.report.training.judged_matured is None:
        return not_applicable(
            _NO_LEAK, "Nothing has a date, so only a measure too good alone could be seen; fit looked."
        )
    return decided(
        not evidence.leaks,
        _NO_LEAK,
        f"{len(evidence.leaks)} found",
        ("The leak sentinel has nothing to say.", f"The leak sentinel warns: {'; '.join(evidence.leaks)}."),
    )


_NO_LEAK = "no warning of the sentinel"


def queue_load(evidence: Evidence) -> Finding:
    """CF014: calls that open faster than the team can work them are not made."""
    limits, weeks = evidence.spec.gates, evidence.weeks
    limit = f"<= {percent(limits.max_queue_load)} of capacity"
    if weeks is None:
        return not_applicable(limit, _NOT_REPLAYED)
    if not weeks.owners:
        return not_applicable(limit, "No account has an owner, so nobody's capacity is known.")
    room = weeks.weeks * weeks.owners * evidence.spec.queue.capacity_per_owner
    load = weeks.opened / room
    return decided(
        load <= limits.max_queue_load,
        limit,
        percent(load),
        (
            "The calls that would have opened could have been worked.",
            f"{weeks.opened:,} calls would have opened in {weeks.weeks} weeks; {weeks.owners:,} owners can work "
            f"{room:,} (queue.capacity_per_owner). Raise the cost of a call in [bands], or hire.",
        ),
    )


def band_flips(evidence: Evidence) -> Finding:
    """CF015: a band that comes and goes from week to week is not believed."""
    most, weeks = evidence.spec.gates.max_flips, evidence.weeks
    limit = f"<= {percent(most)} of weeks"
    if weeks is None or not weeks.account_weeks:
        return not_applicable(limit, _NOT_REPLAYED)
    share = weeks.flips / weeks.account_weeks
    return decided(
        share <= most,
        limit,
        percent(share),
        (
            "Bands hold from week to week.",
            f"In {weeks.account_weeks:,} account weeks the shown band took back {weeks.flips:,} changes in a month; "
            f"at most {percent(most)} is asked.",
        ),
    )


_NOT_REPLAYED = "Too few past weeks could be replayed (gates.replay_weeks; a wide table without dates has none)."
