"""The store: runs and what they decide, all or nothing, once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.cta.test_rules import account
from tests.databases import new_database, rows_of
from tests.small_card import spec_of

from churnfit.cta.moves import claimed, closed, snoozed
from churnfit.cta.records import RUN, Outcome
from churnfit.cta.rules import Decision, ScoredAccount, Standing, cta_key, decide
from churnfit.cta.store import RunRow, Store
from churnfit.errors import BusyError, IntegrityError

MONDAY = date(2026, 3, 2)
KEY = cta_key("small", "A", MONDAY)
HOSTILE = [
    'O\'Brien "&" Sons',
    "'; DROP TABLE ctas; --",
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "\u202egnirts desrever",
    "two\nlines\tand\ttabs",
    "\x1b[31mred\x1b[0m",
    "[bold]markup[/bold]",
    "%s %d {x} \\",
    "日本 🧨",
]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A new store, on SQLite and on PostgreSQL."""
    made = Store(database_url)
    yield made
    made.close()


def run_row(day: int = 0, key: str | None = None, card: str = "small") -> RunRow:
    """Return a run of that day."""
    as_of = MONDAY + timedelta(days=day)
    return RunRow(
        run_key=key or f"key-{card}-{day}",
        card=card,
        as_of=as_of,
        version="version-1",
        card_sha256="c" * 64,
        snapshot_sha256="s" * 64,
        accounts=1,
        folder=f"scores/{card}",
    )


def deciding(*accounts: ScoredAccount, day: int = 0) -> Callable[[Standing], Decision]:
    """Return the decision on these accounts as the job makes it."""
    as_of = MONDAY + timedelta(days=day)
    return lambda standing: decide(list(accounts), standing, spec_of(), as_of=as_of, version="version-1")


def publish(
    store: Store, run: RunRow, decide: Callable[[Standing], Decision], *, dry_run: bool = False
) -> RunRow | None:
    """Publish at four in the morning of the run's day."""
    return store.publish(run, decide, at=f"{run.as_of}T04:00:00Z", dry_run=dry_run)


def test_a_run_and_what_it_decides_are_read_back(store: Store) -> None:
    """The run with its counts, the open CTA with every field."""
    done = publish(store, run_row(), deciding(account("A", "red"), account("B", "green")))
    assert done == replace(run_row(), opened=1, resolved=0)
    assert store.run("key-small-0") == done
    assert store.runs("small") == [done]
    [cta] = store.active("small")
    assert (cta.cta_id, cta.account_id, cta.reasons) == (cta_key("small", "A", MONDAY), "A", ("Logins: 2",))
    assert (cta.opened_on, cta.closed_on, cta.expected_value) == (MONDAY, None, 900.0)


def test_the_same_key_again_changes_nothing(store: Store, database_url: str) -> None:
    """The second publication says None and leaves the database as it is."""
    publish(store, run_row(), deciding(account("A", "red")))
    before = rows_of(database_url)
    assert publish(store, run_row(), deciding(account("B", "red"))) is None
    assert rows_of(database_url) == before


def test_a_next_day_that_changes_nothing_writes_the_run_alone(store: Store, database_url: str) -> None:
    """Open, claimed and snoozed CTAs of accounts that score as before: no row is written, and all say the new date."""
    red = [account(name, "red") for name in "ABC"]
    publish(store, run_row(), deciding(*red))
    with store.changing("small") as of_card:
        for move in (partial(claimed, by="ann"), partial(snoozed, until=MONDAY + timedelta(days=30), today=MONDAY)):
            [cta] = of_card.named("B" if move.func is claimed else "C")
            of_card.write(cta, move(cta), by="ann", at="2026-03-02T09:00:00Z", why="")
    before = rows_of(database_url)
    publish(store, run_row(1), deciding(*red, day=1))
    after = rows_of(database_url)
    assert len(after.pop("runs")) == len(before.pop("runs")) + 1
    assert after == before
    tuesday = MONDAY + timedelta(days=1)
    assert {cta.account_id: cta.last_scored_on for cta in store.active("small")} == dict.fromkeys("ABC", tuesday)


def test_who_is_not_scored_keeps_the_date_on_which_it_was(store: Store) -> None:
    """Set aside or gone, claimed or resolved, on Tuesday and after: last scored on Monday, until it is scored again."""
    publish(store, run_row(), deciding(*(account(name, "red") for name in "ABCD")))
    with store.changing("small") as of_card:
        [of_b] = of_card.named("B")
        of_card.write(of_b, claimed(of_b, by="ann"), by="ann", at="2026-03-02T09:00:00Z", why="")
    for day in (1, 2):
        as_of = MONDAY + timedelta(days=day)
        publish(
            store,
            run_row(day),
            lambda standing, as_of=as_of: decide(  # type: ignore[misc]
                [account("D", "red")], standing, spec_of(), as_of=as_of, version="version-1", set_aside={"A"}
            ),
        )
    found = {cta.account_id: (cta.status, cta.last_scored_on) for cta in store.ctas("small")}
    wednesday = MONDAY + timedelta(days=2)
    assert found == {
        "A": ("open", MONDAY),
        "B": ("claimed", MONDAY),
        "C": ("auto-resolved", MONDAY),
        "D": ("open", wednesday),
    }
    publish(store, run_row(3), deciding(*(account(name, "red") for name in "ABD"), day=3))
    thursday = MONDAY + timedelta(days=3)
    assert {cta.last_scored_on for cta in store.active("small")} == {thursday}


def test_a_dry_run_says_what_would_happen_and_writes_nothing(store: Store, database_url: str) -> None:
    """The counts are real, the database is untouched."""
    before = rows_of(database_url)
    done = publish(store, run_row(), deciding(account("A", "red")), dry_run=True)
    assert done is not None
    assert done.opened == 1
    assert rows_of(database_url) == before


def test_an_older_date_joins_the_history_and_decides_nothing(store: Store) -> None:
    """Tuesday published first, Monday later: Monday's red opens nothing, and no state goes back."""
    publish(store, run_row(1), deciding(account("A", "green"), day=1))
    done = publish(store, run_row(0), deciding(account("A", "red"), day=0))
    assert done is not None
    assert (done.opened, done.resolved) == (0, 0)
    assert store.active("small") == []
    assert [run.as_of for run in store.runs("small")] == [date(2026, 3, 3), MONDAY]
    latest = store.latest_run("small")
    assert latest is not None
    assert latest.as_of == date(2026, 3, 3)


def test_the_latest_run_of_a_date_is_the_last_published(store: Store) -> None:
    """A date scored again, with other knowledge, has two runs; the later one counts."""
    publish(store, run_row(key="first"), deciding(account("A", "red")))
    publish(store, run_row(key="second"), deciding(account("A", "red")))
    for asked in (None, MONDAY):
        latest = store.latest_run("small", asked)
        assert latest is not None
        assert latest.run_key == "second"
    assert store.latest_run("small", date(2020, 1, 1)) is None
    assert store.latest_run("unknown") is None


def test_days_follow_one_another_through_the_database(store: Store) -> None:
    """Red, red, green, red within the cooldown: one CTA, opened, resolved, opened again."""
    counts = []
    for day, band in enumerate(["red", "red", "green", "red"]):
        done = publish(store, run_row(day), deciding(account("A", band), day=day))
        assert done is not None
        counts.append((done.opened, done.resolved))
    assert counts == [(1, 0), (0, 0), (0, 1), (1, 0)]
    [cta] = store.active("small")
    assert (cta.cta_id, cta.closed_on) == (cta_key("small", "A", MONDAY), None)


def test_a_date_may_return_to_what_it_was(store: Store) -> None:
    """Scored, scored again from half a feed, scored from the whole feed: the third run counts, with the first's key."""
    whole, half = run_row(key="whole"), run_row(key="half")
    publish(store, whole, deciding(account("A", "red")))
    publish(store, half, deciding(account("A", "amber")))
    assert store.active("small") == []
    assert publish(store, whole, deciding(account("A", "red"))) is not None
    assert len(store.active("small")) == 1
    assert publish(store, whole, deciding(account("A", "red"))) is None


def test_cards_have_queues_of_their_own(store: Store) -> None:
    """The same account may be called for two cards; one card's run leaves the other's CTAs alone."""
    publish(store, run_row(), deciding(account("A", "red")))
    other = spec_of(name="other")
    publish(
        store,
        run_row(card="other"),
        lambda standing: decide([account("A", "red")], standing, other, as_of=MONDAY, version="version-1"),
    )
    assert (len(store.active("small")), len(store.active("other"))) == (1, 1)


def test_a_run_that_fails_half_way_leaves_nothing(store: Store, database_url: str) -> None:
    """The second of two CTAs breaks the rule of one open CTA per account: run, states and the first are gone too."""
    publish(store, run_row(0), deciding(account("A", "red")))
    before = rows_of(database_url)

    def twice(standing: Standing) -> Decision:
        fresh = decide([account("B", "red")], standing, spec_of(), as_of=MONDAY, version="version-1")
        [cta] = fresh.opened
        return replace(fresh, opened=(cta, replace(cta, cta_id="another")))

    with pytest.raises(sa.exc.IntegrityError, match=r"UNIQUE constraint failed|duplicate key value"):
        publish(store, run_row(1), twice)
    assert rows_of(database_url) == before
    assert publish(store, run_row(1), deciding(account("A", "red"), account("B", "red"), day=1)) is not None


def test_a_decision_that_raises_leaves_nothing(store: Store, database_url: str) -> None:
    """A fault while deciding ends the transaction; the next run works."""
    before = rows_of(database_url)

    def failing(_: Standing) -> Decision:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        publish(store, run_row(), failing)
    assert rows_of(database_url) == before


@pytest.mark.parametrize(("kind", "times"), [("sqlite", 10), ("postgresql", 4)])
def test_of_eight_threads_with_one_key_one_publishes(kind: str, times: int, tmp_path: Path) -> None:
    """Eight make the store and publish at once, over and over: one gets the run, seven None, the CTA is there once."""
    for attempt in range(times):
        url = new_database(kind, tmp_path / str(attempt))
        with ThreadPoolExecutor(8) as racing:
            done = list(racing.map(_publish_at_once, [url] * 8, [threading.Barrier(8)] * 8))
        assert sorted(run is None for run in done) == [False] + [True] * 7
        store = Store(url)
        assert (len(store.runs("small")), len(store.active("small"))) == (1, 1)
        store.close()


def _publish_at_once(url: str, together: threading.Barrier) -> RunRow | None:
    together.wait(timeout=20)
    store = Store(url)
    try:
        return publish(store, run_row(), deciding(account("A", "red")))
    finally:
        store.close()


_PROCESS = """
import sys
from tests.cta.test_store import account, deciding, publish, run_row
from churnfit.cta.store import Store
sys.stdin.readline()
store = Store(sys.argv[1])
print(publish(store, run_row(), deciding(account("A", "red"))) is not None)
store.close()
"""


def test_of_four_processes_with_one_key_one_publishes(database_url: str) -> None:
    """Four processes make the database, race for the same key, and none fails: one works, three find it done."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _PROCESS, database_url]
    environment = {"PYTHONPATH": f"{root}:{root / 'src'}", "PATH": ""}
    racing = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(4)
    ]
    ends = [process.communicate("go\n", timeout=120) for process in racing]
    assert [error for _, error in ends] == [""] * 4
    assert sorted(said.strip() for said, _ in ends) == ["False", "False", "False", "True"]


def test_a_database_held_by_another_is_busy_not_broken(tmp_path: Path) -> None:
    """Whoever waits too long is told to try again: CF701, exit code 3."""
    path = tmp_path / "db" / "churnfit.db"
    Store(f"sqlite:///{path}").close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match=r"CF701 the CTA store: .*locked") as fault:
        Store(f"sqlite:///{path}?timeout=0.1")
    holder.execute("ROLLBACK")
    holder.close()
    assert fault.value.exit_code == 3


def test_a_card_held_by_another_run_is_busy_on_postgresql_too(tmp_path: Path) -> None:
    """Two runs of one card come one after the other; who waits longer than the URL allows is told to try again."""
    url = new_database("postgresql", tmp_path)
    running, other = Store(url), Store(f"{url}&options=-c%20lock_timeout%3D100ms")
    try:
        with running.changing("small"), pytest.raises(BusyError, match=r"CF701 the CTA store: .*lock timeout"):
            publish(other, run_row(), deciding(account("A", "red")))
        assert publish(other, run_row(), deciding(account("A", "red"))) is not None
    finally:
        running.close()
        other.close()


@pytest.mark.parametrize("account_id", HOSTILE)
def test_hostile_names_are_only_text(store: Store, account_id: str) -> None:
    """Quotes, SQL, markup, formulas and control characters come back as they went in, and do nothing."""
    hostile = account(account_id, "red", owner=account_id, reasons=(account_id, account_id))
    publish(store, run_row(0), deciding(hostile))
    [cta] = store.active("small")
    assert (cta.account_id, cta.owner, cta.reasons) == (account_id, account_id, (account_id, account_id))
    done = publish(store, run_row(1), deciding(replace(hostile, band="green"), day=1))
    assert done is not None
    assert done.resolved == 1
    assert store.active("small") == []


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    """A damaged database is an integrity error, not a bug of churnfit."""
    (tmp_path / "store.db").write_bytes(b"this was a database once" * 200)
    with pytest.raises(IntegrityError, match=r"CF705.*not a database"):
        Store(f"sqlite:///{tmp_path / 'store.db'}")


def test_every_move_of_a_run_is_an_event(store: Store) -> None:
    """Opened, recovered, at risk again within the cooldown, gone: who, when, from, to and why."""
    for day, band in enumerate(["red", "green", "red"]):
        publish(store, run_row(day), deciding(account("A", band), day=day))
    publish(store, run_row(3), deciding(account("B", "green"), day=3))
    said = [(e.at[:10], e.by, e.from_status, e.to_status, e.why) for e in store.events("small", KEY)]
    assert said == [
        ("2026-03-02", RUN, "", "open", "band_red"),
        ("2026-03-03", RUN, "open", "auto-resolved", "recovered"),
        ("2026-03-04", RUN, "auto-resolved", "open", "at risk again"),
        ("2026-03-05", RUN, "open", "auto-resolved", "no longer scored"),
    ]


def test_a_run_changes_only_its_own_columns_of_what_people_touched(store: Store) -> None:
    """A claimed CTA takes today's facts; who claimed it, its status, dates and playbook stay as they were."""
    publish(store, run_row(0), deciding(account("A", "red")))
    with store.changing("small") as ctas:
        [before] = ctas.named(KEY)
        ctas.write(before, claimed(before, by="ann"), by="ann", at="2026-03-02T09:00:00Z", why="")
    publish(store, run_row(1), deciding(account("A", "red", health=9.0, owner="bob"), day=1))
    [after] = store.active("small")
    assert after == replace(
        claimed(before, by="ann"), health=9.0, owner="bob", last_scored_on=MONDAY + timedelta(days=1)
    )


def test_what_is_done_in_a_week_ends_with_its_sunday(store: Store) -> None:
    """Closed on the Sunday: of that week. On the Monday after, or as not valid: not."""
    publish(store, run_row(0), deciding(*(account(name, "red") for name in "ABC")))
    sunday, monday = MONDAY + timedelta(days=6), MONDAY + timedelta(days=7)
    ends: list[tuple[str, Outcome, date]] = [("A", "done", sunday), ("B", "done", monday), ("C", "not valid", sunday)]
    with store.changing("small") as ctas:
        for name, outcome, day in ends:
            [cta] = ctas.named(name)
            ended = closed(cta, by="ann", on=day, outcome=outcome, note="x")
            ctas.write(cta, ended, by="ann", at=f"{day}T09:00:00Z", why="")
    assert [cta.account_id for cta in store.done_in_week("small", MONDAY)] == ["A"]
    assert [cta.account_id for cta in store.done_in_week("small", monday)] == ["B"]


def writes(store: Store, act: Callable[[], object]) -> list[str]:
    """Return the first words of every statement that writes, and how many rows it wrote, during `act`."""
    seen: list[str] = []

    def note(_c: object, cursor: Any, statement: str, *_: object) -> None:
        if not statement.lstrip().startswith(("SELECT", "BEGIN")):
            seen.append(f"{' '.join(statement.split()[:3])}: {cursor.rowcount}")

    sa.event.listen(store._engine, "after_cursor_execute", note)
    try:
        act()
    finally:
        sa.event.remove(store._engine, "after_cursor_execute", note)
    return seen


def test_what_did_not_change_is_not_written(store: Store) -> None:
    """The same run again: no statement that writes. The same scores under another key: the run's row alone."""
    some = [account(f"A{n:03}", "red" if n % 2 else "green") for n in range(200)]
    publish(store, run_row(key="first"), deciding(*some))
    assert writes(store, lambda: publish(store, run_row(key="first"), deciding(*some))) == []
    assert writes(store, lambda: publish(store, run_row(key="again"), deciding(*some))) == ["INSERT INTO runs: 1"]


def test_what_changed_is_written_and_nothing_else(store: Store) -> None:
    """Of 200 accounts on the next day one recovers, one turns red, one is gone: three states, CTAs and events."""
    some = [account(f"A{n:03}", "red" if n % 2 else "green") for n in range(200)]
    publish(store, run_row(0), deciding(*some))
    next_day = [replace(some[0], band="red"), replace(some[1], band="green"), *some[2:199]]
    before = rows(store)
    publish(store, run_row(1), deciding(*next_day, day=1))
    after = rows(store)
    changed = {name: len(set(after[name]) ^ set(before[name])) for name in after}
    # as old row and new: CTAs recovered and gone, states recovered and red; as one: what opened, events, the state gone
    assert changed == {"runs": 1, "ctas": 2 + 2 + 1, "cta_events": 3, "account_states": 2 + 2 + 1}


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of the tables that runs write."""
    url = store._engine.url.render_as_string(hide_password=False)
    return rows_of(url, "runs", "ctas", "cta_events", "account_states")


def test_of_two_who_claim_at_once_one_has_it(store: Store) -> None:
    """Eight people claim the same CTA: one does, seven are told who did, and there is one event."""
    publish(store, run_row(0), deciding(account("A", "red")))
    together = threading.Barrier(8)

    def claim(name: str) -> str:
        together.wait(timeout=20)
        with store.changing("small") as ctas:
            [before] = ctas.named("A")
            ctas.write(before, claimed(before, by=name), by=name, at="2026-03-02T09:00:00Z", why="")
        return name

    with ThreadPoolExecutor(8) as racing:
        tried = [racing.submit(claim, f"p{n}") for n in range(8)]
    faults = [str(each.exception()) for each in tried if each.exception()]
    [winner] = [each.result() for each in tried if not each.exception()]
    assert len(faults) == 7
    assert all(f"one that is claimed by {winner}" in fault for fault in faults)
    [cta] = store.active("small")
    assert (cta.status, cta.claimed_by) == ("claimed", winner)
    assert [event.by for event in store.events("small", KEY)] == [RUN, winner]


def test_thirty_dates_run_again_open_nothing(store: Store) -> None:
    """A month of runs, then every date of it again, each with other knowledge: not one CTA more."""
    names = [f"A{n}" for n in range(8)]

    def accounts(day: int) -> list[ScoredAccount]:
        # account n is red while (day + 5n) mod 30 < 15, so at most one episode begins in the month, and some go on
        return [account(name, "red" if (day + 5 * n) % 30 < 15 else "green") for n, name in enumerate(names)]

    for day in range(30):
        publish(store, run_row(day), deciding(*accounts(day), day=day))
    before = [cta.cta_id for cta in store.ctas("small")]
    for day in range(30):
        again = publish(store, run_row(day, key=f"again-{day}"), deciding(*accounts(day), day=day))
        assert again is not None
        assert again.opened == 0
    assert [cta.cta_id for cta in store.ctas("small")] == before
    assert len(set(before)) == len(before)
