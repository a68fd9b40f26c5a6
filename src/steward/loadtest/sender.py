"""One sending process of a run: send its share of the requests at their times, and record what comes back.

It only sends, receives and records. What the numbers mean is decided afterwards, elsewhere.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import math
import os
import resource
import ssl
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from steward.loadtest import arrivals
from steward.loadtest.config import LoadConfig, request_url
from steward.loadtest.connection import MAX_BUFFERED, BufferedResponse, ClientConnection
from steward.loadtest.connection_pool import ClientConnectionPool
from steward.loadtest.deferred import DeferredWork
from steward.loadtest.ipc import SenderProgress, SenderTask
from steward.loadtest.outcomes import CountTokens, OutcomeRecorder
from steward.loadtest.prompt_files import PromptRow, read_prompt_rows
from steward.loadtest.prompts import PromptSource
from steward.loadtest.recorder import SenderResult, SenderStats
from steward.loadtest.request import InFlightRequest, build_head, classify_connect_error
from steward.loadtest.response import ResponseParser
from steward.loadtest.timer import Timer, clock

HEARTBEAT_S: Final = 0.01
PROGRESS_S: Final = 0.5
STAT_QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)  # of the lists in SenderStats
_AHEAD: Final = 32  # requests that are made before they are due, when there is time
_PAUSE_AFTER_FAILURE_S: Final = 0.05  # of a user: a server that refuses at once would be asked 1,000 times a second
_MAX_OPENED_FIRST: Final = 64  # connections before the start; a burst opens one for each request, up to:
_MAX_OPENED_FOR_BURST: Final = 4096
_MIN_JUDGED: Final = 20  # requests that have ended, before max_error_share may stop the run


class Sender:
    """Everything that takes long happens in `__init__` and `prepare`; `run` is the measured part."""

    def __init__(self, config: LoadConfig, index: int = 0, of: int = 1, count: CountTokens | None = None) -> None:
        self.config, self._index, self._of = config, index, of
        rows: list[PromptRow] = []
        if config.trace or config.prompts:
            rows = read_prompt_rows(Path(config.trace or config.prompts or ""), trace=bool(config.trace))
        self.stats = SenderStats()
        self._prompts = PromptSource(config, rows, count=count)
        self._times = arrivals.share_of_run(config, [row.at_s or 0.0 for row in rows], index, of)
        self._deferred = DeferredWork(self._next_send_at, self._make_next)
        self._pool = ClientConnectionPool(config, self._on_done, self._deferred.add)
        self.outcomes = OutcomeRecorder(self._prompts, count, config.warmup_s)
        self._conversing = self._prompts.is_conversation()
        self._closed_loop = config.arrival.kind == "concurrency"
        self._keep_text = self._conversing or count is not None
        target = urlsplit(request_url(config.url, config.endpoint))
        path = target.path + (f"?{target.query}" if target.query else "")
        self._head = build_head(config, path, target.netloc)
        self._ready: deque[InFlightRequest] = deque()  # made ahead, in the order of the schedule from `_next`
        self._waiting: deque[InFlightRequest] = deque()  # due, beyond max_in_flight
        self._max_in_flight = max(1, config.max_in_flight // of)
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = self._sent = self._in_flight = 0
        self._pausing = 0  # users and conversations between an answer and their next request
        self._max_late = 0.0  # since the last progress report, s
        self._lags = array("f")  # how late the heartbeat was, s
        self._all_sent = False

    # -- the run -----------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Resolve the host and open the first connections. :raises Unavailable: unknown host, or nobody answers"""
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        await self._pool.open(self._expected_connections())
        self._deferred.start(self._loop)

    def _expected_connections(self) -> int:
        arrival = self.config.arrival
        if arrival.kind == "burst":
            return min(len(self._times), self._max_in_flight, _MAX_OPENED_FOR_BURST // self._of)
        expected = (arrival.concurrency or math.ceil((arrival.rate or 8) / 4)) / self._of
        return min(_MAX_OPENED_FIRST, math.ceil(expected))

    async def run(self, start: float, on_progress: Callable[[SenderProgress], None] = lambda progress: None) -> None:
        """Send from `start`, a time of `timer.clock`, and return after the last response. Failures are recorded."""
        config, self._start, self._on_progress = self.config, start, on_progress
        self.outcomes.start = start
        measured = start + config.warmup_s
        self._until = measured + config.duration_s if config.duration_s is not None else math.inf
        self._timer, self._heartbeat = Timer(self._loop, self._send_due), Timer(self._loop, self._beat)
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection of a big heap stops the loop for tens of milliseconds
        try:
            self._beat_due = start + HEARTBEAT_S
            self._heartbeat.set(self._beat_due)
            self._progress = self._loop.call_later(max(0.0, start - clock()) + PROGRESS_S, self._report)
            self._cpu_from = (clock(), read_cpu_s())
            if self._closed_loop:
                self._loop.call_later(max(0.0, start - clock()), self._start_users)
            else:
                self._set_timer()
            self._deferred.schedule()
            await self._done.wait()
            self._measure_cpu()
            self._progress.cancel()
            self._on_progress(self._make_progress())
        finally:
            gc.enable()
            gc.unfreeze()
            self._timer.close()
            self._heartbeat.close()
        self._fill_stats()

    def stop(self, reason: str) -> None:
        """Send no more and abandon what is in flight; its records say "unfinished"."""
        if not self._done.is_set():
            self.stats.stopped = self.stats.stopped or reason
            self._finish()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._pool.close()

    # -- open loop ---------------------------------------------------------------------------------

    def _next_send_at(self) -> float:
        return self._start + self._times[self._next] if self._next < len(self._times) else math.inf

    def _set_timer(self) -> None:
        if self._next < len(self._times):
            self._timer.set(self._start + self._times[self._next])
        else:
            self._stop_sending()

    def _send_due(self) -> None:
        """Send all requests that are due. Late ones go at once: the schedule does not move."""
        times, start = self._times, self._start
        while self._next < len(times) and not self._all_sent:
            if start + times[self._next] > clock() + 2e-5:
                break
            if not self._ready:
                self._make_next()
            self._next += 1
            self._dispatch(self._ready.popleft())
        if not self._all_sent:
            self._set_timer()
            self._deferred.schedule()

    def _make_next(self) -> bool:
        """Make one request of the schedule ahead of its time; False if there is none, or there are enough."""
        place = self._next + len(self._ready)
        if len(self._ready) >= _AHEAD or place >= len(self._times) or self._all_sent:
            return False
        request = InFlightRequest(place * self._of + self._index, 0, self._start + self._times[place])
        self._fill(request, self._prompts.first_messages(request.number))
        self._ready.append(request)
        return True

    def _fill(self, request: InFlightRequest, messages: list[Any]) -> None:
        body = self._prompts.encode_body(request.number, messages)
        request.data = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        if self._conversing:
            request.messages = messages

    # -- closed loop -------------------------------------------------------------------------------

    def _start_users(self) -> None:
        if clock() < self._start:  # the loop's timers fire up to 1 ms early, and such a request would not be measured
            self._loop.call_soon(self._start_users)
            return
        for _ in range(self._share_of(self.config.arrival.concurrency or 1)):
            self._send_next_of_user()
        if self.config.duration_s is not None:
            self._loop.call_later(self._until - clock(), self._stop_sending)

    def _send_next_of_user(self) -> None:
        """A user of the closed loop sends the next request, or is done."""
        limit = self.config.requests
        if self._all_sent or clock() >= self._until or (limit is not None and self._next >= self._share_of(limit)):
            self._stop_sending()
            return
        request = InFlightRequest(self._next * self._of + self._index, 0, clock())
        self._next += 1
        self._fill(request, self._prompts.first_messages(request.number))
        self._dispatch(request)

    def _share_of(self, total: int) -> int:
        return total // self._of + (self._index < total % self._of)

    # -- sending -----------------------------------------------------------------------------------

    def _dispatch(self, request: InFlightRequest) -> None:
        if self._in_flight >= self._max_in_flight:
            self._waiting.append(request)
            return
        now = clock()
        request.sent_at = now
        late = now - request.intended
        if late > self._max_late:
            self._max_late = late
        self._sent += 1
        self._in_flight += 1
        request.in_flight = self._in_flight
        if self._in_flight > self.stats.concurrency_max:
            self.stats.concurrency_max = self._in_flight
        connection = self._pool.take()
        if connection is not None:
            connection.send(request.data, request, self._keep_text)
            return
        self._create_task(self._send_on_new(request))
        if self._pool.wants_spare():
            self._create_task(self._pool.open_spare())

    async def _send_on_new(self, request: InFlightRequest) -> None:
        began = clock()
        try:
            connection = await self._pool.connect()
        except (OSError, TimeoutError, ssl.SSLError) as error:
            self._end(request, ResponseParser(), classify_connect_error(error), clock())
            return
        if not request.retried:
            request.connect_s = clock() - began
        if connection.transport is None:
            self._end(request, ResponseParser(), "closed", clock())
            return
        connection.send(request.data, request, self._keep_text)

    def _create_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- responses ---------------------------------------------------------------------------------

    def _on_done(self, connection: ClientConnection, error: str) -> None:
        request: InFlightRequest = connection.request
        if error == "closed" and connection.used > 1 and not request.retried and not self._done.is_set():
            request.retried = True  # the server had closed an idle connection, which says nothing about its answers
            self.stats.retried += 1
            self._create_task(self._send_on_new(request))
            return
        response = connection.response
        if error:
            self._end(request, response, error, clock())
            return
        self._pool.put(connection)
        if self._conversing or self._closed_loop:  # the answer decides what is sent next
            response.parse_to_end()
            self._end(request, response, response.cause, response.last_byte_at)
        else:
            self._deferred.add(functools.partial(self._parse_and_record, request, response))
            self._leave_flight()
            self._finish_if_idle()

    def _parse_and_record(self, request: InFlightRequest, response: BufferedResponse) -> None:
        response.parse_to_end()
        self.outcomes.record(request, response, response.cause, response.last_byte_at)

    def _leave_flight(self) -> None:
        self._in_flight -= 1
        if self._waiting and not self._done.is_set():
            self._dispatch(self._waiting.popleft())

    def _end(self, request: InFlightRequest, response: ResponseParser, cause: str, at: float) -> None:
        """Record a request whose response is parsed, or which has failed; then go on with its user or conversation."""
        self._leave_flight()
        self.outcomes.record(request, response, cause, at)
        if self._done.is_set():
            return
        messages = None
        if self._conversing and cause == "ok":  # a conversation that has begun goes on to its end
            answer = "".join(response.text or ())
            messages = self._prompts.next_messages(request.number, request.turn + 1, request.messages, answer)
        if messages is not None:
            self._pausing += 1
            due = at + self.config.think_s
            self._loop.call_later(max(0.0, due - clock()), self._send_turn, request, messages, due)
        elif self._closed_loop and cause == "ok":
            self._send_next_of_user()
        elif self._closed_loop:
            self._pausing += 1
            self._loop.call_later(_PAUSE_AFTER_FAILURE_S, self._go_on_after_failure)
        self._finish_if_idle()

    def _send_turn(self, before: InFlightRequest, messages: list[Any], due: float) -> None:
        self._pausing -= 1
        if not self._done.is_set():
            request = InFlightRequest(before.number, before.turn + 1, due)
            self._fill(request, messages)
            self._dispatch(request)
        self._finish_if_idle()

    def _go_on_after_failure(self) -> None:
        self._pausing -= 1
        self._send_next_of_user()
        self._finish_if_idle()

    # -- ends --------------------------------------------------------------------------------------

    def _stop_sending(self) -> None:
        if self._all_sent:
            return
        self._all_sent = True
        self._measure_cpu()
        self._loop.call_later(self.config.drain_s, self._finish)  # conversations go on in this time
        self._finish_if_idle()

    def _measure_cpu(self) -> None:
        """The share of a core while requests were sent; the first call counts."""
        if self.stats.cpu_share == 0.0:
            since, cpu_s = self._cpu_from
            self.stats.cpu_share = (read_cpu_s() - cpu_s) / max(1e-9, clock() - since)

    def _finish_if_idle(self) -> None:
        sent = self._all_sent or (not self._closed_loop and self._next >= len(self._times))
        if sent and not (self._in_flight or self._waiting or self._pausing):
            self._finish()

    def _finish(self) -> None:
        if self._done.is_set():
            return
        self._all_sent = True
        self._done.set()
        self._abandon_busy(lambda response: "unfinished")
        self._waiting.clear()
        self._deferred.finish()

    def _abandon_busy(self, choose_cause: Callable[[BufferedResponse], str]) -> None:
        """Abandon the requests in flight for which `choose_cause` gives a cause."""
        for connection in list(self._pool.connections):
            if connection.busy and (cause := choose_cause(connection.response)):
                connection.abandon(cause)

    def _beat(self) -> None:
        now = clock()
        self._lags.append(now - self._beat_due)
        self._beat_due = max(self._beat_due + HEARTBEAT_S, now)
        self._heartbeat.set(self._beat_due)
        if self._pool.poller is not None:
            self._pool.poller.adjust_polling()

    def _report(self) -> None:
        """Twice a second: report progress, and end requests that take too long and a run that fails too often."""
        self._progress = self._loop.call_later(PROGRESS_S, self._report)
        now, config = clock(), self.config

        def choose_cause(response: BufferedResponse) -> str:
            if now - response.sent_at > config.timeout_s:
                return "timeout"
            return "stalled" if now - response.silent_since() > config.stall_s else ""

        self._abandon_busy(choose_cause)
        for connection in self._pool.connections:
            if connection.busy and len(connection.response.pieces) > MAX_BUFFERED:
                self._deferred.add(connection.parse_received)
        self._on_progress(self._make_progress())
        ended, failed = self.outcomes.answered + self.outcomes.failed, self.outcomes.failed
        limit = config.max_error_share
        if limit is not None and ended >= _MIN_JUDGED and failed > limit * ended:
            self.stop(f"{failed} of {ended} requests failed, more than --max-errors {limit:g}")
        elif limit is None and failed >= _MIN_JUDGED and self.outcomes.refused == ended:
            self.stop(f"the server refused all of the first {ended} requests; check the URL, --model and --key")

    def _make_progress(self) -> SenderProgress:
        progress = SenderProgress(
            at_s=clock() - self._start,
            sent=self._sent,
            answered=self.outcomes.answered,
            failed=self.outcomes.failed,
            in_flight=self._in_flight,
            output_tokens=self.outcomes.output_tokens,
            ttft_ms=self.outcomes.take_ttft_ms(),
            late_ms=self._max_late * 1000,
        )
        self._max_late = 0.0
        return progress

    def _fill_stats(self) -> None:
        stats, outcomes = self.stats, self.outcomes
        stats.lags = len(self._lags)
        stats.lag_ms, stats.error_ms = compute_quantiles_ms(self._lags), compute_quantiles_ms(outcomes.clock_errors)
        stats.error_texts = outcomes.records.error_texts
        stats.connections = self._pool.opened
        stats.input_totals, stats.output_totals = outcomes.input_totals, outcomes.output_totals
        stats.exact_prompts = self._prompts.vocabulary.is_exact
        factor = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, KiB here
        stats.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / factor


def send_in_task(task: tuple[SenderTask, float]) -> SenderResult:
    """Send a share in one call, for a task on another machine; it starts at a time since the epoch.

    The machines start together as well as their clocks agree. :raises StewardError: as `Sender.prepare`
    """
    share, start_at = task

    async def send() -> SenderResult:
        sender = Sender(share.config, share.index, share.of)
        await sender.prepare()
        await sender.run(clock() + start_at - time.time())
        await sender.close()
        records = sender.outcomes.records
        return SenderResult(bytes(records.pack()), records.gaps.tobytes(), sender.stats)

    try:
        import uvloop
    except ImportError:  # not on Windows
        return asyncio.run(send())
    result: SenderResult = uvloop.run(send())
    return result


def compute_quantiles_ms(values: array[float]) -> list[float]:
    """At STAT_QUANTILES, of values in s; empty for no values. (numpy would have to be loaded during the run.)"""
    ordered = sorted(values)
    return [1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in STAT_QUANTILES] if ordered else []


def read_cpu_s() -> float:
    """Processor time of this process, s."""
    times = os.times()
    return times.user + times.system
