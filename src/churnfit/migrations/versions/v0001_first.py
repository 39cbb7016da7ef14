"""The tables of churnfit 0.1, as its unversioned databases have them: what is there stays, what is missing is made.

Each module had made its own tables when it was first used, so a database may have those of the store or of the ledger
alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of runs, CTAs, account states and the ledger where they are not."""
    op.create_table(
        "runs",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run_key", sa.String(24), nullable=False),
        sa.Column("card", sa.String(64), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("card_sha256", sa.String(64), nullable=False),
        sa.Column("snapshot_sha256", sa.String(64), nullable=False),
        sa.Column("accounts", sa.Integer, nullable=False),
        sa.Column("opened", sa.Integer, nullable=False),
        sa.Column("resolved", sa.Integer, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ctas",
        sa.Column("cta_id", sa.String(24), primary_key=True),
        sa.Column("card", sa.String(64), nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("trigger", sa.String(32), nullable=False),
        sa.Column("playbook", sa.String(64), nullable=False),
        sa.Column("opened_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("health", sa.Float, nullable=False),
        sa.Column("churn_probability", sa.Float, nullable=False),
        sa.Column("expected_value", sa.Float, nullable=False),
        sa.Column("lead_measure", sa.String(64), nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("last_scored_on", sa.Date, nullable=False),
        sa.Column("closed_on", sa.Date),
        if_not_exists=True,
    )
    is_open = sa.text("status = 'open'")
    op.create_index(
        "one_open_cta",
        "ctas",
        ["card", "account_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
        if_not_exists=True,
    )
    op.create_table(
        "account_states",
        sa.Column("card", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("band", sa.String(8), nullable=False),
        sa.Column("band_since", sa.Date, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ledger",
        sa.Column("card", sa.String(64), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("done_by", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("canary", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("candidate", sa.String(32), nullable=False),
        sa.Column("card_sha256", sa.String(64), nullable=False),
        sa.Column("card_json", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("row_hash", sa.String(64), nullable=False),
        sa.CheckConstraint("asked_by <> done_by", name="two_persons"),
        if_not_exists=True,
    )
