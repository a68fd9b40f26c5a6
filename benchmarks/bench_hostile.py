"""What attackers cost others: memory of the worker by connection, and a stranger's `/healthz` meanwhile.

    python benchmarks/bench_hostile.py [--seconds 4] [--only NAME ...]

Starts `steward up` with one worker, a guard on and an upstream of its own that misbehaves when asked to; all on
loopback, each attack bounded in time. A stranger asks `/healthz` a hundred times a second on a connection of its own;
its 99th percentile is printed beside the one of the same run without an attack, since machines are shared.

Bounds: a stranger's p99 of at most 50 ms, and 10 MB for each connection. "peak" is the most that the worker
grew during the attack, for each of its connections; "kept" what was still there ten seconds after it. A client with a
key may send bodies of up to `gateway.max_body_bytes`, which are held while they are worked on: there "kept" counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

CHAT = "/v1/chat/completions"
CONFIG = """
privacy: {{profile: gdpr}}
console: {{port: 0}}
gateway: {{port: 0, workers: 1}}
models:
  - {{name: m, backend: openai, url: "http://127.0.0.1:{port}"}}
"""


class Target(NamedTuple):
    gateway: int
    console: int
    key: str


class Attack(NamedTuple):
    name: str
    connections: int
    has_key: bool
    send: Callable[[Target, float], Awaitable[None]]  # one connection, until the given time


def head(target: Target, path: str, *lines: str, key: bool = True) -> bytes:
    proof = [f"authorization: Bearer {target.key}"] if key else []
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: x", *proof, *lines, "", ""]).encode()


async def feed(port: int, first: bytes, piece: bytes, until: float, pause_s: float = 0.0) -> None:
    """`first`, then `piece` again and again, as long as the server takes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        while time.monotonic() < until and not reader.at_eof():
            if piece:
                writer.write(piece)
                await asyncio.wait_for(writer.drain(), 1.0)
            await asyncio.sleep(pause_s)
    except (OSError, TimeoutError):
        return
    finally:
        writer.close()


async def ask(target: Target, path: str, body: bytes, until: float) -> None:
    """The same request again and again, each answer read."""
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.gateway)
        try:
            writer.write(head(target, path, f"content-length: {len(body)}", "connection: close") + body)
            await asyncio.wait_for(reader.read(), max(1.0, until - time.monotonic()))
        except (OSError, TimeoutError):
            return
        finally:
            writer.close()


def stranger(
    port: str, first: Callable[[Target], bytes], piece: bytes, pause_s: float = 0.0
) -> Callable[..., Awaitable[None]]:
    async def send(target: Target, until: float) -> None:
        await feed(getattr(target, port), first(target), piece, until, pause_s)

    return send


def client(path: str, body: bytes) -> Callable[..., Awaitable[None]]:
    async def send(target: Target, until: float) -> None:
        await ask(target, path, body, until)

    return send


def chat(content: str, **more: object) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **more}).encode()


def list_attacks() -> list[Attack]:
    chunked = "transfer-encoding: chunked"
    keys = b'{"model":"m","messages":[{"role":"user","content":"x"}],"x":{' + b",".join(
        b'"%d":1' % n for n in range(900_000)
    )
    texts = json.dumps({"model": "m", "input": ["a b"] * 100_000}).encode()
    small = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}] * 250_000}).encode()

    def no_key(path: str, *lines: str) -> Callable[[Target], bytes]:
        return lambda target: head(target, path, *lines, key=False)

    return [
        Attack("nothing", 0, False, client(CHAT, b"")),
        Attack(
            "endless trailers",
            20,
            False,
            stranger("gateway", lambda t: head(t, CHAT, chunked, key=False) + b"0\r\n", b"x: y\r\n" * 10_000),
        ),
        Attack(
            "one endless trailer",
            20,
            False,
            stranger("gateway", lambda t: head(t, CHAT, chunked, key=False) + b"0\r\nx: ", b"y" * 60_000),
        ),
        Attack(
            "chunk extensions",
            20,
            False,
            stranger("gateway", no_key(CHAT, chunked), b"1;" + b"y" * 9_000 + b"\r\na\r\n"),
        ),
        Attack(
            "headers without end", 20, False, stranger("gateway", lambda t: b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 10_000)
        ),
        Attack(
            "pipelined requests",
            20,
            False,
            stranger("gateway", lambda t: b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 5_000),
        ),
        Attack("malformed requests", 20, False, stranger("gateway", lambda t: b"", b"GARBAGE\r\n\r\n")),
        Attack(
            "feedback of 32 MB, no key",
            20,
            False,
            stranger("gateway", no_key("/v1/feedback", "content-length: 33000000"), b"a" * 65_536),
        ),
        Attack(
            "chunks without end, no key",
            20,
            False,
            stranger("gateway", no_key(CHAT, chunked), b"10000\r\n" + b"a" * 65_536 + b"\r\n"),
        ),
        Attack(
            "slow bodies, no key", 200, False, stranger("gateway", no_key(CHAT, "content-length: 33000000"), b"a", 0.2)
        ),
        Attack("slow heads", 200, False, stranger("gateway", lambda t: b"GET / HTTP/1.1\r\n", b"a: b\r\n", 0.2)),
        Attack(
            "console login of 100 MB",
            20,
            False,
            stranger("console", no_key("/login", "content-length: 100000000"), b"a" * 65_536),
        ),
        Attack(
            "feedback of 32 MB",
            4,
            True,
            stranger("gateway", lambda t: head(t, "/v1/feedback", "content-length: 33000000"), b"a" * 65_536),
        ),
        Attack("chat of 10 MB", 2, True, client(CHAT, chat("hello world. " * 770_000))),
        Attack("250,000 messages", 2, True, client(CHAT, small)),
        Attack("900,000 names", 2, True, client(CHAT, keys + b"}}")),
        Attack("5,000,000 numbers", 2, True, client(CHAT, b'{"model":"m","messages":[' + b"1," * 5_000_000 + b"1]}")),
        Attack("2 MB of digits", 2, True, client(CHAT, chat("1" * 2_000_000))),
        Attack("2 MB of +1", 2, True, client(CHAT, chat("+1" * 1_000_000))),
        Attack("60 kB of +1", 4, True, client(CHAT, chat("+1" * 30_000))),
        Attack("embeddings of 100,000 texts", 2, True, client("/v1/embeddings", texts)),
        Attack("deep JSON", 2, True, client(CHAT, b'{"model":"m","messages":' + b"[" * 500_000)),
        Attack("upstream: an event without end", 4, True, client(CHAT, chat("endless event", stream=True))),
        Attack("upstream: an answer without end", 4, True, client(CHAT, chat("endless answer"))),
        Attack("upstream: headers without end", 4, True, client(CHAT, chat("endless headers"))),
        Attack("upstream: an event of values", 4, True, client(CHAT, chat("many values", stream=True))),
    ]


# -- the upstream ----------------------------------------------------------------------------------

ANSWER = b'{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
OK = b"HTTP/1.1 200 OK\r\n"
SSE = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = {
    b"endless event": (SSE + b"10005\r\ndata:", b"a" * 65_536 + b"\r\n10000\r\n"),
    b"endless answer": (OK + b"content-type: application/json\r\n\r\n", b"a" * 65_536),
    b"endless headers": (OK, b"x: y\r\n" * 10_000),
    b"many values": (SSE, b"c3508\r\ndata: [" + b"{}," * 266_668 + b"0" + b"]\n\n\r\n"),
}


async def serve_upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while lines := (await reader.readuntil(b"\r\n\r\n")).lower():
            length = next((int(line[15:]) for line in lines.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
            first, piece = next((ENDLESS[name] for name in ENDLESS if name in body[-200:]), (b"", b""))
            if not first:
                writer.write(
                    OK + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
                )
            else:
                writer.write(first)
                while not writer.is_closing():
                    writer.write(piece)
                    await writer.drain()
    except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def start_upstream() -> int:
    """In a thread of its own. -> its port"""
    ready: list[int] = []
    came = threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(serve_upstream, "127.0.0.1", 0, limit=64 * 1024 * 1024)
        ready.append(server.sockets[0].getsockname()[1])
        came.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    came.wait(10)
    return ready[0]


# -- the stranger, and the worker's memory ---------------------------------------------------------


class Stranger:
    """Asks `/healthz` every 10 ms from a process of its own: it waits for the gateway, not for the attackers."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, __file__, "--stranger", str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has asked once

    def stop(self) -> float:
        """-> the 99th percentile, in ms"""
        return float(self._process.communicate()[0])


async def ask_health(port: int) -> list[float]:
    """Seconds that each answer took, until the standard input ends."""
    waits_s: list[float] = []
    over = threading.Thread(target=sys.stdin.read, daemon=True)
    over.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while over.is_alive():
        began = time.perf_counter()
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        lines = await reader.readuntil(b"}")
        assert lines.startswith(b"HTTP/1.1 200"), lines
        waits_s.append(time.perf_counter() - began)
        if len(waits_s) == 1:
            print("asking", flush=True)
        await asyncio.sleep(0.01)
    writer.close()
    return waits_s


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


class Result(NamedTuple):
    p99_ms: float
    peak_mb: float
    kept_mb: float


def launch(attack: Attack, target: Target, pid: int, seconds: float) -> Result:
    before = resident_mb(pid)
    watcher, peak = Stranger(target.gateway), before

    async def go() -> None:
        nonlocal peak
        until = time.monotonic() + seconds
        tasks = [asyncio.create_task(attack.send(target, until)) for _ in range(attack.connections)]
        while time.monotonic() < until:
            await asyncio.sleep(0.05)
            peak = max(peak, resident_mb(pid))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(go())
    p99_ms = watcher.stop()
    per, limit = max(1, attack.connections), time.monotonic() + 10.0
    while (kept := (resident_mb(pid) - before) / per) > 1.0 and time.monotonic() < limit:
        time.sleep(0.5)  # what was being worked on when its client left is finished first
    return Result(p99_ms, (peak - before) / per, kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--stranger", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stranger is not None:
        print(statistics.quantiles(asyncio.run(ask_health(given.stranger)), n=100)[98] * 1e3)
        return
    with tempfile.TemporaryDirectory() as folder:
        config, home = Path(folder) / "steward.yaml", Path(folder) / "home"
        config.write_text(CONFIG.format(port=start_upstream()))
        command = [sys.executable, "-m", "steward", "up", "--home", str(home), "--config", str(config)]
        log = (Path(folder) / "log").open("w")
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            state_file = home / "run" / "state.json"
            while not (home / "first-key").exists() or "Ready:" not in (Path(folder) / "log").read_text():
                if process.poll() is not None:
                    raise SystemExit((Path(folder) / "log").read_text())
                time.sleep(0.1)
            state = json.loads(state_file.read_text())
            pid = next(item["pid"] for item in state["processes"] if item["name"] == "worker-0")
            ports = [int(state[name].rpartition(":")[2]) for name in ("gateway_url", "console_url")]
            target = Target(ports[0], ports[1], (home / "first-key").read_text().strip())
            load = os.getloadavg()[0]
            print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
            print(f"{'attack':34} {'n':>4} {'p99 ms':>8} {'peak MB':>8} {'kept MB':>8}")
            for attack in list_attacks():
                if not given.only or attack.name in given.only or not attack.connections:
                    r = launch(attack, target, pid, given.seconds)
                    fits = r.p99_ms <= 50.0 and (r.kept_mb if attack.has_key else r.peak_mb) <= 10.0
                    print(
                        f"{attack.name:34} {attack.connections:4} {r.p99_ms:8.1f} {r.peak_mb:8.2f} {r.kept_mb:8.2f}"
                        f"{'' if fits else '  beyond the bounds'}",
                        flush=True,
                    )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    main()
