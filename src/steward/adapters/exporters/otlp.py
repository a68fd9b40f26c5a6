"""Traces and metrics as OTLP over HTTP with protobuf (OpenTelemetry Protocol 1.x, "OTLP/HTTP"), extra `otel`.

Only the messages come from a package: sending is one request, and what the SDK does besides, steward does itself.
Names are those of OpenTelemetry's semantic conventions v1.41 for generative AI.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from steward.adapters.notifiers.http import post_bytes
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.core.meters import BUCKETS, OPERATIONS, MeterRow
from steward.core.secret import Secret
from steward.core.traces import Trace, TraceStage

PROTOBUF: Final = "application/x-protobuf"
CLIENT_STAGES: Final = frozenset({"attempt"})  # calls to others: spans of kind CLIENT


def require_otel() -> None:
    """:raises InputError: the extra is not installed"""
    try:
        there = importlib.util.find_spec("opentelemetry.proto") is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise InputError(f"monitoring.traces.otlp needs the extra `otel`; {install_command('otel')}")


def send_traces(
    endpoint: Secret, headers: Mapping[str, Secret], traces: Sequence[Trace], version: str, timeout_s: float = 5.0
) -> None:
    """:raises Unavailable: the endpoint does not take them"""
    body = encode_traces(traces, version)
    post_bytes(_join(endpoint, "/v1/traces"), body, PROTOBUF, headers, timeout_s)


def send_metrics(
    endpoint: Secret,
    headers: Mapping[str, Secret],
    rows: Iterable[MeterRow],
    names: Mapping[str, str],
    attributes: Mapping[str, str],
    at: float,
    version: str,
    timeout_s: float = 5.0,
) -> None:
    """`names` of metrics and `attributes` of labels, by steward's own; `at`: of the counts.

    :raises Unavailable: the endpoint does not take them
    """
    body = encode_metrics(rows, names, attributes, at, version)
    post_bytes(_join(endpoint, "/v1/metrics"), body, PROTOBUF, headers, timeout_s)


def _join(endpoint: Secret, path: str) -> Secret:
    return Secret(endpoint.reveal().rstrip("/") + path)


def encode_traces(traces: Sequence[Trace], version: str) -> bytes:
    """An ExportTraceServiceRequest: for each trace a span of the request, and one below it for each stage."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    request = ExportTraceServiceRequest()
    scope_spans = _add_scope(request.resource_spans.add(), version).scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "steward", version
    for trace in traces:
        span = scope_spans.spans.add()
        span.trace_id, span.span_id = bytes.fromhex(trace.trace_id), bytes.fromhex(trace.span_id)
        if trace.parent_span_id is not None:
            span.parent_span_id = bytes.fromhex(trace.parent_span_id)
        operation = OPERATIONS.get(trace.endpoint, "other")
        span.name, span.kind = f"{operation} {trace.route}", Span.SPAN_KIND_SERVER
        _set_times(span, trace, 0.0, trace.duration_s)
        _set_attributes(span, _describe(trace, operation))
        if trace.outcome != "ok":
            span.status.code, span.status.message = Status.STATUS_CODE_ERROR, trace.outcome
        for number, stage in enumerate(trace.stages):
            _add_stage(scope_spans.spans.add(), trace, number, stage, Span)
    encoded: bytes = request.SerializeToString()
    return encoded


def _add_stage(span: Any, trace: Trace, number: int, stage: TraceStage, kinds: Any) -> None:
    span.trace_id = bytes.fromhex(trace.trace_id)
    span.span_id = (int(trace.span_id, 16) ^ (number + 1)).to_bytes(8, "big")  # other than the request's own
    span.parent_span_id = bytes.fromhex(trace.span_id)
    span.name = stage.name
    span.kind = kinds.SPAN_KIND_CLIENT if stage.name in CLIENT_STAGES else kinds.SPAN_KIND_INTERNAL
    _set_times(span, trace, stage.start_s, stage.duration_s)
    if stage.detail:
        _set_attributes(span, {"steward.detail": stage.detail})


def _describe(trace: Trace, operation: str) -> dict[str, str | int | float | bool | None]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": trace.route,
        "gen_ai.response.model": trace.model,
        "gen_ai.request.stream": trace.streamed,
        "gen_ai.response.id": trace.request_id,
        "gen_ai.usage.input_tokens": trace.input_tokens,
        "gen_ai.usage.output_tokens": trace.output_tokens,
        "gen_ai.response.time_to_first_chunk": trace.ttft_s if trace.streamed else None,
        "error.type": None if trace.outcome == "ok" else trace.outcome,
        "http.response.status_code": trace.status,
        "url.path": trace.endpoint,
        "steward.key_id": trace.key_id,
        "steward.tenant": trace.tenant,
        "steward.cost_usd": trace.usd,
        "steward.guards": ", ".join(trace.guards) or None,
        "steward.kept_for": trace.kept_for,
    }


def _set_times(span: Any, trace: Trace, start_s: float, duration_s: float) -> None:
    span.start_time_unix_nano = _nanoseconds(trace.at + start_s)
    span.end_time_unix_nano = _nanoseconds(trace.at + start_s + max(0.0, duration_s))


def _nanoseconds(at: float) -> int:
    return round(at * 1e6) * 1000  # a float holds microseconds of today, not more


def _set_attributes(span: Any, attributes: Mapping[str, str | int | float | bool | None]) -> None:
    for name, value in attributes.items():
        if value is None:
            continue
        attribute = span.attributes.add()
        attribute.key = name
        if isinstance(value, bool):
            attribute.value.bool_value = value
        elif isinstance(value, int):
            attribute.value.int_value = value
        elif isinstance(value, float):
            attribute.value.double_value = value
        else:
            attribute.value.string_value = value


def encode_metrics(
    rows: Iterable[MeterRow],
    names: Mapping[str, str],
    attributes: Mapping[str, str],
    at: float,
    version: str,
) -> bytes:
    """An ExportMetricsServiceRequest of cumulative sums and histograms. Meters without a name are left out."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

    request = ExportMetricsServiceRequest()
    scope_metrics = _add_scope(request.resource_metrics.add(), version).scope_metrics.add()
    scope_metrics.scope.name, scope_metrics.scope.version = "steward", version
    ordered = sorted((row for row in rows if row.meter in names), key=lambda row: (row.meter, row.labels))
    for meter, of_meter in groupby(ordered, key=lambda row: row.meter):
        metric = scope_metrics.metrics.add()
        metric.name, metric.unit = names[meter], _find_unit(meter)
        data = metric.histogram if meter in BUCKETS else metric.sum
        data.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        if meter not in BUCKETS:
            metric.sum.is_monotonic = True
        for labels, parts in groupby(of_meter, key=lambda row: row.labels):
            point = data.data_points.add()
            point.time_unix_nano = _nanoseconds(at)  # since when they count is not known: they outlive every process
            _set_attributes(point, {attributes.get(name, name): value for name, value in labels if value})
            values = {row.part: row.value for row in parts}
            if meter in BUCKETS:
                _set_histogram(point, BUCKETS[meter], values)
            else:
                point.as_double = values.get("", 0.0)
    encoded: bytes = request.SerializeToString()
    return encoded


def _set_histogram(point: Any, bounds: Sequence[float], values: Mapping[str, float]) -> None:
    counts = [round(values.get(repr(bound), 0.0)) for bound in (*bounds, math.inf)]
    point.explicit_bounds.extend(bounds)
    point.bucket_counts.extend(counts)
    point.count = sum(counts)
    point.sum = values.get("sum", 0.0)


def _find_unit(meter: str) -> str:
    return {"tokens": "{token}", "requests": "{request}", "usd": "{USD}"}.get(meter, "s" if meter in BUCKETS else "1")


def _add_scope(resource: Any, version: str) -> Any:
    _set_attributes(resource.resource, {"service.name": "steward", "service.version": version})
    return resource
