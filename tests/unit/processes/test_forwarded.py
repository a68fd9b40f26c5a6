from __future__ import annotations

import asyncio
from typing import Any

import pytest

from steward.processes.forwarded import ForwardedScheme


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([], "http"),
        ([(b"x-forwarded-proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b" https ")], "https"),
        ([(b"x-forwarded-proto", b"http")], "http"),
        ([(b"x-forwarded-proto", b"gopher")], "http"),
        ([(b"x-forwarded-for", b"9.9.9.9"), (b"x-forwarded-host", b"evil.example")], "http"),
    ],
)
def test_a_proxy_changes_the_scheme_and_nothing_else(headers: list[tuple[bytes, bytes]], scheme: str) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    given = {"type": "http", "scheme": "http", "client": ("127.0.0.1", 5), "headers": headers, "path": "/"}
    asyncio.run(ForwardedScheme(app)(dict(given), None, None))  # type: ignore[arg-type]
    assert seen == [{**given, "scheme": scheme}]


def test_what_is_no_request_passes() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    asyncio.run(ForwardedScheme(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]
