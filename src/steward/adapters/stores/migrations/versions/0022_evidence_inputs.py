"""Files that a proof was made from, so that it goes stale when they change.

Only adds.

Revision ID: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("evidence", sa.Column("inputs", sa.Text, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("evidence", "inputs")
