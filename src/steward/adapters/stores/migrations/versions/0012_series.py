"""Series: sums and histograms of each minute, hour and day, by model, route and key.

Only adds. Requests of before count in none.

Revision ID: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
SUMS = ("requests", "judged", "failed", "input_tokens", "output_tokens", "usd", "rated", "satisfied")
HISTOGRAMS = ("ttft_s", "total_s", "inter_token_s", "request_usd")


def upgrade() -> None:
    op.create_table(
        "series",
        sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.String(64), primary_key=True, server_default="default"),
        sa.Column("model", sa.String(200), primary_key=True),
        sa.Column("route", sa.String(200), primary_key=True),
        sa.Column("key_id", sa.String(64), primary_key=True),
        *(sa.Column(name, sa.Float, nullable=False) for name in SUMS),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in HISTOGRAMS),
    )


def downgrade() -> None:
    op.drop_table("series")
