"""The store's tables. Migrations in `migrations/` lead to exactly these; a test compares."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

outstanding = sa.Table(
    "outstanding",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("writer", sa.String(64), nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # msgpack of the Admitted record
)

exchanges = sa.Table(
    "exchanges",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("settled_at", sa.Float, nullable=False),
    sa.Column("key_id", sa.String(64), nullable=False),
    sa.Column("project", sa.String(200), nullable=False),
    sa.Column("team", sa.String(200)),
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
    sa.Column("attempts", sa.LargeBinary, nullable=False),  # msgpack
    sa.Column("guards", sa.Text, nullable=False),
    sa.Column("upstream_id", sa.String(200)),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("key_id", sa.String(64), nullable=False),
    sa.Column("project", sa.String(200), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False, index=True),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("label", sa.String(64)),
    sa.Column("sealed", sa.LargeBinary),  # AES-256-GCM of comment and correction
)

drained = sa.Table(
    "drained",
    metadata,
    sa.Column("segment", sa.String(200), primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
)

meters = sa.Table(
    "meters",
    metadata,
    sa.Column("meter", sa.String(40), primary_key=True),
    sa.Column("labels", sa.String(1000), primary_key=True),  # JSON
    sa.Column("part", sa.String(24), primary_key=True),  # of a histogram: "sum" or a bucket's bound
    sa.Column("value", sa.Float, nullable=False),
)
