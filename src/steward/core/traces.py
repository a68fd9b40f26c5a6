"""Traces: a request's timeline, made from what its ledger row holds, and which of them are kept apart.

Every settled row can be shown as a trace. Some are kept as traces, too: for lists, and for systems that read
OpenTelemetry. The choice is made when a request has ended, so that it can keep all that failed, were slow or flagged.
Trace and span ids follow W3C Trace Context (https://www.w3.org/TR/trace-context/, section 3.2).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Literal, TypeVar

import msgspec

from steward.core.minutes import SHADOW, is_failure
from steward.core.records import Attempt

KeptFor = Literal["error", "slow", "flagged", "sampled"]
Row = TypeVar("Row", bound=Mapping[str, Any])

TRACEPARENT_LETTERS: Final = 55  # of version 00, with which later versions begin, too
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_FLAGS_OF_OURS: Final = "01"  # sampled


class TracePolicy(msgspec.Struct, frozen=True):
    """Which requests are kept as traces, beside those that failed or were flagged."""

    sample: float = 0.01  # share of all
    slow_s: float = 30.0  # and all that took longer


class TraceContext(msgspec.Struct, frozen=True):
    """What a client said of the trace that its request belongs to."""

    trace_id: str
    parent_span_id: str
    flags: str


class TraceStage(msgspec.Struct, frozen=True):
    """One part of a timeline; seconds since the request arrived. `detail`: the model of an attempt, or what failed."""

    name: str
    start_s: float
    duration_s: float
    detail: str = ""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One request from arrival to its end, without content."""

    request_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None  # the client's span, where it sent one
    at: float  # arrival, in seconds since the epoch
    duration_s: float
    tenant: str
    key_id: str
    endpoint: str
    route: str
    model: str | None
    streamed: bool
    outcome: str
    status: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    ttft_s: float | None
    guards: tuple[str, ...]
    kept_for: KeptFor | None  # None: not kept as a trace, made from the ledger's row
    stages: tuple[TraceStage, ...]


def parse_traceparent(text: str | None) -> TraceContext | None:
    """None: there is none, or it is not one that W3C allows.

    >>> parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").parent_span_id
    '00f067aa0ba902b7'
    """
    match = _TRACEPARENT.fullmatch(text[:TRACEPARENT_LETTERS]) if text else None
    if match is None or match[1] == "0" * 32 or match[2] == "0" * 16:
        return None
    if text is not None and len(text) > TRACEPARENT_LETTERS and (text.startswith("00") or text[55] != "-"):
        return None
    return TraceContext(match[1], match[2], match[3])


def make_ids(request_id: str) -> tuple[str, str]:
    """Trace id and span id of a request: made from its id, so that gateway and keeper need not tell each other."""
    digest = sha256(request_id.encode()).hexdigest()
    return digest[:32], digest[32:48]


def continue_trace(traceparent: str | None, request_id: str) -> str:
    """What an upstream is told: the client's trace, or one that begins here, with this request as the parent."""
    trace_id, span_id = make_ids(request_id)
    context = parse_traceparent(traceparent)
    if context is None:
        return f"00-{trace_id}-{span_id}-{_FLAGS_OF_OURS}"
    return f"00-{context.trace_id}-{span_id}-{context.flags}"


def choose_traces(rows: Iterable[Row], policy: TracePolicy) -> list[tuple[Row, KeptFor]]:
    """Settled exchanges that are kept as traces, and why: as `choose_reason` says of each."""
    few, slow_s = policy.sample * 2**32, policy.slow_s
    maybe = [
        row
        for row in rows
        if row["outcome"] != "ok"
        or row["status"] >= 500
        or row["duration_s"] > slow_s
        or row["masked"]
        or row["guards"]
        or zlib.crc32(row["request_id"].encode()) < few
    ]
    reasons = ((row, choose_reason(row, policy)) for row in maybe)
    return [(row, reason) for row, reason in reasons if reason is not None]


def choose_reason(row: Mapping[str, Any], policy: TracePolicy) -> KeptFor | None:
    """Why a settled exchange is kept as a trace; None: it is not. `row` has the columns of the store's table."""
    if row["key_id"] == SHADOW:
        return None
    if is_failure(row["outcome"], row["status"]):
        return "error"
    if row["duration_s"] > policy.slow_s:
        return "slow"
    if row["masked"] or any("=block" in receipt for receipt in row["guards"].split(", ")):
        return "flagged"
    return "sampled" if zlib.crc32(row["request_id"].encode()) < policy.sample * 2**32 else None


def build_trace(row: Mapping[str, Any], kept_for: KeptFor | None, attempts: tuple[Attempt, ...]) -> Trace:
    """The timeline of a settled exchange; `row` has the columns of the store's table, `attempts` what it encodes."""
    context = parse_traceparent(row["traceparent"])
    trace_id, span_id = make_ids(row["request_id"])
    return Trace(
        request_id=row["request_id"],
        trace_id=trace_id if context is None else context.trace_id,
        span_id=span_id,
        parent_span_id=None if context is None else context.parent_span_id,
        at=row["at"],
        duration_s=row["duration_s"],
        tenant=row["tenant"],
        key_id=row["key_id"],
        endpoint=row["endpoint"],
        route=row["route"],
        model=row["model"],
        streamed=row["streamed"],
        outcome=row["outcome"],
        status=row["status"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        usd=row["usd"],
        ttft_s=row["ttft_s"],
        guards=tuple(filter(None, row["guards"].split(", "))),
        kept_for=kept_for,
        stages=tuple(_list_stages(row, attempts)),
    )


def _list_stages(row: Mapping[str, Any], attempts: tuple[Attempt, ...]) -> list[TraceStage]:
    """In the order in which they began. Rows of before there were traces say nothing of admission and queue."""
    end, ready_s, queued_s = row["duration_s"], row["ready_s"], row["queued_s"] or 0.0
    stages = []
    if (arrived_s := _find_arrival(row)) is not None:
        stages.append(TraceStage("authenticate", arrived_s, -arrived_s))
    if ready_s is not None:
        stages.append(TraceStage("read and admit", 0.0, ready_s - queued_s))
        stages.append(TraceStage("queue", ready_s - queued_s, queued_s))
    starts = [min(max(attempt.started_at - row["at"], ready_s or 0.0), end) for attempt in attempts]
    if ready_s is not None and starts:
        stages.append(TraceStage("guards and prompt", ready_s, starts[0] - ready_s))
    for attempt, start_s in zip(attempts, starts, strict=True):
        problem = f": {attempt.error}" if attempt.error else ""
        status = "" if attempt.status is None else f" {attempt.status}"
        duration_s = min(attempt.duration_s, end - start_s)
        stages.append(TraceStage("attempt", start_s, duration_s, f"{attempt.model}{status}{problem}"))
    if row["ttft_s"] is not None:
        stages.append(TraceStage("first byte", row["ttft_s"], 0.0))
        if row["streamed"]:
            stages.append(TraceStage("stream", row["ttft_s"], max(0.0, end - row["ttft_s"])))
    stages.append(TraceStage("settle", end, 0.0, row["outcome"]))
    return stages


def _find_arrival(row: Mapping[str, Any]) -> float | None:
    """When the request's head had arrived, to the millisecond in which its id was made; at most 0."""
    try:
        arrived = int(row["request_id"][4:15], 16) / 1000.0
    except ValueError:
        return None
    return min(0.0, arrived - row["at"]) if abs(arrived - row["at"]) < 60.0 else None
