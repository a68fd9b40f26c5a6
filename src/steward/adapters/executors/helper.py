"""One process for work that would hold the event loop, started when there is some.

Ours because `ProcessPoolExecutor` cannot end a task that takes too long, starts two processes more, and blocks its
caller while it starts. The process ends when this one does: then its end of a socket pair closes.
"""

from __future__ import annotations

import asyncio
import multiprocessing.connection
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

import msgspec

from steward.core.errors import Refused, StewardError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

LONG_BYTES: Final = 64 * 1024
MODULE: Final = "steward.processes.helper"
LONGEST_S: Final = 30.0  # of one task
MOST_WAITING: Final = 256


class HelperProcess:
    """Tasks go to the process one after the other."""

    def __init__(self, longest_s: float = LONGEST_S, most_waiting: int = MOST_WAITING) -> None:
        self._longest_s, self._most_waiting = longest_s, most_waiting
        self._sender = ThreadPoolExecutor(1, "helper")
        self._beside = ThreadPoolExecutor(1, "beside")  # one: each further one would take its turn from the loop
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: multiprocessing.connection.Connection | None = None
        self._waiting = 0
        self._turn = threading.Lock()  # held while a task begins or ends, so that only its own client can stop it
        self._working_for: object = None

    async def run(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        if self._waiting >= self._most_waiting:
            raise overloaded()
        self._waiting += 1
        client = object()
        future = self._sender.submit(self._work_for, client, (function, arguments, named))
        future.add_done_callback(self._leave)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:  # nobody waits: a task that has not begun never will, and one that has ends here
            self._stop_work_for(client)
            raise
        finally:  # an error's traceback holds this frame: with the future in it, neither would go before a collection
            del future, arguments, named

    async def run_beside(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        return await asyncio.wrap_future(self._beside.submit(function, *arguments, **named))

    async def close(self) -> None:
        self._beside.shutdown(wait=False, cancel_futures=True)
        self._end()
        self._sender.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: object) -> None:
        self._waiting -= 1

    def _stop_work_for(self, client: object) -> None:
        """The process ends, since nothing else ends a task; the next task starts another."""
        with self._turn:
            if self._working_for is client and self._process is not None:
                self._process.kill()

    # -- in the thread of `_sender` ------------------------------------------------------------------

    def _work_for(self, client: object, task: Task) -> Any:
        with self._turn:
            self._working_for = client
        try:
            return self._ask(task)
        finally:
            with self._turn:
                self._working_for = None
            del task

    def _ask(self, task: Task) -> Any:
        try:
            connection = self._connection or self._start()
            send(connection, task)
            if not connection.poll(self._longest_s):
                self._end()
                raise took_too_long(self._longest_s)
            result, refusal = receive(connection)
        except (EOFError, OSError) as error:  # it was killed, as when memory ran out
            self._end()
            raise overloaded() from error
        if refusal is not None:
            try:
                raise refusal
            finally:  # as in `run`: the body of the request would stay as long as its error
                del refusal, task
        return result

    def _start(self) -> multiprocessing.connection.Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", MODULE, "--fd", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._connection = multiprocessing.connection.Connection(ours.detach())
        return self._connection

    def _end(self) -> None:
        connection, process = self._connection, self._process
        self._connection = self._process = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()


class Attached(msgspec.Struct, frozen=True):
    """Stands for the bytes that come next."""

    number: int


def detach(value: Any, attached: list[bytes]) -> Any:
    """`value` without long bytes in it, or in what it directly consists of; they go into `attached`.

    To pickle ten megabytes is to copy them, which holds the interpreter for 30 ms; to send them does not.
    """
    if _is_long(value):
        attached.append(value)
        return Attached(len(attached) - 1)
    if isinstance(value, tuple):
        return tuple(detach(item, attached) for item in value)
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        long = {name: detach(item, attached) for name, item in fields.items() if _is_long(item)}
        return msgspec.structs.replace(value, **long) if long else value
    return value


def attach(value: Any, attached: list[bytes]) -> Any:
    """The reverse of `detach`."""
    if isinstance(value, Attached):
        return attached[value.number]
    if isinstance(value, tuple):
        return tuple(attach(item, attached) for item in value)
    if isinstance(value, msgspec.Struct):
        short = {name: item for name in value.__struct_fields__ if isinstance(item := getattr(value, name), Attached)}
        return msgspec.structs.replace(value, **{name: attached[item.number] for name, item in short.items()})
    return value


def _is_long(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) >= LONG_BYTES


def send(connection: multiprocessing.connection.Connection, value: Any) -> None:
    attached: list[bytes] = []
    connection.send((detach(value, attached), len(attached)))
    for item in attached:
        connection.send_bytes(item)


def receive(connection: multiprocessing.connection.Connection) -> Any:
    """:raises EOFError: the other end is closed"""
    value, count = connection.recv()
    return attach(value, [connection.recv_bytes() for _ in range(count)])


def call(task: Task) -> Any:
    function, arguments, named = task
    return function(*arguments, **named)


def serve(connection: multiprocessing.connection.Connection) -> None:
    """Do what comes until the other end is closed. A mistake of ours is told by its kind: its words may be content."""
    while True:
        try:
            task: Task = receive(connection)
        except (EOFError, OSError):
            return
        try:
            answer: tuple[Any, StewardError | None] = (call(task), None)
        except StewardError as error:
            answer = (None, error)
        except Exception as error:
            answer = (None, failed(type(error).__name__))
        send(connection, answer)


def overloaded() -> Refused:
    return Refused(
        "The gateway is busy with other large requests. Send the request again in 5 s, or send less in one request.",
        status=503,
        type="api_error",
        code="overloaded",
        headers=(("retry-after", "5"),),
    )


def took_too_long(seconds: float) -> Refused:
    return Refused(
        f"The request could not be read and checked within {seconds:.0f} s. Send less in one request.",
        status=400,
        type="invalid_request_error",
        code="too_complex",
    )


def failed(kind: str) -> Refused:
    return Refused(
        f"Internal error ({kind}): this is a bug in steward. The gateway's log has the details.",
        status=500,
        type="server_error",
    )
