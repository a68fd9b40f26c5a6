"""Tenants on every table; keys, shared secrets, evidence and jobs in the store.

Only adds: the release before this one goes on reading and writing the tables as it knows them.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
OLD = ("exchanges", "feedback", "meters", "outstanding")
NEW = ("keys", "secrets", "roots", "counters", "evidence", "jobs")


def tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.String(64), nullable=False, server_default="default")


def upgrade() -> None:
    for name in OLD:
        op.add_column(name, tenant())
    op.create_table(
        "keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("pepper_version", sa.Integer, nullable=False),
        tenant(),
        sa.Column("project", sa.String(200), nullable=False),
        sa.Column("team", sa.String(200)),
        sa.Column("rpm", sa.BigInteger),
        sa.Column("tpm", sa.BigInteger),
        sa.Column("concurrent", sa.BigInteger),
        sa.Column("usd_per_day", sa.Float),
        sa.Column("usd_per_month", sa.Float),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.Column("revoked_by", sa.String(200)),
    )
    op.create_table(
        "secrets",
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "roots",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    create_evidence()


def create_evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", sa.String(64), primary_key=True),
        tenant(),
        sa.Column("check", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("subject_digest", sa.String(100), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("expected", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("produced_at", sa.Float, nullable=False, index=True),
        sa.Column("valid_until", sa.Float),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("signer", sa.String(200), nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("leased_until", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for name in NEW:
        op.drop_table(name)
    for name in OLD:
        with op.batch_alter_table(name) as table:
            table.drop_column("tenant")
