"""Sums of each minute, model and route.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
COUNTS = ("requests", "judged", "failed", "asked", "refused", "rated", "satisfied", "score", "score_squared")
LEVELS = ("latency_ms", "ttft_ms", "input_tokens", "output_tokens", "prompt_chars", "usd")
COLUMNS = (*COUNTS, *(f"{level}_{part}" for level in LEVELS for part in ("n", "log", "log_squared")))


def upgrade() -> None:
    op.create_table(
        "minutes",
        sa.Column("tenant", sa.String(64), primary_key=True, server_default="default"),
        sa.Column("minute", sa.BigInteger, primary_key=True, index=True),
        sa.Column("model", sa.String(200), primary_key=True),
        sa.Column("route", sa.String(200), primary_key=True),
        *(sa.Column(name, sa.Float, nullable=False) for name in COLUMNS),
    )


def downgrade() -> None:
    op.drop_table("minutes")
