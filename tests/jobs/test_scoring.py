"""score, queue and explain on the demo's history: once, in order, and nothing when nothing is asked."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import date

import pandas as pd
import pytest
from tests.conftest import CARD, Ended
from tests.small_card import contents

from churnfit.errors import DataError, UsageError
from churnfit.history.snapshot import snapshot_hash
from churnfit.jobs.explaining import explain
from churnfit.jobs.promotion import load
from churnfit.jobs.queue import queue
from churnfit.jobs.scoring import ScoringResult, published_runs, score, scoring_snapshot
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace
from churnfit.spec import History


def scored(workspace: Workspace, days_later: int = 0, *, dry_run: bool = False) -> ScoringResult:
    """Score the demo's day, or one some days later or earlier."""
    as_of = DEMO_DAY + pd.Timedelta(days=days_later)
    return score(workspace, CARD, as_of=as_of, say=lambda _: None, dry_run=dry_run)


def files_of(workspace: Workspace) -> dict[str, str]:
    """Return the hash of every file, but for the databases, whose content `dump` compares."""
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(workspace.root).items()
        if not name.startswith((".churnfit/churnfit.db", ".churnfit/mlflow.db"))
    }


def dump(workspace: Workspace, name: str = "churnfit.db") -> list[str]:
    """Return a whole database as SQL."""
    connection = sqlite3.connect(workspace.folder / name)
    lines = list(connection.iterdump())
    connection.close()
    return lines


def test_the_same_date_again_writes_nothing(workspace: Workspace) -> None:
    """Same date, card and data: the same run, said to be published before; no file and no row is new or other."""
    files, rows = files_of(workspace), dump(workspace)
    again = scored(workspace)
    assert not again.published
    assert again.run == published_runs(workspace, CARD)[0]
    assert (files_of(workspace), dump(workspace)) == (files, rows)


def test_a_dry_run_writes_nothing(workspace: Workspace) -> None:
    """A new date, dry: its bands and counts are said; tree, queue and registry are what they were."""
    files, rows, versions = files_of(workspace), dump(workspace), dump(workspace, "mlflow.db")
    result = scored(workspace, 7, dry_run=True)
    assert not result.published
    assert sum(result.bands.values()) == result.run.accounts > 0
    assert (files_of(workspace), dump(workspace), dump(workspace, "mlflow.db")) == (files, rows, versions)
    assert len(published_runs(workspace, CARD)) == 1


def test_a_dry_run_says_what_the_run_then_does(workspace: Workspace) -> None:
    """Opened and resolved are the same numbers, dry and done."""
    dry, done = scored(workspace, 7, dry_run=True), scored(workspace, 7)
    assert (dry.run, dry.bands) == (done.run, done.bands)
    assert done.published


def test_day_tables_measure_the_same_accounts_to_the_same_bytes(workspace: Workspace) -> None:
    """`engine = "days"` keeps its tables in the workspace, and changes no number."""
    spec = workspace.spec(CARD)
    kept = spec.model_copy(update={"history": History(engine="days")})
    plain, days = (scoring_snapshot(workspace, each, as_of=DEMO_DAY) for each in (spec, kept))
    assert snapshot_hash(plain) == snapshot_hash(days)
    assert (workspace.folder / "days" / CARD / "manifest.json").is_file()


def test_sources_that_ended_long_ago_are_not_scored(workspace: Workspace) -> None:
    """The newest event is of 29 June: eight days after its day's end every customer would look silent."""
    with pytest.raises(DataError, match=r"CF314 .*the newest of 2026-06-29, 8 days before"):
        scored(workspace, 8)


def test_a_kind_of_event_that_has_stopped_is_not_scored_on(
    workspace: Workspace, churnfit: Callable[..., Ended]
) -> None:
    """No ticket for nine days while all else goes on: the night is refused, `feeds` says why, the spec can allow it."""
    table = workspace.root / "data" / "events.parquet"
    events = pd.read_parquet(table)
    late = (events["kind"] == "ticket_opened") & (events["occurred_at"] >= DEMO_DAY - pd.Timedelta(days=8))
    events[~late].to_parquet(table)
    before = files_of(workspace), dump(workspace)
    with pytest.raises(DataError, match=r"CF314 .*came 'ticket_opened' silent for 8 days, at most \d before"):
        scored(workspace, 0)
    assert (files_of(workspace), dump(workspace)) == before
    shown = churnfit("feeds", "--card", CARD, "--as-of", f"{DEMO_DAY:%Y-%m-%d}", cwd=workspace.root)
    assert (shown.code, shown.out.count("STOPPED")) == (1, 1)
    spec = workspace.root / "models" / CARD / "scorecard.toml"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace('# may_stop = ["webinar"]', 'may_stop = ["ticket_opened"]'), encoding="utf-8")
    assert scored(workspace, 0).published
    assert churnfit("feeds", "--card", CARD, "--as-of", f"{DEMO_DAY:%Y-%m-%d}", cwd=workspace.root).code == 0


def test_an_export_that_lost_accounts_is_not_scored(workspace: Workspace) -> None:
    """Half of them: nothing changes, no call is closed. One of them, as when a test account is deleted: scored."""
    table = workspace.root / "data" / "accounts.parquet"
    accounts = pd.read_parquet(table)
    accounts.iloc[::2].to_parquet(table)
    before = files_of(workspace), dump(workspace)
    with pytest.raises(DataError, match=r"CF315 sources.accounts: expected the accounts that the run of 2026-06-30"):
        scored(workspace, 1)
    assert (files_of(workspace), dump(workspace)) == before
    first = queue(workspace, CARD)[0].cta.account_id
    accounts[accounts["account_id"] != first].to_parquet(table)
    assert scored(workspace, 1).published


def test_a_late_date_joins_the_history_and_changes_no_cta(workspace: Workspace) -> None:
    """A week before the newest run: a run more, and the queue as it was."""
    before = queue(workspace, CARD)
    late = scored(workspace, -7)
    assert late.published
    assert (late.run.opened, late.run.resolved) == (0, 0)
    assert queue(workspace, CARD) == before
    assert [run.as_of for run in published_runs(workspace, CARD)] == [date(2026, 6, 30), date(2026, 6, 23)]


def test_the_next_day_keeps_open_what_stays_red(workspace: Workspace) -> None:
    """Of yesterday's CTAs each is open still, or resolved; the new ones are of accounts that had none."""
    before = {row.cta.account_id: row.cta for row in queue(workspace, CARD)}
    result = scored(workspace, 1)
    after = {row.cta.account_id: row.cta for row in queue(workspace, CARD)}
    assert len(after) == len(before) + result.run.opened - result.run.resolved
    assert len(after) <= result.bands["red"]
    for account_id in before.keys() & after.keys():
        assert after[account_id].cta_id == before[account_id].cta_id
        assert after[account_id].last_scored_on == date(2026, 7, 1)


def test_every_red_account_of_the_first_run_has_a_cta(demo_workspace: Workspace) -> None:
    """On the first day who is red or late has one, with a playbook and reasons: what costs health, or how late."""
    [run] = published_runs(demo_workspace, CARD)
    rows = queue(demo_workspace, CARD)
    assert len(rows) == run.opened > 0
    playbooks = demo_workspace.spec(CARD).playbooks
    for row in rows:
        assert row.cta.playbook in playbooks
        late = "overstay" in row.cta.triggers
        assert set(row.cta.triggers) <= {"band_red", "overstay"}
        assert 1 <= len(row.cta.reasons) - late <= 3 or row.cta.triggers == ("overstay",)
        assert all("health points" in reason for reason in row.cta.reasons[: len(row.cta.reasons) - late])
    owner = rows[0].owner
    assert queue(demo_workspace, CARD, owner=owner) == [row for row in rows if row.owner == owner]
    assert queue(demo_workspace, CARD, owner="nobody") == []


def test_an_explanation_sums_to_the_health_score(demo_workspace: Workspace) -> None:
    """Every measure of the card has a line in words, and the points add up."""
    row = queue(demo_workspace, CARD)[0]
    found = explain(demo_workspace, CARD, row.cta.account_id)
    health = float(str(found.score["health"]))
    assert found.reasons["health_points"].sum() == pytest.approx(health - found.expected_health, abs=1e-9)
    assert found.reasons["rank"].tolist() == list(range(1, len(found.reasons) + 1))
    assert found.reasons["health_points"].is_monotonic_increasing
    assert (
        found.reasons[["label", "value", "healthy"]]
        .map(lambda text: isinstance(text, str) and text != "")
        .all(axis=None)
    )
    assert (found.score["as_of"], found.score["version"]) == ("2026-06-30", "version-1")


def test_what_was_not_scored_cannot_be_explained(demo_workspace: Workspace) -> None:
    """Another account, or another date, is CF702."""
    with pytest.raises(UsageError, match=r"CF702 run of 2026-06-30: expected account 'nobody'; came no such account"):
        explain(demo_workspace, CARD, "nobody")
    with pytest.raises(UsageError, match=r"CF702 card 'onboarding': expected a scoring run of 2020-01-01; came none"):
        explain(demo_workspace, CARD, "A", as_of=date(2020, 1, 1))


def test_a_day_without_accounts_is_said(workspace: Workspace) -> None:
    """Ten years earlier nobody was in the stage."""
    with pytest.raises(DataError, match=r"CF110 card 'onboarding' on 2016-07-02: expected accounts in the stage"):
        scored(workspace, -3650)
    assert len(published_runs(workspace, CARD)) == 1


def test_without_a_champion_nothing_is_scored(workspace: Workspace) -> None:
    """The other card of the demo was never fitted."""
    before = files_of(workspace)
    with pytest.raises(UsageError, match=r"CF602 card 'dear': expected a champion; came none yet"):
        score(workspace, "dear", as_of=DEMO_DAY, say=lambda _: None)
    assert files_of(workspace) == before


def test_a_measure_redefined_since_the_card_was_learned_stops_scoring(workspace: Workspace) -> None:
    """Tickets of 14 days are no tickets of 28: CF219 names both; nothing is written. Other words change nothing."""
    spec = workspace.cards[CARD]
    text = spec.read_text(encoding="utf-8")
    assert "tickets_28d" in load(workspace, CARD, "champion")[1].read
    start = text.index("[measures.tickets_28d]")
    redefined = text[:start] + text[start:].replace("window_days = 28", "window_days = 14", 1)
    spec.write_text(redefined, encoding="utf-8")
    files, rows = files_of(workspace), dump(workspace)
    with pytest.raises(DataError, match=r'(?s)CF219 .*measures.tickets_28d.*"window_days": 28.*"window_days": 14'):
        scored(workspace, 7)
    assert (files_of(workspace), dump(workspace)) == (files, rows)
    spec.write_text(text.replace('"Tickets opened in 28 days"', '"Tickets of four weeks"'), encoding="utf-8")
    assert scored(workspace, 7).published
