"""Series without keys, by versions and by projects; an index that adds up series without opening their histograms.

Only adds. `counters` says since when rollups hold all that series do: what lies before is filled in by the keeper. A
home that nothing was asked of yet has no such line: its rollups hold everything.

Revision ID: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
RESOLUTIONS = (60, 3600, 86400)
NAMES = ("resolution_s", "start", "tenant", "model", "route", "key_id")
TOTALS = ("requests", "judged", "failed", "input_tokens", "output_tokens", "usd", "rated", "satisfied")
SUMS = (
    *TOTALS, "answered", "regenerated", "abandoned", "copied", "rephrased", "scored", "passed", "running_s",
)  # fmt: skip
HISTOGRAMS = ("ttft_s", "total_s", "inter_token_s", "request_usd", "queued_s")


def upgrade() -> None:
    op.create_table(
        "rollups",
        sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("dimension", sa.String(16), primary_key=True),
        sa.Column("tenant", sa.String(64), primary_key=True, server_default="default"),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", sa.String(200), primary_key=True),
        sa.Column("model", sa.String(200), primary_key=True),
        sa.Column("route", sa.String(200), primary_key=True),
        *(sa.Column(name, sa.Float, nullable=False, server_default=sa.text("0")) for name in SUMS),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in HISTOGRAMS),
    )
    op.create_index("series_sums", "series", [*NAMES, *TOTALS])
    for name, resolution_s in (*((f"rollups {one}", one) for one in RESOLUTIONS), ("rollups of versions", 86400)):
        op.execute(
            sa.text(
                "INSERT INTO counters (name, value) SELECT :name, newest + :span FROM"
                " (SELECT max(start) AS newest FROM series WHERE resolution_s = :span) AS known"
                " WHERE newest IS NOT NULL"
            ).bindparams(sa.bindparam("name", name, sa.String), sa.bindparam("span", resolution_s, sa.Integer))
        )


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM counters WHERE name LIKE 'rollups %'"))
    op.drop_index("series_sums", "series")
    op.drop_table("rollups")
