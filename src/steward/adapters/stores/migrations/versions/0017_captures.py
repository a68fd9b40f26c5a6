"""Captured exchanges, legal holds, corrections and breaches. Only adds.

Revision ID: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "captures",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("project", sa.String(200), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("subject", sa.String(64), index=True),
        sa.Column("conversation", sa.String(64)),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("consent", sa.Boolean),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("rules_version", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False, index=True),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("subject", sa.String(64), index=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("released_at", sa.Float),
        sa.Column("released_by", sa.String(200)),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("project", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("about", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "breaches",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("known_at", sa.Float, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("routes", sa.Text, nullable=False),
        sa.Column("opened_by", sa.String(200), nullable=False),
        sa.Column("notified_at", sa.Float),
        sa.Column("closed_at", sa.Float),
        sa.Column("closed_by", sa.String(200)),
        sa.Column("outcome", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("breaches", "corrections", "holds", "captures"):
        op.drop_table(name)
