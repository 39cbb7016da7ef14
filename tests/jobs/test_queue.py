"""The week of an owner, and what people do with calls to action, through the workspace."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Ended
from tests.cta.test_rules import account
from tests.cta.test_store import MONDAY, deciding, publish, run_row
from tests.jobs import small_workspace
from time_machine import TimeMachineFixture

from churnfit.cta.rules import ScoredAccount
from churnfit.errors import UsageError
from churnfit.files import write_parquet
from churnfit.jobs.drops import health_before
from churnfit.jobs.history import now
from churnfit.jobs.queue import Load, claim, close, ctas, history_of, load, queue, reopen, snooze
from churnfit.jobs.workspace import Workspace, find_workspace

Cli = Callable[..., Ended]
TODAY = now().date()


@pytest.fixture
def small(tmp_path: Path, time_machine: TimeMachineFixture) -> Workspace:
    """A workspace in which A, B, C are ann's (worth 900, 400, −100), and D is nobody's; two places a week.

    It is noon of `TODAY`: a run that goes on past midnight means the same day.
    """
    time_machine.move_to(datetime.combine(TODAY, time(12), tzinfo=UTC))
    root = tmp_path / "workspace"
    root.mkdir()
    small_workspace.make(root, accounts=small_workspace.accounts(), events=small_workspace.events())
    spec = root / "small.toml"
    spec.write_text(spec.read_text() + "\n[queue]\ncapacity_per_owner = 2\n", encoding="utf-8")
    workspace = find_workspace(root)
    night(workspace, 0)
    return workspace


def night(workspace: Workspace, day: int, *accounts: ScoredAccount) -> None:
    """Publish the run of that day, of the four accounts where none are given."""
    given = accounts or (
        account("A", "red"),
        account("B", "red", value=5000.0),
        account("C", "red", value=0.0),
        account("D", "red", owner=""),
    )
    with closing(workspace.store()) as store:
        publish(store, run_row(day), deciding(*given, day=day))


def test_a_week_of_a_csm(small: Workspace) -> None:
    """Ann claims A and closes it: with two places B is left; D, nobody's, can be claimed by anyone."""
    assert [(row.cta.account_id, row.part) for row in queue(small, "small", owner="ann")] == [
        ("A", "this week"),
        ("B", "this week"),
        ("C", "not worth a call"),
    ]
    assert claim(small, "small", "A", by="ann").status == "claimed"
    closed = close(small, "small", "A", outcome="saved", by="ann", why="they stay")
    assert (closed.status, closed.closed_on, closed.closed_by) == ("resolved", TODAY, "ann")
    claim(small, "small", "D", by="ann")
    assert load(small, "small") == [
        Load(owner="ann", open=2, claimed=0, snoozed=0, overdue=2, done=1, capacity=2, overflow=0),
        Load(owner="unassigned", open=0, claimed=1, snoozed=0, overdue=1, done=0, capacity=2, overflow=0),
    ]
    close(small, "small", "B", outcome="done", by="ann")
    night(small, 1, account("A", "red"), account("B", "red"), account("E", "red"))  # A and B stay away
    rows = queue(small, "small", owner="ann")
    assert [(row.cta.account_id, row.part) for row in rows] == [("E", "beyond capacity")]
    assert [row.part for row in queue(small, "small", owner="ann", today=TODAY + timedelta(days=7))] == ["this week"]


def test_a_cta_is_found_by_its_id_or_by_its_account(small: Workspace) -> None:
    """An account means its active CTA; a name that is neither is CF702."""
    [of_a] = [cta for cta in ctas(small, "small") if cta.account_id == "A"]
    assert claim(small, "small", of_a.cta_id, by="ann").cta_id == of_a.cta_id
    assert claim(small, "small", "A", by="ann").cta_id == of_a.cta_id
    with pytest.raises(UsageError, match=r"CF702 card 'small': expected the id of a CTA, .*; came 'nobody'"):
        claim(small, "small", "nobody", by="ann")


def test_everything_that_was_done_with_a_cta_is_its_history(small: Workspace) -> None:
    """Each move with who and why; claiming what one has claimed is none."""
    claim(small, "small", "A", by="ann")
    claim(small, "small", "A", by="ann")
    snooze(small, "small", "A", until=TODAY + timedelta(days=3), by="ann", why="on holiday")
    reopen(small, "small", "A", by="bob", why="ann is ill")
    close(small, "small", "A", outcome="not valid", by="bob", why="a test account")
    cta, events = history_of(small, "small", "A")
    assert (cta.status, cta.outcome, cta.note) == ("not valid", "not valid", "a test account")
    assert [(event.by, event.to_status, event.why) for event in events[1:]] == [
        ("ann", "claimed", ""),
        ("ann", "snoozed", "on holiday"),
        ("bob", "open", "ann is ill"),
        ("bob", "not valid", "a test account"),
    ]
    assert [event.from_status for event in events] == ["", "open", "claimed", "snoozed", "open"]


def test_an_old_cta_is_not_reopened_beside_a_new_one(small: Workspace) -> None:
    """The second one has opened after the cooldown: there is one to work on, and it is named."""
    close(small, "small", "A", outcome="done", by="ann")
    [first] = [cta for cta in ctas(small, "small") if cta.account_id == "A"]
    later = (TODAY - MONDAY).days + 14
    night(small, later)
    [_, second] = [cta for cta in ctas(small, "small") if cta.account_id == "A"]
    with pytest.raises(UsageError, match=rf"CF707 CTA {first.cta_id} .*came {second.cta_id}, open"):
        reopen(small, "small", first.cta_id, by="ann")


def test_health_is_compared_with_the_oldest_run_of_the_last_days(small: Workspace) -> None:
    """Runs on days 0, 3 and 4, the last of another card: on day 7 day 0 counts, on day 8 day 3, on day 11 none."""
    spec = small.spec("small")
    asked = spec.model_copy(update={"queue": spec.queue.model_copy(update={"drop_points": 15.0, "drop_days": 7})})
    for day, health in ((0, 80.0), (3, 70.0)):
        folder = small.folder / "scores" / f"{day}"
        write_parquet(pd.DataFrame({"account_id": ["A"], "health": [health]}), folder / "scores.parquet")
        with closing(small.store()) as store:
            row = replace(run_row(day, key=f"dated-{day}"), folder=f"scores/{day}")
            publish(store, row, deciding(account("A", "red"), day=day))
    with closing(small.store()) as store:
        publish(store, replace(run_row(4), card_sha256="other"), deciding(account("A", "red"), day=4))

    def on(day: int) -> object:
        as_of = pd.Timestamp(MONDAY + timedelta(days=day), tz="UTC")
        return health_before(small, asked, as_of=as_of, card_sha256="c" * 64)

    assert (on(7), on(8), on(11)) == ({"A": 80.0}, {"A": 70.0}, {})
    (small.folder / "scores" / "0" / "scores.parquet").unlink()
    assert on(7) == {"A": 70.0}  # a night does not fail for a lost file
    assert health_before(small, spec, as_of=pd.Timestamp(MONDAY, tz="UTC"), card_sha256="c" * 64) == {}


def test_the_verbs(small: Workspace, churnfit: Cli) -> None:
    """Claim, refused claim, snooze, close, show, list, queue and load, as people type them."""
    root = small.root
    claimed = churnfit("cta", "claim", "A", "--by", "ann", cwd=root)
    assert (claimed.code, claimed.out.endswith("): claimed, by ann\n")) == (0, True)
    refused = churnfit("cta", "claim", "A", "--by", "bob", cwd=root)
    assert (refused.code, "one that is claimed by ann" in refused.err) == (2, True)
    assert "What can be done with it now: snooze, close, reopen." in refused.err
    shown = churnfit("queue", "--as-of", str(MONDAY), cwd=root).out
    assert "ann 1. A: health 20, churn 40%" in shown
    assert "(claimed by ann)" in shown
    assert "overdue" not in shown
    assert "(claimed by ann)  (overdue)" in churnfit("queue", cwd=root).out
    until = str(TODAY + timedelta(days=2))
    asleep = json.loads(churnfit("cta", "snooze", "B", "--until", until, "--by", "ann", "--json", cwd=root).out)
    assert (asleep["cta"]["status"], asleep["cta"]["snoozed_until"]) == ("snoozed", until)
    wrong = churnfit("cta", "snooze", "B", "--until", "soon", cwd=root)
    assert (wrong.code, "--until" in wrong.err) == (2, True)
    silent = churnfit("cta", "close", "A", "--outcome", "not-valid", cwd=root)
    assert (silent.code, "error[CF703]" in silent.err) == (2, True)
    unknown = churnfit("cta", "close", "A", "--outcome", "won", cwd=root)
    assert (unknown.code, "done, saved, churned, not-valid" in unknown.err) == (2, True)
    done = churnfit("cta", "close", "A", "--outcome", "saved", "--by", "ann", "--why", "they stay", cwd=root)
    assert (done.code, done.out.endswith("): resolved, by ann, outcome saved\n")) == (0, True)
    told = churnfit("cta", "show", "A", cwd=root).out
    assert all(part in told for part in ("resolved", "open → claimed", "claimed → resolved", "they stay", "band_red"))
    events = json.loads(churnfit("cta", "show", "A", "--json", cwd=root).out)["events"]
    assert [event["to_status"] for event in events] == ["open", "claimed", "resolved"]
    listed = json.loads(churnfit("cta", "list", "--status", "snoozed", "--json", cwd=root).out)["ctas"]
    assert [cta["account_id"] for cta in listed] == ["B"]
    assert churnfit("cta", "list", "--status", "asleep", cwd=root).code == 2
    assert churnfit("cta", "list", cwd=root).out.count("open") >= 2
    again = churnfit("cta", "reopen", "A", "--by", "ann", cwd=root)
    assert (again.code, again.out.endswith("): open\n")) == (0, True)
    rows = json.loads(churnfit("queue", "--load", "--json", cwd=root).out)["load"]
    assert [(row["owner"], row["open"], row["snoozed"]) for row in rows] == [("ann", 2, 1), ("unassigned", 1, 0)]
    assert "done this week" in churnfit("queue", "--load", cwd=root).out
