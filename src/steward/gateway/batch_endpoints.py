"""The endpoints for batches and their files; and what to do in the place of those that the gateway does not have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qsl

from steward.core.endpoint import Endpoint, Method
from steward.core.identity import Caller
from steward.gateway.answer import Answer
from steward.gateway.form import FORM
from steward.gateway.http import HttpRequest

JSONL: Final = b"application/jsonl"
MAX_REQUEST_BYTES: Final = 64 * 1024  # of what makes a batch


class BatchApi(Protocol):
    """What the endpoints are answered with; every method may wait for the disk. :raises Refused: 400, 404, 409, 413"""

    def upload(self, caller: Caller, body: bytes, content_type: str) -> bytes: ...

    def list_files(self, caller: Caller, query: Mapping[str, str]) -> bytes: ...

    def show_file(self, caller: Caller, name: str) -> bytes: ...

    def open_content(self, caller: Caller, name: str) -> tuple[int, Iterator[bytes]]:
        """Length and content."""
        ...

    def delete_file(self, caller: Caller, name: str) -> bytes: ...

    def create(self, caller: Caller, body: bytes) -> bytes: ...

    def list_batches(self, caller: Caller, query: Mapping[str, str]) -> bytes: ...

    def show(self, caller: Caller, name: str) -> bytes: ...

    def cancel(self, caller: Caller, name: str) -> bytes: ...


def build_batch_endpoints(
    batches: Callable[[], BatchApi], max_body_bytes: Callable[[], int]
) -> tuple[Endpoint[Callable[[HttpRequest], Awaitable[None]]], ...]:
    """Rows of the gateway's table. The requests of a batch are guarded and recorded when they are sent."""

    async def upload(request: HttpRequest) -> None:
        body = await request.read_body(max_body_bytes(), FORM)
        kind = request.headers.get("content-type", "")
        await reply(request, await asyncio.to_thread(batches().upload, request.caller, body, kind))

    async def list_files(request: HttpRequest) -> None:
        await reply(request, await asyncio.to_thread(batches().list_files, request.caller, read_query(request)))

    async def read_file(request: HttpRequest) -> None:
        name, slash, what = request.rest.partition("/")
        if slash and what == "content":
            length, pieces = await asyncio.to_thread(batches().open_content, request.caller, name)
            await request.respond_pieces(JSONL, length, read_ahead(pieces))
        else:
            await reply(request, await asyncio.to_thread(batches().show_file, request.caller, request.rest))

    async def delete_file(request: HttpRequest) -> None:
        await reply(request, await asyncio.to_thread(batches().delete_file, request.caller, request.rest))

    async def create(request: HttpRequest) -> None:
        body = await request.read_body(max_body_bytes())
        await reply(request, await asyncio.to_thread(batches().create, request.caller, body))

    async def list_batches(request: HttpRequest) -> None:
        await reply(request, await asyncio.to_thread(batches().list_batches, request.caller, read_query(request)))

    async def show(request: HttpRequest) -> None:
        await reply(request, await asyncio.to_thread(batches().show, request.caller, request.rest))

    async def cancel(request: HttpRequest) -> None:
        name = request.rest.removesuffix("/cancel")
        await reply(request, await asyncio.to_thread(batches().cancel, request.caller, name))

    return (
        declare_project_endpoint("POST", "/v1/files", upload, None),
        declare_project_endpoint("GET", "/v1/files", list_files),
        declare_project_endpoint("GET", "/v1/files/{file...}", read_file),
        declare_project_endpoint("DELETE", "/v1/files/{file...}", delete_file),
        declare_project_endpoint("POST", "/v1/batches", create, MAX_REQUEST_BYTES),
        declare_project_endpoint("GET", "/v1/batches", list_batches),
        declare_project_endpoint("GET", "/v1/batches/{batch...}", show),
        declare_project_endpoint("POST", "/v1/batches/{batch...}", cancel),
    )


def declare_project_endpoint(
    method: Method, path: str, handler: Callable[[HttpRequest], Awaitable[None]], max_body_bytes: int | None = 0
) -> Endpoint[Callable[[HttpRequest], Awaitable[None]]]:
    """An endpoint that sees what belongs to the key's project."""
    return Endpoint(
        method=method,
        path=path,
        permission="infer",
        tenancy="principal",
        guards="request-and-answer",
        audit="ledger",
        max_body_bytes=max_body_bytes,
        handler=handler,
    )


async def reply(request: HttpRequest, body: bytes) -> None:
    await request.respond(Answer(200, body))


def read_query(request: HttpRequest) -> dict[str, str]:
    """The query of the request's URL; of a name that stands twice the last."""
    return dict(parse_qsl(request.scope.get("query_string", b"").decode("latin-1")))


async def read_ahead(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces that are read from the disk in a thread."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


ABSENT: Final = {  # by the first segments after /v1: what to do instead
    "messages/batches": "Send each request to /v1/messages, or all in OpenAI's form to /v1/files and /v1/batches",
    "complete": "Use /v1/messages, or /v1/completions",
    "skills": "Put what the model is to know into the messages, and run the tools in your application",
    "organizations": "Keys, limits and usage are the operator's: `steward keys list`, `steward usage`",
    "realtime": "Send text to /v1/chat/completions, or sound to /v1/audio/transcriptions, and stream the answer",
    "assistants": "Use /v1/responses, and keep the conversation in your application",
    "threads": "Use /v1/responses, and keep the conversation in your application",
    "conversations": "Use /v1/responses, and keep the conversation in your application",
    "vector_stores": "Search in your application, and put what it finds into the messages",
    "uploads": "Send the file to /v1/files in one part, of at most gateway.max_body_bytes",
    "fine_tuning": "Train elsewhere, and serve the model as one of `models` in steward.yaml",
    "videos": "Ask the model's own server",
    "containers": "Run the tools in your application",
    "evals": "Use `steward eval run`",
}


def find_absent(path: str) -> str | None:
    """What to do in the place of an endpoint of OpenAI's or Anthropic's API that the gateway does not have; None for
    any other path.

    >>> find_absent("/v1/realtime/sessions")[:9], find_absent("/v1/messages/batches/b_1/results")[:9]
    ('Send text', 'Send each')
    """
    parts = [part for part in path.split("/") if part]
    rest = parts[1:] if parts[:1] == ["v1"] else parts
    return ABSENT.get("/".join(rest[:2])) or ABSENT.get("/".join(rest[:1]))
