"""Changes that wait for approval, and decisions about them.

Only adds: the release before this one asks for no approvals.

Revision ID: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "approval_requests",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False, index=True),
        sa.Column("digest", sa.String(100), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("authors", sa.Text, nullable=False),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("requested_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_table(
        "approval_decisions",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(200), primary_key=True),
        sa.Column("at", sa.Float, primary_key=True),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(100), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("approval_decisions")
    op.drop_table("approval_requests")
