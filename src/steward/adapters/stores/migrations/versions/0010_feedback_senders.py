"""Whose requests a rating may be about, and what guards masked in a request.

Only adds. Ratings of the release before this one count where they counted there: for all requests of their project.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("feedback", sa.Column("subject", sa.String(64)))
    op.add_column("feedback", sa.Column("any_key", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("exchanges", sa.Column("masked", sa.Text))


def downgrade() -> None:
    op.drop_column("exchanges", "masked")
    op.drop_column("feedback", "any_key")
    op.drop_column("feedback", "subject")
