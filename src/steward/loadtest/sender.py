"""One process of a run: sends its share at the scheduled times, and returns its book.

Nothing but sending, noting and reading happens here; what the numbers mean is decided afterwards, elsewhere.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import math
import os
import resource
import socket
import ssl
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from steward.core.errors import InputError, Unavailable
from steward.core.secret import resolve
from steward.loadtest import arrivals
from steward.loadtest.config import LoadConfig, request_url
from steward.loadtest.connection import MAX_BUFFERED, BufferedResponse, ClientConnection
from steward.loadtest.ipc import SenderProgress, SenderTask
from steward.loadtest.prompts import PromptRow, PromptSource, read_prompt_rows
from steward.loadtest.recorder import CHARACTERS_PER_TOKEN, Recorder, SenderResult, SenderStats
from steward.loadtest.response import CAUSES, ResponseParser
from steward.loadtest.sockets import HAS_EPOLL, SocketPoller, TransportReceiver
from steward.loadtest.timer import Timer, clock

HEARTBEAT_S: Final = 0.01
PROGRESS_S: Final = 0.5
_SPARE: Final = 64  # connections opened before the start, and at most at one time beside those that requests wait for
_CODE: Final = {cause: code for code, cause in enumerate(CAUSES)}
_NAN: Final = math.nan
_AHEAD: Final = 32  # requests that are made before they are due, when there is time
_SLICE_S: Final = 0.0005  # of work that can wait, between two looks at the sockets
_SPARED_S: Final = 0.0002  # before a send, in which no such work begins
_MOST_UNREAD: Final = 2000  # answers; beyond, reading them no longer waits
CountTokens = Callable[[str], int]  # a text's tokens


class InFlightRequest:
    """One request on its way."""

    __slots__ = ("acted", "connect", "data", "in_flight", "intended", "messages", "number", "retried", "turn")

    def __init__(self, number: int, turn: int, messages: list[Any], intended: float) -> None:
        self.number, self.turn, self.messages, self.intended = number, turn, messages, intended
        self.acted = self.connect = _NAN
        self.in_flight, self.retried, self.data = 0, False, b""


class Sender:
    """Prepared in `__init__`, which may take as long as it needs; `run` is the measured part."""

    def __init__(self, config: LoadConfig, index: int = 0, of: int = 1, count: CountTokens | None = None) -> None:
        self.config, self._index, self._of, self._count = config, index, of, count
        self.recorder, self.stats = Recorder(), SenderStats()
        rows: list[PromptRow] = []
        if config.trace or config.prompts:
            rows = read_prompt_rows(Path(config.trace or config.prompts or ""), trace=bool(config.trace))
        self._prompts = PromptSource(config, rows, measure_words_per_token(count))
        self._times = self._schedule(rows)
        self._conversing = config.turns > 1 or any(
            sum(message.get("role") == "user" for message in row.messages) > 1 for row in rows
        )
        self._keep_text = self._conversing or count is not None
        target = urlsplit(request_url(config.url, config.endpoint))
        self._host, self._port = target.hostname or "", target.port or (443 if target.scheme == "https" else 80)
        self._tls = _build_tls_context(config) if target.scheme == "https" else None
        self._head = _build_head(config, target.path + (f"?{target.query}" if target.query else ""), target.netloc)
        self._ready: deque[InFlightRequest] = deque()  # made, in the schedule's order from `_next`
        self._later: deque[Callable[[], None]] = deque()  # what has come and can wait to be read
        self._working = False
        self._poller: SocketPoller | None = None
        self._idle: list[ClientConnection] = []
        self._open: set[ClientConnection] = set()
        self._waiting: deque[InFlightRequest] = deque()  # beyond the most requests in flight
        self._tasks: set[asyncio.Task[None]] = set()
        self._most = max(1, config.max_in_flight // of)
        self._next = self._sent = self._answered = self._failed = self._tokens = self._flying = self._opening = 0
        self._thinking = 0
        self._ttft: list[float] = []
        self._late = 0.0
        self._lags = array("f")
        self._errors = array("f")  # measured - true, s
        self._ceased = False

    def _schedule(self, rows: list[PromptRow]) -> array[float]:
        config, horizon = self.config, None
        if config.arrival.kind == "concurrency":
            return array("d")
        if config.duration_s is not None:
            horizon = config.warmup_s + config.duration_s
        if config.trace:
            first = rows[0].at_s or 0.0
            times = array("d", (((row.at_s or 0.0) - first) / config.speed for row in rows))
            times = array("d", (at for at in times if horizon is None or at < horizon))[: config.requests]
        else:
            times = arrivals.make_schedule(config.arrival, horizon, config.requests, config.seed)
        return arrivals.take_share(times, self._index, self._of)

    # -- the run -----------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Resolve the host and open the first connections. :raises Unavailable: no such host, nobody answers there"""
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._poller = SocketPoller(self._loop) if HAS_EPOLL and self._tls is None else None
        _raise_file_limit()
        try:
            found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unavailable(f"{self._host}: no such host ({error.strerror}); check the URL") from error
        self._addresses = [str(place[4][0]) for place in found]
        self._address = self._addresses[0]
        arrival = self.config.arrival
        expected = (arrival.concurrency or math.ceil((arrival.rate or 8) / 4)) / self._of
        opened = await asyncio.gather(
            self._connect_first(), *(self._connect() for _ in range(min(_SPARE, math.ceil(expected)) - 1)),
            return_exceptions=True,
        )  # fmt: skip
        if isinstance(opened[0], BaseException):
            raise opened[0]
        self._idle += [one for one in opened if isinstance(one, ClientConnection) and one.transport is not None]

    async def run(self, start: float, tell: Callable[[SenderProgress], None] = lambda progress: None) -> None:
        """Send from `start`, a time of the monotonic clock, and return after the last response."""
        config = self.config
        self._start = start
        self._measured = start + config.warmup_s
        self._until = self._measured + config.duration_s if config.duration_s is not None else math.inf
        timer, beat = Timer(self._loop, self._due), Timer(self._loop, self._beat)
        self._timer, self._heartbeat = timer, beat
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection of a big heap stops the loop for tens of milliseconds
        try:
            self._tell = tell
            self._beat_due = start + HEARTBEAT_S
            beat.set(self._beat_due)
            self._progress = self._loop.call_later(max(0.0, start - clock()) + PROGRESS_S, self._report)
            self._cpu_from = (clock(), _read_cpu_s())
            if config.arrival.kind == "concurrency":
                self._loop.call_later(max(0.0, start - clock()), self._begin_users)
            else:
                self._arm()
            self._work_soon()
            await self._done.wait()
            self._stop_clock()
            self._progress.cancel()
            self._tell(self._now())
        finally:
            gc.enable()
            gc.unfreeze()
            timer.close()
            beat.close()
        self._fill_stats()

    def stop(self, reason: str) -> None:
        """Send no more and give up what is under way; its rows say unfinished."""
        if self._done.is_set():
            return
        self.stats.stopped = self.stats.stopped or reason
        self._finish()

    async def close(self) -> None:
        for connection in list(self._open):
            connection.abandon("unfinished")
        for task in list(self._tasks):
            task.cancel()
        for connection in self._idle:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
        if self._poller is not None:
            self._poller.close()

    # -- sending -----------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._next < len(self._times):
            self._timer.set(self._start + self._times[self._next])
        else:
            self._sent_all()

    def _due(self) -> None:
        """Send all that is due. Late ones go at once: the schedule does not move."""
        times, start = self._times, self._start
        while self._next < len(times) and not self._ceased:
            if start + times[self._next] > clock() + 2e-5:
                break
            if not self._ready:
                self._make(self._next)
            self._next += 1
            self._dispatch(self._ready.popleft())
        if not self._ceased:
            self._arm()
            self._work_soon()

    def _make(self, place: int) -> None:
        """The request of a place in the schedule, to its last byte."""
        request = InFlightRequest(place * self._of + self._index, 0, [], self._start + self._times[place])
        self._fill(request, self._prompts.first_messages(request.number))
        self._ready.append(request)

    def _fill(self, request: InFlightRequest, messages: list[Any]) -> None:
        body = self._prompts.encode_body(request.number, messages)
        request.data = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        if self._conversing:
            request.messages = messages

    # -- what can wait -----------------------------------------------------------------------------

    def _wait(self, work: Callable[[], None]) -> None:
        self._later.append(work)
        self._work_soon()

    def _work_soon(self) -> None:
        if not self._working:
            self._working = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Read ended answers and make the next requests: until a send is due, which calls here again when it is done,
        and for no longer than a slice at a time."""
        self._working = False
        slice_end = until = clock() + _SLICE_S
        if self._next < len(self._times) and len(self._later) < _MOST_UNREAD:
            until = min(until, self._start + self._times[self._next] - _SPARED_S)
        while self._later or self._makeable():
            now = clock()
            if now > until:
                if now > slice_end:
                    self._work_soon()
                return
            if self._later:
                self._later.popleft()()
            else:
                self._make(self._next + len(self._ready))

    def _makeable(self) -> bool:
        return len(self._ready) < _AHEAD and self._next + len(self._ready) < len(self._times) and not self._ceased

    def _read(self, request: InFlightRequest, response: BufferedResponse) -> None:
        response.parse_to_end()
        self._write(request, response, response.cause, response.last_byte_at)

    def _begin_users(self) -> None:
        if (
            clock() < self._start
        ):  # the loop's timers ring up to a millisecond early, and such a request would not count
            self._loop.call_soon(self._begin_users)
            return
        users = self.config.arrival.concurrency or 1
        for _ in range(users // self._of + (self._index < users % self._of)):
            self._next_of_user()
        if self.config.duration_s is not None:
            self._loop.call_later(self._until - clock(), self._sent_all)

    def _next_of_user(self) -> None:
        """A user of the closed loop sends the next request, or is done."""
        most = self.config.requests
        if self._ceased or clock() >= self._until or (most is not None and self._next >= self._part(most)):
            self._sent_all()
            return
        number = self._next * self._of + self._index
        self._next += 1
        request = InFlightRequest(number, 0, [], clock())
        self._fill(request, self._prompts.first_messages(number))
        self._dispatch(request)

    def _part(self, whole: int) -> int:
        return whole // self._of + (self._index < whole % self._of)

    def _dispatch(self, request: InFlightRequest) -> None:
        if self._flying >= self._most:
            self._waiting.append(request)
            return
        now = clock()
        request.acted = now
        late = now - request.intended
        if late > self._late:
            self._late = late
        self._sent += 1
        self._flying += 1
        request.in_flight = self._flying
        if self._flying > self.stats.concurrency_max:
            self.stats.concurrency_max = self._flying
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                connection.send(request.data, request, self._keep_text)
                return
        self._task(self._send_on_new(request))
        if self._opening < 4:
            self._task(self._spare())

    async def _send_on_new(self, request: InFlightRequest) -> None:
        began = clock()
        try:
            connection = await self._connect()
        except (OSError, TimeoutError, ssl.SSLError) as error:
            self._over(request, ResponseParser(), _classify_connect_error(error), clock())
            return
        if request.connect != request.connect:  # NaN: not a second try
            request.connect = clock() - began
        if connection.transport is None:
            self._over(request, ResponseParser(), "closed", clock())
            return
        connection.send(request.data, request, self._keep_text)

    async def _spare(self) -> None:
        """One connection more than is needed now, so that the next request need not wait for one."""
        self._opening += 1
        try:
            connection = await self._connect()
        except OSError:
            return  # the requests themselves will say so
        finally:
            self._opening -= 1
        if connection.transport is not None:
            self._idle.append(connection)

    async def _connect(self) -> ClientConnection:
        connection = ClientConnection(self._ended, self._gone, self._wait)
        options: dict[str, Any] = {"ssl": self._tls, "server_hostname": self._host} if self._tls else {}
        async with asyncio.timeout(30):
            if self._poller is not None:
                self._poller.add(connection, await self._plain())
            else:
                await self._loop.create_connection(
                    lambda: TransportReceiver(connection), self._address, self._port, **options
                )
        self.stats.connections += 1
        self._open.add(connection)
        return connection

    async def _plain(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        plain = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await self._loop.sock_connect(plain, (self._address, self._port))
        except BaseException:
            plain.close()
            raise
        return plain

    async def _connect_first(self) -> ClientConnection:
        """The first connection decides which of the host's addresses answers.

        :raises Unavailable: none of them
        """
        failed: Exception | None = None
        for place in self._addresses:
            self._address = place
            try:
                return await self._connect()
            except (OSError, TimeoutError) as error:
                failed = error
        what = getattr(failed, "strerror", None) or str(failed) or type(failed).__name__
        if isinstance(failed, ssl.SSLError):
            raise Unavailable(f"{self._host}:{self._port}: TLS failed ({what}); give --ca-file, or --insecure")
        raise Unavailable(f"{self._host}:{self._port}: no connection ({what}); is the server running there?")

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- answers -----------------------------------------------------------------------------------

    def _ended(self, connection: ClientConnection, error: str) -> None:
        request: InFlightRequest = connection.request
        if error == "closed" and connection.used > 1 and not request.retried and not self._done.is_set():
            request.retried = True  # the server had closed a kept connection; that says nothing of how it answers
            self.stats.retried += 1
            self._task(self._send_on_new(request))
            return
        response = connection.response
        if error:
            self._over(request, response, error, clock())
            return
        if connection.transport is not None and not connection.transport.is_closing():
            self._idle.append(connection)
        if self._conversing or self.config.arrival.kind == "concurrency":  # what it says decides what is sent next
            response.parse_to_end()
            self._over(request, response, response.cause, response.last_byte_at)
        else:
            self._wait(functools.partial(self._read, request, response))
            self._landed()
            self._maybe_done()

    def _gone(self, connection: ClientConnection) -> None:
        self._open.discard(connection)

    def _landed(self) -> None:
        """One request fewer is under way."""
        self._flying -= 1
        if self._waiting and not self._done.is_set():
            self._dispatch(self._waiting.popleft())

    def _over(self, request: InFlightRequest, response: ResponseParser, cause: str, at: float) -> None:
        """A request whose response was read, or has failed."""
        self._landed()
        self._write(request, response, cause, at)
        if self._done.is_set():
            return
        follow = None
        if self._conversing and cause == "ok":  # a conversation that has begun goes on to its end
            follow = self._prompts.next_messages(
                request.number, request.turn + 1, request.messages, "".join(response.text or ())
            )
        if follow is not None:
            self._thinking += 1
            due = at + self.config.think_s
            self._loop.call_later(max(0.0, due - clock()), self._follow, request, follow, due)
        elif self.config.arrival.kind == "concurrency":
            if cause == "ok":
                self._next_of_user()
            else:  # a server that refuses at once would be asked a thousand times a second
                self._thinking += 1
                self._loop.call_later(0.05, self._after_failure)
        self._maybe_done()

    def _follow(self, before: InFlightRequest, messages: list[Any], due: float) -> None:
        self._thinking -= 1
        if not self._done.is_set():
            request = InFlightRequest(before.number, before.turn + 1, [], due)
            self._fill(request, messages)
            self._dispatch(request)
        self._maybe_done()

    def _after_failure(self) -> None:
        self._thinking -= 1
        self._next_of_user()
        self._maybe_done()

    def _write(self, request: InFlightRequest, response: ResponseParser, cause: str, at: float) -> None:
        """The row of one request. Its times are from the intended send."""
        intended = request.intended
        measured = intended >= self._measured - 1e-9
        asked, source, events = 0, 3, len(response.text_times)
        output = 0
        if cause == "ok":
            asked, output, source = self._tokens_of(request, response)
            self._tokens += output
            if measured and events > 1:
                self.recorder.add_gaps(response.text_times)
            if response.first is not None and len(self._ttft) < 200:
                self._ttft.append((response.first - intended) * 1000)
            if measured and response.stamp is not None and response.first is not None:
                self._errors.append((response.first - intended) - (response.stamp[1] - response.stamp[0]))
            self._answered += 1
        elif cause != "unfinished":
            self._failed += 1
        if cause != "ok" and response.error_text:
            key = f"http_{response.status}" if cause == "http" else cause
            self.recorder.error_texts.setdefault(key, response.error_text)
        streamed = response.streamed and response.first is not None
        self.recorder.add(
            intended - self._start,
            request.acted - intended,
            response.first - intended if streamed and response.first is not None else _NAN,
            response.last - intended if response.last is not None else _NAN,
            at - intended,
            request.connect,
            asked,
            output,
            events,
            request.in_flight,
            response.status,
            _CODE[cause],
            source,
        )

    def _tokens_of(self, request: InFlightRequest, response: ResponseParser) -> tuple[int, int, int]:
        """Input and output tokens, and where they are from: the server's usage, a tokenizer, an estimate."""
        usage = response.usage
        asked = self._prompts.token_counts(request.number)[0]
        if usage is not None and usage.prompt_tokens is not None:
            asked = usage.prompt_tokens
            if usage.completion_tokens is not None or self.config.endpoint == "embeddings":
                return asked, usage.completion_tokens or 0, 0
        if self._count is not None and response.text is not None:
            return asked, self._count("".join(response.text)), 1
        return asked, max(len(response.text_times), round(response.characters / CHARACTERS_PER_TOKEN)), 2

    # -- ends --------------------------------------------------------------------------------------

    def _sent_all(self) -> None:
        if self._ceased:
            return
        self._ceased = True
        self._stop_clock()
        self._loop.call_later(self.config.drain_s, self._finish)  # conversations go on in this time
        self._maybe_done()

    def _stop_clock(self) -> None:
        """The share of CPU is of the time in which requests were sent."""
        if self.stats.cpu_share == 0.0:
            since, cpu = self._cpu_from
            self.stats.cpu_share = (_read_cpu_s() - cpu) / max(1e-9, clock() - since)

    def _maybe_done(self) -> None:
        closed = self.config.arrival.kind == "concurrency"
        over = self._ceased or (not closed and self._next >= len(self._times))
        if over and not (self._flying or self._waiting or self._thinking):
            self._finish()

    def _finish(self) -> None:
        if self._done.is_set():
            return
        self.stats.sent_all = self._ceased or self._next >= len(self._times)
        self._ceased = True
        self._done.set()
        for connection in list(self._open):
            if connection.busy:
                connection.abandon("unfinished")
        self._waiting.clear()
        while self._later:
            self._later.popleft()()

    def _beat(self) -> None:
        now = clock()
        self._lags.append(now - self._beat_due)
        self._beat_due = max(self._beat_due + HEARTBEAT_S, now)
        self._heartbeat.set(self._beat_due)
        if self._poller is not None:
            self._poller.adjust_polling()

    def _report(self) -> None:
        """Twice a second: tell, and end what takes too long or fails too often."""
        self._progress = self._loop.call_later(PROGRESS_S, self._report)
        now, config = clock(), self.config
        for connection in list(self._open):
            if connection.busy:
                response = connection.response
                if now - response.sent_at > config.timeout_s:
                    connection.abandon("timeout")
                elif now - response.silent_since() > config.stall_s:
                    connection.abandon("stalled")
                elif len(response.pieces) > MAX_BUFFERED:
                    self._wait(connection.parse_received)
        self._tell(self._now())
        over = self._answered + self._failed
        if config.max_error_share is not None and over >= 20 and self._failed > config.max_error_share * over:
            self.stop(
                f"{self._failed} of {over} requests had failed, more than --max-errors {config.max_error_share:g}"
            )

    def _now(self) -> SenderProgress:
        told = SenderProgress(
            at_s=clock() - self._start,
            sent=self._sent,
            answered=self._answered,
            failed=self._failed,
            in_flight=self._flying,
            output_tokens=self._tokens,
            ttft_ms=self._ttft,
            late_ms=self._late * 1000,
        )
        self._ttft, self._late = [], 0.0
        return told

    def _fill_stats(self) -> None:
        self.stats.lag_ms, self.stats.error_ms = _compute_quantiles_ms(self._lags), _compute_quantiles_ms(self._errors)
        self.stats.error_texts = self.recorder.error_texts
        factor = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, KiB here
        self.stats.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / factor


def send_in_task(task: tuple[SenderTask, float]) -> SenderResult:
    """A share as one call, for a task on another machine: it begins at a time since the epoch.

    Machines agree on that as well as their clocks do. :raises StewardError: as `prepare`
    """
    share, start_at = task

    async def go() -> SenderResult:
        sender = Sender(share.config, share.index, share.of)
        await sender.prepare()
        await sender.run(clock() + start_at - time.time())
        await sender.close()
        return SenderResult(bytes(sender.recorder.pack()), sender.recorder.gaps.tobytes(), sender.stats)

    try:
        import uvloop
    except ImportError:  # not on Windows
        return asyncio.run(go())
    found: SenderResult = uvloop.run(go())
    return found


def _compute_quantiles_ms(values: array[float]) -> list[float]:
    """At LAG_QUANTILES; nothing of nothing. numpy would have to be loaded while requests are under way."""
    ordered = sorted(values)
    return [1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in LAG_QUANTILES] if ordered else []


LAG_QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)


def measure_words_per_token(count: CountTokens | None) -> float:
    """Of the pool's words under a tokenizer; without one, 1."""
    if count is None:
        return 1.0
    from steward.loadtest.prompts import WORDS

    return len(WORDS) / max(1, count(" ".join(WORDS)))


def _build_head(config: LoadConfig, path: str, host: str) -> bytes:
    """The request's head up to the value of content-length. :raises InputError: a header that is none"""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host.rpartition('@')[2]}"]
    if config.key is not None:
        lines.append(f"Authorization: Bearer {resolve(config.key).reveal()}")
    lines += ["Content-Type: application/json", f"Accept: {'text/event-stream' if config.stream else '*/*'}"]
    lines += ["User-Agent: steward-load"]
    for name, value in config.headers:
        if not name or any(character in name + value for character in "\r\n\0") or ":" in name:
            raise InputError(f"--header {name!r}: expected NAME: VALUE on one line")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")


def _build_tls_context(config: LoadConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"--ca-file {config.ca_file}: {error}; expected certificates in PEM form") from error
    if config.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _classify_connect_error(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "timeout" if isinstance(error, TimeoutError) else "no_connection"


def _raise_file_limit() -> None:
    """As many open files as may be: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _read_cpu_s() -> float:
    times = os.times()
    return times.user + times.system
