"""Runs the batches of a home: one worker of all does, whoever holds the lock; another takes over when it dies.

Every request of a batch goes the way of any other, with the lowest priority, in the name of the key that made the
batch. What is answered is in the journal before the next request is sent, so that a restart repeats at most the
requests that were under way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from steward.core.errors import InputError, Refused, describe_origin
from steward.core.files import try_lock
from steward.core.identity import Caller
from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.batch import (
    Batch,
    BatchIssue,
    BatchLine,
    BatchPlan,
    BatchStatus,
    format_answer,
    format_unanswered,
    parse_lines,
)
from steward.gateway.endpoints import NOT_CONTENT
from steward.gateway.exchange import Exchange
from steward.gateway.routing import parse_retry_after
from steward.gateway.wire import new_request_id
from steward.workflows.batch_store import BatchStore
from steward.workflows.serve.batch_service import DAY_S

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
AGAIN_S: Final = 30.0
MOST_RUNNING: Final = 8  # batches at once; each holds its input in memory
MOST_TRIES: Final = 5  # of a request whose upstream fails; one that has to wait for its limits is tried until the end
LONGEST_WAIT_S: Final = 60.0
HEADERS: Final = {"x-steward-priority": "low"}
_AGAIN: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

Infer = Callable[[Exchange], Awaitable[Answer]]
FindCaller = Callable[[str], Caller | None]


class BatchRunner:
    """`poll` is called every second; `close` leaves what runs to whoever comes next."""

    def __init__(
        self,
        store: BatchStore,
        plan: Callable[[], BatchPlan],
        infer: Infer,
        find_caller: FindCaller,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._plan, self._infer, self._find_caller, self._clock = store, plan, infer, find_caller, clock
        self._lock: int | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._slots = _Slots(lambda: self._plan().concurrency)
        self._over: set[str] = set()  # batches that need not be looked at again
        self._again_at: dict[str, float] = {}  # when a batch that broke off may be begun again

    async def poll(self) -> None:
        """Start what waits, as far as there is room."""
        if not self._store.exists() or not self._hold_lock():
            return
        self._forget_ended()
        if len(self._running) < MOST_RUNNING:
            batches = await asyncio.to_thread(self._store.list_batches, frozenset(self._over))
            self._over.update(batch.id for batch in batches if batch.is_over)
            for batch in reversed(batches):  # the oldest first
                waits = not batch.is_over and batch.id not in self._running
                if waits and len(self._running) < MOST_RUNNING and self._again_at.get(batch.id, 0.0) <= self._clock():
                    run = BatchRun(self._store, batch, self._plan(), self._infer, self._find_caller, self._clock)
                    self._running[batch.id] = asyncio.create_task(run.run(self._slots))

    def _forget_ended(self) -> None:
        """A batch that a full disk or a mistake of ours has ended is begun again after a while."""
        for name, task in list(self._running.items()):
            if task.done():
                del self._running[name]
                self._again_at.pop(name, None)
                if not task.cancelled() and (error := task.exception()) is not None:
                    self._again_at[name] = self._clock() + AGAIN_S
                    log.error("%s stopped and is begun again in %g s: %s", name, AGAIN_S, describe_origin(error))

    def _hold_lock(self) -> bool:
        if self._lock is None:
            self._lock = try_lock(self._store.folder / "runner.lock")
        return self._lock is not None

    async def close(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Slots:
    """So many requests at once, over all batches; the number may change with the configuration."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most, self._taken = most, 0
        self._free = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._free:
            await self._free.wait_for(lambda: self._taken < self._most())
            self._taken += 1

    async def __aexit__(self, *_: object) -> None:
        self._taken -= 1
        async with self._free:
            self._free.notify_all()


class BatchRun:
    """One batch from where it stands to its end."""

    def __init__(
        self,
        store: BatchStore,
        batch: Batch,
        plan: BatchPlan,
        infer: Infer,
        find_caller: FindCaller,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._batch, self._plan = store, batch, plan
        self._infer, self._find_caller, self._clock = infer, find_caller, clock
        self._output, self._errors = store.journal(batch, "output"), store.journal(batch, "errors")
        self._bytes = 0
        self._room = 0
        self._stop: tuple[BatchStatus, str, str] | None = None  # status, code and words for what was not sent
        self._saved_at = 0.0

    async def run(self, slots: _Slots) -> None:
        lines = await asyncio.to_thread(self._read)
        if lines is None:
            return
        answered, refused = await asyncio.to_thread(lambda: (set(self._output.numbers()), set(self._errors.numbers())))
        self._batch = msgspec.structs.replace(self._batch, completed=len(answered), failed=len(refused))
        waiting = iter([line for line in lines if line.number not in answered | refused])
        senders = [asyncio.create_task(self._send_each(waiting, slots)) for _ in range(max(1, self._plan.concurrency))]
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.gather(*senders)
        finally:
            for task in (watch, *senders):
                task.cancel()
            await asyncio.gather(watch, *senders, return_exceptions=True)
        await asyncio.to_thread(self._finish, lines)

    def _read(self) -> list[BatchLine] | None:
        """The requests; None where the file is not fit to be run, which the batch then says."""
        file = self._store.find_file(self._batch.input_file_id)
        try:
            data = b"".join(self._store.read(file)) if file is not None else None
        except (InputError, OSError):
            data = None
        if data is None:
            self._fail((BatchIssue(code="file_not_found", message="The input file is gone or damaged."),))
            return None
        lines, issues = parse_lines(data, self._batch.endpoint, self._plan.max_requests)
        if issues:
            self._fail(tuple(issues))
            return None
        self._room = max(0, self._plan.max_tenant_bytes - self._store.count_bytes(self._batch.tenant))
        self._change(status="in_progress", in_progress_at=self._batch.in_progress_at or self._clock(), total=len(lines))
        return lines

    def _fail(self, issues: tuple[BatchIssue, ...]) -> None:
        self._change(status="failed", failed_at=self._clock(), errors=issues)

    def _change(self, **fields: object) -> None:
        self._batch = msgspec.structs.replace(self._batch, **fields)
        self._store.put_batch(self._batch)
        self._saved_at = self._clock()

    async def _watch(self) -> None:
        """Notice what ends a batch before its time."""
        while not self._is_stopped():
            await asyncio.sleep(POLL_S / 2)

    def _is_stopped(self) -> bool:
        self._stop = self._stop or self._find_end()
        return self._stop is not None

    def _find_end(self) -> tuple[BatchStatus, str, str] | None:
        if self._store.is_cancelled(self._batch.id):
            return "cancelled", "batch_cancelled", "The batch was cancelled before this request was sent."
        if self._clock() >= self._batch.expires_at:
            return "expired", "batch_expired", "The batch's 24 hours were over before this request was sent."
        if self._find_caller(self._batch.key_id) is None:
            return "failed", "key_revoked", "The key that made the batch is not in force any more."
        if self._bytes > self._room:
            return "failed", "storage_limit_exceeded", "The tenant's files are full (batches.max_tenant_bytes)."
        return None

    async def _send_each(self, waiting: Iterator[BatchLine], slots: _Slots) -> None:
        while not self._is_stopped():
            line = next(waiting, None)
            if line is None:
                return
            outcome = await self._ask(line, slots)
            if outcome is not None:
                await self._note(line, *outcome)

    async def _ask(self, line: BatchLine, slots: _Slots) -> tuple[bool, bytes] | None:
        """Whether it was a success, and the line to write; None where the batch ends before there is an answer."""
        tries = 0
        while self._stop is None:
            caller = self._find_caller(self._batch.key_id)
            if caller is None:
                return None
            async with slots:
                request_id, status, body, wait_s, counts = await self._ask_once(line, caller)
            tries += counts
            if wait_s is None or tries >= MOST_TRIES:
                generated = self._plan.disclose and status < 300 and self._batch.endpoint not in NOT_CONTENT
                return status < 400, format_answer(line, request_id, status, body, generated)
            await self._pause(choose_pause(tries, wait_s))
        return None

    async def _ask_once(self, line: BatchLine, caller: Caller) -> tuple[str, int, bytes, float | None, bool]:
        """Request id, status and body; seconds after which it may be tried again, None where that is no use; and
        whether it counts as a try: waiting for one's own limits does not."""
        now = self._clock()
        exchange = Exchange(
            new_request_id(now), self._batch.endpoint, HEADERS, line.body, now, time.perf_counter(), caller
        )
        exchange.batch = True
        try:
            answer = await self._infer(exchange)
        except Refused as error:
            body = dialects.find_dialect(exchange.endpoint).error_body(error, exchange.request_id)
            in_vain = error.limit is not None and ("x-should-retry", "false") in error.headers  # of one's own limits
            in_vain = in_vain or error.code == "insufficient_quota" or error.type == "server_error"
            may = error.status in _AGAIN and not in_vain
            wait_s = (parse_retry_after(dict(error.headers), now) or 0.0) if may else None
            return exchange.request_id, error.status, body, wait_s, error.status != 429 and error.code != "overloaded"
        finally:
            exchange.end()
        headers = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
        wait_s = (parse_retry_after(headers, now) or 0.0) if answer.status in _AGAIN else None
        return exchange.request_id, answer.status, answer.body, wait_s, True

    async def _pause(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while self._stop is None and (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, POLL_S))

    async def _note(self, line: BatchLine, succeeded: bool, text: bytes) -> None:
        self._bytes += (self._output if succeeded else self._errors).append(line.number, text)
        completed, failed = self._batch.completed + succeeded, self._batch.failed + (not succeeded)
        self._batch = msgspec.structs.replace(self._batch, completed=completed, failed=failed)
        if self._clock() - self._saved_at >= POLL_S:
            self._saved_at = self._clock()
            await asyncio.to_thread(self._store.put_batch, self._batch)  # waits for the disk

    def _finish(self, lines: list[BatchLine]) -> None:
        """Make files of the journals, and say how it ended."""
        status, code, words = self._stop or ("completed", "", "")
        answered, refused = set(self._output.numbers()), set(self._errors.numbers())
        self._change(status="finalizing", finalizing_at=self._clock(), completed=len(answered), failed=len(refused))
        for line in lines:
            if line.number not in answered | refused:
                self._errors.append(line.number, format_unanswered(line, code, words))
        now, keep_s = self._clock(), self._plan.keep_days * DAY_S
        files = [self._store.publish(self._batch, kind, now, keep_s) for kind in ("output", "errors")]
        ids = [file.id if file is not None else None for file in files]
        issues = (BatchIssue(code=code, message=words),) if status == "failed" else ()
        self._change(
            status=status, output_file_id=ids[0], error_file_id=ids[1], errors=issues, **{f"{status}_at": self._clock()}
        )
        self._store.delete_journals(self._batch.id)


def choose_pause(tries: int, wait_s: float) -> float:
    """Seconds until a request is sent again: twice as long after each try, not before the upstream asks for it, and a
    minute at most."""
    return min(LONGEST_WAIT_S, max(wait_s, 0.5 * 2.0**tries))
