"""The shown band waits for health to last beyond a cut: since when it has been there."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Widen `account_states`."""
    op.add_column("account_states", sa.Column("beyond_since", sa.Date))
