"""The operational database's schema: made, recognised, brought up to date, or refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from tests.databases import rows_of

from churnfit.cta import tables
from churnfit.cta.store import Store
from churnfit.database import open_database, transaction
from churnfit.errors import BusyError, IntegrityError
from churnfit.registry import Ledger, ledger
from churnfit.schema import REVISIONS, VERSION_TABLE, bring_up_to_date

UNVERSIONED = """
CREATE TABLE runs (sequence INTEGER NOT NULL, run_key VARCHAR(24) NOT NULL, card VARCHAR(64) NOT NULL, as_of DATE NOT
  NULL, version VARCHAR(32) NOT NULL, card_sha256 VARCHAR(64) NOT NULL, snapshot_sha256 VARCHAR(64) NOT NULL,
  accounts INTEGER NOT NULL, opened INTEGER NOT NULL, resolved INTEGER NOT NULL, folder TEXT NOT NULL,
  PRIMARY KEY (sequence));
CREATE TABLE ctas (cta_id VARCHAR(24) NOT NULL, card VARCHAR(64) NOT NULL, account_id TEXT NOT NULL, owner TEXT NOT
  NULL, trigger VARCHAR(32) NOT NULL, playbook VARCHAR(64) NOT NULL, opened_on DATE NOT NULL, due_on DATE NOT NULL,
  status VARCHAR(16) NOT NULL, health FLOAT NOT NULL, churn_probability FLOAT NOT NULL, expected_value FLOAT NOT NULL,
  lead_measure VARCHAR(64) NOT NULL, reasons TEXT NOT NULL, version VARCHAR(32) NOT NULL, last_scored_on DATE NOT NULL,
  closed_on DATE, PRIMARY KEY (cta_id));
CREATE UNIQUE INDEX one_open_cta ON ctas (card, account_id) WHERE status = 'open';
CREATE TABLE account_states (card VARCHAR(64) NOT NULL, account_id TEXT NOT NULL, band VARCHAR(8) NOT NULL,
  band_since DATE NOT NULL, PRIMARY KEY (card, account_id));
INSERT INTO runs VALUES (1, 'key', 'small', '2026-03-02', 'version-1', 'c', 's', 3, 2, 0, 'scores/small');
INSERT INTO ctas VALUES ('one', 'small', 'A', 'ann', 'band_red', 'visit', '2026-03-02', '2026-03-12', 'open', 20, 0.4,
  900, 'logins', '["Logins: 2"]', 'version-1', '2026-03-02', NULL);
INSERT INTO ctas VALUES ('two', 'small', 'B', 'bob', 'band_red', 'ask', '2026-02-02', '2026-02-05', 'resolved', 70,
  0.1, -50, 'tickets', '[]', 'version-1', '2026-02-20', '2026-02-20');
INSERT INTO account_states VALUES ('small', 'A', 'red', '2026-03-02')
"""
"""What churnfit 0.1 made before its schema had revisions, with a run, two CTAs and a state."""


def write(url: str, statements: str) -> None:
    engine = open_database(url, pooled=False)
    with engine.begin() as connection:
        for statement in statements.split(";"):
            connection.execute(sa.text(statement))


def test_the_revisions_make_the_tables_that_the_modules_use(database_url: str) -> None:
    """Every column with its type and every index, and no difference that Alembic would still see."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_database(database_url, pooled=False)
    bring_up_to_date(engine, where="the database")
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, [tables.METADATA, ledger._METADATA]) == []


def test_the_revisions_that_are_named_are_those_that_are_there() -> None:
    """`REVISIONS` spares loading Alembic, so it must say what Alembic would."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(
        Config(toml_file=None, attributes={}, config_args={"script_location": "churnfit:migrations"})
    )
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS


def test_a_database_without_revisions_is_recognised_and_keeps_every_row(database_url: str) -> None:
    """What 0.1 wrote is read: run, open CTA with all it said, closed one; a second opening writes nothing."""
    write(database_url, UNVERSIONED)
    [state] = rows_of(database_url, "account_states")["account_states"]
    [written] = rows_of(database_url, "runs")["runs"]
    opened = Store(database_url)
    [cta] = opened.active("small")
    assert (cta.cta_id, cta.account_id, cta.owner, cta.playbook) == ("one", "A", "ann", "visit")
    assert (cta.expected_value, cta.reasons, cta.triggers) == (900.0, ("Logins: 2",), ("band_red",))
    [was_closed] = [each for each in opened.ctas("small") if not each.active]
    assert (was_closed.cta_id, was_closed.status, was_closed.closed_by) == ("two", "auto-resolved", "")
    [run] = opened.runs("small")
    assert (run.run_key, run.accounts, run.opened) == ("key", 3, 2)
    opened.close()
    after = rows_of(database_url)
    assert (after["account_states"], after["runs"]) == ([(*state, None)], [(*written, 0, 0, 0)])
    assert len(after["ctas"]) == 2
    assert after["cta_events"] == after["outbox"] == []
    assert after[VERSION_TABLE] == [(REVISIONS[-1],)]
    Store(database_url).close()
    assert rows_of(database_url) == after


def test_a_database_that_only_the_ledger_had_used_gets_the_other_tables(database_url: str) -> None:
    """Before there were revisions each module made its own tables."""
    engine = open_database(database_url, pooled=False)
    with engine.begin() as connection:
        ledger._METADATA.create_all(connection)
    Store(database_url).close()
    assert Ledger(database_url).rows("small") == []


def test_a_migration_that_fails_leaves_the_database_as_it_was(database_url: str) -> None:
    """A table of churnfit's name that is not churnfit's: no revision is recorded, no other table made."""
    write(database_url, "CREATE TABLE ctas (something INTEGER)")
    with pytest.raises((IntegrityError, sa.exc.ProgrammingError), match="card"):
        Store(database_url)
    assert rows_of(database_url) == {"ctas": []}


def test_a_database_of_a_newer_churnfit_is_refused(database_url: str) -> None:
    """CF706, exit code 4, and not a byte is changed."""
    Store(database_url).close()
    write(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    before = rows_of(database_url)
    with pytest.raises(IntegrityError, match=r"CF706 the CTA store: expected .*; came revision 9999") as fault:
        Store(database_url)
    assert fault.value.exit_code == 4
    with pytest.raises(IntegrityError, match=r"CF706 the ledger"):
        Ledger(database_url)
    assert rows_of(database_url) == before


def test_a_database_that_may_not_be_written_to_is_said(database_url: str) -> None:
    """CF709, exit code 3: what is in it is fine."""
    Store(database_url).close()
    engine = open_database(database_url)
    with pytest.raises(BusyError, match=r"CF709 here: .*can be written to; came .*read-?only") as fault:
        emptied(engine)
    engine.dispose()
    assert fault.value.exit_code == 3


def emptied(engine: sa.Engine) -> None:
    """Try to delete the runs, where nothing may be deleted."""
    with transaction(engine, where="here") as connection:
        connection.execute(
            sa.text("PRAGMA query_only = ON" if engine.name == "sqlite" else "SET TRANSACTION READ ONLY")
        )
        connection.execute(sa.text("DELETE FROM runs"))


def test_eight_that_open_a_new_database_at_once_all_find_it_made(database_url: str) -> None:
    """One brings it up to date, the others wait for it and have nothing left to do."""
    together = threading.Barrier(8)

    def opened(_: int) -> list[object]:
        together.wait(timeout=20)
        store = Store(database_url)
        try:
            return list(store.runs("small"))
        finally:
            store.close()

    with ThreadPoolExecutor(8) as racing:
        assert list(racing.map(opened, range(8))) == [[]] * 8


def test_opening_a_database_that_is_up_to_date_does_not_load_alembic(database_url: str) -> None:
    """Every command opens it, and few migrate it."""
    import subprocess
    import sys

    Store(database_url).close()
    program = (
        "import sys; from churnfit.cta.store import Store; Store(sys.argv[1]).close(); print('alembic' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, database_url], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "False\n"
