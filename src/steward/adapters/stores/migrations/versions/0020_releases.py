"""Releases: which arm a request was drawn for, releases in progress, versions of models and their aliases.

Only adds. Rows of before were in no release.

Revision ID: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("release_id", sa.String(64)))
    op.add_column("exchanges", sa.Column("arm", sa.String(16)))
    op.add_column("exchanges", sa.Column("arm_weight", sa.Float))
    op.add_column("exchanges", sa.Column("judged", sa.Float))
    op.create_index("ix_exchanges_release_id", "exchanges", ["release_id"])
    op.create_table(
        "releases",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("open_route", sa.String(200), unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
    )
    op.create_table(
        "model_versions",
        sa.Column("tenant", sa.String(64), primary_key=True, server_default="default"),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(80), primary_key=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("tainted", sa.Text, nullable=False, server_default=""),
        sa.Column("held", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "alias_moves",
        sa.Column("tenant", sa.String(64), primary_key=True, server_default="default"),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("alias", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "improvements",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("open_slot", sa.String(16), unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
    )


def downgrade() -> None:
    for name in ("improvements", "alias_moves", "model_versions", "releases"):
        op.drop_table(name)
    op.drop_index("ix_exchanges_release_id", "exchanges")
    for name in ("judged", "arm_weight", "arm", "release_id"):
        op.drop_column("exchanges", name)
