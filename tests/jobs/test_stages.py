"""Who is ready for the next stage, who has moved and with what, and whom nobody scores any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import date

import pandas as pd
import pytest
from tests.conftest import CARD, Ended

from churnfit.errors import UsageError
from churnfit.jobs.queue import claim, queue, snooze
from churnfit.jobs.scoring import score
from churnfit.jobs.stages import stages
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace

NEXT_DAY = DEMO_DAY + pd.Timedelta(days=1)


def test_ready_are_those_that_fulfil_the_condition(demo_workspace: Workspace) -> None:
    """Live, and three modules of five done; the longest in the stage first."""
    found = stages(demo_workspace, CARD)
    run = next((demo_workspace.scores / CARD / f"as_of={DEMO_DAY:%Y-%m-%d}").glob("run=*"))
    snapshot = pd.read_parquet(run / "snapshot.parquet")
    live = snapshot[snapshot["days_to_go_live"].notna() & (snapshot["training_share"] >= 0.6)]
    assert set(found.ready["account_id"]) == set(live["account_id"]) != set()
    assert found.ready["stage_day"].is_monotonic_decreasing
    assert (found.next_stage, found.as_of, len(found.moved)) == ("adoption", DEMO_DAY.date(), 0)


def test_beyond_are_those_past_the_last_scored_day(demo_workspace: Workspace) -> None:
    """Nobody of them is in the run, and none has churned."""
    found = stages(demo_workspace, CARD)
    accounts = pd.read_parquet(demo_workspace.root / "data" / "accounts.parquet").set_index("account_id")
    beyond = accounts.loc[found.beyond["account_id"]]
    assert len(beyond) > 0
    assert ((DEMO_DAY - beyond["started_at"]).dt.days >= 180).all()
    assert (beyond["churned_at"].isna() | (beyond["churned_at"] > DEMO_DAY)).all()


def test_who_moves_is_handed_over_with_its_score_its_reasons_and_its_call(
    workspace: Workspace, churnfit: Callable[..., Ended]
) -> None:
    """Three called accounts move: one call is claimed, one snoozed, one open; none is resolved, the others' may be."""
    rows = queue(workspace, CARD)
    open_one, claimed, snoozed, left = (row.cta for row in rows[:4])
    claim(workspace, CARD, claimed.account_id, by="ann")
    snooze(workspace, CARD, snoozed.account_id, until=date(2027, 1, 31), by="ann")
    table = workspace.root / "data" / "accounts.parquet"
    moved = [cta.account_id for cta in (open_one, claimed, snoozed)]
    accounts = pd.read_parquet(table)
    stage = accounts["account_id"].map(dict.fromkeys(moved, "adoption")).astype("str")
    gone = accounts["account_id"] == left.account_id  # churned: its call is over
    accounts = accounts.assign(stage=stage, churned_at=accounts["churned_at"].mask(gone, DEMO_DAY))
    accounts.to_parquet(table)
    score(workspace, CARD, as_of=NEXT_DAY, say=lambda _: None)
    with closing(workspace.store()) as store:
        now = {cta.cta_id: cta.status for cta in store.ctas(CARD)}
    assert [now[cta.cta_id] for cta in (open_one, claimed, snoozed, left)] == [
        "open", "claimed", "snoozed", "auto-resolved"
    ]  # fmt: skip
    found = stages(workspace, CARD)
    assert set(found.moved["account_id"]) == set(moved)
    assert not set(found.ready["account_id"]) & set(moved)
    of_one = found.moved.set_index("account_id").loc[open_one.account_id]
    assert (of_one["stage"], of_one["last_scored_on"], of_one["cta_id"]) == (
        "adoption",
        DEMO_DAY.date(),
        open_one.cta_id,
    )
    assert (of_one["health"], of_one["reasons"][0]) == (open_one.health, open_one.reasons[0])
    assert stages(workspace, CARD, since=NEXT_DAY.date()).moved.empty  # no run since has scored them
    said = churnfit("stages", "--card", CARD, cwd=workspace.root).out
    assert open_one.account_id in said
    document = json.loads(churnfit("stages", "--card", CARD, "--json", cwd=workspace.root).out)
    assert {row["account_id"] for row in document["moved"]} == set(moved)


def test_a_card_without_a_next_stage_says_so(demo_workspace: Workspace) -> None:
    """The second card of the demo names none."""
    with pytest.raises(UsageError, match=r"CF703 card 'dear': expected the stage that follows, \[next_stage\]"):
        stages(demo_workspace, "dear")
