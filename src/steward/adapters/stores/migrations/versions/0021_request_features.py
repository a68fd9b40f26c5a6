"""Features of sampled requests, and the baselines that they are compared with.

Only adds.

Revision ID: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "request_features",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, server_default="default"),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("features", sa.Text, nullable=False),
    )
    op.create_table(
        "drift_baselines",
        sa.Column("created_at", sa.Float, primary_key=True),
        sa.Column("baseline", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("drift_baselines")
    op.drop_table("request_features")
