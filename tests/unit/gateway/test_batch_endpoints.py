import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from steward.gateway.answer import Answer
from steward.gateway.app import not_found_error
from steward.gateway.batch_endpoints import build_batch_endpoints, find_absent

ANTHROPIC = [  # what its SDK asks beside /v1/messages: docs.anthropic.com, API reference
    "/v1/messages/batches", "/v1/messages/batches/msgbatch_1/results", "/v1/complete", "/v1/skills",
    "/v1/organizations/me",
]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/v1/realtime", "/realtime", "/v1/vector_stores/vs_1/files", "//v1//threads/", *ANTHROPIC]
)
def test_what_there_is_none_of_is_named_with_the_next_step(path: str) -> None:
    error = not_found_error(path, "POST", ())
    assert error.status == 501 and str(find_absent(path)) in error.message


@pytest.mark.parametrize("path", ["/v1/chat", "/", "/v1", "/v1/x/realtime", "/v1/messages/x", "/v1/batches/x/y"])
def test_other_paths_are_not_found(path: str) -> None:
    assert find_absent(path) is None and not_found_error(path, "POST", ()).status == 404


class Api:
    """What batches and files would be, with what was asked for."""

    def show_file(self, caller: Any, name: str) -> bytes:
        return f"file {name}".encode()

    def open_content(self, caller: Any, name: str) -> tuple[int, Iterator[bytes]]:
        return 5, iter([f"{name}:".encode(), b"xy"])

    def cancel(self, caller: Any, name: str) -> bytes:
        return f"cancel {name}".encode()

    def list_batches(self, caller: Any, query: Mapping[str, str]) -> bytes:
        return json.dumps(query).encode()


class Asked:
    """A request, and what became of it."""

    def __init__(self, rest: str, query: bytes = b"") -> None:
        self.rest, self.scope, self.caller = rest, {"query_string": query}, None
        self.headers: dict[str, str] = {}
        self.status, self.body, self.length = 0, b"", 0

    async def respond(self, answer: Answer) -> None:
        self.status, self.body = answer.status, answer.body

    async def respond_pieces(self, kind: bytes, length: int, pieces: AsyncIterator[bytes]) -> None:
        self.status, self.length = 200, length
        async for piece in pieces:
            self.body += piece


def send(method: str, path: str, rest: str, query: bytes = b"") -> Asked:
    api: Any = Api()
    endpoints = build_batch_endpoints(lambda: api, lambda: 100)
    (endpoint,) = [one for one in endpoints if (one.method, one.path) == (method, path)]
    asked: Any = Asked(rest, query)
    asyncio.run(endpoint.handler(asked))
    request: Asked = asked
    return request


def test_a_file_is_shown_and_its_content_sent_in_pieces() -> None:
    shown = send("GET", "/v1/files/{file...}", "f1")
    assert (shown.status, shown.body) == (200, b"file f1")
    sent = send("GET", "/v1/files/{file...}", "f1/content")
    assert (sent.status, sent.length, sent.body) == (200, 5, b"f1:xy")
    for rest in ("f1/other", "content"):
        assert send("GET", "/v1/files/{file...}", rest).body == f"file {rest}".encode()


def test_a_batch_is_cancelled_by_its_name_and_the_query_is_read() -> None:
    assert send("POST", "/v1/batches/{batch...}", "b1/cancel").body == b"cancel b1"
    assert send("GET", "/v1/batches", "", b"limit=2&limit=3&after=b%201").body == b'{"limit": "3", "after": "b 1"}'


def test_what_makes_a_batch_is_at_most_64_kib() -> None:
    api: Any = Api()
    endpoints = build_batch_endpoints(lambda: api, lambda: 100)
    assert {(one.method, one.path): one.max_body_bytes for one in endpoints if one.method == "POST"} == {
        ("POST", "/v1/files"): None, ("POST", "/v1/batches"): 65536, ("POST", "/v1/batches/{batch...}"): 0,
    }  # fmt: skip
