"""Timelines of requests: read by operators, and sent to systems that read OpenTelemetry."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from steward.adapters.exporters.otlp import send_metrics, send_traces
from steward.core.errors import StewardError, UnknownName
from steward.core.meters import MeterRow
from steward.core.secret import Secret, resolve, resolve_value
from steward.core.stores import MeterStore, TraceStore
from steward.core.threads import open_thread
from steward.core.traces import Trace
from steward.monitoring.config import MonitoringPlan
from steward.monitoring.metrics import ATTRIBUTES, TABLE
from steward.monitoring.traces_config import TracesPlan
from steward.workflows.serve.deployment import open_served_store

log = logging.getLogger(__name__)

BATCH: Final = 500  # traces a request to the endpoint
METRICS_S: Final = 60.0
LONGEST_WAIT_S: Final = 300.0  # between two tries of an endpoint that takes nothing
NAMES: Final = {metric.id: metric.otel or metric.prometheus.removesuffix("_total") for metric in TABLE}

Send = Callable[[TracesPlan, Sequence[Trace], Sequence[MeterRow], float], None]


def find_trace(home: Path, request_id: str, *, tenant: str | None = None, project: str | None = None) -> Trace:
    """The timeline of a settled request.

    :raises UnknownName: there is none of this id, or it has not settled :raises Unavailable: nothing has been served
    """
    store = open_served_store(home)
    try:
        trace = store.traces.find(request_id, tenant=tenant, project=project)
        if trace is None:
            newest = [row.request_id for row in store.exchanges.tail(5, tenant=tenant, project=project)]
            raise UnknownName("request", request_id, newest)
        return trace
    finally:
        store.close()


def list_traces(
    home: Path, since: float, limit: int, *, tenant: str | None = None, project: str | None = None
) -> list[Trace]:
    """Kept traces, newest first. :raises Unavailable: nothing has been served, or the store does not answer"""
    store = open_served_store(home)
    try:
        return store.traces.list_traces(since, time.time() + 1.0, limit, tenant=tenant, project=project)
    finally:
        store.close()


class TraceExport:
    """A job of the keeper: sends kept traces and metrics where the plan says.

    Sending runs in a thread. What an endpoint does not take is sent again, later and later; nothing is lost meanwhile.
    """

    def __init__(
        self,
        traces: TraceStore,
        meters: MeterStore,
        current: Callable[[], MonitoringPlan],
        version: str,
        clock: Callable[[], float] = time.time,
        send: Send | None = None,
    ) -> None:
        self._traces, self._meters, self._current, self._clock = traces, meters, current, clock
        self._send = send or self._send_now
        self._version = version
        self._thread = open_thread("traces")
        self._sending: Future[None] | None = None
        self._sent: tuple[str, ...] = ()
        self._failures = 0
        self._next = 0.0
        self._measured = self._measuring = 0.0  # when metrics were taken; those that are being sent

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        plan, now = self._current().traces, self._clock()
        self._collect(now)
        if plan.otlp is not None and self._sending is None and now >= self._next:
            self._begin(plan, now)

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _begin(self, plan: TracesPlan, now: float) -> None:
        traces = self._traces.list_unexported(BATCH)
        rows = self._meters.read(tenant=None) if now - self._measured >= METRICS_S else []
        self._measuring = now if rows else self._measured
        if traces or rows:
            self._sent = tuple(trace.request_id for trace in traces)
            self._sending = self._thread.submit(self._send, plan, traces, rows, now)

    def _collect(self, now: float) -> None:
        """Keep what became of what was being sent."""
        if self._sending is None or not self._sending.done():
            return
        error, self._sending = self._sending.exception(), None
        if error is None:
            self._traces.mark_exported(self._sent, now)
            self._measured = self._measuring
            if self._failures:
                log.warning("the OTLP endpoint takes traces again")
            self._failures = 0
            return
        if not self._failures:
            reason = str(error) if isinstance(error, StewardError) else type(error).__name__
            log.warning("the OTLP endpoint takes no traces: %s; they are kept and sent again", reason)
        self._failures += 1
        self._next = now + min(LONGEST_WAIT_S, 5.0 * 2.0 ** min(self._failures, 10))

    def _send_now(self, plan: TracesPlan, traces: Sequence[Trace], rows: Sequence[MeterRow], now: float) -> None:
        """:raises Unavailable: the endpoint does not take it :raises InputError: a secret leads nowhere"""
        endpoint: Secret = resolve_value(plan.otlp or "")
        headers = {name: resolve(reference) for name, reference in plan.otlp_headers.items()}
        if traces:
            send_traces(endpoint, headers, traces, self._version)
        if rows:
            send_metrics(endpoint, headers, rows, NAMES, ATTRIBUTES, now, self._version)
