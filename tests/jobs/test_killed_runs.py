"""kill -9 at any step of a scoring run, or of bringing the database up to date, leaves all or nothing, and heals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.databases import copied, new_database, rows_of
from tests.killing import Killer
from tests.small_card import AS_OF, CARD, contents, snapshot, spec_of
from tests.test_schema import UNVERSIONED, write

from churnfit.cta.moves import claimed, closed, snoozed
from churnfit.cta.outbox import Subscription
from churnfit.cta.records import Cta
from churnfit.cta.rules import decide
from churnfit.cta.store import RunRow, Store
from churnfit.history.snapshot import snapshot_hash
from churnfit.jobs.scoring import scored_accounts
from churnfit.scoring.batch import publish, run_folder, run_key
from churnfit.scoring.batch import score as score_snapshot

TABLES = ("runs", "ctas", "account_states")
TOLD = (Subscription(sink="crm", statuses=("open", "claimed", "resolved", "auto-resolved")),)
KILLER = """
import json, os, signal, sys
import sqlalchemy as sa
from tests.jobs.test_killed_runs import night
from churnfit.cta.store import Store

def arm(fuse, seen, between):
    # the process dies at the step that comes when the fuse is burnt: before each statement that writes, at the commit,
    # and where a file is opened for writing, renamed or removed; `between`: also at reads, and after each statement
    def step(name):
        seen.append(name)
        if fuse is not None and len(seen) > fuse:
            os.kill(os.getpid(), signal.SIGKILL)
    def audit(event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in ("os.rename", "os.remove", "os.mkdir") or writes:
            step(event)
    sys.addaudithook(audit)
    def executes(_connection, _cursor, statement, *_):
        if not statement.startswith("PRAGMA") and (between or not statement.startswith("SELECT")):
            step(statement[:20])
    def executed(_connection, _cursor, statement, *_):
        if between and not statement.startswith("PRAGMA"):
            step("done " + statement[:20])
    sa.event.listen(sa.engine.Engine, "before_cursor_execute", executes)
    sa.event.listen(sa.engine.Engine, "after_cursor_execute", executed)
    sa.event.listen(sa.engine.Engine, "commit", lambda _: step("commit"))

for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if not child:
        seen = []
        arm(task["fuse"], seen, between=task["night"] is not None)
        if task["night"] is None:
            Store(task["url"]).close()
        else:
            night(task["url"], task["root"], task["night"])
        print(json.dumps(seen), flush=True)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def measured(day: int) -> pd.DataFrame:
    """Return forty accounts; by their place, and from day to day, they turn red (no logins) and green (ten)."""
    table = snapshot(*(f"A{n:02}" for n in range(40)))
    logins = [0.0 if (n + 7 * day) % 4 < 2 else 10.0 for n in range(40)]
    on = AS_OF + pd.Timedelta(days=day)
    return table.assign(logins=logins, tickets=6.0, logins__state=None, as_of=on).astype({"logins__state": "str"})


def night(url: str, root: str, day: int) -> None:
    """Publish files and CTAs as `churnfit score` does once the accounts are measured."""
    table, spec = measured(day), spec_of()
    as_of = AS_OF + pd.Timedelta(days=day)
    sha256 = snapshot_hash(table)
    key = run_key(CARD, sha256, as_of)
    run, folder = score_snapshot(CARD, table, key=key), run_folder(Path(root), "small", as_of, key)
    accounts = scored_accounts(CARD, run, spec)
    row = RunRow(
        run_key=key,
        card="small",
        as_of=as_of.date(),
        version="version-1",
        card_sha256=CARD.sha256,
        snapshot_sha256=sha256,
        accounts=len(table),
        folder=str(folder.relative_to(root)),
    )
    publish(run, folder)
    with closing(Store(url, subscriptions=TOLD)) as store:
        store.publish(
            row,
            lambda standing: decide(accounts, standing, spec, as_of=row.as_of, version="version-1"),
            at=f"{row.as_of}T04:00:00Z",
        )


def people(url: str) -> None:
    """Claim, snooze and close one each of the first night's CTAs."""
    today = AS_OF.date()
    with closing(Store(url, subscriptions=TOLD)) as store, store.changing("small") as ctas:
        first, second, third = [cta for cta in ctas.every() if cta.active][:3]
        moves: list[tuple[Cta, Cta]] = [
            (first, claimed(first, by="ann")),
            (second, snoozed(second, until=today + timedelta(days=1), today=today)),
            (third, closed(third, by="ann", on=today, outcome="done", note="")),
        ]
        for before, after in moves:
            ctas.write(before, after, by="ann", at=f"{today}T09:00:00Z", why="")


def world(url: str, root: Path) -> dict[str, object]:
    """Return every row and file, but for what killed writers left aside, which nobody reads.

    Events and letters come without their numbers, which PostgreSQL does not give twice.
    """
    events = sorted(row[1:] for row in rows_of(url, "cta_events")["cta_events"])
    files = {name: content for name, content in contents(root).items() if not name.endswith(".tmp")}
    letters = sorted(row[1:] for row in rows_of(url, "outbox")["outbox"])
    return {**rows_of(url, *TABLES), "events": events, "letters": letters, "files": files}


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    """A process to kill runs in."""
    made = Killer(KILLER)
    yield made
    made.stop()


def test_a_run_killed_at_any_step_leaves_all_or_nothing_and_heals(
    killer: Killer, database_url: str, tmp_path: Path
) -> None:
    """After each kill the CTAs are those of before or after; after the next run, rows and files those of no kill."""
    night(database_url, str(tmp_path / "start"), 0)
    people(database_url)
    before = {name: rows_of(database_url, name)[name] for name in TABLES}
    whole = copied(database_url, tmp_path / "whole")
    shutil.copytree(tmp_path / "start", tmp_path / "undisturbed")
    night(whole, str(tmp_path / "undisturbed"), 1)
    after = world(whole, tmp_path / "undisturbed")
    moved = {status for _, *_, status, _ in after["events"]}  # type: ignore[attr-defined]
    assert moved == {"open", "claimed", "snoozed", "resolved", "auto-resolved"}
    assert len(after["letters"]) == len(after["events"]) - 1  # type: ignore[arg-type]  # nobody is told of the snoozed

    steps, kills = None, 0
    while steps is None:
        url, root = copied(database_url, tmp_path / f"killed-{kills}"), tmp_path / f"root-{kills}"
        shutil.copytree(tmp_path / "start", root)
        killer.start(url=url, root=str(root), night=1, fuse=kills)
        steps = killer.end()
        found = rows_of(url, *TABLES)
        assert found in (before, {name: after[name] for name in TABLES})
        night(url, str(root), 1)
        assert world(url, root) == after
        kills += steps is None
    assert kills == len(steps) >= 30
    assert steps.count("os.rename") == 3  # a file each of snapshot, reasons, scores


def test_of_two_runs_at_once_the_world_is_that_of_one(killer: Killer, database_url: str, tmp_path: Path) -> None:
    """Two processes run the same nights at the same time, five on end: rows and files are those of one run each."""
    both = [killer, Killer(KILLER)]
    for day in range(5):
        for each in both:
            each.start(url=database_url, root=str(tmp_path / "both"), night=day, fuse=None)
        assert all(each.end() is not None for each in both)
    both[1].stop()
    alone = new_database("sqlite", tmp_path / "alone")
    for day in range(5):
        night(alone, str(tmp_path / "one"), day)
    assert as_text(world(database_url, tmp_path / "both")) == as_text(world(alone, tmp_path / "one"))


def as_text(found: dict[str, object]) -> str:
    """Return a world in words, so that what two databases say can be compared: SQLite keeps dates as text."""
    plain = {name: part for name, part in found.items() if name != "files"}
    files = sorted(found["files"])  # type: ignore[call-overload]
    return json.dumps([plain, files], default=str)


def test_a_migration_killed_at_any_step_leaves_the_old_schema_or_the_new(
    killer: Killer, database_url: str, tmp_path: Path
) -> None:
    """What churnfit 0.1 wrote is all there after each kill, in one shape or the other, and the next opening ends it."""
    write(database_url, UNVERSIONED)
    old = rows_of(database_url)
    whole = copied(database_url, tmp_path / "whole")
    Store(whole).close()
    new = rows_of(whole)
    steps, kills = None, 0
    while steps is None:
        url = copied(database_url, tmp_path / f"killed-{kills}")
        killer.start(url=url, root=str(tmp_path), night=None, fuse=kills)  # no night: the opening of a database
        steps = killer.end()
        assert rows_of(url) in (old, new)
        Store(url).close()
        assert rows_of(url) == new
        kills += steps is None
    assert kills == len(steps)
