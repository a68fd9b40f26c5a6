"""The team of an exchange's key.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("team", sa.String(200)))


def downgrade() -> None:
    op.drop_column("exchanges", "team")
