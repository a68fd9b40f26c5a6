"""Drift of embeddings, from an embeddings endpoint through the gateway and the ledger to `steward drift show`."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import Deployment, inside, until
from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.tables import request_features

pytest.importorskip("numpy", reason="the extra `monitoring` is not installed")
DAY_S = 86400.0
ANSWER = {
    "id": "c", "object": "chat.completion", "model": "talker",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}  # fmt: skip


class Engine(BaseHTTPRequestHandler):
    """Embeds a text as its counts of eight letters, and answers a chat once its text was embedded."""

    protocol_version = "HTTP/1.1"
    embedded: threading.Semaphore

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/embeddings"):
            row = {"index": 0, "object": "embedding", "embedding": [float(body["input"].count(c)) for c in "abcdefgh"]}
            self._answer({"object": "list", "data": [row], "usage": {"prompt_tokens": 5, "total_tokens": 5}})
            self.embedded.release()
        else:
            self.embedded.acquire(timeout=60)
            time.sleep(0.02)  # for the embedding to arrive before the answer does, which it nearly always will
            self._answer(ANSWER)

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": [{"id": "talker"}, {"id": "vectors"}]})

    def _answer(self, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve_engine() -> Iterator[str]:
    Engine.embedded = threading.Semaphore(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def talk(deployment: Deployment, letters: str, count: int) -> None:
    """`count` requests of the same length whose letters alone tell them apart."""
    for number in range(count):
        text = " ".join(letters[(number + place * number) % len(letters)] for place in range(60))
        body = json.dumps({"model": "talker", "messages": [{"role": "user", "content": text}]}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {deployment.key}"}
        request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


def date_back(home: Path, since: float, by_s: float) -> None:
    """What was noted since then happened earlier."""
    store = SqlStore(f"sqlite:///{home / 'steward.db'}")
    with store.database.write() as connection:
        at = request_features.c.at
        connection.execute(request_features.update().where(at >= since).values(at=at - by_s))
    store.close()


def count_noted(home: Path) -> int:
    store = SqlStore(f"sqlite:///{home / 'steward.db'}")
    try:
        return len(store.features.read(0.0, 4e9, tenant=None))
    finally:
        store.close()


def test_embeddings_that_move_for_two_days_are_drift(tmp_path: Path) -> None:
    with serve_engine() as url:
        (tmp_path / "steward.yaml").write_text(
            f"models:\n  - {{name: talker, backend: openai, url: '{url}'}}\n"
            f"  - {{name: vectors, backend: openai, url: '{url}'}}\n"
            "monitoring: {drift: {every_s: 0.000001, embeddings: vectors}}\n"
        )
        deployment = Deployment(tmp_path / "home", "--workers", "1")
        home = ("--home", str(deployment.home))
        try:
            talk(deployment, "abcd", 120)
            until(lambda: count_noted(deployment.home) >= 120)
            frozen = inside("drift", "baseline", "--since", "1h", *home)
            assert frozen.returncode == 0, frozen.stderr
            date_back(deployment.home, 0.0, 5 * DAY_S)
            began = time.time()
            talk(deployment, "efgh", 120)
            until(lambda: count_noted(deployment.home) >= 240)
            date_back(deployment.home, began - 60, 1.2 * DAY_S)
            began = time.time()
            talk(deployment, "efgh", 120)
            until(lambda: count_noted(deployment.home) >= 360)
            shown = inside("drift", "show", *home, "--json")
        finally:
            deployment.stop()
    assert shown.returncode == 1, shown.stdout + shown.stderr
    drift = json.loads(shown.stdout)
    assert "embedding" in drift["drifted"], drift
    assert not {"prompt_chars", "answer_chars", "refused", "finish_reason"} & set(drift["drifted"])
