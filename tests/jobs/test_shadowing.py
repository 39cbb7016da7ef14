"""A candidate in the champion's shadow: the same nights, the same rows, nothing written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import CARD, copied
from tests.small_card import contents

from churnfit.errors import DataError, UsageError
from churnfit.jobs.promotion import load, plan_promotion, promote, rollback
from churnfit.jobs.scoring import score
from churnfit.jobs.shadowing import shadow
from churnfit.jobs.workspace import Workspace
from churnfit.registry import RunRecord
from churnfit.scorecard.card import Scorecard

LAST = pd.Timestamp("2026-06-30", tz="UTC")
MATURED = [pd.Timestamp(day, tz="UTC") for day in ("2026-01-06", "2026-02-17", "2026-03-31")]


@pytest.fixture(scope="module")
def nights(demo_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo with four published nights, three of them so long ago that their labels are known."""
    workspace = copied(demo_workspace, tmp_path_factory.mktemp("shadow") / "workspace")
    for day in MATURED:
        score(workspace, CARD, as_of=day, say=lambda _: None)
    return workspace


def candidate(workspace: Workspace, **changes: object) -> Scorecard:
    """Register the champion, changed, as a candidate."""
    _, champion = load(workspace, CARD, "champion")
    card = replace(champion, **changes)  # type: ignore[arg-type]
    record = RunRecord(
        params={}, metrics={}, texts={"gates.txt": ""}, gates_passed=True, champion_sha256=champion.sha256
    )
    workspace.registry().register(card, record)
    return card


def test_the_champion_in_its_own_shadow_is_its_equal(nights: Workspace) -> None:
    """No account changes band, both ask for the same calls, and no difference is known; nothing is written."""
    before = contents(nights.root)
    found = shadow(nights, CARD, "champion", as_of=LAST)
    assert list(found.replay.accounts) == [*(day.date() for day in MATURED), LAST.date()]
    assert found.replay.changes == []
    assert found.replay.champion == found.replay.candidate
    assert found.judged.differences is not None
    assert {(i.low, i.estimate, i.high) for i in found.judged.differences.values()} == {(0.0, 0.0, 0.0)}
    changed = {name for name, content in contents(nights.root).items() if before.get(name) != content}
    assert not {name for name in changed if not name.startswith((".churnfit/churnfit.db", ".churnfit/mlflow.db"))}


def test_a_candidate_that_says_less_is_seen_to_be_worse_on_what_matured(nights: Workspace) -> None:
    """With a third of the slope the probabilities are too timid: a higher log-loss, surely."""
    _, champion = load(nights, CARD, "champion")
    candidate(nights, slope=champion.slope / 3)
    found = shadow(nights, CARD, as_of=LAST)
    assert found.judged.differences is not None
    assert found.judged.differences["log_loss"].low > 0
    assert found.judged.churned_accounts >= 20


def test_nights_can_be_too_young_or_too_few_to_judge(nights: Workspace) -> None:
    """Only matured labels judge; a first night can be given; without any night there is nothing to compare."""
    candidate(nights)
    young = shadow(nights, CARD, since=date(2026, 6, 1), as_of=LAST).judged
    assert (young.rows, young.differences) == (0, None)
    assert young.reason.startswith("too few: 0 churned")
    with pytest.raises(UsageError, match=r"CF702 card 'onboarding': .*since 2027-01-01; came none"):
        shadow(nights, CARD, since=date(2027, 1, 1), as_of=LAST)


def test_a_night_on_which_nobody_measured_what_the_candidate_reads_is_left_out(nights: Workspace) -> None:
    """The night and the measure are named, and the rest is compared."""
    _, champion = load(nights, CARD, "champion")
    renamed = replace(champion.measures[0], name="brand_new")
    candidate(nights, measures=(renamed, *champion.measures[1:]))
    found = shadow(nights, CARD, as_of=LAST)
    assert found.replay.candidate is None
    assert found.replay.left_out[0] == "2026-01-06: nobody measured brand_new as it learned"
    assert found.judged.reason == "no night has what both cards read"


def test_nights_measured_otherwise_than_the_candidate_learned_are_left_out(nights: Workspace) -> None:
    """The nights hold what the champion reads; a candidate of another window cannot be compared on them."""
    _, champion = load(nights, CARD, "champion")
    name = champion.read[0]
    other = dict(champion.definitions) | {name: "another"}
    candidate(nights, definitions=tuple(sorted(other.items())))
    found = shadow(nights, CARD, as_of=LAST)
    assert found.replay.candidate is None
    assert found.replay.left_out[0] == f"2026-01-06: nobody measured {name} as it learned"
    assert found.judged.reason == "no night has what both cards read"


def with_tickets_of_14_days(workspace: Workspace, folder: Path) -> Workspace:
    """Return a copy in `folder` whose spec counts tickets over 14 days; its champion learned them of 28."""
    changed = copied(workspace, folder / "workspace")
    spec = changed.cards[CARD]
    text = spec.read_text(encoding="utf-8")
    start = text.index("[measures.tickets_28d]")
    spec.write_text(text[:start] + text[start:].replace("window_days = 28", "window_days = 14", 1), encoding="utf-8")
    return changed


def learned_anew(workspace: Workspace) -> None:
    """Promote the champion's twin that learned as the spec takes its measures now."""
    definitions = workspace.spec(CARD).definitions
    _, champion = load(workspace, CARD, "champion")
    candidate(workspace, definitions=tuple((name, definitions[name]) for name in sorted(champion.read)))
    promote(workspace, CARD, "latest", reason="learned anew")


def test_nights_count_as_the_version_of_that_night_measured_them(nights: Workspace, tmp_path: Path) -> None:
    """A champion of another window was promoted since: neither it nor later candidates are judged on older nights."""
    changed = with_tickets_of_14_days(nights, tmp_path)
    with pytest.raises(DataError, match="CF219"):
        promote(changed, CARD, "candidate-1", reason="what the old spec learned")
    plan = plan_promotion(changed, CARD, "candidate-1", weeks=0)
    assert plan.changes[-1] == "tickets_28d: the spec takes it otherwise than candidate-1 learned it"
    learned_anew(changed)
    found = shadow(changed, CARD, "latest", as_of=LAST)
    assert (found.replay.candidate, found.replay.champion) == (None, None)
    assert len(found.replay.left_out) == 4
    assert found.judged.rows == 0


def test_no_rollback_to_a_card_that_could_score_no_night(nights: Workspace, tmp_path: Path) -> None:
    """It learned tickets of 28 days, the spec counts 14 by now: CF219, and the champion stays."""
    changed = with_tickets_of_14_days(nights, tmp_path)
    learned_anew(changed)
    before = contents(changed.root)
    with pytest.raises(DataError, match=r"CF219 .*as version-1 learned it"):
        rollback(changed, CARD)
    assert contents(changed.root) == before
