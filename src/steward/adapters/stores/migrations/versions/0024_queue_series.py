"""How long requests waited in the queue, and how many ran, in series.

Only adds. What the release before this one takes in adds nothing to them.

Revision ID: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    empty = sa.text("x''") if op.get_bind().dialect.name == "sqlite" else sa.text("''")
    op.add_column("series", sa.Column("running_s", sa.Float, nullable=False, server_default=sa.text("0")))
    op.add_column("series", sa.Column("queued_s", sa.LargeBinary, nullable=False, server_default=empty))


def downgrade() -> None:
    for name in ("queued_s", "running_s"):
        op.drop_column("series", name)
