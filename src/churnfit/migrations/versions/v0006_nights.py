"""A night writes less, and says more: no date for CTAs that it scored again, and how much it had to set aside.

`ctas.last_scored_on` is null while every run scores the CTA's account: then it is the date of the card's newest run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Let `last_scored_on` be null where it can; add `set_aside` and `faulty_rows` to the runs, which had neither."""
    for name in ("set_aside", "faulty_rows"):
        op.add_column("runs", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.execute("ALTER TABLE ctas RENAME COLUMN last_scored_on TO scored_on")
    op.add_column("ctas", sa.Column("last_scored_on", sa.Date))
    op.execute(
        "UPDATE ctas SET last_scored_on = scored_on WHERE status NOT IN ('open', 'claimed', 'snoozed', 'held out') "
        "OR scored_on <> (SELECT max(as_of) FROM runs WHERE runs.card = ctas.card)"
    )
    op.drop_column("ctas", "scored_on")
