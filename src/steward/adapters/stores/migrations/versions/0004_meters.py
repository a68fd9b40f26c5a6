"""Counts for the metrics, with what has settled so far.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

from steward.adapters.stores.meters import add_counts
from steward.core.identity import DEFAULT_TENANT
from steward.core.meters import count_exchanges

revision = "0004"
down_revision = "0003"
ROWS = 10_000
NEEDED = (
    *("endpoint", "route", "model", "key_id", "outcome", "status", "usd", "duration_s", "input_tokens"),
    *("output_tokens", "streamed", "ttft_s", "attempts", "settled_at"),
)


def upgrade() -> None:
    op.create_table(
        "meters",
        sa.Column("meter", sa.String(40), primary_key=True),
        sa.Column("labels", sa.String(1000), primary_key=True),
        sa.Column("part", sa.String(24), primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
    )
    meters = sa.table("meters", *(sa.column(name) for name in ("meter", "labels", "part", "value")))
    connection = op.get_bind()
    exchanges = sa.table("exchanges", *(sa.column(name) for name in NEEDED))  # as they are at this revision
    settled = connection.execute(sa.select(exchanges)).mappings()
    while rows := settled.fetchmany(ROWS):
        add_counts(connection, count_exchanges([{"tenant": DEFAULT_TENANT, **row} for row in rows]), meters)


def downgrade() -> None:
    op.drop_table("meters")
