"""Frozen records: all that crosses between capabilities. No content, no secrets.

Times are seconds since the Unix epoch (float); durations end in `_s`; money is in US dollars.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from steward.core.captures import CapturedExchange
from steward.core.features import RequestFeatures
from steward.core.gpus import GpuStatus

Outcome = Literal["ok", "upstream_error", "client_closed", "timeout", "refused", "truncated", "lost"]
Priority = Literal["high", "normal", "low"]
Arm = Literal["champion", "candidate"]  # of a release


class LimitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What one key, team or model may use; None: no limit. Days and months are UTC's."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None  # input and output together
    concurrent: int | None = None  # requests at the same time
    usd_per_day: float | None = None
    usd_per_month: float | None = None

    def any(self) -> bool:
        return any(value is not None for value in msgspec.structs.astuple(self))

    def has_budget(self) -> bool:
        return self.usd_per_day is not None or self.usd_per_month is not None


class Scope(msgspec.Struct, frozen=True):
    """Whose limit: "key:<id>", "team:<name>" or "model:<route>"."""

    name: str
    limits: LimitSpec


class Reservation(msgspec.Struct):
    """What a running request holds in each scope; settled or cancelled once."""

    request_id: str
    scopes: tuple[Scope, ...]
    at: float  # seconds since the epoch; its tokens count in this second
    tokens: int
    usd: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request may start, and what its client is told of its tightest scope."""

    allowed: bool
    scope: str = ""  # which scope refused
    what: Literal["", "requests", "tokens", "concurrent", "usd_per_day", "usd_per_month"] = ""  # and which limit
    limit: float = 0.0  # the limit that refused
    used: float = 0.0  # how much of it is taken
    retry_after_s: float = 0.0
    limit_requests: int | None = None
    remaining_requests: int = 0
    reset_requests_s: float = 0.0  # until all requests of the minute are free again
    limit_tokens: int | None = None
    remaining_tokens: int = 0
    reset_tokens_s: float = 0.0


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One try at one upstream within an exchange. What a try used that was not the last stands with it; what the last
    one used is the exchange's.
    """

    model: str
    status: int | None  # HTTP status; None: no answer
    error: str | None
    started_at: float
    duration_s: float
    input_tokens: int = 0  # of a try that failed, where its upstream told of them
    output_tokens: int = 0
    usd: float | None = None


class Admitted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="admitted", gc=False):
    """Written before a request is dispatched: what it may cost at most. A field may be given a default, and no other
    one later: what has its default is not written."""

    request_id: str
    at: float
    key_id: str
    tenant: str = "default"
    project: str
    endpoint: str  # "/v1/chat/completions"
    route: str
    streamed: bool
    team: str | None = None
    reserved_usd: float | None = None  # None: no price known
    reserved_input_tokens: int = 0
    reserved_output_tokens: int = 0
    subject: str | None = None  # HMAC, never the raw identifier
    conversation: str | None = None  # HMAC
    prompt_version: str | None = None
    route_version: int = 0
    release: str | None = None  # that the route was in
    arm: Arm | None = None  # that was drawn, whichever model answers in the end
    arm_weight: float | None = None  # the candidate's share of people when it was drawn


class Settled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="settled", gc=False):
    """Written once for every admitted request, when its answer ended. Of defaults, see `Admitted`."""

    request_id: str
    at: float
    outcome: Outcome
    status: int
    model: str | None  # which model answered
    model_version: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False  # tokens are an estimate, not the upstream's usage
    usd: float | None = None  # None: the model has no price
    ttft_s: float | None = None  # time from admission to the first byte of the answer
    duration_s: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    guards: tuple[str, ...] = ()
    upstream_id: str | None = None
    units: dict[str, float] = {}  # beside tokens: audio_seconds, characters, images, searches
    masked: dict[str, int] = {}  # how many values guards replaced in the request, by kind
    ready_s: float | None = None  # from arrival until it had a place among those that run
    queued_s: float = 0.0  # of which it waited in the queue
    traceparent: str | None = None  # as the client sent it
    judged: float | None = None  # by how much a judge found the candidate's answer better, -1 to 1
    features: RequestFeatures | None = None  # of a sampled request


SUBJECT_SEALED: Final = b"\x02STW\x01\x01"  # how content begins that is sealed under its subject's key


class Feedback(msgspec.Struct, frozen=True, kw_only=True, tag="feedback"):
    """What a client said of an answer. It counts where the request is of the same project, and of the same key (or one
    that it replaced) or subject, unless the key may rate the requests of any."""

    id: str
    at: float
    key_id: str
    tenant: str = "default"
    project: str
    request_id: str
    score: float  # in [-1, 1]
    label: str | None = None
    sealed: bytes | None = None  # ciphertext of comment and correction
    subject: str | None = None  # HMAC of the person who rates
    any_key: bool = False  # the key may rate requests of other keys and subjects of its project
    kind: str = "explicit"  # of core/reactions.py; a signal has the score 0


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag="tally"):
    """How often something happened that leaves no row, such as a refusal; written every so often, by labels."""

    at: float
    meter: str  # of core/meters.py
    counts: tuple[tuple[tuple[tuple[str, str], ...], int], ...]


LedgerRecord = Admitted | Settled | Feedback | Tally | CapturedExchange


class FeedbackLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Ratings of one label."""

    name: str
    count: int
    mean_score: float


class FeedbackSum(msgspec.Struct, frozen=True, kw_only=True):
    """Matched feedback of one route, model and sign of the score."""

    route: str
    model: str | None
    sentiment: Literal["positive", "neutral", "negative"]
    count: int
    magnitude: float  # sum of the scores' absolute values


class FeedbackRow(msgspec.Struct, frozen=True, kw_only=True):
    """One feedback as `steward feedback` lists it."""

    id: str
    at: float
    key_id: str
    project: str
    request_id: str
    score: float
    label: str | None
    model: str | None  # None: unmatched, or nobody answered
    route: str | None
    matched: bool  # its request has settled, and was one that this key may rate
    has_content: bool
    kind: str = "explicit"


class RatedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback that counts, and whose request it is of."""

    feedback: Feedback
    subject: str | None  # of the request, else of who rates
    conversation: str | None


class FeedbackReport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward feedback --json`."""

    count: int  # matched
    mean_score: float | None
    unmatched: int
    by_label: tuple[FeedbackLabel, ...]  # matched
    last: tuple[FeedbackRow, ...]  # newest first


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """Settled requests summed over one group."""

    name: str
    requests: int
    input_tokens: int
    output_tokens: int
    usd: float
    errors: int
    masked: dict[str, int] = {}  # how many values guards replaced in the requests, by kind


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`steward usage --json`: totals over settled rows, and the same by group."""

    requests: int
    input_tokens: int
    output_tokens: int
    usd: float
    errors: int
    masked: dict[str, int] = {}  # how many values guards replaced in the requests, by kind
    by: tuple[UsageRow, ...] = ()


class PromptSum(msgspec.Struct, frozen=True, kw_only=True):
    """The newest requests that had one version of a prompt, summed."""

    version: str  # greet@2-9f2c1a7b
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    usd: float
    mean_duration_s: float | None
    rated: int  # feedback
    satisfied: int  # of which the score is above 0


class UsageSum(msgspec.Struct, frozen=True, kw_only=True):
    """Settled requests of one UTC day and model, or of one request."""

    day: str  # 2026-11-25
    model: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class ExchangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One settled exchange as `steward tail` and the status page show it."""

    request_id: str
    at: float  # when it was admitted
    key_id: str
    route: str
    model: str | None
    endpoint: str
    streamed: bool
    outcome: str
    status: int
    input_tokens: int
    output_tokens: int
    ttft_s: float | None
    duration_s: float
    units: dict[str, float] = {}  # beside tokens: audio_seconds, characters, images, searches
    prompt_version: str | None = None  # the prompt that was put before the request
    masked: dict[str, int] = {}  # how many values guards replaced in the request, by kind


class ExchangeOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """What one settled request was answered with."""

    request_id: str
    at: float
    project: str
    route: str
    endpoint: str
    model: str | None
    model_version: str | None  # "sha256:…" of an embedded model's file, else as the upstream spells it
    prompt_version: str | None
    route_version: int  # of the configuration
    outcome: str
    release: str | None
    arm: Arm | None
    arm_weight: float | None


class ExchangeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchanges are wanted: those admitted in [since, until) that meet every condition which is not None."""

    since: float
    until: float
    key_id: str | None = None
    subject: str | None = None  # as it is kept: an HMAC
    conversation: str | None = None
    model: str | None = None
    route: str | None = None
    outcome: str | None = None
    kept_for: Literal["error", "slow", "flagged", "sampled"] | None = None  # as a trace
    project: str | None = None
    model_version: str | None = None
    prompt_version: str | None = None
    route_version: int | None = None


class ExchangeMatch(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange of a search."""

    request_id: str
    at: float
    tenant: str
    key_id: str
    route: str
    model: str | None
    endpoint: str
    streamed: bool
    outcome: str
    status: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    ttft_s: float | None
    duration_s: float


class ExchangeMatches(msgspec.Struct, frozen=True, kw_only=True):
    """`looked_at`: how many exchanges were looked through, where there were more; None: all of the time."""

    rows: tuple[ExchangeMatch, ...]
    looked_at: int | None = None


class ExchangeDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange with all that is kept of it, without content. Subject and conversation are HMACs."""

    request_id: str
    at: float
    settled_at: float
    tenant: str
    project: str
    team: str | None
    key_id: str
    endpoint: str
    route: str
    route_version: int
    model: str | None
    model_version: str | None
    prompt_version: str | None
    streamed: bool
    outcome: str
    status: int
    input_tokens: int
    output_tokens: int
    estimated: bool
    usd: float | None
    ttft_s: float | None
    duration_s: float
    queued_s: float | None
    subject: str | None
    conversation: str | None
    attempts: tuple[Attempt, ...]
    guards: tuple[str, ...]
    masked: dict[str, int]
    units: dict[str, float]
    upstream_id: str | None
    feedback: tuple[FeedbackRow, ...]


class SeriesPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket of the status page's time series; percentiles are None where nothing happened."""

    at: float  # start of the bucket
    requests: int
    errors: int
    output_tokens: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    ttft_p50_s: float | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One process or model as the status page shows it."""

    name: str
    state: Literal["ok", "starting", "down"]
    detail: str = ""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All that the status page shows."""

    at: float
    started_at: float
    gateway_url: str
    version: str
    config_version: int = 0
    config_error: str | None = None  # why the last change of the configuration was not taken
    processes: tuple[Health, ...]
    models: tuple[Health, ...]
    series: tuple[SeriesPoint, ...]  # oldest first, equal buckets of bucket_s
    bucket_s: float
    usage: Usage  # over the series' span
    last: tuple[ExchangeRow, ...]  # newest first
    gpus: GpuStatus = GpuStatus()  # of the machine that the console runs on, without processes
    ledger_waiting_bytes: int = 0  # that the ledger's files hold and the store does not
    ledger_lag_s: float = 0.0  # age of the oldest record of these
