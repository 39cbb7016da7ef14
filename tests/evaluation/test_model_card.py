"""The model card: what it is for, for whom it holds, and every limit that is known."""

from __future__ import annotations

from dataclasses import replace

from tests.small_card import CARD

from churnfit.evaluation.gates import judge
from churnfit.evaluation.intervals import Interval
from churnfit.evaluation.model_card import model_card_html, model_card_markdown, model_card_sections
from churnfit.evaluation.report import evaluate
from churnfit.scorecard.certificate import Certificate

WEAK = Certificate(grade="weak", resamples=200, kept=0.5, churned=20, low=1.0, high=60.0)


def limits(card, report, spec):
    """The sentences under "Limits"."""
    sections = model_card_sections(card, report, judge(report, card, spec), spec)
    return " ".join(next(section.sentences for section in sections if section.title == "Limits"))


def test_a_model_card_says_what_it_is_for_and_how_it_does_by_segment(judged, make_spec, context):
    """The stage, the horizon, what is done in each band; each segment with its figures; the gates."""
    spec = make_spec()
    report = evaluate(judged, spec=spec, context=context)
    verdict = judge(report, CARD, spec)
    text = model_card_markdown(CARD, report, verdict, spec)
    assert text.startswith("# Tiny card: model card\n\n## What it is for\n")
    for said in ("within 90 days", "Red: call. Amber: mail.", CARD.sha256, "| mid |", "| tiny |", "| CF011 |"):
        assert said in text
    page = model_card_html(CARD, report, verdict, spec, figures={})
    assert page.startswith("<!doctype html>")
    assert "<title>Tiny card: model card</title>" in page


def test_every_known_limit_is_said(judged, make_spec, context):
    """Waived gates, segments at chance or not judged, weak lines, what nobody can act on, no dates, treated rows."""
    line, *rest = CARD.measures
    card = replace(CARD, measures=(replace(line, certificate=WEAK), *rest))
    context = replace(context, treated=12, judged_matured=None)
    spec = make_spec(gates={"waived": {"CF003": "there never was a card of ours"}})
    report = evaluate(judged, spec=spec, context=context)
    first = replace(report.segments[0], segment="poor", auc=Interval(0.45, 0.55, 0.65), reason="")
    said = limits(card, replace(report, segments=(first, *report.segments[1:])), spec)
    for words in (
        "CF003, beats the hand-made card: Waived in the spec: there never was a card of ours",
        "judge by itself in: tiny.",
        "In poor it may do no better than chance: AUC 0.550 (0.450 to 0.650).",
        "would change what it says about: Logins.",
        "Nobody can act on: Goal;",
        "nobody was held out",
        "no dates",
    ):
        assert words in said, said


def test_limits_that_do_not_hold_are_not_said(judged, make_spec, context):
    """A card judged out of time, without treated rows and certificates, has only the limit that every card has."""
    spec = make_spec()
    report = evaluate(judged[judged["segment"] == "mid"], spec=spec, context=context)
    said = limits(replace(CARD, measures=CARD.measures[:2]), report, spec)
    assert (
        said
        == "What customers do changes: it is true for cohorts like those it was judged on, and wants to be refitted."
    )
