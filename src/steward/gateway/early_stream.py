"""The headers of a stream, and comments, for a client whose upstream has told nothing yet, not even a status.

Some servers send their headers with the first token only (Ollama, hosted models that think), and a client or a proxy
gives up before. After `heartbeat_s` at the models the client gets 200 and a comment every so often; other models are
tried behind it as ever, and a failure of all of them is an event of the stream. While a request waits in a queue its
status is held: that it was turned away is told by one. See also `first_event.py`, for what happens once an upstream
has told its status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.first_event import HEARTBEAT
from steward.gateway.http import HttpRequest
from steward.gateway.upstream_errors import read_upstream_error

SSE = b"text/event-stream"


class EarlyStream:
    """Begins the answer to `request` unless `cancel` comes before. `list_headers`: of what is known of the answer;
    `discloses`: that a model made it.
    """

    def __init__(
        self,
        request: HttpRequest,
        exchange: Exchange,
        heartbeat_s: float,
        list_headers: Callable[[Exchange, bool], list[tuple[bytes, bytes]]],
        discloses: bool,
    ) -> None:
        self._request, self._exchange, self._heartbeat_s = request, exchange, heartbeat_s
        self._list_headers, self._discloses = list_headers, discloses
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(heartbeat_s, self._wake)
        self._task: asyncio.Task[None] | None = None
        self._has_begun = False

    def _wake(self) -> None:
        ready = self._exchange.ready
        if ready is not None and not self._exchange.streamed:
            return  # a whole answer has no place for comments
        waited = 0.0 if ready is None else time.perf_counter() - ready
        if waited < self._heartbeat_s * 0.99:  # timers are not that exact
            self._timer = self._loop.call_later(self._heartbeat_s - waited, self._wake)
        else:
            self._task = self._loop.create_task(self._beat())

    async def _beat(self) -> None:
        answer = Answer(200, content_type=SSE)
        answer.headers += self._list_headers(self._exchange, self._discloses)
        await self._request.begin_stream(answer)
        self._has_begun = True
        while True:
            await self._request.send_part(HEARTBEAT)
            await asyncio.sleep(self._heartbeat_s)

    def cancel(self) -> bool:
        """Begin no more. -> whether it may have begun, and `stop` must follow"""
        self._timer.cancel()
        return self._task is not None

    async def stop(self) -> bool:
        """Send nothing more. -> whether the head of the answer is sent: on a busy loop the task that sends it may not
        have run yet"""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        return self._has_begun

    async def end_with(self, answer: Answer) -> None:
        """End the stream with what is no stream: an error, as an event."""
        error = read_upstream_error(answer.status, answer.body)
        event = dialects.find_dialect(self._exchange.endpoint).error_event(error, self._exchange.request_id)
        await self._request.send_part(event)
        await self._request.end_stream()
