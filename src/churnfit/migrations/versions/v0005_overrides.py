"""People overrule the shown band: set, until when and why, and lifted; every one is a row of `overrides`."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make `overrides`."""
    op.create_table(
        "overrides",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("card", sa.String(64), nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("band", sa.String(8), nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Index("overrides_of_card", "card", "account_id"),
    )
