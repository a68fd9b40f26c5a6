"""The job that sends traces, with an endpoint and a clock of the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from served_home import serve_home
from steward.adapters.stores.sql import SqlStore
from steward.core.errors import Unavailable, UnknownName
from steward.core.meters import MeterRow
from steward.core.records import Admitted, Settled
from steward.core.traces import Trace, TracePolicy
from steward.monitoring.config import MonitoringPlan
from steward.monitoring.traces_config import TracesPlan
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.traces import NAMES, TraceExport, find_trace, list_traces

PLAN = MonitoringPlan(traces=TracesPlan(policy=TracePolicy(sample=1.0), otlp="http://o:4318", keep_for_days=2))


def test_metrics_have_the_names_of_opentelemetry() -> None:
    """Those of its semantic conventions for generative AI; others without the `_total` that Prometheus adds itself."""
    assert NAMES["time_to_first_token"] == "gen_ai.server.time_to_first_token"
    assert (NAMES["requests"], NAMES["alerts"]) == ("steward_requests", "steward_alerts_firing")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    opened.migrate()
    opened.ledger.keep_traces(PLAN.traces.policy)
    yield opened
    opened.close()


class Endpoint:
    """Remembers what it was sent; refuses while `down`."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.measured = 0
        self.down = False

    def __call__(self, plan: TracesPlan, traces: Sequence[Trace], rows: Sequence[MeterRow], now: float) -> None:
        if self.down:
            raise Unavailable("it answered HTTP 503")
        self.received += [trace.request_id for trace in traces]
        self.measured += bool(rows)


class Sender:
    """A job over `store` at a time that the test sets."""

    def __init__(self, store: SqlStore, endpoint: Endpoint, plan: MonitoringPlan = PLAN) -> None:
        self.at, self.plan = 1000.0, plan
        self.job = TraceExport(store.traces, store.meters, lambda: self.plan, "0", lambda: self.at, endpoint)

    def run(self) -> None:
        """Run, wait for what is being sent, and run again to keep what became of it."""
        self.job.run()
        if self.job._sending is not None:
            self.job._sending.exception(timeout=30)
        self.job.run()


def settle(store: SqlStore, *names: str, at: float = 900.0) -> None:
    for name in names:
        admitted = Admitted(
            request_id=name, at=at, key_id="k", project="p", endpoint="/v1/chat/completions", route="r", streamed=False
        )
        settled = Settled(request_id=name, at=at + 1, outcome="ok", status=200, model="m", duration_s=1.0)
        store.ledger.drain("w", f"s-{name}", 1, [admitted, settled])


def test_each_trace_is_sent_once(store: SqlStore) -> None:
    endpoint = Endpoint()
    sender = Sender(store, endpoint)
    settle(store, "a", "b")
    sender.run()
    settle(store, "c")
    sender.run()
    sender.run()
    assert endpoint.received == ["a", "b", "c"]
    Sender(store, endpoint).run()  # a keeper that takes over
    assert endpoint.received == ["a", "b", "c"]


def test_what_an_endpoint_does_not_take_is_sent_later(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint()
    endpoint.down = True
    sender = Sender(store, endpoint)
    settle(store, "a")
    sender.run()
    endpoint.down = False
    sender.at += 9.9
    sender.run()
    assert endpoint.received == []  # it waits 10 s first
    sender.at += 0.1
    sender.run()
    assert endpoint.received == ["a"]
    assert endpoint.measured == 1  # nor are metrics lost
    assert [record.message for record in caplog.records] == [
        "the OTLP endpoint takes no traces: it answered HTTP 503; they are kept and sent again",
        "the OTLP endpoint takes traces again",
    ]


def test_metrics_are_sent_once_a_minute(store: SqlStore) -> None:
    endpoint = Endpoint()
    sender = Sender(store, endpoint)
    settle(store, "a")
    for _ in range(3):
        sender.run()
        sender.at += 30.0
    assert endpoint.measured == 2


def test_without_an_endpoint_nothing_is_sent(store: SqlStore) -> None:
    endpoint = Endpoint()
    sender = Sender(store, endpoint, MonitoringPlan(traces=TracesPlan(keep_for_days=2)))
    settle(store, "old", at=100.0)
    settle(store, "new", at=101.0)
    sender.at = 100.5 + 2 * 86400.0
    sender.run()
    assert endpoint.received == []


def test_a_timeline_is_found_by_its_request(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        served, now = find_deployment(home).open_store(), time.time()
        served.ledger.keep_traces(PLAN.traces.policy)
        settle(served, "a", at=now - 1.0)  # it settles now
        served.close()
        assert find_trace(home, "a").request_id == "a"
        with pytest.raises(UnknownName, match="request 'b'"):
            find_trace(home, "b")
        assert [trace.request_id for trace in list_traces(home, now - 60.0, 9)] == ["a"]
