"""Kills workers and keeper at random moments under load and then balances the books.

    make soak                                                    # 100 SIGKILLs and 100 SIGTERMs, about 10 minutes
    python tests/soak.py --seeds 7 --kills 4 --terms 4           # the same, shorter, as tests/functional/test_soak.py

Two workers over mock upstreams; clients ask on five endpoints, streamed and not, hang up, meet timeouts, broken streams
and a target that falls back. Every request carries a name of its own, so that four witnesses can be compared: what the
clients got, what the upstreams saw, what lay in the ledger's files (linked aside before the keeper removes them) and
what the store says in the end. The seed decides on requests and signals; what it cannot decide is the machine's timing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from conftest import Deployment, mock
from steward.core.records import Admitted, Settled
from steward.gateway.ledger import decode_frames, parse_writer
from steward.gateway.middleware.identify import pseudonym
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys

CLIENTS = 12
PRICE = (2.0, 6.0)  # USD per million tokens in and out, of every model
SETTINGS = """
gateway: {{first_byte_timeout_s: 0.6, whole_timeout_s: 0.6, idle_timeout_s: 1.0, drain_s: 1}}
limits: {{default: {{tokens_per_minute: 1000000000, concurrent: 10000}}}}
models:
{models}
routes:
  - {{name: safe, targets: [{{model: mock-error}}], fallback: [mock], retries: 1}}
"""
STREAMS = ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses")
ENDPOINTS = (*STREAMS, "/v1/embeddings")
ENDINGS = {"/v1/messages": b"event: message_stop", "/v1/responses": b"event: response.completed"}
ERROR = re.compile(rb'"error":\s*\{')
WORDS = re.compile(rb"w\d+ ")


@dataclass
class Asked:
    """One request as its client knows it."""

    name: str
    endpoint: str
    model: str
    streamed: bool
    hangs_up: bool
    request_id: str | None = None
    status: int | None = None
    whole: bool = False  # a good answer arrived, to its last byte
    broke: bool = False  # the connection broke before the answer was over
    tokens: int = 0  # output tokens counted in the answer


@dataclass
class Sent:
    """One signal."""

    at: float
    pid: int
    what: str
    number: signal.Signals


@dataclass
class Soak:
    """What goes on, and what was seen."""

    folder: Path
    draw: random.Random
    url: str = ""
    key: str = ""
    over: bool = False
    asked: list[Asked] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # of steward's processes about themselves


# -- the load ---------------------------------------------------------------------------------------


def choose(soak: Soak) -> Asked:
    """Mostly good answers; the rest divided among all that can go wrong."""
    draw = soak.draw
    streamed = draw.random() < 0.6
    models = ["mock"] * 6 + ["safe"] * 2
    models += ["mock-truncated", "mock-midstream-error", "long", "silent"] if streamed else ["mock-error"]
    endpoint = draw.choice(STREAMS if streamed else ENDPOINTS)
    name = f"soak-{len(soak.asked)}"
    return Asked(name, endpoint, draw.choice(models), streamed, hangs_up=draw.random() < 0.1)


def body_of(asked: Asked) -> dict[str, Any]:
    said = [{"role": "user", "content": "hello"}]
    texts: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": said},
        "/v1/completions": {"prompt": "hello"},
        "/v1/embeddings": {"input": "hello"},
        "/v1/messages": {"messages": said, "max_tokens": 50},
        "/v1/responses": {"input": "hello"},
    }
    stream = {"stream": True} if asked.streamed else {}
    return {"model": asked.model, **texts[asked.endpoint], **stream}


async def client(soak: Soak, session: aiohttp.ClientSession) -> None:
    while not soak.over:
        asked = choose(soak)
        soak.asked.append(asked)
        try:
            await ask(soak, session, asked)
        except (aiohttp.ClientError, OSError, TimeoutError):
            asked.broke = True
            await asyncio.sleep(0.1)


async def ask(soak: Soak, session: aiohttp.ClientSession, asked: Asked) -> None:
    headers = {
        "authorization": f"Bearer {soak.key}",
        "x-client-request-id": asked.name,
        "x-steward-conversation": asked.name,
    }
    seen = b""
    async with session.post(soak.url + asked.endpoint, json=body_of(asked), headers=headers) as answer:
        asked.request_id, asked.status = answer.headers.get("x-request-id"), answer.status
        async for piece in answer.content.iter_any():
            seen += piece
            if asked.hangs_up:
                answer.close()
                return
    if not asked.streamed:
        asked.whole = answer.status == 200
        asked.tokens = 2 if asked.whole else 0  # what the mock says of its whole answers
    else:
        ending = ENDINGS.get(asked.endpoint, b"data: [DONE]")
        asked.whole = answer.status == 200 and ending in seen and not ERROR.search(seen)
        asked.tokens = len(set(WORDS.findall(seen)))


# -- the signals ------------------------------------------------------------------------------------


def targets(deployment: Deployment, kind: str) -> list[tuple[str, int]]:
    """Workers that serve, or the keeper."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        for item in deployment.state()["processes"]:
            name, pid = item["name"], item["pid"]
            serves = name == "keeper" or (deployment.home / "run" / f"worker-{pid}.json").exists()
            if pid and name.startswith(kind) and serves:
                found.append((name, pid))
    return found


async def strike(soak: Soak, deployment: Deployment, signals: list[signal.Signals]) -> None:
    """Send each signal to a process that is there and has not had one."""
    for number in signals:
        await asyncio.sleep(soak.draw.uniform(0.05, 1.0))
        kind = "worker" if soak.draw.random() < 0.7 else "keeper"
        pick = soak.draw.random()
        while not _struck(soak, targets(deployment, kind), pick, number):
            await asyncio.sleep(0.02)


def _struck(soak: Soak, there: list[tuple[str, int]], pick: float, number: signal.Signals) -> bool:
    """Whether one of `there` got the signal."""
    had = {item.pid for item in soak.sent}
    fresh = [item for item in there if item[1] not in had]
    if not fresh:
        return False
    name, pid = fresh[int(pick * len(fresh))]
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    soak.sent.append(Sent(time.time(), pid, name, number))
    return True


async def keep_segments(soak: Soak) -> None:
    """Link the ledger's files aside: the link sees all that is written later, and outlives the keeper's unlinking."""
    aside = soak.folder / "aside"
    aside.mkdir()
    while True:
        for path in (soak.folder / "home" / "ledger").glob("*.seg"):
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                os.link(path, aside / path.name)
        await asyncio.sleep(0.02)


async def run(soak: Soak, kills: int, terms: int, rounds: int) -> None:
    """`rounds` deployments on one home, one after the other; all but the last end by SIGKILL or SIGTERM, by lot."""
    signals = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    soak.draw.shuffle(signals)
    aside = asyncio.create_task(keep_segments(soak))
    limit = aiohttp.ClientTimeout(total=20)
    connector = aiohttp.TCPConnector(limit=0, force_close=False)
    async with aiohttp.ClientSession(timeout=limit, connector=connector) as session:
        clients: list[asyncio.Task[None]] = []
        for number in range(rounds):
            up = ("--workers", "2", "--config", str(soak.folder / "steward.yaml"))
            deployment = await asyncio.to_thread(Deployment, soak.folder / "home", *up)
            soak.url, soak.key = deployment.url, (soak.folder / "home" / "first-key").read_text()
            clients = clients or [asyncio.create_task(client(soak, session)) for _ in range(CLIENTS)]
            try:
                await strike(soak, deployment, signals[number::rounds])
                if number < rounds - 1 and soak.draw.random() < 0.5:
                    soak.sent.append(Sent(time.time(), deployment.process.pid, "supervisor", signal.SIGKILL))
                    deployment.process.kill()
                    await asyncio.to_thread(deployment.process.wait)
                elif number == rounds - 1:
                    await asyncio.sleep(1)
                    soak.over = True
                    await asyncio.gather(*clients)
            finally:
                await asyncio.to_thread(deployment.stop)
                log = deployment.log.read_text().splitlines()
                bad = [at for at, line in enumerate(log) if "Traceback" in line or " CRITICAL " in line]
                soak.complaints += ["\n".join(log[max(at - 3, 0) : at + 20]) for at in bad]
    aside.cancel()


# -- the books --------------------------------------------------------------------------------------


class Books:
    """The four witnesses of one run."""

    def __init__(self, soak: Soak) -> None:
        home = soak.folder / "home"
        with contextlib.closing(sqlite3.connect(home / "steward.db")) as store:
            store.row_factory = sqlite3.Row
            self.rows = {row["request_id"]: row for row in store.execute("select * from exchanges")}
            self.outstanding = store.execute("select count(*) from outstanding").fetchone()[0]
        self.left = [path.name for path in (home / "ledger").iterdir()]
        self.admitted: dict[str, Admitted] = {}
        self.settled: dict[str, list[Settled]] = {}
        self.writer_pid: dict[str, int] = {}
        for path in sorted((soak.folder / "aside").iterdir()):
            for record in decode_frames(path.read_bytes())[0]:
                if isinstance(record, Admitted):
                    self.admitted[record.request_id] = record
                    self.writer_pid[record.request_id] = int(parse_writer(path)[1:].partition("-")[0])
                elif isinstance(record, Settled):
                    self.settled.setdefault(record.request_id, []).append(record)
        key = WorkerKeys(find_deployment(home)).subject_key("default")
        self.named = {pseudonym(key, "default", item.name): item for item in soak.asked}
        self.upstream = {line for path in soak.folder.glob("seen-*") for line in path.read_text().split()}
        self.soak = soak

    def problems(self) -> list[str]:
        """Everything that does not balance; empty is good."""
        return [*self.soak.complaints, *self._settlements(), *self._answers(), *self._lost()]

    def _settlements(self) -> Iterator[str]:
        if self.outstanding or self.left:
            yield f"{self.outstanding} outstanding, files left: {self.left}"
        for name in self.admitted.keys() - self.rows.keys():
            yield f"{name} was admitted and has no row"
        for name in self.rows.keys() - self.admitted.keys():
            yield f"{name} has a row and was never admitted"
        for name, records in self.settled.items():
            if len(records) > 1:
                yield f"{name} was settled {len(records)} times"
        for name, count in Counter(row["conversation"] for row in self.rows.values()).items():
            if count > 1:
                yield f"{self.named[name].name} has {count} rows"
        named = {self.named[row["conversation"]].name for row in self.rows.values()}
        for name in self.upstream - named:
            yield f"{name} reached an upstream and has no row"

    def _answers(self) -> Iterator[str]:
        for item in self.soak.asked:
            row = self.rows.get(item.request_id or "")
            if item.whole and (row is None or row["outcome"] != "ok" or self.named[row["conversation"]] is not item):
                yield f"{item} was answered whole, its row says {row and dict(row)}"
            elif item.whole and row is not None and row["output_tokens"] != item.tokens:
                yield f"{item} has {item.tokens} tokens, its row {row['output_tokens']}"
        for row in self.undelivered():
            item = self.named[row["conversation"]]
            if not item.hangs_up and not self._ended(row["request_id"], row["settled_at"]):
                yield f"row {row['request_id']} is ok, yet {item} was not answered whole by a process that lived on"

    def undelivered(self) -> list[sqlite3.Row]:
        """Rows that are ok and whose client did not get all: it hung up, or the process died with the last bytes."""
        ok = [row for row in self.rows.values() if row["outcome"] == "ok"]
        return [row for row in ok if not self.named[row["conversation"]].whole]

    def _ended(self, name: str, at: float) -> bool:
        """Whether the process that wrote this row's records was struck within 1.5 s after `at`."""
        pid = self.writer_pid[name]
        struck = [item for item in self.soak.sent if item.pid == pid or item.what == "supervisor"]
        return any(
            -0.1 < item.at - at < 1.5 or (item.what == "supervisor" and abs(item.at - at) < 4) for item in struck
        )

    def _lost(self) -> Iterator[str]:
        lost = {name for name, row in self.rows.items() if row["outcome"] == "lost"}
        open_ends = self.admitted.keys() - self.settled.keys()
        if lost != open_ends:
            yield f"lost rows that were settled: {lost - open_ends}; unsettled that are not lost: {open_ends - lost}"
        for name in lost & self.admitted.keys():
            row, record = self.rows[name], self.admitted[name]
            reserved = (record.reserved_input_tokens, record.reserved_output_tokens, record.reserved_usd, 1)
            if (row["input_tokens"], row["output_tokens"], row["usd"], row["estimated"]) != reserved:
                yield f"{name} is lost at {dict(row)}, its reservation is {record}"
            pids = {item.pid for item in self.soak.sent if item.number == signal.SIGKILL}
            supervisors = any(item.what == "supervisor" for item in self.soak.sent)
            if self.writer_pid[name] not in pids and not supervisors:
                yield f"{name} is lost, its process {self.writer_pid[name]} was not killed"

    def numbers(self) -> dict[str, Any]:
        rows = self.rows.values()
        return {
            "requests sent": len(self.soak.asked),
            "requests that reached an upstream": len(self.upstream),
            "admitted": len(self.admitted),
            "rows": len(self.rows),
            "outcomes": dict(Counter(row["outcome"] for row in rows).most_common()),
            "endpoints": dict(Counter(row["endpoint"] for row in rows).most_common()),
            "answered whole": sum(item.whole for item in self.soak.asked),
            "ok but not received whole (hung up, or struck at the last byte)": len(self.undelivered()),
            "connections that broke": sum(item.broke for item in self.soak.asked),
            "signals": dict(Counter(f"{item.number.name} {item.what}" for item in self.soak.sent)),
        }


def configured(folder: Path, upstreams: dict[str, str]) -> None:
    names = ("mock", "mock-error", "mock-truncated", "mock-midstream-error")
    models = [(name, name, upstreams["quick"]) for name in names]
    models += [(name, "mock", upstreams[name]) for name in ("long", "silent")]
    price = f"{{input: {PRICE[0]}, output: {PRICE[1]}}}"
    lines = [
        f"  - {{name: {name}, backend: openai, upstream_model: {up}, url: '{url}', price: {price}}}"
        for name, up, url in models
    ]
    (folder / "steward.yaml").write_text(SETTINGS.format(models="\n".join(lines)))


def soak(folder: Path, kills: int, terms: int, rounds: int, seed: int) -> Books:
    """One whole run. `folder` is empty."""
    timings = {
        "quick": ("--chunks", "8", "--gap-ms", "20"),
        "long": ("--chunks", "40", "--gap-ms", "75"),  # outlives the drain limit
        "silent": ("--chunks", "2", "--first-ms", "5000"),  # outlasts the first byte's timeout
    }
    running = {name: mock(*given, "--seen", str(folder / f"seen-{name}")) for name, given in timings.items()}
    try:
        configured(folder, {name: next(upstream) for name, upstream in running.items()})
        made = Soak(folder, random.Random(seed))
        asyncio.run(run(made, kills, terms, rounds))
    finally:
        for upstream in running.values():
            for _ in upstream:
                pass
    return Books(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="SIGKILLs of workers and keeper, for each seed")
    parser.add_argument("--terms", type=int, default=20, help="SIGTERMs, likewise")
    parser.add_argument("--rounds", type=int, default=3, help="deployments on one home, one after the other")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="a home of its own for each")
    given = parser.parse_args()
    balanced = True
    for seed in given.seeds:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            started = time.monotonic()
            books = soak(Path(folder), given.kills, given.terms, given.rounds, seed)
            problems = books.problems()
            seconds = round(time.monotonic() - started, 1)
            about = {"seed": seed, "seconds": seconds, **books.numbers(), "problems": problems[:20]}
            print(json.dumps(about, indent=2), flush=True)
            balanced = balanced and not problems
    sys.exit(0 if balanced else 1)


if __name__ == "__main__":
    main()
