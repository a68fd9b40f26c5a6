"""Traces: how long requests took to be admitted, the client's trace context, and which are kept as traces.

Only adds. Rows of before show no admission and no queue.

Revision ID: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("ready_s", sa.Float))
    op.add_column("exchanges", sa.Column("queued_s", sa.Float))
    op.add_column("exchanges", sa.Column("traceparent", sa.String(128)))
    op.create_table(
        "traces",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("kept_for", sa.String(16), nullable=False),
        sa.Column("exported_at", sa.Float),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
    )


def downgrade() -> None:
    op.drop_table("traces")
    for name in ("traceparent", "queued_s", "ready_s"):
        op.drop_column("exchanges", name)
