"""What changed between two cards, in words."""

from __future__ import annotations

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.render import points_words
from churnfit.scorecard.words import NO_SEGMENT

__all__ = ["diff"]


def diff(before: Scorecard, after: Scorecard) -> list[str]:
    """Return one sentence per difference, measures in the order of `after`; empty when both score and explain alike."""
    old = {measure.name: measure for measure in before.measures}
    said = []
    for new in after.measures:
        was = old.pop(new.name, None)
        if was is None:
            said.append(f"{new.label}: new, weight {new.weight:g}; {points_words(new)}")
            continue
        if was.weight != new.weight:
            said.append(f"{new.label}: weight {was.weight:g} → {new.weight:g}")
        if (was.curve, was.missing) != (new.curve, new.missing):
            said.append(f"{new.label}: points {points_words(was)}  →  {points_words(new)}")
        if f"{was.expected_points:.1f}" != f"{new.expected_points:.1f}":
            said.append(
                f"{new.label}: the average account's points {was.expected_points:.1f} → {new.expected_points:.1f}"
            )
    earlier = dict(before.definitions)
    for name in after.redefined(earlier):
        said.append(f"{name}: measured otherwise, {earlier[name]} → {dict(after.definitions)[name]}")
    said += [f"{gone.label}: gone (weight was {gone.weight:g})" for gone in old.values()]
    said += _number_changes(before, after)
    return said


def _number_changes(before: Scorecard, after: Scorecard) -> list[str]:
    pairs = [
        ("red below", before.bands.red_below, after.bands.red_below),
        ("green from", before.bands.green_from, after.bands.green_from),
        ("intercept", before.intercept, after.intercept),
        ("slope per point", before.slope, after.slope),
        ("base rate", before.base_rate, after.base_rate),
        ("horizon, days", before.horizon_days, after.horizon_days),
    ]
    said = [f"{name}: {old:g} → {new:g}" for name, old, new in pairs if f"{old:g}" != f"{new:g}"]
    old_offsets, new_offsets = dict(before.segment_offsets), dict(after.segment_offsets)
    for segment in sorted(set(old_offsets) | set(new_offsets)):
        was, now = old_offsets.get(segment, 0.0), new_offsets.get(segment, 0.0)
        if f"{was:.3f}" != f"{now:.3f}":
            said.append(f"segment {segment or NO_SEGMENT}: logit offset {was:.3f} → {now:.3f}")
    if before.calibration != after.calibration:
        said.append(f"calibration: {before.calibration.method} → {after.calibration.method}, another curve")
    if before.bands.steadiness != after.bands.steadiness:
        said.append(f"shown band changes: {_patience(before)} → {_patience(after)}")
    return said


def _patience(card: Scorecard) -> str:
    """Return when the shown band of `card` follows its band."""
    steady = card.bands.steadiness
    return "at once" if steady is None else f"{steady.clear:g} points beyond a cut, else after {steady.dwell_days} days"
