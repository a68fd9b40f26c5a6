"""Reactions: signals beside ratings, whose they are, which count, and their sums by day and version.

Only adds. What the release before this one takes in counts as a rating there, and a signal as one of 0. It adds nothing
to the new sums.

Revision ID: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

SUMS = ("answered", "regenerated", "abandoned", "copied", "rephrased", "scored", "passed")
COUNTS = (*("answered", "rated", "satisfied", "regenerated", "abandoned", "copied", "rephrased", "scored", "passed"),)


def upgrade() -> None:
    op.add_column("feedback", sa.Column("kind", sa.String(16), nullable=False, server_default="explicit"))
    op.add_column("feedback", sa.Column("person", sa.String(64)))
    op.add_column("feedback", sa.Column("counted", sa.Boolean))
    op.create_index("ix_feedback_person", "feedback", ["person"])
    for name in SUMS:
        op.add_column("series", sa.Column(name, sa.Float, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "reactions",
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.String(64), primary_key=True, server_default="default"),
        sa.Column("model", sa.String(200), primary_key=True),
        sa.Column("route", sa.String(200), primary_key=True),
        sa.Column("prompt_version", sa.String(200), primary_key=True),
        sa.Column("route_version", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
    )


def downgrade() -> None:
    op.drop_table("reactions")
    for name in reversed(SUMS):
        op.drop_column("series", name)
    op.drop_index("ix_feedback_person", "feedback")
    for name in ("counted", "person", "kind"):
        op.drop_column("feedback", name)
