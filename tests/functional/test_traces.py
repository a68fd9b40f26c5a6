"""A request's timeline: `steward trace`, the API, and a receiver of OTLP that reads it with opentelemetry-proto."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from conftest import Deployment, inside, until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP; answers 503 first, as one that is not up yet."""

    def __init__(self) -> None:
        self.refused = 0
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.headers: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Collecting)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Collecting(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.headers.append(self.headers["x-token"])
        if self.server.refused == 0:
            self.server.refused += 1
            self.send_response(503)
        else:
            self.take(body)
            self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def take(self, body: bytes) -> None:
        assert self.headers["content-type"] == "application/x-protobuf"
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        elif self.path == "/v1/metrics":
            for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.server.metrics |= {
                    item.name: item for scope in of_resource.scope_metrics for item in scope.metrics
                }


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def ask(deployment: Deployment, **headers: str) -> str:
    body = json.dumps({"model": "mock", "stream": True, "messages": [{"role": "user", "content": "canary-word"}]})
    sent = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json", **headers}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", body.encode(), sent)
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
        return str(answer.headers["x-request-id"])


def read(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def test_a_request_is_followed_from_its_client_to_a_collector(
    collector: Collector, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTLP_TOKEN", "secret-token")
    (tmp_path / "steward.yaml").write_text(
        f"models: [{{name: mock, backend: openai, url: '{upstream}'}}]\n"
        f"monitoring: {{traces: {{sample: 1.0, otlp: 'http://127.0.0.1:{collector.server_address[1]}',"
        " otlp_headers: {x-token: 'env:OTLP_TOKEN'}}}\n"
    )
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    home = ("--home", str(deployment.home))
    try:
        request_id = ask(deployment, traceparent=f"00-{TRACE}-{SPAN}-01")
        until(lambda: inside("trace", request_id, *home).returncode == 0, 60)
        trace = json.loads(inside("trace", request_id, *home, "--json").stdout)
        assert (trace["trace_id"], trace["parent_span_id"], trace["kept_for"]) == (TRACE, SPAN, "sampled")
        names = [stage["name"] for stage in trace["stages"]]
        assert names[-6:] == ["queue", "guards and prompt", "attempt", "first byte", "stream", "settle"]
        stream = trace["stages"][-2]
        assert 0.06 < stream["duration_s"] <= trace["duration_s"]  # five chunks, 20 ms apart
        shown = inside("trace", request_id, *home).stdout
        assert "guards and prompt" in shown and "canary-word" not in shown
        unknown = inside("trace", request_id[:-1] + "_", *home)
        assert unknown.returncode == 2 and request_id in unknown.stderr

        until(lambda: collector.spans and collector.metrics, 60)
        whole = next(span for span in collector.spans if span.span_id.hex() == trace["span_id"])
        assert (whole.trace_id.hex(), whole.parent_span_id.hex(), whole.name) == (TRACE, SPAN, "chat mock")
        attributes = read(whole.attributes)
        assert attributes["gen_ai.operation.name"] == "chat" and attributes["gen_ai.response.id"] == request_id
        assert attributes["gen_ai.usage.output_tokens"] == trace["output_tokens"]
        parts = [span for span in collector.spans if span.parent_span_id == whole.span_id]
        assert [span.name for span in parts] == names
        assert len({span.span_id for span in collector.spans}) == len(collector.spans)
        took_s = (whole.end_time_unix_nano - whole.start_time_unix_nano) / 1e9
        assert took_s == pytest.approx(trace["duration_s"], abs=1e-5)
        duration = collector.metrics["gen_ai.server.request.duration"]
        assert duration.unit == "s" and sum(point.count for point in duration.histogram.data_points) >= 1
        assert "canary-word" not in str(collector.spans)
        assert set(collector.headers) == {"secret-token"}
    finally:
        deployment.stop()
