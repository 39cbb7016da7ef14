"""A range of dates scored: each as the run of that date alone, in order, once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest
from tests.conftest import CARD, Ended
from tests.databases import rows_of

from churnfit.errors import DataError
from churnfit.jobs.backfill import backfill, dates
from churnfit.jobs.scoring import published_runs, score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace

Cli = Callable[..., Ended]
DAYS = dates(DEMO_DAY + pd.Timedelta(days=2), DEMO_DAY + pd.Timedelta(days=6), every_days=2)


def silent(_: str) -> None:
    """Say nothing."""


def world(workspace: Workspace) -> dict[str, list[tuple[object, ...]]]:
    """Return runs, CTAs, states, and every move but for when it was made."""
    found = rows_of(workspace.database, "runs", "ctas", "account_states", "cta_events")
    return found | {"cta_events": [(*row[:3], *row[4:]) for row in found["cta_events"]]}


def test_a_range_is_what_its_dates_are_one_by_one(workspace: Workspace) -> None:
    """Three dates at once and three single runs from the same start: the same runs, CTAs, states and moves."""
    database = workspace.folder / "churnfit.db"
    start = database.read_bytes()
    for result, as_of in zip(backfill(workspace, CARD, DAYS, say=silent), DAYS, strict=True):
        assert result.published
        assert result.run.as_of == as_of.date()
    at_once = world(workspace)
    database.write_bytes(start)
    for as_of in DAYS:
        score(workspace, CARD, as_of=as_of, say=silent)
    assert world(workspace) == at_once


def test_the_range_again_changes_nothing(workspace: Workspace, churnfit: Cli) -> None:
    """No new CTA, no new run; the lines say so."""
    span = ("--from", f"{DAYS[0]:%Y-%m-%d}", "--to", f"{DAYS[-1]:%Y-%m-%d}", "--every", "2")
    first = churnfit("score", "--card", CARD, *span, cwd=workspace.root)
    assert (first.code, len(first.out.splitlines())) == (0, 3)
    assert [f"{day:%Y-%m-%d}: Measuring every account" in first.err for day in DAYS] == [True] * 3
    before = rows_of(workspace.database)
    again = churnfit("score", "--card", CARD, *span, cwd=workspace.root)
    assert again.code == 0
    assert again.out.count("published before, nothing to do") == 3
    assert rows_of(workspace.database) == before
    document = json.loads(churnfit("score", "--card", CARD, *span, "--json", cwd=workspace.root).out)
    assert [run["published"] for run in document["runs"]] == [False] * 3


def test_a_date_that_fails_stops_the_range_and_says_what_is_done(workspace: Workspace) -> None:
    """The first is published, the second is too long after the newest fact: CF314, the third is not begun."""
    days = [DEMO_DAY + pd.Timedelta(days=offset) for offset in (7, 120, 127)]
    done = []
    with pytest.raises(
        DataError, match=r"CF314 .* on 2026-10-28; 1 of 3 dates are done, up to 2026-07-07: .*same range again"
    ):
        done.extend(backfill(workspace, CARD, days, say=silent))
    assert [run.as_of for run in published_runs(workspace, CARD)] == [DEMO_DAY.date(), days[0].date()]


def test_a_range_whose_first_date_fails_is_that_dates_fault(workspace: Workspace) -> None:
    """Nothing is done, so nothing is said about it."""
    with pytest.raises(DataError, match=r"CF314 card 'onboarding' on 2026-10-28: expected"):
        list(backfill(workspace, CARD, [DEMO_DAY + pd.Timedelta(days=120)], say=silent))


@pytest.mark.parametrize(
    "wrong",
    [
        ("--from", "2026-06-01"),
        ("--to", "2026-06-01"),
        ("--from", "2026-06-01", "--to", "2026-06-02", "--as-of", "2026-06-01"),
        ("--from", "2026-06-01", "--to", "2026-06-02", "--dry-run"),
        ("--from", "2026-06-02", "--to", "2026-06-01"),
        ("--from", "2026-06-02", "--to", "2999-06-01"),
        ("--from", "yesterday", "--to", "2026-06-01"),
        ("--from", "2026-06-01", "--to", "2026-06-02", "--every", "0"),
    ],
)
def test_a_range_that_is_none_is_refused(demo_workspace: Workspace, churnfit: Cli, wrong: tuple[str, ...]) -> None:
    """Exit code 2 before anything is read."""
    assert churnfit("score", "--card", CARD, *wrong, cwd=demo_workspace.root).code == 2
