"""Sessions of people who signed in, and the step of the last code that each of them used.

Only adds: the release before this one lets nobody sign in.

Revision ID: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("subject", sa.String(300), nullable=False, index=True),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.add_column("people", sa.Column("totp_step", sa.Integer))


def downgrade() -> None:
    op.drop_column("people", "totp_step")
    op.drop_table("sessions")
