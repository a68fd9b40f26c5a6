"""Signed heads of audit logs, so that a log that is set back in the home is found by the store.

Only adds: the release before this one keeps no heads here.

Revision ID: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("origin", sa.String(200), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("kept_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("audit_heads")
