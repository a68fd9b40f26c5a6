"""The ledger's three tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "outstanding",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("writer", sa.String(64), nullable=False, index=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "exchanges",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("settled_at", sa.Float, nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("project", sa.String(200), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("model_version", sa.String(200)),
        sa.Column("prompt_version", sa.String(200)),
        sa.Column("route_version", sa.Integer, nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("usd", sa.Float),
        sa.Column("ttft_s", sa.Float),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("subject", sa.String(64), index=True),
        sa.Column("conversation", sa.String(64)),
        sa.Column("attempts", sa.LargeBinary, nullable=False),
        sa.Column("guards", sa.Text, nullable=False),
        sa.Column("upstream_id", sa.String(200)),
    )
    op.create_table(
        "drained",
        sa.Column("segment", sa.String(200), primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for name in ("drained", "exchanges", "outstanding"):
        op.drop_table(name)
