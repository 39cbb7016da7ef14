"""Whatever the card, a call to action is led by something somebody can act on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_explanations import NAMES, TEXT, accounts, whole_cards
from tests.small_card import spec_of

from churnfit.cta.rules import Standing, decide
from churnfit.jobs.scoring import scored_accounts
from churnfit.scorecard.card import Scorecard
from churnfit.scoring.batch import score
from churnfit.spec import ScorecardSpec


def spec_for(actionable: set[str]) -> ScorecardSpec:
    """Return a spec of the measures, each with a playbook of its own, after one for accounts without a lead."""
    return spec_of(
        measures={
            name: {
                "group": "use",
                "aggregate": "attribute",
                "column": name,
                "actionable": name in actionable,
                "playbook": f"about {name}",
            }
            for name in TEXT
        },
        playbooks={
            name: {"title": name, "steps": [name], "due_days": 3} for name in ("call", *(f"about {m}" for m in TEXT))
        },
        groups={"use": {"label": "Use"}},
    )


def who_can_act(card: Scorecard, actionable: set[str]) -> Scorecard:
    """Return the card with lines that can be acted on where one of the measures behind them can."""
    members = {pair.name: pair.members for pair in card.pairs}
    lines = [
        replace(line, actionable=bool(actionable & {*members.get(line.name, (line.name,))})) for line in card.measures
    ]
    return replace(card, measures=tuple(lines))


@settings(deadline=None, max_examples=60)
@given(drawn=whole_cards(), actionable=st.sets(st.sampled_from(NAMES)), seed=st.integers(0, 2**32 - 1))
def test_what_nobody_can_act_on_never_leads_a_cta(drawn: Scorecard, actionable: set[str], seed: int) -> None:
    """A CTA is about the line that costs most health of those that can be acted on, with its playbook; else none."""
    card, spec = who_can_act(drawn, actionable), spec_for(actionable)
    run = score(card, accounts(np.random.default_rng(seed)), key="k")
    scored = scored_accounts(card, run, spec)
    nothing = Standing(states={}, active={}, last_closed={})
    opened = decide(scored, nothing, spec, as_of=date(2026, 3, 1), version="version-1", cuts=card.bands).opened
    members = {pair.name: pair.members for pair in card.pairs}
    costs = run.reasons[run.reasons["health_points"] < 0].groupby("account_id")["measure"].agg(list)
    assert len(opened) == (run.scores["band"] == "red").sum()
    for cta in opened:
        behind = [members.get(line, (line,)) for line in costs.get(cta.account_id, [])]
        to_act_on = [name for names in behind for name in names if name in actionable]
        assert cta.lead_measure == next(iter(to_act_on), "")
        assert cta.playbook == (f"about {cta.lead_measure}" if to_act_on else "call")
