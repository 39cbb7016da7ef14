"""explain --since: what moved an account between two published runs of the demo, in words that add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from tests.conftest import CARD

from churnfit.cli.summary import change_lines
from churnfit.errors import UsageError
from churnfit.files import read_parquet
from churnfit.jobs.explaining import explain, explain_change
from churnfit.jobs.promotion import load, promote
from churnfit.jobs.scoring import published_runs, score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace
from churnfit.registry import RunRecord
from churnfit.scoring.batch import published_run
from churnfit.scoring.changes import changes

SINCE = date(2026, 6, 23)


def scored(workspace: Workspace, days_later: int) -> None:
    """Score a date some days from the demo's."""
    score(workspace, CARD, as_of=DEMO_DAY + pd.Timedelta(days=days_later), say=lambda _: None)


def register_lighter(workspace: Workspace) -> None:
    """Register the champion with half the points of its heaviest measure, and more churn at every health."""
    _, champion = load(workspace, CARD, "champion")
    heaviest, *others = champion.measures
    halved = replace(
        heaviest,
        curve=replace(heaviest.curve, points=tuple(points / 2 for points in heaviest.curve.points)),
        missing=tuple((state, points / 2) for state, points in heaviest.missing),
        expected_points=heaviest.expected_points / 2,
    )
    card = replace(champion, measures=(halved, *others), intercept=champion.intercept + 0.25)
    record = RunRecord(
        params={}, metrics={}, texts={"gates.txt": "the gates"}, gates_passed=True, champion_sha256=champion.sha256
    )
    workspace.registry().register(card, record)


def health_by_day(workspace: Workspace) -> dict[date, pd.Series]:
    """Return each account's published health, by date of the run."""
    found = {}
    for run in published_runs(workspace, CARD):
        scores = read_parquet(workspace.folder / run.folder / "scores.parquet")
        found[run.as_of] = scores.set_index("account_id")["health"]
    return found


def test_a_week_under_one_card_is_behaviour_and_data(workspace: Workspace) -> None:
    """The account that fell most: its parts sum to what both runs published, worst first, each with both values."""
    scored(workspace, -7)
    health = health_by_day(workspace)
    fell_most = str((health[DEMO_DAY.date()] - health[SINCE]).idxmin())
    found = explain_change(workspace, CARD, fell_most, since=SINCE)
    assert found.after == explain(workspace, CARD, fell_most).score
    assert found.before == explain(workspace, CARD, fell_most, as_of=SINCE).score
    assert set(found.changes["cause"]) <= {"behaviour", "data"}
    assert found.changes["health_points"].is_monotonic_increasing
    assert found.changes["health_points"].sum() == found.after["health"] - found.before["health"] < 0
    rise = found.after["churn_probability"] - found.before["churn_probability"]
    assert found.changes["probability_points"].sum() == pytest.approx(rise, abs=1e-9)
    for row in found.changes.to_dict("records"):
        assert row["label"]
        assert row["value_before"]
        assert row["value_after"]
    by_day = explain_change(workspace, CARD, fell_most, since=SINCE, as_of=DEMO_DAY.date())
    pd.testing.assert_frame_equal(by_day.changes, found.changes)


def test_every_account_of_two_published_runs_is_explained_at_once(workspace: Workspace) -> None:
    """Read back from their files: health to the last bit, probability to 1e-9, across a promotion too."""
    register_lighter(workspace)
    scored(workspace, -7)
    promote(workspace, CARD, "candidate-2", reason="newer")
    scored(workspace, 1)
    registry = workspace.registry()
    runs = {run.as_of: run for run in published_runs(workspace, CARD)}
    pair = [runs[SINCE], runs[date(2026, 7, 1)]]
    assert [run.version for run in pair] == ["version-1", "version-2"]
    old, new = (registry.load(registry.resolve(CARD, run.version)) for run in pair)
    before, after = (published_run(workspace.folder / run.folder) for run in pair)
    sums = changes(before, after, cards=(old, new)).groupby("account_id")[["health_points", "probability_points"]].sum()
    was, now = (run.scores.set_index("account_id") for run in (before, after))
    shared = was.index.intersection(now.index)
    assert len(shared) > 100
    sums = sums.reindex(shared, fill_value=0.0)
    assert (sums["health_points"] == (now["health"] - was["health"]).loc[shared]).all()
    rise = (now["churn_probability"] - was["churn_probability"]).loc[shared]
    assert (sums["probability_points"] - rise).abs().max() <= 1e-9

    some_account = str(shared[0])
    said = change_lines(explain_change(workspace, CARD, some_account, since=SINCE))
    assert any("card version-1 → version-2: " in line for line in said)


def test_what_cannot_be_compared_is_said(workspace: Workspace) -> None:
    """No run on that date, an account that one run does not have, a date that is not earlier."""
    scored(workspace, -7)
    health = health_by_day(workspace)
    newcomer = min(set(health[DEMO_DAY.date()].index) - set(health[SINCE].index))
    with pytest.raises(
        UsageError, match=rf"CF702 run of 2026-06-23: expected account '{newcomer}'; came no such account"
    ):
        explain_change(workspace, CARD, newcomer, since=SINCE)
    with pytest.raises(UsageError, match=r"CF702 card 'onboarding': expected a scoring run of 2026-06-01; came none"):
        explain_change(workspace, CARD, newcomer, since=date(2026, 6, 1))
    with pytest.raises(UsageError, match=r"CF703 --since: expected a scored date before 2026-06-23; came 2026-06-30"):
        explain_change(workspace, CARD, newcomer, since=DEMO_DAY.date(), as_of=SINCE)
