"""The store's tables. Migrations in `migrations/` lead to exactly these; a test compares."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from steward.core.identity import DEFAULT_TENANT
from steward.core.minutes import COLUMNS
from steward.core.reactions import COUNTS as REACTION_COUNTS
from steward.core.series import HISTOGRAMS, SUMS, TOTALS

REVISION: Final = "0025"  # the newest in `migrations/versions`
metadata = sa.MetaData()


def _tenant() -> sa.Column[str]:
    """Whose row it is; a release that knows no tenants writes `default`."""
    return sa.Column("tenant", sa.String(64), nullable=False, server_default=DEFAULT_TENANT)


outstanding = sa.Table(
    "outstanding",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("writer", sa.String(64), nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # msgpack of the Admitted record
    _tenant(),
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
    sa.Column("units", sa.Text),  # JSON object of what was counted beside tokens; NULL where nothing was
    sa.Column("ready_s", sa.Float),  # NULL in rows of before there were traces
    sa.Column("queued_s", sa.Float),
    sa.Column("traceparent", sa.String(128)),
    sa.Column("masked", sa.Text),  # JSON object of how many values guards replaced, by kind; NULL where none
    sa.Column("release_id", sa.String(64), index=True),  # NULL: the route was in no release
    sa.Column("arm", sa.String(16)),
    sa.Column("arm_weight", sa.Float),
    sa.Column("judged", sa.Float),  # by how much a judge preferred the candidate's answer
    _tenant(),
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
    sa.Column("subject", sa.String(64)),
    sa.Column("any_key", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("kind", sa.String(16), nullable=False, server_default="explicit"),
    sa.Column("person", sa.String(64), index=True),  # whose reaction it is; known once its request is there
    sa.Column("counted", sa.Boolean),  # whether it is in the series; NULL: its request is not there, or an old row
    _tenant(),
)

captures = sa.Table(  # exchanges whose texts are kept, sealed
    "captures",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("key_id", sa.String(64), nullable=False),
    sa.Column("project", sa.String(200), nullable=False),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("route", sa.String(200), nullable=False),
    sa.Column("model", sa.String(200)),
    sa.Column("streamed", sa.Boolean, nullable=False),
    sa.Column("subject", sa.String(64), index=True),
    sa.Column("conversation", sa.String(64)),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("consent", sa.Boolean),  # NULL: the client said nothing
    sa.Column("form", sa.String(16), nullable=False),
    sa.Column("rules_version", sa.String(64), nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    _tenant(),
)

holds = sa.Table(  # legal holds: what they cover is neither erased nor swept
    "holds",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("subject", sa.String(64), index=True),  # NULL: everybody of the tenant
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("released_at", sa.Float),
    sa.Column("released_by", sa.String(200)),
)

corrections = sa.Table(  # what a person says is wrong in what is kept of them
    "corrections",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("project", sa.String(200), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("about", sa.String(64), nullable=False),  # a request or feedback; empty: the person
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

breaches = sa.Table(
    "breaches",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("known_at", sa.Float, nullable=False),  # from when the 72 hours count
    sa.Column("since", sa.Float, nullable=False),  # whose requests it touches
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("routes", sa.Text, nullable=False),  # JSON list; empty: all
    sa.Column("opened_by", sa.String(200), nullable=False),
    sa.Column("notified_at", sa.Float),
    sa.Column("closed_at", sa.Float),
    sa.Column("closed_by", sa.String(200)),
    sa.Column("outcome", sa.Text, nullable=False),
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
    _tenant(),  # of its labels; those of the default tenant name none
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # hex HMAC-SHA256 of the secret under a key pepper
    sa.Column("pepper_version", sa.Integer, nullable=False),
    _tenant(),
    sa.Column("project", sa.String(200), nullable=False),
    sa.Column("team", sa.String(200)),
    sa.Column("rpm", sa.BigInteger),
    sa.Column("tpm", sa.BigInteger),
    sa.Column("concurrent", sa.BigInteger),
    sa.Column("usd_per_day", sa.Float),
    sa.Column("usd_per_month", sa.Float),
    sa.Column("priority", sa.String(16), nullable=False),
    sa.Column("rights", sa.Text, nullable=False),  # JSON list
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),  # an actor, such as operator:1000
    sa.Column("revoked_at", sa.Float),
    sa.Column("revoked_by", sa.String(200)),
    sa.Column("models", sa.Text),  # JSON list; null: all
    sa.Column("networks", sa.Text, nullable=False, server_default="[]"),  # JSON list
    sa.Column("not_before", sa.Float),
    sa.Column("expires_at", sa.Float),
    sa.Column("replaced_by", sa.String(64)),
    sa.Column("lineage", sa.String(64)),
)

key_uses = sa.Table(  # when a key last sent a request that was admitted, or feedback
    "key_uses",
    metadata,
    sa.Column("key_id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("last_used_at", sa.Float, nullable=False),
)

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("groups", sa.Text, nullable=False),  # JSON list
    sa.Column("password_hash", sa.String(200)),  # argon2id
    sa.Column("totp", sa.LargeBinary),  # sealed under the root key
    sa.Column("totp_step", sa.Integer),
    sa.Column("disabled_at", sa.Float),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("changed_at", sa.Float, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # hex SHA-256 of the token
    _tenant(),
    sa.Column("subject", sa.String(300), nullable=False, index=True),
    sa.Column("groups", sa.Text, nullable=False),  # JSON list
    sa.Column("method", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("subject", sa.String(200), nullable=False),  # person:anna, group:ml
    sa.Column("role", sa.String(64), nullable=False),
    _tenant(),
    sa.Column("project", sa.String(200)),  # null: the whole tenant
    sa.Column("resource", sa.String(200)),  # such as route:small; null: the whole project
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

roles = sa.Table(  # beside the built-in ones; of the whole deployment
    "roles",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("rights", sa.Text, nullable=False),  # JSON list
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("kind", sa.String(40), primary_key=True),
    sa.Column("tenant", sa.String(64), primary_key=True),  # empty where all tenants share it
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

roots = sa.Table(
    "roots",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1: a store has one root key
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

subject_keys = sa.Table(  # the unit of erasure; apart from the rest in backups
    "subject_keys",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    _tenant(),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("tenant_version", sa.Integer, nullable=False),  # of the tenant key that wraps it
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.UniqueConstraint("tenant", "subject", name="one_key_of_a_subject"),
)

erasures = sa.Table(  # the journal: added to, never changed
    "erasures",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("subject", sa.String(100), nullable=False, index=True),
    sa.Column("key_id", sa.String(32)),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("actor", sa.String(200), nullable=False),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
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
    sa.Column("inputs", sa.Text, nullable=False, server_default="[]"),  # JSON list of files
)

audit_heads = sa.Table(  # of logs, not of tenants: each home has one
    "audit_heads",
    metadata,
    sa.Column("origin", sa.String(200), primary_key=True),  # the log's name
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("note", sa.Text, nullable=False),  # the signed checkpoint
    sa.Column("kept_at", sa.Float, nullable=False),
)

approval_requests = sa.Table(
    "approval_requests",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False, index=True),
    sa.Column("digest", sa.String(100), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("authors", sa.Text, nullable=False),  # JSON list
    sa.Column("requested_by", sa.String(200), nullable=False),
    sa.Column("requested_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)

approval_decisions = sa.Table(  # the tenant is the request's
    "approval_decisions",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(200), primary_key=True),
    sa.Column("at", sa.Float, primary_key=True),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(100), nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("leased_until", sa.Float, nullable=False),  # by the database's clock; 0: nobody runs it
    sa.Column("due_at", sa.Float, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("route", sa.String(200), nullable=False),
    sa.Column("open_route", sa.String(200), unique=True),  # NULL once it has ended, so that a route has one at a time
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("record", sa.Text, nullable=False),  # JSON
    _tenant(),
)

model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True, server_default=DEFAULT_TENANT),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(80), primary_key=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("record", sa.Text, nullable=False),  # JSON
    sa.Column("tainted", sa.Text, nullable=False, server_default=""),
    sa.Column("held", sa.Text, nullable=False, server_default=""),
)

alias_moves = sa.Table(  # added, never changed: the key makes a second move from the same state fail
    "alias_moves",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True, server_default=DEFAULT_TENANT),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("alias", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

improvements = sa.Table(  # runs of the improvement circle
    "improvements",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("open_slot", sa.String(16), unique=True),  # NULL once it has ended, so that one runs at a time
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("record", sa.Text, nullable=False),  # JSON
    _tenant(),
)

minutes = sa.Table(
    "minutes",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True, server_default=DEFAULT_TENANT),
    sa.Column("minute", sa.BigInteger, primary_key=True, index=True),  # since the epoch
    sa.Column("model", sa.String(200), primary_key=True),  # "" where nobody answered
    sa.Column("route", sa.String(200), primary_key=True),
    *(sa.Column(name, sa.Float, nullable=False) for name in COLUMNS),
)

series = sa.Table(
    "series",
    metadata,
    sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),  # a minute, an hour or a day
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),  # seconds since the epoch
    sa.Column("tenant", sa.String(64), primary_key=True, server_default=DEFAULT_TENANT),
    sa.Column("model", sa.String(200), primary_key=True),  # "" where nobody answered
    sa.Column("route", sa.String(200), primary_key=True),
    sa.Column("key_id", sa.String(64), primary_key=True),
    *(sa.Column(name, sa.Float, nullable=False, server_default=sa.text("0")) for name in SUMS),
    *(sa.Column(name, sa.LargeBinary, nullable=False) for name in HISTOGRAMS),  # of core/histogram.py
    sa.Index("series_sums", *("resolution_s", "start", "tenant", "model", "route", "key_id"), *TOTALS),
)

rollups = sa.Table(  # the same without keys; the tenant "" is all of them together
    "rollups",
    metadata,
    sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("dimension", sa.String(16), primary_key=True),  # "": all, "project", or a version
    sa.Column("tenant", sa.String(64), primary_key=True, server_default=DEFAULT_TENANT),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),  # seconds since the epoch
    sa.Column("value", sa.String(200), primary_key=True),  # in that dimension
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("route", sa.String(200), primary_key=True),
    *(sa.Column(name, sa.Float, nullable=False, server_default=sa.text("0")) for name in SUMS),
    *(sa.Column(name, sa.LargeBinary, nullable=False) for name in HISTOGRAMS),
)

reactions = sa.Table(  # what people did with answers, by day and by versions
    "reactions",
    metadata,
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),  # where it begins, seconds since the epoch
    sa.Column("tenant", sa.String(64), primary_key=True, server_default=DEFAULT_TENANT),
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("route", sa.String(200), primary_key=True),
    sa.Column("prompt_version", sa.String(200), primary_key=True),  # "" where there is no prompt
    sa.Column("route_version", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in REACTION_COUNTS),
)

gauges = sa.Table(  # of the operator: engines, GPUs, processes and guards, which belong to no tenant
    "gauges",
    metadata,
    sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),  # seconds since the epoch
    sa.Column("subject", sa.String(200), primary_key=True),  # such as a model's name
    sa.Column("metric", sa.String(64), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("least", sa.Float, nullable=False),
    sa.Column("most", sa.Float, nullable=False),
    sa.Column("last", sa.Float, nullable=False),
)

engine_states = sa.Table(  # likewise: what each engine's metrics endpoint told last
    "engine_states",
    metadata,
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # JSON
)

request_features = sa.Table(  # what sampled requests were like, without their content
    "request_features",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("route", sa.String(200), nullable=False),
    sa.Column("features", sa.Text, nullable=False),  # JSON
)

drift_baselines = sa.Table(  # of the operator, over all traffic
    "drift_baselines",
    metadata,
    sa.Column("created_at", sa.Float, primary_key=True),
    sa.Column("baseline", sa.LargeBinary, nullable=False),  # msgpack of core/features.py's record, zlib
)

traces = sa.Table(  # requests that are kept as traces; the rest of each stands in `exchanges`
    "traces",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("kept_for", sa.String(16), nullable=False),
    sa.Column("exported_at", sa.Float),
    _tenant(),
)

alerts = sa.Table(  # of the operator: they speak of all traffic, so no tenant reads them
    "alerts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("rule", sa.String(200), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),  # JSON list
    sa.Column("value", sa.Float),
    sa.Column("expected", sa.Float),
    sa.Column("started_at", sa.Float, nullable=False, index=True),
    sa.Column("ended_at", sa.Float),
    sa.Column("acknowledged_by", sa.String(200)),
    sa.Column("acknowledged_at", sa.Float),
)

rule_states = sa.Table(  # likewise: what each rule said of all requests when it last looked
    "rule_states",
    metadata,
    sa.Column("rule", sa.String(200), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("rule", sa.String(200), nullable=False),
    sa.Column("starts_at", sa.Float, nullable=False),
    sa.Column("ends_at", sa.Float, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
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
