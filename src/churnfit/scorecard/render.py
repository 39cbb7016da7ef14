"""The card on paper: plain text for a terminal, Markdown for a review."""

from __future__ import annotations

from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scorecard.words import STATE_WORDS, healthy_words, number_words

__all__ = ["card_rows", "points_words", "to_markdown", "to_text"]

_HEADINGS = ("measure", "weight", "points", "red", "amber", "green")


def points_words(measure: CardMeasure) -> str:
    """Return the curve in words: "0 → 0, 4 → 12, 10 → 20 · not yet → 3"."""
    curve = measure.curve
    if isinstance(curve, Categorical):
        parts = [f"{v} → {p:g}" for v, p in zip(curve.values, curve.points, strict=True)]
    elif isinstance(curve, Graded):
        parts = [f"{number_words(k, measure.unit)} → {p:g}" for k, p in zip(curve.knots, curve.points, strict=True)]
    else:
        starts = ["below " + number_words(curve.cuts[0], measure.unit)] if curve.cuts else ["any value"]
        starts += ["from " + number_words(cut, measure.unit) for cut in curve.cuts]
        parts = [f"{start} → {p:g}" for start, p in zip(starts, curve.points, strict=True)]
    text = ", ".join(parts)
    states = ", ".join(f"{STATE_WORDS.get(state, state)} → {points:g}" for state, points in measure.missing)
    return f"{text} · {states}" if states else text


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
    """Return the card as a Markdown table with what it rests on."""
    lines = [f"# {card.name}", "", *(f"{line}  " for line in _facts(card)), ""]
    lines += ["| " + " | ".join(_HEADINGS) + " |", "|---|---:|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in card_rows(card)]
    return "\n".join(lines) + "\n"


def to_text(card: Scorecard) -> str:
    """Return the card as aligned plain text."""
    rows = [_HEADINGS[:2] + _HEADINGS[2:3] + _HEADINGS[5:], *((r[0], r[1], r[2], r[5]) for r in card_rows(card))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{card.name}: a health score from 0 to 100", *_facts(card), ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _facts(card: Scorecard) -> list[str]:
    evidence = card.evidence
    facts = [
        f"learned from {evidence.rows:,} snapshots of {evidence.accounts:,} accounts; "
        f"churn followed {evidence.churned_rows:,} snapshots within {card.horizon_days} days",
        f"bands: red below {card.bands.red_below:g}, green from {card.bands.green_from:g}; "
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
    segments = ", ".join(f"{name} {offset:+.2f}" for name, offset in card.segment_offsets)
    logit = f"churn logit = {card.intercept:.3f} - {card.slope:.4f} x health"
    return [*facts, f"{logit}; segments {segments}" if segments else logit, f"sha256 {card.sha256[:16]}"]
