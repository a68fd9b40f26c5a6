"""The gateway's speed: one worker on core 0, mock upstream and load on core 1, medians of three rounds.

    make bench-gateway

Every round measures the mock directly and through the gateway, so that machine noise hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
HI = [{"role": "user", "content": "where is my order?"}]


def request(host: str, key: str, body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


async def answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(head.decode())
    length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
    await reader.readexactly(int(length))


async def throughput(url: str, key: str, connections: int, seconds: float) -> tuple[float, float]:
    """Requests a second and the median latency in milliseconds."""
    place = urlsplit(url)
    message = request(place.netloc, key, {"model": "mock", "messages": HI})
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while (start := time.perf_counter()) < end:
            writer.write(message)
            await answer(reader)
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return len(latencies) / seconds, statistics.median(latencies) * 1000


async def first_token(url: str, key: str, model: str, count: int, max_tokens: int = 16) -> tuple[float, float]:
    """Median time to the first event in milliseconds, and events a second after it, one stream at a time."""
    place = urlsplit(url)
    body = {"model": model, "messages": HI, "stream": True, "max_tokens": max_tokens, "temperature": 0}
    message = request(place.netloc, key, body)
    firsts, speeds = [], []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        start = time.perf_counter()
        writer.write(message)
        await reader.readuntil(b"data: ")
        first = time.perf_counter()
        firsts.append(first - start)
        rest = await reader.readuntil(b"[DONE]")
        speeds.append(rest.count(b"data: ") / max(1e-9, time.perf_counter() - first))
        writer.close()
    return statistics.median(firsts) * 1000, statistics.median(speeds)


class Up:
    """A deployment of one worker, pinned to core 0, ended by its id."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.home = folder / "home"
        command = [sys.executable, "-m", "steward", "up", "--home", str(self.home), "--workers", "1"]
        command += ["--port", "0", "--console-port", "0", *arguments]
        log = (folder / "log").open("w")
        pin = {"preexec_fn": lambda: os.sched_setaffinity(0, {0})}
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **pin)  # type: ignore[call-overload]
        limit = time.monotonic() + 30
        while "Stop: Ctrl-C" not in (folder / "log").read_text():
            if time.monotonic() > limit or self.process.poll() is not None:
                raise SystemExit((folder / "log").read_text())
            time.sleep(0.02)
        self.url = json.loads((self.home / "run" / "state.json").read_text())["gateway_url"]
        command = [sys.executable, "-m", "steward", "keys", "create", "--name", "bench", "--rpm", "10000000"]
        made = subprocess.run([*command, "--home", str(self.home), "--json"], capture_output=True, check=True)
        self.key = json.loads(made.stdout)["key"]
        time.sleep(0.6)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.sched_setaffinity(0, {1})
    results: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        results.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory() as folder:
        mock = subprocess.Popen(
            [sys.executable, str(HERE / "mock_upstream.py"), "--chunks", "10", "--gap-ms", "2"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert mock.stdout
        direct = f"http://127.0.0.1:{mock.stdout.readline().strip()}"
        (Path(folder) / "mock").mkdir()
        up = Up(Path(folder) / "mock", "--model", direct)
        for _ in range(3):
            note("mock alone, req/s", asyncio.run(throughput(direct, "", 32, given.seconds))[0])
            rate, p50 = asyncio.run(throughput(up.url, up.key, 32, given.seconds))
            note("gateway, req/s, 32 connections", rate)
            note("gateway, p50 ms, 32 connections", p50)
            alone = asyncio.run(first_token(direct, "", "mock", 200))[0]
            through = asyncio.run(first_token(up.url, up.key, "mock", 200))[0]
            note("stream, added time to first token, p50 ms", through - alone)
        up.stop()
        mock.terminate()
        mock.wait()
        (Path(folder) / "starter").mkdir()
        os.sched_setaffinity(0, {0, 1})
        up = Up(Path(folder) / "starter")
        for _ in range(3):
            first, speed = asyncio.run(first_token(up.url, up.key, "starter", 50, 64))
            note("starter, first token p50 ms", first)
            note("starter, tokens/s, one stream", speed)
        up.stop()
    medians = {name: round(statistics.median(values), 2) for name, values in results.items()}
    if given.json:
        print(json.dumps(medians, indent=2))
    else:
        for name, value in medians.items():
            print(f"{name:<45} {value:>10,.2f}")


if __name__ == "__main__":
    main()
