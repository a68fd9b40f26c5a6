"""Sums of each minute, model and route; alerts, silences and notices.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
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
    create_alerts()


def create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("expected", sa.Float),
        sa.Column("started_at", sa.Float, nullable=False, index=True),
        sa.Column("ended_at", sa.Float),
        sa.Column("acknowledged_by", sa.String(200)),
        sa.Column("acknowledged_at", sa.Float),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("starts_at", sa.Float, nullable=False),
        sa.Column("ends_at", sa.Float, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(300), primary_key=True),
        sa.Column("alert_id", sa.String(64), nullable=False, index=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("delivered_at", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("notices", "silences", "alerts", "minutes"):
        op.drop_table(name)
