"""People act on CTAs: claimed, snoozed, closed with an outcome, held out; every move is a row of `cta_events`.

Until here only runs closed CTAs, so what was resolved is auto-resolved. Moves from before are not invented.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen `ctas` and `runs`, make `cta_events`."""
    op.add_column("runs", sa.Column("held_out", sa.Integer, nullable=False, server_default="0"))
    for column in (
        sa.Column("triggers", sa.Text, nullable=False, server_default="[]"),
        sa.Column("back_at", sa.Float),
        sa.Column("recovered_on", sa.Date),
        sa.Column("holdout_share", sa.Float),
        sa.Column("claimed_by", sa.Text, nullable=False, server_default=""),
        sa.Column("snoozed_until", sa.Date),
        sa.Column("closed_by", sa.Text, nullable=False, server_default=""),
        sa.Column("outcome", sa.String(16), nullable=False, server_default=""),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("ctas", column)
    op.execute("""UPDATE ctas SET triggers = '["' || "trigger" || '"]'""")
    op.execute("UPDATE ctas SET status = 'auto-resolved', recovered_on = closed_on WHERE status = 'resolved'")
    op.drop_column("ctas", "trigger")
    op.drop_index("one_open_cta", "ctas")
    active = sa.text("status IN ('open', 'claimed', 'snoozed', 'held out')")
    op.create_index(
        "one_active_cta", "ctas", ["card", "account_id"], unique=True, sqlite_where=active, postgresql_where=active
    )
    op.create_table(
        "cta_events",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("cta_id", sa.String(24), nullable=False, index=True),
        sa.Column("card", sa.String(64), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("from_status", sa.String(16), nullable=False),
        sa.Column("to_status", sa.String(16), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
