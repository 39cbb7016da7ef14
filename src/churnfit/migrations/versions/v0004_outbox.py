"""What other systems are to be told of CTAs' moves waits in a table, written with the moves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make `outbox`."""
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("sink", sa.String(64), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("cta_id", sa.String(24), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.String(32), nullable=False),
        sa.Column("answer", sa.String(64), nullable=False),
    )
    undelivered = sa.text("status IN ('waiting', 'dead')")
    op.create_index(
        "undelivered", "outbox", ["sink", "cta_id", "sequence"], sqlite_where=undelivered, postgresql_where=undelivered
    )
