"""People, roles of a deployment's own, and grants.

Only adds: the release before this one knows none of them, and keys that people created have no rights there.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("totp", sa.LargeBinary),
        sa.Column("disabled_at", sa.Float),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("project", sa.String(200)),
        sa.Column("resource", sa.String(200)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "roles",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("rights", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("people", "grants", "roles"):
        op.drop_table(name)
