"""Forks workers, keeper and console from a process that has loaded their modules: a start takes milliseconds and
shares its memory with the others.

`steward up` forks the server before it opens a store, a socket or a file of its own, so that nothing is shared that
must not be (SQLite's connections, locks, secrets). It has one thread and no event loop, and runs nothing but this
module. What it forks is handed to the supervisor at once, as its child: the server may die at any moment, and a new
one is started plainly. Where a fork is not possible, each process is started plainly, too (docs/decisions/0047).

Ours because multiprocessing's server keeps the ends of its children to itself and cannot outlive them.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.processes.child import Child, Process, python, start_process
from steward.processes.lifeline import (
    RETURN_MEMORY,
    adopt_orphans,
    disable_core_dumps,
    raise_descriptor_limit,
    report_errors,
    return_memory,
)

PRELOADED: Final = ("steward.processes.worker", "steward.processes.keeper")  # the console's pages are nobody else's
REPLY_S: Final = 10.0  # a fork takes milliseconds; a server that is stopped shall not hold up the supervisor
LOADED: Final = b"loaded"
_MESSAGE_BYTES: Final = 65_536  # of a request: a command's arguments
_MOST_FDS: Final = 8  # that come with it


class ForkRequest(msgspec.Struct, frozen=True):
    """What to run, and the numbers under which it expects the descriptors that come with the request."""

    module: str
    arguments: list[str]
    fds: list[int]


class ForkedProcess:
    """A child of this process that another has forked for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """:raises subprocess.TimeoutExpired: it runs longer than that"""
        limit = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if limit is not None and time.monotonic() >= limit:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(0.01)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The supervisor's end of a fork server, which it starts again when it dies."""

    def __init__(self) -> None:
        self._connection: socket.socket | None = None
        self._is_loaded = False
        self._child = Child("fork-server", python("fork_server"), (), launch=self._spawn)

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child.process is not None else None

    def fork(self) -> None:
        """Begin with a fork of this process, once it has loaded what the server would load."""
        _load()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it is not told how a process ended
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                ours.close()
                _close_all_but(theirs.fileno())
                serve(theirs)
            finally:
                os._exit(0)
        theirs.close()
        self._child.process = ForkedProcess(pid)
        self._use(ours, is_loaded=True)

    def launch(self, command: list[str], fds: tuple[int, ...]) -> Process:
        """Start a process of this package (`child.python`), forked where that is possible now.

        :raises OSError: no room for it
        """
        if self._check_loaded():
            try:
                if (pid := self._request(command, fds)) is not None:
                    return ForkedProcess(pid)
            except OSError:
                self._drop()
        return start_process(command, fds)

    def watch(self, now: float) -> None:
        """Start the server again when it is time."""
        self._child.watch(now)

    def close(self) -> None:
        """End the server. What it forked goes on."""
        self._drop()
        self._child.wait(0.0)

    def _spawn(self, command: list[str], _: tuple[int, ...]) -> Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = start_process([*command, "--fd", str(theirs.fileno())], (theirs.fileno(),))
        self._use(ours, is_loaded=False)
        return process

    def _use(self, connection: socket.socket, is_loaded: bool) -> None:
        self._drop()
        connection.settimeout(REPLY_S)
        self._connection, self._is_loaded = connection, is_loaded

    def _check_loaded(self) -> bool:
        if self._connection is not None and not self._is_loaded:
            try:
                self._is_loaded = self._connection.recv(_MESSAGE_BYTES, socket.MSG_DONTWAIT) == LOADED
            except BlockingIOError:
                return False
            except OSError:
                self._drop()
        return self._connection is not None and self._is_loaded

    def _request(self, command: list[str], fds: tuple[int, ...]) -> int | None:
        """-> the new process; None: the server has no room for it. :raises OSError: the server does not answer

        The process begins only when it is told to: if the answer does not arrive, nobody would know of it.
        """
        assert self._connection is not None
        go, tell = os.pipe()
        try:
            request = ForkRequest(command[2], command[3:], list(fds))
            socket.send_fds(self._connection, [msgspec.json.encode(request)], [*fds, go])
            answer = self._connection.recv(_MESSAGE_BYTES)
            if not answer:
                raise BrokenPipeError
            pid = int(answer)
            if pid:
                os.write(tell, b"g")
            return pid or None
        finally:
            os.close(go)
            os.close(tell)

    def _drop(self) -> None:
        """Use this server no more; it ends when its connection does, or is made to."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            if self._child.process is not None:
                self._child.signal(signal.SIGKILL)


@contextmanager
def start_fork_server() -> Iterator[ForkServer | None]:
    """None: no process may be forked here, or STEWARD_NO_FORK says not to (for debuggers and profilers)."""
    if "STEWARD_NO_FORK" in os.environ or not can_fork() or not adopt_orphans():
        yield None
        return
    server = ForkServer()
    server.fork()
    try:
        yield server
    finally:
        server.close()


def can_fork() -> bool:
    """Whether this process has one thread, counted by the system. macOS's libraries do not bear a fork."""
    threads = Path("/proc/self/task")
    return sys.platform == "linux" and threads.is_dir() and len(list(threads.iterdir())) == 1


def reap_orphans(known: set[int | None]) -> None:
    """Let go of processes that ended and that nobody but this process can wait for: their parents are gone."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in known:  # whoever started it asks for its end
            return
        os.waitpid(ended.si_pid, 0)


# -- the server itself -------------------------------------------------------------------------------


def _load() -> None:
    for module in PRELOADED:
        importlib.import_module(module)


def serve(connection: socket.socket) -> None:
    """Fork what is asked for until the supervisor is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.root.handlers.clear()  # of the command that was forked
    raise_descriptor_limit()
    disable_core_dumps()
    return_memory()
    os.environ.update({name: value for name, value in RETURN_MEMORY.items() if name not in os.environ})
    set_title("steward.processes.fork_server")
    gc.freeze()  # the collector of a child would write to the pages that all share
    connection.settimeout(None)
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, _MOST_FDS)
            if not message:
                return
            pid = _fork_twice(connection, msgspec.json.decode(message, type=ForkRequest), fds)
            for fd in fds:
                os.close(fd)
            connection.send(str(pid).encode())
        except ConnectionError:
            return


def _fork_twice(connection: socket.socket, request: ForkRequest, fds: list[int]) -> int:
    """-> the process, whose parent has ended, so that the supervisor adopts it; 0: there is no room for it"""
    read, write = os.pipe()
    try:
        middle = os.fork()
    except OSError:
        middle = None
    if middle == 0:
        code = 1
        try:
            child = os.fork()
            if child:
                os.write(write, str(child).encode())
            else:
                os.close(read)
                os.close(write)
                code = _run(connection, request, fds)
        except OSError:
            pass
        finally:
            os._exit(code)
    os.close(write)
    if middle:
        os.waitpid(middle, 0)
    answer = os.read(read, _MESSAGE_BYTES)
    os.close(read)
    return int(answer or 0)


def _run(connection: socket.socket, request: ForkRequest, fds: list[int]) -> int:
    """Be the process that was asked for. -> its exit code"""
    connection.close()
    *received, go = fds
    if not os.read(go, _MESSAGE_BYTES):
        return 0  # the supervisor knows nothing of it
    os.close(go)
    os.setsid()
    _place(received, request.fds)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    set_title(request.module)
    sys.argv = [request.module, *request.arguments]
    return _run_main(request.module)


def _run_main(module: str) -> int:
    """As an interpreter does that ends with it, but for what nobody sees: taking the modules apart."""
    code: Any = 0
    try:
        with report_errors(module.rpartition(".")[2]):
            program = sys.modules["__main__"] = importlib.import_module(module)
            program.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    shut_down: Any = vars(threading)["_shutdown"]  # no other waits for threads, as in multiprocessing's children
    shut_down()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code if isinstance(code, int) else 0 if code is None else 1


def _place(received: list[int], wanted: list[int]) -> None:
    """Give descriptors the numbers that the process knows them by."""
    moved = []
    for fd in received:
        while fd in wanted:  # the copies with these numbers are replaced below
            fd = os.dup(fd)
        moved.append(fd)
    for fd, number in zip(moved, wanted, strict=True):
        os.dup2(fd, number, inheritable=False)
    for fd in moved:
        os.close(fd)
    for fd in set(received) - set(moved) - set(wanted):
        os.close(fd)


def _close_all_but(kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            try:
                os.close(int(name))
            except OSError:  # the folder's own
                continue


def set_title(title: str) -> None:
    """Have `ps` and /proc/PID/cmdline show `title`, as far as it fits in the command that was typed.

    proc_pid_stat(5): fields 48 and 49 are where the arguments begin and end in this process's memory.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()  # begins with field 3
    begin, end = int(fields[48 - 3]), int(fields[49 - 3])
    if 0 < begin < end:
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, title.encode(), min(len(title.encode()), end - begin - 1))


def main() -> None:
    """`python -m steward.processes.fork_server --fd N`"""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    connection = socket.socket(fileno=parser.parse_args().fd)
    _load()
    try:
        connection.send(LOADED)
    except ConnectionError:
        return
    serve(connection)


if __name__ == "__main__":
    with report_errors("fork_server"):
        main()
