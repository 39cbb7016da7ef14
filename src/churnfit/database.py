"""The workspace's operational database: how it is opened, waited for, and what its faults are called.

SQLite runs in WAL mode and every transaction begins with BEGIN IMMEDIATE, so two writers at once queue up instead of
failing half-way. On PostgreSQL they queue up where they `hold` the same name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from churnfit.errors import BusyError, IntegrityError, SpecError
from churnfit.files import make_folder

__all__ = ["exists", "hold", "open_database", "transaction"]

_WAIT_SECONDS = 30  # longer than a run's transaction on a million accounts takes

_PASSING = ("locked", "busy", "connection", "timeout")
"""Words in a database's complaint that say it may answer later."""

_NOT_WRITABLE = ("is full", "readonly", "read-only", "disk I/O", "unable to open")
"""Words that say it can be read, perhaps, but not written."""


def open_database(url: str, *, pooled: bool = True) -> sa.Engine:
    """Return an engine for `url`.

    Parameters
    ----------
    url : str
        A SQLAlchemy URL, ``sqlite:///path`` by default; ``?timeout=5`` waits five seconds for a held database.
        ``postgresql://`` is spoken with psycopg (``churnfit[postgres]``).
    pooled : bool
        Keep connections until the engine is disposed of; without, each transaction opens and closes its own.

    Raises
    ------
    SpecError
        CF508 when it is no such URL, or its driver is not installed.
    UsageError, BusyError
        CF709 when the folder of a SQLite file cannot be made.
    """
    if url.startswith("sqlite:///"):
        make_folder(Path(url.removeprefix("sqlite:///")).parent)
    pool: dict[str, Any] = {} if pooled else {"poolclass": sa.pool.NullPool}
    try:
        engine = sa.create_engine(_patient(url), **pool)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as fault:
        raise SpecError(
            "CF508",
            where="database",
            expected="a SQLAlchemy URL with its driver installed",
            came=str(fault),
            fix="Write sqlite:///path or postgresql://…; the latter needs pip install 'churnfit[postgres]'.",
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def exists(url: str) -> bool:
    """Say whether there can be something in a database: there is nothing in a SQLite file that nobody has made."""
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///").partition("?")[0]).exists()


@contextmanager
def transaction(engine: sa.Engine, *, where: str) -> Iterator[sa.Connection]:
    """Yield a connection whose changes commit together.

    Raises
    ------
    BusyError
        CF701 when somebody else holds the database for too long, or it does not answer; CF709 when it cannot be
        written.
    IntegrityError
        CF705 when it cannot be read.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError):
        raise  # a bug of churnfit, not a state of the database
    except sa.exc.DatabaseError as fault:
        if any(word in str(fault.orig) for word in _PASSING):
            raise BusyError(
                "CF701",
                where=where,
                expected="a free database that answers",
                came=str(fault.orig),
                fix="Run again when the other run has ended.",
            ) from fault
        if any(word in str(fault.orig) for word in _NOT_WRITABLE):
            raise BusyError(
                "CF709",
                where=where,
                expected="a database that can be written to",
                came=str(fault.orig),
                fix="Make room, or let it be written to, and run again.",
            ) from fault
        raise IntegrityError(
            "CF705",
            where=where,
            expected="a database",
            came=str(fault.orig),
            fix="Restore it from a backup, or name another in churnfit.toml.",
        ) from fault


def hold(connection: sa.Connection, name: str) -> None:
    """Let one transaction at a time go past here with `name`, until it ends; on SQLite it is alone already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"churnfit {name}", 0))))


def _patient(url: str) -> sa.URL:
    """Return `url` with its driver; a connection waits for others, so long as the url says or half a minute."""
    given = sa.make_url(url)
    if given.get_backend_name() == "sqlite" and "timeout" not in given.query:
        given = given.update_query_dict({"timeout": str(_WAIT_SECONDS)})
    if given.drivername == "postgresql":
        given = given.set(drivername="postgresql+psycopg")
    if given.get_backend_name() == "postgresql" and "options" not in given.query:
        given = given.update_query_dict({"options": f"-c lock_timeout={_WAIT_SECONDS}s"})
    return given


def _configure_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN, above, decides when a transaction starts
    cursor = connection.cursor()
    with suppress(sqlite3.OperationalError):  # locked: another process, making the same database, is switching it
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
