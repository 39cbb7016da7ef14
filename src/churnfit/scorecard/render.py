"""The card on paper: plain text for a terminal, Markdown for a review."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from churnfit.scorecard.band_words import with_range
from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.certificate import CertifiedThreshold
from churnfit.scorecard.markdown import plain_markdown
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scorecard.thresholds import value_bands
from churnfit.scorecard.words import NO_SEGMENT, STATE_WORDS, healthy_words, number_words

__all__ = ["card_rows", "points_words", "sureness_rows", "threshold_words", "to_markdown", "to_text"]

_HEADINGS = ("measure", "weight", "points", "red", "amber", "green")
_SURENESS = ("churned", "stability")
_GRADES = (
    "In brackets 90 % intervals, from resamples of whole accounts. *firm*: at least 95 % of the resamples keep",
    "the measure's curve, and its weight is known to about a third; *fair*: at least 80 %, and to about two thirds;",
    "*weak*: less.",
)


def points_words(measure: CardMeasure) -> str:
    """Return the curve in words: "0 → 0, 4 → 12, 10 → 20 · not yet → 3"."""
    parts = [f"{place} → {points:g}" for place, points in _places(measure)]
    n_levels = len(measure.curve.levels)
    text, states = ", ".join(parts[:n_levels]), ", ".join(parts[n_levels:])
    return f"{text} · {states}" if states else text


def _places(measure: CardMeasure) -> list[tuple[str, float]]:
    """Return every knot, level and missing state in words, and its points."""
    curve = measure.curve
    if isinstance(curve, Categorical):
        places = list(curve.values)
    elif isinstance(curve, Graded):
        places = [number_words(knot, measure.unit) for knot in curve.knots]
    else:
        places = ["below " + number_words(curve.cuts[0], measure.unit)] if curve.cuts else ["any value"]
        places += ["from " + number_words(cut, measure.unit) for cut in curve.cuts]
    states = [(STATE_WORDS.get(state, state), points) for state, points in measure.missing]
    return [*zip(places, curve.levels, strict=True), *states]


def threshold_words(measure: CardMeasure, colours: tuple[str, str], threshold: CertifiedThreshold) -> str:
    """Return one threshold in words: "amber → green at 5 (3 to 8): 12 churned below, 4 from there"."""
    unit = measure.unit if number_words(1.0, measure.unit).endswith("%") else ""  # other units are said once
    low = "open" if threshold.low is None else number_words(threshold.low, unit)
    high = "open" if threshold.high is None else number_words(threshold.high, unit)
    return (
        f"{colours[0]} → {colours[1]} at {number_words(threshold.at, measure.unit)} ({low} to {high}): "
        f"{threshold.churned_below} churned below, {threshold.churned_above} from there"
    )


def sureness_rows(card: Scorecard) -> list[tuple[str, str, str]]:
    """Return one row of words per certified measure: name, points and thresholds, each with its interval."""
    rows = []
    for measure in card.measures:
        certificate = measure.certificate
        if certificate is None:
            continue
        points = [
            f"{place} → {said:g} ({one.low:.0f} to {one.high:.0f}; {one.churned} churned)"
            for (place, said), one in zip(_places(measure), certificate.points, strict=True)
        ]
        runs = [] if isinstance(measure.curve, Categorical) else value_bands(card, measure)
        colours = {above.low: (below.band, above.band) for below, above in pairwise(runs)}
        cuts = [threshold_words(measure, colours[t.at], t) for t in certificate.thresholds if t.at in colours]
        rows.append((measure.label, ", ".join(points), "; ".join(cuts) or "none"))
    return rows


def _weight_words(measure: CardMeasure) -> str:
    certificate = measure.certificate
    return f"{measure.weight:g}" + (f" ({certificate.low:.0f} to {certificate.high:.0f})" if certificate else "")


def _sureness(measure: CardMeasure) -> tuple[str, str]:
    certificate = measure.certificate
    return (f"{certificate.churned:,}", certificate.grade) if certificate else ("", "")


def card_rows(card: Scorecard) -> list[tuple[str, str, str, str, str, str]]:
    """Return one row of words per measure: name, weight, points, red, amber and green values."""
    return [
        (
            measure.label,
            f"{measure.weight:g}",
            points_words(measure),
            healthy_words(card, measure, "red"),
            healthy_words(card, measure, "amber"),
            healthy_words(card, measure, "green"),
        )
        for measure in card.measures
    ]


def to_markdown(card: Scorecard) -> str:
    """Return the card as a Markdown table with what it rests on, and every interval."""
    lines = [f"# {plain_markdown(card.name)}", "", *(f"{plain_markdown(line)}  " for line in _facts(card)), ""]
    lines += _markdown_table(_HEADINGS, card_rows(card), right=1)
    sure = sureness_rows(card)
    if sure:
        lines += ["", "## How sure", "", *_GRADES, ""]
        grades = [(m.label, _weight_words(m), *_sureness(m)) for m in card.measures if m.certificate]
        rows = [(*grade, *row[1:]) for grade, row in zip(grades, sure, strict=True)]
        lines += _markdown_table(("measure", "weight", *_SURENESS, "points", "thresholds"), rows, right=2)
    return "\n".join(lines) + "\n"


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> list[str]:
    """Return a table whose second and, where `right` is 2, third column are numbers."""
    rule = ["---", *["---:"] * right, *["---"] * (len(headings) - 1 - right)]
    lines = ["| " + " | ".join(headings) + " |", "|" + "|".join(rule) + "|"]
    return lines + ["| " + " | ".join(map(plain_markdown, row)) + " |" for row in rows]


def to_text(card: Scorecard) -> str:
    """Return the card as aligned plain text; weights with their intervals where the card is certified."""
    certified = any(measure.certificate for measure in card.measures)
    headings = [*_HEADINGS[:2], *(_SURENESS if certified else ()), _HEADINGS[2], _HEADINGS[5]]
    rows = [headings]
    for measure, row in zip(card.measures, card_rows(card), strict=True):
        sure = _sureness(measure) if certified else ()
        rows.append([row[0], _weight_words(measure), *sure, row[2], row[5]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(headings))]
    lines = [f"{card.name}: a health score from 0 to 100", *_facts(card), ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _facts(card: Scorecard) -> list[str]:
    evidence = card.evidence
    facts = [
        f"learned from {evidence.rows:,} snapshots of {evidence.accounts:,} accounts; "
        f"churn followed {evidence.churned_rows:,} snapshots within {card.horizon_days} days",
        f"bands: red below {with_range(card.bands.red_below, card.bands.red_interval)}, "
        f"green from {with_range(card.bands.green_from, card.bands.green_interval)}; "
        f"average health {card.expected_health:.1f}",
    ]
    groups: dict[str, float] = {}
    for measure in card.measures:
        groups[measure.group] = groups.get(measure.group, 0.0) + measure.weight
    if any(groups):
        facts.append("weight by group: " + ", ".join(f"{group} {weight:g}" for group, weight in groups.items()))
    if card.left_out:
        facts.append(f"left out for lack of evidence: {', '.join(card.left_out)}")
    facts += card.remarks
    if card.calibration.said:
        method = card.calibration.method.replace("_", "–")
        facts.append(f"calibration {method}: the churn logit bends at {len(card.calibration.said)} places")
    if not card.measures:
        facts.append("no measure carries evidence: every account gets the base rate")
    segments = ", ".join(f"{name or NO_SEGMENT} {offset:+.2f}" for name, offset in card.segment_offsets)
    logit = f"churn logit = {card.intercept:.3f} - {card.slope:.4f} x health"
    return [*facts, f"{logit}; segments {segments}" if segments else logit, f"sha256 {card.sha256[:16]}"]
