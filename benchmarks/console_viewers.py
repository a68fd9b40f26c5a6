"""What 20 people who look at the console cost: the console's processor time, and what the gateway's clients notice.

    python benchmarks/console_viewers.py             two minutes; prints JSON at the end

A deployment with an upstream that answers at once. Rounds without and with viewers alternate, since a shared machine
changes its speed within a minute; each round sends the same requests, one after the other. A viewer holds `/live` open
and asks for the overview anew every 1.5 s, as often as its script does at most. What a client notices is the median
time of a request; what the worker spends on a request is its processor time, which no neighbour of the machine changes.
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
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

ROOT: Final = Path(__file__).parent.parent
VIEWERS: Final = 20
EVERY_S: Final = 1.5
SETTINGS: Final = """\
gateway: {{port: 0, workers: 1}}
console: {{port: 0}}
models: [{{name: m, backend: openai, url: "http://127.0.0.1:{port}/v1", upstream_model: right}}]
"""
TICKS: Final = os.sysconf("SC_CLK_TCK")


def read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def view(session: aiohttp.ClientSession, url: str, number: int) -> None:
    """One open page, until it is cancelled."""

    async def follow() -> None:
        async with session.get(f"{url}/live", timeout=aiohttp.ClientTimeout(total=None)) as answer:
            async for _ in answer.content:
                pass

    following = asyncio.create_task(follow())
    try:
        await asyncio.sleep(number * EVERY_S / VIEWERS)
        while True:
            began = time.monotonic()
            async with session.get(f"{url}/?range=24h", headers={"x-live": "1"}) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
    finally:
        following.cancel()


async def send(session: aiohttp.ClientSession, state: dict[str, Any], count: int) -> list[float]:
    body = {"model": "m", "messages": [{"role": "user", "content": "q 1"}], "max_tokens": 8}
    headers, times = {"Authorization": f"Bearer {state['key']}"}, []
    for _ in range(count):
        began = time.perf_counter()
        async with session.post(f"{state['gateway_url']}/v1/chat/completions", json=body, headers=headers) as answer:
            await answer.read()
            assert answer.status == 200, answer.status
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return times


async def measure_round(
    state: dict[str, Any], token: str, pids: dict[str, int], viewers: int, count: int
) -> dict[str, float]:
    async with (
        aiohttp.ClientSession() as client,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as looking,
    ):
        tasks = [asyncio.create_task(view(looking, state["console_url"], number)) for number in range(viewers)]
        await send(client, state, 20)
        before, began = {name: read_cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
        times = await send(client, state, count)
        spent, took = {name: read_cpu_s(pid) - before[name] for name, pid in pids.items()}, time.monotonic() - began
        failed = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not failed, failed[0].exception()
    return {
        "p50_ms": 1000 * statistics.median(times),
        "worker_cpu_ms": 1000 * spent["worker-0"] / count,
        "console_share": spent["console"] / took,
    }


def measure(rounds: int, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        upstream = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "answering_upstream.py")], stdout=subprocess.PIPE, text=True
        )
        assert upstream.stdout is not None
        (Path(place) / "steward.yaml").write_text(SETTINGS.format(port=int(upstream.stdout.readline())))
        steward = subprocess.Popen(
            [sys.executable, "-m", "steward", "up", "--json"], cwd=place, stdout=subprocess.PIPE, text=True
        )
        try:
            assert steward.stdout is not None
            text = ""
            while not text.endswith("}\n"):
                line = steward.stdout.readline()
                if not line:
                    raise SystemExit("the deployment did not start; what it said stands above")
                text += line
            state = json.loads(text)
            running = json.loads((Path(state["home"]) / "run" / "state.json").read_text())
            token = Path(state["token_file"]).read_text().strip()
            pids = {one["name"]: one["pid"] for one in running["processes"]}
            kinds: dict[int, list[dict[str, float]]] = {0: [], VIEWERS: []}
            for _ in range(rounds):
                for viewers, results in kinds.items():
                    results.append(asyncio.run(measure_round(state, token, pids, viewers, count)))
                    print(f"{viewers:2} viewers: {results[-1]}", flush=True)
        finally:
            for process in (steward, upstream):
                process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                steward.wait(30)
    medians = {
        name: {
            key: statistics.median(result[key] for result in results)
            for key in ("p50_ms", "worker_cpu_ms", "console_share")
        }
        for name, results in (("without", kinds[0]), ("with", kinds[VIEWERS]))
    }
    return {"viewers": VIEWERS, "rounds": rounds, "requests": count, **medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=600, help="of a round")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.rounds, arguments.requests)))


if __name__ == "__main__":
    main()
