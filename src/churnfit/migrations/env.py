"""What Alembic runs: the revisions in `versions/`, on the connection and in the transaction of `churnfit.schema`."""

from alembic import context

from churnfit.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
