"""The schema of the operational database: one revision for all its tables, brought up to date when it is opened.

The revisions are Alembic's, in `churnfit/migrations/versions`. All that are missing run in one transaction: killed at
any statement, the database is as it was.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from churnfit.database import hold, open_database, transaction
from churnfit.errors import IntegrityError

__all__ = ["REVISIONS", "VERSION_TABLE", "bring_up_to_date", "opened"]

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision, oldest first: known without loading Alembic, which a database that is up to date never needs."""

VERSION_TABLE = "churnfit_schema"
"""Not Alembic's usual name, which MLflow's tables use."""


def opened(url: str, *, where: str, pooled: bool = True) -> sa.Engine:
    """Return an engine for the operational database, brought up to date; where that fails nothing is left open.

    Raises
    ------
    SpecError, IntegrityError, BusyError
        As `churnfit.database.open_database` and `bring_up_to_date`.
    """
    engine = open_database(url, pooled=pooled)
    try:
        bring_up_to_date(engine, where=where)
    except BaseException:
        engine.dispose()
        raise
    return engine


def bring_up_to_date(engine: sa.Engine, *, where: str) -> None:
    """Run the revisions that the database does not have yet; one from before there were revisions keeps every row.

    Raises
    ------
    IntegrityError
        CF706 when a newer churnfit wrote it.
    BusyError, IntegrityError
        As `churnfit.database.transaction`.
    """
    with transaction(engine, where=where) as connection:
        if _revision(connection) == REVISIONS[-1]:
            return
        hold(connection, "schema")  # another process may have brought it up to date meanwhile
        found = _revision(connection)
        if found is not None and found not in REVISIONS:
            raise IntegrityError(
                "CF706",
                where=where,
                expected=f"a schema of at most revision {REVISIONS[-1]}",
                came=f"revision {found}",
                fix="A newer churnfit wrote it: use that one, or another database.",
            )
        if found != REVISIONS[-1]:
            _upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(
        sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))
    ).scalar()
    return found


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    scripts = str(Path(__file__).with_name("migrations"))
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
