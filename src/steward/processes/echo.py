"""The echo server as a process: `python -m steward.processes.echo '{"first_ms": 50, …}' [PORT [CORES]]`.

It prints its port, listens on the loopback only, and ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import sys
import threading
from typing import Any

import msgspec

from steward.loadtest.echo import EchoConnection, EchoServer, EchoTiming
from steward.loadtest.sockets import HAS_EPOLL, SocketPoller, TransportReceiver


async def serve(timing: EchoTiming, port: int) -> None:
    loop = asyncio.get_running_loop()
    echo = EchoServer(timing, loop)
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    if HAS_EPOLL:
        poller = SocketPoller(loop)
        listener.setblocking(False)
        loop.add_reader(listener.fileno(), _accept, listener, poller, echo)
    else:
        await loop.create_server(lambda: TransportReceiver(EchoConnection(echo)), sock=listener)
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection would look like a slow client
    os.write(1, b"%d\n" % listener.getsockname()[1])
    threading.Thread(target=_end_with_input, daemon=True).start()
    await asyncio.Event().wait()


def _accept(listener: socket.socket, poller: SocketPoller, echo: EchoServer) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except BlockingIOError:
            return
        poller.add(EchoConnection(echo), accepted)


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


def main() -> None:
    timing = msgspec.json.decode(sys.argv[1] if len(sys.argv) > 1 else "{}", type=EchoTiming)
    if len(sys.argv) > 3:
        os.sched_setaffinity(0, {int(core) for core in sys.argv[3].split(",")})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    runner: Any = asyncio
    if sys.platform != "win32":
        import uvloop

        runner = uvloop
    runner.run(serve(timing, int(sys.argv[2]) if len(sys.argv) > 2 else 0))


if __name__ == "__main__":
    main()
