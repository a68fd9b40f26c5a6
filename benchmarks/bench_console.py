"""The console over 90 days at 10 requests a second: server time of each page; first paint, size, HTML and accessibility
in Chromium; 20 viewers.

    python benchmarks/bench_console.py            two to three minutes on a quiet machine; `--days 7` for a quick look
    python benchmarks/bench_console.py --keys 0   without the part with ten thousand keys
    python benchmarks/console_viewers.py          what viewers cost a real deployment and the gateway's clients

The store holds what 90 days at 10 requests a second leave behind: series of minutes (8 days), hours and days by three
models, three routes and ten keys, and the newest requests as rows. Each page is asked for cold: with a query of its own
each time, so that no answer is shared. Viewers follow `/live` while the newest request changes twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from console_browser import measure_in_browser, run_lighthouse  # noqa: E402

import chromium  # noqa: E402
from console_client import snapshot  # noqa: E402
from console_home import NOW, HomeConsole  # noqa: E402
from every_page import fill_every_page, list_page_paths  # noqa: E402
from served_home import SETTINGS, serve_home  # noqa: E402
from steward.adapters.stores.database import insert_rows  # noqa: E402
from steward.adapters.stores.tables import rollups, series  # noqa: E402
from steward.console.app import build  # noqa: E402
from steward.console.sessions import Sessions  # noqa: E402
from steward.core.extend import RequestSender  # noqa: E402
from steward.core.histogram import encode_buckets, observe  # noqa: E402
from steward.core.identity import ALL_RIGHTS, Principal  # noqa: E402
from steward.core.keys import KeyRecord  # noqa: E402
from steward.core.records import Admitted, Settled  # noqa: E402
from steward.core.series import DAY_S, HISTOGRAMS, HOUR_S, MINUTE_S, MOST_GROUPS, SUMS  # noqa: E402

PER_S: Final = 10.0
GROUPS: Final = [(f"model-{m}", f"route-{r}", f"key-{k}") for m in range(3) for r in range(3) for k in range(10)]
PLACES: Final = [("", "", ""), ("", "", "default"), ("project", "p", "default")] + [
    (dimension, value, "default")
    for dimension, values in (("model_version", ("2026-09", "2026-11")), ("prompt_version", ("greet@1-a", "greet@2-b")))
    for value in values
]
USED: Final = 30  # of the 90 groups, as keys have their models and routes
PAGES: Final = (
    "/?range=24h", "/?range=90d&compare=before", "/traffic?range=1h", "/traffic?range=6h", "/traffic?range=24h",
    "/traffic?range=7d&compare=week", "/traffic?range=90d", "/requests?range=90d", "/requests?range=90d&key=key-1",
    "/satisfaction?range=90d", "/drift?span=7d", "/search?q=model",
)  # fmt: skip
KEY_PAGES: Final = (
    "/traffic?range=24h&model=model-1&route=route-1", "/usage?by=key&since=90d", "/usage?by=team&since=90d",
    "/access?words=999", "/search?q=person-77",
)  # fmt: skip
SLOS: Final = """
slos:
  - {name: answers, kind: availability, objective: 0.99}
  - {name: fast, kind: total, objective: 0.9, threshold_ms: 8000}
"""
BEARER: Final = "Bearer stw_live_owner"
OWNER: Final = Principal(kind="person", id="anna", rights=ALL_RIGHTS, auth_method="session")


def make_templates(resolution_s: int, random: Random, used: int = USED) -> list[dict[str, Any]]:
    """What rows of one resolution hold: a few dozen different ones, of which each row is one."""
    count = max(1, int(PER_S * resolution_s / used))
    counts = {"requests": count, "judged": count, "failed": count // 300, "input_tokens": 300 * count}
    templates = []
    for _ in range(40):
        histograms = {}
        for name in HISTOGRAMS:
            buckets: dict[int, int] = {}
            for _ in range(min(count, 2000)):
                observe(buckets, random.lognormvariate(0, 0.6))
            histograms[name] = encode_buckets(buckets)
        templates.append(dict.fromkeys(SUMS, 0.0) | counts | {"usd": 0.001 * count} | histograms)
    return templates


def make_rollups(
    resolution_s: int, start: int, pairs: Sequence[tuple[str, str]], templates: Sequence[dict[str, Any]], random: Random
) -> Iterator[dict[str, Any]]:
    """What is kept beside the rows of keys: all tenants, the tenant, its project, and two versions."""
    for dimension, value, tenant in PLACES:
        for model, route in pairs:
            place = {"resolution_s": resolution_s, "dimension": dimension, "value": value, "tenant": tenant}
            yield {**random.choice(templates), **place, "start": start, "model": model, "route": route}


def make_row(resolution_s: int, start: int, group: tuple[str, str, str], template: dict[str, Any]) -> dict[str, Any]:
    model, route, key = group
    place = {"resolution_s": resolution_s, "start": start, "tenant": "default"}
    return {**template, **place, "model": model, "route": route, "key_id": key}


def fill_keys(store: Any, count: int, now: float) -> list[str]:
    """So many keys, of which the series keep a thousand a day."""
    ids = [f"key{number:08x}" for number in range(count)]
    records = [
        KeyRecord(id=one, digest=f"{number:064x}", name=f"person-{number}", created_at=now - 1e6 + number, team="shop")
        for number, one in enumerate(ids)
    ]
    for place in range(0, count, 500):
        store.keys.add(records[place : place + 500])
    return ids


def fill(store: Any, now: float, days: int, keys: int = 0) -> int:
    random, rows = Random(1), 0
    groups = random.sample(GROUPS, USED)
    kept = [(DAY_S, days * DAY_S), (HOUR_S, days * DAY_S), (MINUTE_S, min(days, 8) * DAY_S)]
    if keys:  # a thousand keys in each hour: as much as a disk holds in a few minutes
        names = random.sample(fill_keys(store, keys, now), min(keys, MOST_GROUPS))
        groups = [(f"model-{n % 3}", f"route-{n % 3}", name) for n, name in enumerate(names)]
        kept = [(DAY_S, days * DAY_S), (HOUR_S, 14 * DAY_S), (MINUTE_S, 6 * HOUR_S)]
    for resolution_s, kept_s in kept:
        first = int(now - kept_s) // resolution_s * resolution_s
        templates = make_templates(resolution_s, random, len(groups))
        pairs = sorted({group[:2] for group in groups})
        larger = make_templates(resolution_s, random, len(pairs))
        batch: list[dict[str, Any]] = []
        rolled: list[dict[str, Any]] = []
        for start in range(first, int(now), resolution_s):
            batch += [make_row(resolution_s, start, group, random.choice(templates)) for group in groups]
            rolled += make_rollups(resolution_s, start, pairs, larger, random)
            if len(batch) >= 20_000:
                rows += insert(store, series, batch) + insert(store, rollups, rolled)
        rows += insert(store, series, batch) + insert(store, rollups, rolled)
        print(f"series of {resolution_s} s are there", flush=True)
    records: list[Any] = []
    for number in range(30_000):  # the newest 50 minutes, and a thin line of all the time before
        at = now - number / PER_S if number < 20_000 else now - days * DAY_S * (number - 20_000) / 10_000
        name, (model, route, key) = f"req_{int(at * 1000):011x}{number:013x}", groups[number % len(groups)]
        records.append(Admitted(request_id=name, at=at, key_id=key, project="p", endpoint="/v1/chat/completions",
                                route=route, streamed=True))  # fmt: skip
        records.append(Settled(request_id=name, at=at + 1, outcome="ok", status=200, model=model, usd=0.001,
                               input_tokens=300, output_tokens=100, ttft_s=0.2, duration_s=1.0))  # fmt: skip
    for place in range(0, len(records), 4000):
        store.ledger.drain("bench", f"s{place}", 1, records[place : place + 4000])
    return rows


def insert(store: Any, table: sa.Table, batch: list[dict[str, Any]]) -> int:
    if batch:
        with store.database.write() as connection:
            insert_rows(connection, table, batch)
    count = len(batch)
    batch.clear()
    return count


async def ask(app: Starlette, path: str) -> tuple[int, float, int, str]:
    """Status, seconds, bytes and text."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    place, _, query = path.partition("?")
    scope = {"type": "http", "method": "GET", "path": place, "raw_path": place.encode(), "root_path": "",
             "query_string": query.encode(), "scheme": "http", "http_version": "1.1", "client": ("10.0.0.9", 1),
             "server": ("x", 80), "headers": [(b"host", b"x"), (b"authorization", BEARER.encode())]}  # fmt: skip
    began = time.perf_counter()
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], time.perf_counter() - began, len(body), body.decode()


async def measure_pages(app: Starlette, paths: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    results = []
    for path in paths:
        times, size, worked, cold_ms = [], 0, time.process_time(), 0.0
        for number in range(rounds):
            status, seconds, size, _ = await ask(app, f"{path}{'&' if '?' in path else '?'}n={number}")
            assert status == 200, (path, status)
            times.append(seconds)
            if not number:
                cold_ms, worked = 1000 * (time.process_time() - worked), time.process_time()
        times.sort()
        p50_ms, p95_ms = (1000 * times[round(share * (len(times) - 1))] for share in (0.5, 0.95))
        kilobytes = size / 1000
        cpu_ms = 1000 * (time.process_time() - worked) / max(1, rounds - 1)
        row: dict[str, Any] = {
            "p50_ms": p50_ms,
            "p95_ms": p95_ms,
            "cpu_ms": cpu_ms,
            "cold_cpu_ms": cold_ms,
            "kb": kilobytes,
        }
        results.append({"page": path, **row})
        words = f"p50 {p50_ms:6.0f} ms  p95 {p95_ms:6.0f} ms  processor {cpu_ms:6.0f} ms, cold {cold_ms:6.0f} ms"
        print(f"{path:44} {words}  {kilobytes:6.0f} kB", flush=True)
    slowest_ms, slowest = max((row["p95_ms"], row["page"]) for row in results)
    print(f"slowest p95: {slowest_ms:.0f} ms, {slowest}; load {os.getloadavg()[0]:.1f}", flush=True)
    return results


async def measure_viewers(app: Starlette, seconds: float, viewers: int = 20) -> float:
    """Share of one core while everyone asks for the overview again every 1.5 s, as the script does at most."""
    until = time.monotonic() + seconds

    async def view(number: int) -> None:
        await asyncio.sleep(number * 1.5 / viewers)
        while time.monotonic() < until:
            began = time.monotonic()
            await ask(app, "/?range=24h")
            await asyncio.sleep(max(0.0, 1.5 - (time.monotonic() - began)))

    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    await asyncio.gather(*(view(number) for number in range(viewers)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / (time.monotonic() - began)


@contextmanager
def serve_app(app: Starlette) -> Iterator[str]:
    """The address of the application on a server of this process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


async def find_owner(sender: RequestSender) -> Principal:
    return OWNER


@contextmanager
def open_home(days: int, keys: int) -> Iterator[tuple[HomeConsole, Starlette, list[str]]]:
    """A home that is filled, the console over it, and the addresses of all pages."""
    with tempfile.TemporaryDirectory() as place, serve_home(Path(place), SETTINGS + SLOS) as home:
        console = HomeConsole(home)
        began, rows = time.monotonic(), fill(console.store, NOW, days, keys)
        size = (home / "steward.db").stat().st_size
        what = f"{days} days at {PER_S:g} requests/s, {keys or len(GROUPS) // 9:,} keys"
        print(f"{what}: {rows:,} rows, {size / 1e6:,.0f} MB, in {time.monotonic() - began:.0f} s", flush=True)
        of_keys = KEY_PAGES if keys else ()
        paths = list(dict.fromkeys([*PAGES, *of_keys, *list_page_paths(console, fill_every_page(console))]))
        yield console, build(snapshot, Sessions("t"), str, find_owner, source=console.source), paths
        console.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--keys", type=int, default=10_000, help="of the second part; 0: without it")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--loads", type=int, default=3, help="of each page in Chromium")
    parser.add_argument("--seconds", type=float, default=20.0, help="that viewers look for")
    parser.add_argument("--lighthouse", action="store_true", help="also run Lighthouse (npm) on six pages")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    with open_home(arguments.days, 0) as (_, app, paths):
        results["pages"] = asyncio.run(measure_pages(app, paths, arguments.rounds))
        results["viewers_core_share"] = asyncio.run(measure_viewers(app, arguments.seconds))
        print(f"20 viewers: {100 * results['viewers_core_share']:.1f} % of a core", flush=True)
        program = chromium.found()
        if program is None:
            print("no Chromium: first paint, HTML and accessibility were not measured")
        else:
            with serve_app(app) as url:
                results["browser"] = measure_in_browser(url, BEARER, paths, arguments.loads)
                if arguments.lighthouse:
                    results["lighthouse"] = run_lighthouse(url, BEARER, paths[:6], program)
    if arguments.keys:
        with open_home(arguments.days, arguments.keys) as (_, app, paths):
            results["pages_with_keys"] = asyncio.run(measure_pages(app, paths, arguments.rounds))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
