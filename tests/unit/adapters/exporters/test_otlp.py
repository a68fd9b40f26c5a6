"""What an OTLP receiver reads: `opentelemetry-proto` is the judge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from steward.adapters.exporters import otlp
from steward.adapters.exporters.otlp import encode_metrics, encode_traces, require_otel, send_metrics, send_traces
from steward.core.errors import InputError
from steward.core.meters import BUCKETS, MeterRow
from steward.core.secret import Secret
from steward.core.traces import Trace, TraceStage

TRACE = Trace(
    request_id="req_1", trace_id="0" * 31 + "1", span_id="0" * 15 + "2", parent_span_id=None, at=100.0, duration_s=2.0,
    tenant="t", key_id="k", endpoint="/v1/chat/completions", route="r", model=None, streamed=True, outcome="timeout",
    status=504, input_tokens=3, output_tokens=0, usd=None, ttft_s=None, guards=(), kept_for="error",
    stages=(TraceStage("attempt", 0.5, 1.0, "m: too slow"), TraceStage("settle", 2.0, 0.0)),
)  # fmt: skip


def values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def test_a_trace_is_a_span_with_its_stages_below() -> None:
    (resource,) = ExportTraceServiceRequest.FromString(encode_traces([TRACE], "1.0")).resource_spans
    assert values(resource.resource.attributes) == {"service.name": "steward", "service.version": "1.0"}
    whole, attempt, settle = resource.scope_spans[0].spans
    assert (whole.name, whole.parent_span_id, whole.status.message) == ("chat r", b"", "timeout")
    assert (whole.start_time_unix_nano, whole.end_time_unix_nano) == (100_000_000_000, 102_000_000_000)
    attributes = values(whole.attributes)
    assert attributes["error.type"] == "timeout" and attributes["gen_ai.usage.input_tokens"] == 3
    assert not {"gen_ai.response.model", "steward.cost_usd", "steward.guards"} & set(attributes)  # not known
    assert attempt.parent_span_id == settle.parent_span_id == whole.span_id
    assert len({span.span_id for span in (whole, attempt, settle)}) == 3
    assert attempt.start_time_unix_nano == 100_500_000_000 and values(attempt.attributes) == {
        "steward.detail": "m: too slow"
    }


def test_counts_are_cumulative_sums_and_histograms() -> None:
    rows = [
        MeterRow("tokens", (("route", "r"), ("token", "input")), "4.0", 2.0),
        MeterRow("tokens", (("route", "r"), ("token", "input")), "inf", 1.0),
        MeterRow("tokens", (("route", "r"), ("token", "input")), "sum", 99.0),
        MeterRow("requests", (("route", "r"),), "", 7.0),
        MeterRow("unnamed", (), "", 1.0),
    ]
    names = {"tokens": "gen_ai.client.token.usage", "requests": "steward_requests"}
    body = encode_metrics(rows, names, {"route": "gen_ai.request.model"}, 100.0, "1.0")
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    requests, tokens = resource.scope_metrics[0].metrics
    assert (requests.name, requests.sum.is_monotonic, requests.sum.data_points[0].as_double) == (
        "steward_requests", True, 7.0,
    )  # fmt: skip
    (point,) = tokens.histogram.data_points
    assert tokens.unit == "{token}"
    assert tokens.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    assert (point.count, point.sum, list(point.explicit_bounds)) == (3, 99.0, list(BUCKETS["tokens"]))
    assert (point.bucket_counts[1], point.bucket_counts[-1]) == (2, 1)
    assert values(point.attributes) == {"gen_ai.request.model": "r", "token": "input"}


def test_stages_have_ids_of_their_own_and_calls_of_models_are_clients() -> None:
    (resource,) = ExportTraceServiceRequest.FromString(encode_traces([TRACE], "1.0")).resource_spans
    whole, attempt, settle = resource.scope_spans[0].spans
    assert (whole.span_id.hex(), attempt.span_id.hex(), settle.span_id.hex()) == (
        "0" * 15 + "2", "0" * 15 + "3", "0" * 16,
    )  # fmt: skip
    assert (whole.kind, attempt.kind, settle.kind) == (
        Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL,
    )  # fmt: skip
    assert not settle.attributes and settle.end_time_unix_nano == settle.start_time_unix_nano == 102_000_000_000


def test_units_are_those_of_ucum() -> None:
    rows = [MeterRow(name, (), "", 1.0) for name in ("requests", "usd", "other")]
    rows += [MeterRow(name, (), "inf", 1.0) for name in BUCKETS]
    names = {row.meter: row.meter for row in rows}
    (resource,) = ExportMetricsServiceRequest.FromString(encode_metrics(rows, names, {}, 100.0, "1.0")).resource_metrics
    units = {metric.name: metric.unit for metric in resource.scope_metrics[0].metrics}
    assert (units["requests"], units["usd"], units["other"]) == ("{request}", "{USD}", "1")
    assert {units[name] for name in BUCKETS if name != "tokens"} == {"s"}


@pytest.mark.parametrize("endpoint", ["https://otel.example:4318", "https://otel.example:4318/"])
def test_traces_and_metrics_go_to_the_paths_of_otlp_and_are_waited_for_five_seconds(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTLP/HTTP: the base address, then v1/traces and v1/metrics."""
    sent: list[tuple[str, str, float]] = []

    def post(url: Secret, body: bytes, content_type: str, headers: object, timeout_s: float) -> None:
        sent.append((url.reveal(), content_type, timeout_s))

    monkeypatch.setattr(otlp, "post_bytes", post)
    send_traces(Secret(endpoint), {}, [TRACE], "1.0")
    send_metrics(Secret(endpoint), {}, [], {}, {}, 0.0, "1.0")
    assert sent == [
        ("https://otel.example:4318/v1/traces", "application/x-protobuf", 5.0),
        ("https://otel.example:4318/v1/metrics", "application/x-protobuf", 5.0),
    ]


def test_what_a_system_needs_for_otlp_is_said_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    require_otel()

    def find_none(name: str, package: str | None = None) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", find_none)
    with pytest.raises(InputError, match="needs the extra `otel`"):
        require_otel()


def test_ids_of_stages_are_made_of_the_requests_hexadecimal_one() -> None:
    """The id of the request's own span with the number of the stage, from 1 on, in its last bits."""
    trace = msgspec.structs.replace(TRACE, span_id="00f067aa0ba902b0")
    (resource,) = ExportTraceServiceRequest.FromString(encode_traces([trace], "1.0")).resource_spans
    assert [span.span_id.hex() for span in resource.scope_spans[0].spans] == [
        "00f067aa0ba902b0", "00f067aa0ba902b1", "00f067aa0ba902b2",
    ]  # fmt: skip
