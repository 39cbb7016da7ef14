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
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.cta.test_rules import account
from tests.small_card import spec_of

from churnfit.cta.rules import Decision, ScoredAccount, Standing, cta_key, decide
from churnfit.cta.store import RunRow, Store
from churnfit.errors import BusyError, IntegrityError

MONDAY = date(2026, 3, 2)
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
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    made = Store(f"sqlite:///{tmp_path / 'db' / 'churnfit.db'}")
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


def dump(tmp_path: Path) -> list[str]:
    """Return the whole database as SQL."""
    connection = sqlite3.connect(tmp_path / "db" / "churnfit.db")
    lines = list(connection.iterdump())
    connection.close()
    return lines


def test_a_run_and_what_it_decides_are_read_back(store: Store) -> None:
    """The run with its counts, the open CTA with every field."""
    done = store.publish(run_row(), deciding(account("A", "red"), account("B", "green")))
    assert done == replace(run_row(), opened=1, resolved=0)
    assert store.run("key-small-0") == done
    assert store.runs("small") == [done]
    [cta] = store.open_ctas("small")
    assert (cta.cta_id, cta.account_id, cta.reasons) == (cta_key("small", "A", MONDAY), "A", ("Logins: 2",))
    assert (cta.opened_on, cta.closed_on, cta.expected_value) == (MONDAY, None, 900.0)


def test_the_same_key_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    """The second publication says None and leaves the database as it is."""
    store.publish(run_row(), deciding(account("A", "red")))
    before = dump(tmp_path)
    assert store.publish(run_row(), deciding(account("B", "red"))) is None
    assert dump(tmp_path) == before


def test_a_dry_run_says_what_would_happen_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    """The counts are real, the database is untouched."""
    before = dump(tmp_path)
    done = store.publish(run_row(), deciding(account("A", "red")), dry_run=True)
    assert done is not None
    assert done.opened == 1
    assert dump(tmp_path) == before


def test_an_older_date_joins_the_history_and_decides_nothing(store: Store) -> None:
    """Tuesday published first, Monday later: Monday's red opens nothing, and no state goes back."""
    store.publish(run_row(1), deciding(account("A", "green"), day=1))
    done = store.publish(run_row(0), deciding(account("A", "red"), day=0))
    assert done is not None
    assert (done.opened, done.resolved) == (0, 0)
    assert store.open_ctas("small") == []
    assert [run.as_of for run in store.runs("small")] == [date(2026, 3, 3), MONDAY]
    latest = store.latest_run("small")
    assert latest is not None
    assert latest.as_of == date(2026, 3, 3)


def test_the_latest_run_of_a_date_is_the_last_published(store: Store) -> None:
    """A date scored again, with other knowledge, has two runs; the later one counts."""
    store.publish(run_row(key="first"), deciding(account("A", "red")))
    store.publish(run_row(key="second"), deciding(account("A", "red")))
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
        done = store.publish(run_row(day), deciding(account("A", band), day=day))
        assert done is not None
        counts.append((done.opened, done.resolved))
    assert counts == [(1, 0), (0, 0), (0, 1), (1, 0)]
    [cta] = store.open_ctas("small")
    assert (cta.cta_id, cta.closed_on) == (cta_key("small", "A", MONDAY), None)


def test_a_date_may_return_to_what_it_was(store: Store) -> None:
    """Scored, scored again from half a feed, scored from the whole feed: the third run counts, with the first's key."""
    whole, half = run_row(key="whole"), run_row(key="half")
    store.publish(whole, deciding(account("A", "red")))
    store.publish(half, deciding(account("A", "amber")))
    assert store.open_ctas("small") == []
    assert store.publish(whole, deciding(account("A", "red"))) is not None
    assert len(store.open_ctas("small")) == 1
    assert store.publish(whole, deciding(account("A", "red"))) is None


def test_cards_have_queues_of_their_own(store: Store) -> None:
    """The same account may be called for two cards; one card's run leaves the other's CTAs alone."""
    store.publish(run_row(), deciding(account("A", "red")))
    other = spec_of(name="other")
    store.publish(
        run_row(card="other"),
        lambda standing: decide([account("A", "red")], standing, other, as_of=MONDAY, version="version-1"),
    )
    assert (len(store.open_ctas("small")), len(store.open_ctas("other"))) == (1, 1)


def test_a_run_that_fails_half_way_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """The second of two CTAs breaks the rule of one open CTA per account: run, states and the first are gone too."""
    store.publish(run_row(0), deciding(account("A", "red")))
    before = dump(tmp_path)

    def twice(standing: Standing) -> Decision:
        fresh = decide([account("B", "red")], standing, spec_of(), as_of=MONDAY, version="version-1")
        [cta] = fresh.opened
        return replace(fresh, opened=(cta, replace(cta, cta_id="another")))

    with pytest.raises(sa.exc.IntegrityError, match="UNIQUE constraint failed"):
        store.publish(run_row(1), twice)
    assert dump(tmp_path) == before
    assert store.publish(run_row(1), deciding(account("A", "red"), account("B", "red"), day=1)) is not None


def test_a_decision_that_raises_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """A fault while deciding ends the transaction; the next run works."""
    before = dump(tmp_path)

    def failing(_: Standing) -> Decision:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.publish(run_row(), failing)
    assert dump(tmp_path) == before


def test_of_eight_threads_with_one_key_one_publishes(tmp_path: Path) -> None:
    """Eight make the store and publish at once, ten times over: one gets the run, seven None, the CTA is there once."""
    for attempt in range(10):
        url = f"sqlite:///{tmp_path / f'db{attempt}' / 'churnfit.db'}"
        with ThreadPoolExecutor(8) as racing:
            done = list(racing.map(_publish_at_once, [url] * 8, [threading.Barrier(8)] * 8))
        assert sorted(run is None for run in done) == [False] + [True] * 7
        store = Store(url)
        assert (len(store.runs("small")), len(store.open_ctas("small"))) == (1, 1)
        store.close()


def _publish_at_once(url: str, together: threading.Barrier) -> RunRow | None:
    together.wait(timeout=20)
    store = Store(url)
    try:
        return store.publish(run_row(), deciding(account("A", "red")))
    finally:
        store.close()


_PROCESS = """
import sys
from tests.cta.test_store import account, deciding, run_row
from churnfit.cta.store import Store
sys.stdin.readline()
store = Store(sys.argv[1])
print(store.publish(run_row(), deciding(account("A", "red"))) is not None)
store.close()
"""


def test_of_four_processes_with_one_key_one_publishes(tmp_path: Path) -> None:
    """Four processes make the database, race for the same key, and none fails: one works, three find it done."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _PROCESS, f"sqlite:///{tmp_path / 'db' / 'churnfit.db'}"]
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


@pytest.mark.parametrize("account_id", HOSTILE)
def test_hostile_names_are_only_text(store: Store, account_id: str) -> None:
    """Quotes, SQL, markup, formulas and control characters come back as they went in, and do nothing."""
    hostile = account(account_id, "red", owner=account_id, reasons=(account_id, account_id))
    store.publish(run_row(0), deciding(hostile))
    [cta] = store.open_ctas("small")
    assert (cta.account_id, cta.owner, cta.reasons) == (account_id, account_id, (account_id, account_id))
    done = store.publish(run_row(1), deciding(replace(hostile, band="green"), day=1))
    assert done is not None
    assert done.resolved == 1
    assert store.open_ctas("small") == []


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    """A damaged database is an integrity error, not a bug of churnfit."""
    (tmp_path / "store.db").write_bytes(b"this was a database once" * 200)
    with pytest.raises(IntegrityError, match=r"CF705.*not a database"):
        Store(f"sqlite:///{tmp_path / 'store.db'}")
