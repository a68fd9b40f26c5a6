"""What keys may be used for: models, networks, a period; rotation; when they were last used.

Only adds: the release before this one goes on with the columns that it knows, and so does not heed these terms.

Revision ID: 0008
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def make_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("models", sa.Text),
        sa.Column("networks", sa.Text, nullable=False, server_default="[]"),
        sa.Column("not_before", sa.Float),
        sa.Column("expires_at", sa.Float),
        sa.Column("replaced_by", sa.String(64)),
        sa.Column("lineage", sa.String(64)),
    ]


def upgrade() -> None:
    for column in make_columns():
        op.add_column("keys", column)
    op.create_table(
        "key_uses",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("last_used_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("key_uses")
    with op.batch_alter_table("keys") as table:
        for column in make_columns():
            table.drop_column(column.name)
