"""What an exchange used beside tokens: seconds of sound, characters, pictures, searches.

Only adds: the release before this one leaves the column empty.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("units", sa.Text))


def downgrade() -> None:
    op.drop_column("exchanges", "units")
