"""Asks an ASGI application without a server, and a snapshot to show."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from steward.adapters.stores.sql import SqlStore
from steward.console.source import ConsoleSource
from steward.core.records import ExchangeRow, Health, SeriesPoint, Snapshot, Usage
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan


def snapshot(requests: int = 2, state: Any = "ok") -> Snapshot:
    point = SeriesPoint(
        at=0.0, requests=requests, errors=0, output_tokens=9, p50_s=0.1, p95_s=0.2, p99_s=0.3, ttft_p50_s=0.1
    )
    row = ExchangeRow(
        request_id="r", at=1.0, key_id="k", route="m", model="<b>m</b>", endpoint="/v1/completions", streamed=True,
        outcome="ok", status=200, input_tokens=1, output_tokens=2, ttft_s=0.01, duration_s=0.02,
    )  # fmt: skip
    usage = Usage(requests=requests, input_tokens=1, output_tokens=2, usd=0.0, errors=0)
    return Snapshot(
        at=60.0, started_at=0.0, gateway_url="http://g", version="1", processes=(Health(name="keeper", state=state),),
        models=(), series=(point,), bucket_s=60.0, usage=usage, last=(row,),
    )  # fmt: skip


def source(home: Path = Path("nowhere"), now: float | None = None, settings: Settings | None = None) -> ConsoleSource:
    """What pages read of a home that may not exist, by a clock that stands still at `now`."""
    return ConsoleSource(
        home=home,
        store=SqlStore(f"sqlite:///{home / 'steward.db'}"),
        plan=lambda: make_plan(settings or Settings(), home, "0"),
        snapshot=snapshot,
        clock=time.time if now is None else lambda: now,
    )


def ask(
    app: Starlette,
    method: str,
    path: str,
    body: bytes = b"",
    cookie: str = "",
    client: str = "10.0.0.9",
    scheme: str = "http",
    **more: str,
) -> tuple[int, dict[str, str], str]:
    sent: list[dict[str, Any]] = []

    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})  # whoever streams without an end sees the client leave

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    given = {"cookie": cookie, "host": "x", **more}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "",
        "scheme": scheme, "headers": pairs, "client": (client, 1),
        "server": ("x", 80), "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]).decode()
