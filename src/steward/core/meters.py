"""What is counted: internal metric ids, their labels, and what one settled exchange adds to each.

The store adds these up in the transaction that takes the row in, so that the counts are those of usage and billing,
outlive every process, and cost nothing to read. Their public names stand in `monitoring/metrics.py`. Labels hold
configured names and words from fixed lists only, never what a client wrote: the number of series is bounded by the
configurations that have served.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from steward.core.identity import DEFAULT_TENANT
from steward.core.minutes import SHADOW
from steward.core.records import Attempt

REQUESTS: Final = "requests"
USD: Final = "usd"
SERVER_DURATION: Final = "server_duration"
CLIENT_DURATION: Final = "client_duration"
TIME_TO_FIRST_TOKEN: Final = "time_to_first_token"
TIME_PER_OUTPUT_TOKEN: Final = "time_per_output_token"
TOKENS: Final = "tokens"
TURNED_AWAY: Final = "turned_away"
MASKED: Final = "masked"
CAPTURES: Final = "captures"

# OpenTelemetry's buckets (semantic-conventions v1.41.1, docs/gen-ai/gen-ai-metrics.md), and wider ones at the top: an
# answer may take gateway.whole_timeout_s, 600 s by default.
_DURATION_S: Final = tuple(0.01 * 2**power for power in range(17))
BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    SERVER_DURATION: _DURATION_S,
    CLIENT_DURATION: _DURATION_S,
    TIME_TO_FIRST_TOKEN: (
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
        *(20.0, 40.0, 80.0, 160.0, 320.0, 640.0),
    ),
    TIME_PER_OUTPUT_TOKEN: (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    TOKENS: tuple(4.0**power for power in range(14)),
}
OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/responses": "chat",
    "/v1/messages": "chat",
}

Labels = tuple[tuple[str, str], ...]
MeterKey = tuple[str, Labels, str]  # metric id, labels, and "" for a counter, else "sum" or a bucket's upper bound

_attempts: Final = msgspec.msgpack.Decoder(tuple[Attempt, ...])


class MeterRow(msgspec.Struct, frozen=True):
    """One number of the store's: of a counter, or one part of a histogram (buckets count apart, not cumulated)."""

    meter: str
    labels: Labels
    part: str
    value: float


class _Histogram:
    """Counts of one series, by bucket, and the sum of its values."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, meter: str) -> None:
        self._bounds = BUCKETS[meter]
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe_all(self, values: Sequence[float]) -> None:
        counts = self._counts
        for bucket in map(bisect_left, repeat(self._bounds), values):
            counts[bucket] += 1  # a bucket holds what is at most its bound
        self._sum = sum(values, self._sum)

    def parts(self) -> Iterator[tuple[str, float]]:
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            if count:
                yield repr(bound), count
        if any(self._counts):
            yield "sum", self._sum


class _Group:
    """Rows that have all labels in common, added up column by column."""

    def __init__(self, outcome: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.requests = len(rows)
        self.usd = sum((row["usd"] or 0.0 for row in rows), 0.0)
        self.masked: Counter[str] = Counter()
        for row in rows:
            if masked := row.get("masked"):
                self.masked.update(msgspec.json.decode(masked))
        self.duration, self.first = _Histogram(SERVER_DURATION), _Histogram(TIME_TO_FIRST_TOKEN)
        self.input, self.output = _Histogram(TOKENS), _Histogram(TOKENS)
        self.each = _Histogram(TIME_PER_OUTPUT_TOKEN)
        self.duration.observe_all([row["duration_s"] for row in rows])
        self.input.observe_all([row["input_tokens"] for row in rows])
        self.output.observe_all([row["output_tokens"] for row in rows])
        streams = [row for row in rows if row["streamed"] and row["ttft_s"] is not None]
        self.first.observe_all([row["ttft_s"] for row in streams])
        if outcome == "ok":
            per_token_s = [
                max(0.0, (row["duration_s"] - row["ttft_s"]) / (row["output_tokens"] - 1))
                for row in streams
                if row["output_tokens"] > 1
            ]
            self.each.observe_all(per_token_s)


def count_exchanges(rows: Sequence[Mapping[str, Any]]) -> dict[MeterKey, float]:
    """What settled exchanges add; `rows` have the columns of the store's table."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        name = (row["tenant"], row["endpoint"], row["route"], row["model"], row["key_id"] == SHADOW, row["outcome"])
        groups.setdefault((*name, row["status"] // 100), []).append(row)
    counts: Counter[MeterKey] = Counter()
    for (tenant, endpoint, route, model, shadow, outcome, _), own in groups.items():
        group, status = _Group(outcome, own), classify_status(own[0]["status"])
        base: Labels = (
            ("operation", OPERATIONS.get(endpoint, "other")),
            ("route", route),
            ("model", model or ""),
            ("traffic", "shadow" if shadow else "client"),
            *((("tenant", tenant),) if tenant != DEFAULT_TENANT else ()),
        )
        failed: Labels = (*base, ("error", "" if outcome == "ok" else outcome))
        counts[REQUESTS, (*base, ("outcome", outcome), ("status", status)), ""] += group.requests
        if group.usd:
            counts[USD, base, ""] += group.usd  # type: ignore[assignment]  # a Counter of floats
        for kind, count in group.masked.items():
            counts[MASKED, (*base, ("kind", kind)), ""] += count
        for meter, labels, histogram in (
            (SERVER_DURATION, failed, group.duration),
            (TOKENS, (*base, ("token", "input")), group.input),
            (TOKENS, (*base, ("token", "output")), group.output),
            (TIME_TO_FIRST_TOKEN, base, group.first),
            (TIME_PER_OUTPUT_TOKEN, base, group.each),
        ):
            _add(counts, meter, labels, histogram)
    calls = _list_calls(rows)
    for (endpoint, target, error), durations in calls.items():
        histogram = _Histogram(CLIENT_DURATION)
        histogram.observe_all(durations)
        labels = (("operation", OPERATIONS.get(endpoint, "other")), ("target", target), ("error", error))
        _add(counts, CLIENT_DURATION, labels, histogram)
    return dict(counts)


def classify_status(status: int) -> str:
    """
    >>> classify_status(200), classify_status(499), classify_status(0)
    ('2xx', '4xx', 'other')
    """
    return f"{status // 100}xx" if 100 <= status < 600 else "other"


def _list_calls(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], list[float]]:
    """How long calls to upstreams took, by endpoint, model and error; the last one of a stream lasts until the stream
    has ended."""
    calls: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        endpoint, attempts = row["endpoint"], row.get("calls")
        if attempts is None:  # a row that was read from the store
            attempts = _attempts.decode(row["attempts"])
        for number, attempt in enumerate(attempts, 1):
            duration_s = attempt.duration_s
            if row["streamed"] and number == len(attempts):
                duration_s = max(duration_s, row["settled_at"] - attempt.started_at)
            calls.setdefault((endpoint, attempt.model, _classify_error(attempt)), []).append(duration_s)
    return calls


def _classify_error(attempt: Attempt) -> str:
    if attempt.status is None:
        return "no_answer"
    if attempt.status >= 400:
        return classify_status(attempt.status)
    return "broken_stream" if attempt.error else ""


def _add(counts: Counter[MeterKey], meter: str, labels: Labels, histogram: _Histogram) -> None:
    for part, value in histogram.parts():
        counts[meter, labels, part] += value  # type: ignore[assignment]  # a Counter of floats
