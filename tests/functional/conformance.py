"""What the conformance suites share: a deployment over the faulty upstream, and raw requests to it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

from conftest import ROOT, Deployment

OPENAI = [
    *("good", "split", "crlf", "slow-first", "tools", "thinks", "two", "odd", "flood", "steady"),
    *("error-first", "error-midstream", "malformed", "stalled", "cut", "truncated", "done-without-finish"),
    *("wrong-key", "redirect", "odd-status", "odd-retry", "bad-utf8", "no-usage", "lingers"),
    *("limited", "html", "proxy-error", "whole-for-stream"),
]
CLAUDE = ["claude", "claude-error", "claude-cut", "claude-busy"]
TEXT = "Grüße aus Łódź 🦜."
HI: Any = [{"role": "user", "content": "hi"}]


class Conformance:
    """A gateway process and the upstream behind it."""

    def __init__(self, deployment: Deployment, upstream: str) -> None:
        self.deployment, self.upstream = deployment, upstream
        self.url, self.key = deployment.url, deployment.key

    def last(self) -> dict[str, Any]:
        """The last request that reached the upstream."""
        return fetched(f"{self.upstream}/last")

    def closed(self) -> int:
        """Streams that the upstream saw being left early."""
        count: int = fetched(f"{self.upstream}/closed")[0]
        return count

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Message, bytes]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, raw, given), timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def conformance(folder: Path) -> Iterator[Conformance]:
    """The fixture's body: both processes, each ended by its id."""
    command = [sys.executable, str(ROOT / "tests" / "faulty_upstream.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    upstream = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    (folder / "claude-key").write_text("sk-claude")
    lines = ["gateway: {first_byte_timeout_s: 2, whole_timeout_s: 2, idle_timeout_s: 2}", "models:"]
    lines += [f"  - {{name: {name}, backend: openai, url: '{upstream}'}}" for name in OPENAI]
    lines += [
        f"  - {{name: {name}, backend: anthropic, url: '{upstream}', key: 'file:{folder}/claude-key'}}"
        for name in CLAUDE
    ]
    native = f"backend: openai, url: '{upstream}', upstream_model: good"
    lines += [f"  - {{name: native, {native}, speaks: [responses, messages]}}"]
    lines += [f"  - {{name: renamed, {native}}}"]
    lines += ["routes:", "  - {name: all-down, targets: [{model: proxy-error}], fallback: [html]}"]
    (folder / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    try:
        yield Conformance(deployment, upstream)
    finally:
        deployment.stop()
        process.terminate()
        process.wait(60)
        process.stdout.close()
