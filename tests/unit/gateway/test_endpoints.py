"""The table of endpoints, and what becomes of a request of a model between its body and its answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.records import Attempt, Decision
from steward.gateway.answer import Answer
from steward.gateway.endpoints import build_endpoints, serve_exchange
from steward.gateway.exchange import Exchange
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter

CALLER = Caller(principal=Principal(kind="key", id="k"))


class Service:
    """Answers by `handler`, and has one problem or none."""

    max_body_bytes = 1_000
    discloses = True
    heartbeat_s = 30.0
    batches = None
    responses = None

    def __init__(self, handler: Any = None, problem: str | None = None) -> None:
        self.handler, self.problem = handler, problem

    async def infer(self, exchange: Exchange) -> Answer:
        answer: Answer = await self.handler(exchange)
        return answer

    pass_through = infer

    is_degraded = False

    async def find_problem(self) -> str | None:
        return self.problem

    def list_models(self, caller: Caller) -> bytes:
        return b'{"data":[]}'

    def show_model(self, caller: Caller, name: str) -> bytes:
        return json.dumps({"id": name}).encode()

    def accept_feedback(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        return json.dumps([body.decode(), subject]).encode()

    def accept_appeal(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        return json.dumps(["appeal", body.decode(), subject]).encode()

    async def count_tokens(self, caller: Caller, path: str, body: bytes) -> Answer:
        return Answer(200, path.encode())


class Wire:
    def __init__(self, path: str, body: bytes = b"{}", **headers: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.body = body
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.request = HttpRequest("req_1", {"path": path, "headers": raw}, self.receive, self.send)
        self.request.caller = CALLER

    async def receive(self) -> dict[str, Any]:
        if self.body == b"gone":
            await asyncio.sleep(3600)
        body, self.body = self.body, b"gone"
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        return self.sent[0]["status"], dict(self.sent[0]["headers"]), self.sent[1]["body"]


def table(service: Service) -> dict[str, Any]:
    return {endpoint.path: endpoint for endpoint in build_endpoints(cast(Any, service), RejectionCounter())}


def ask(path: str, service: Service, body: bytes = b"{}", rest: str = "", **headers: str) -> tuple[int, Any, bytes]:
    wire = Wire(path, body, **headers)
    wire.request.rest = rest
    endpoint = table(service)["/v1/models/{model...}" if rest else path]
    asyncio.run(endpoint.handler(wire.request))
    return wire.answer()


def test_every_endpoint_declares_who_may_call_it_and_who_looks_at_it() -> None:
    declared = {
        path: (one.method, one.permission, one.tenancy, one.guards, one.audit, one.max_body_bytes)
        for path, one in table(Service()).items()
    }
    infer = ("POST", "infer", "principal", "request-and-answer", "ledger", None)
    in_part = ("POST", "infer", "principal", "in-part", "ledger", None)
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages",
                 "/v1/moderations", "/v1/rerank", "/v2/rerank"):  # fmt: skip
        assert declared[path] == infer
    for path in ("/v1/audio/speech", "/v1/audio/transcriptions", "/v1/images/generations", "/v1/images/edits"):
        assert declared[path] == in_part
    assert declared["/v1/feedback"][:5] == ("POST", "feedback", "principal", "none", "ledger")
    assert declared["/v1/models"] == ("GET", "models.read", "principal", "none", "none", 0)
    assert declared["/v1/models/{model...}"] == declared["/v1/models"]
    assert declared["/healthz"] == declared["/readyz"] == ("GET", "public", "none", "none", "none", 0)
    assert declared["/v1/messages/count_tokens"][:5] == ("POST", "models.read", "principal", "none", "none")


def test_small_endpoints_answer() -> None:
    service = Service()
    assert ask("/healthz", service)[::2] == ask("/readyz", service)[::2] == (200, b'{"status":"ok"}')
    service.is_degraded = True
    assert ask("/readyz", service)[::2] == (200, b'{"status":"degraded"}')
    assert ask("/healthz", service)[::2] == (200, b'{"status":"ok"}')
    assert ask("/v1/models", service)[::2] == (200, b'{"data":[]}')
    assert ask("/v1/models/a/b", service, rest="a/b")[::2] == (200, b'{"id": "a/b"}')
    assert ask("/v1/feedback", service, b"{}", x_steward_subject="s")[::2] == (202, b'["{}", "s"]')
    assert ask("/v1/appeals", service, b"{}", x_steward_subject="s")[::2] == (202, b'["appeal", "{}", "s"]')
    assert ask("/v1/messages/count_tokens", service)[2] == b"/v1/messages/count_tokens"


def test_a_gateway_that_would_not_answer_is_not_ready() -> None:
    with pytest.raises(Refused) as caught:
        ask("/readyz", Service(problem="the disk is full"))
    assert (caught.value.status, caught.value.code) == (503, "not_ready")
    assert caught.value.message == "Not ready: the disk is full."
    assert dict(caught.value.headers) == {"retry-after": "2"}


def served(handler: Any, path: str = "/v1/chat/completions") -> tuple[Wire, Exchange, RejectionCounter]:
    wire, rejections, seen = Wire(path), RejectionCounter(), list[Exchange]()

    async def note(exchange: Exchange) -> Answer:
        seen.append(exchange)
        answer: Answer = await handler(exchange)
        return answer

    asyncio.run(serve_exchange(wire.request, cast(Any, Service(note)), rejections))
    return wire, seen[0], rejections


def test_an_answer_tells_the_maximum_and_the_limits() -> None:
    async def handler(exchange: Exchange) -> Answer:
        exchange.enforced_maximum = 9
        exchange.decision = Decision(allowed=True, limit_requests=5, remaining_requests=4)
        return Answer(200, b"x")

    wire, exchange, _ = served(handler)
    status, headers, body = wire.answer()
    assert (status, body) == (200, b"x") and headers[b"x-steward-max-output-tokens"] == b"9"
    assert headers[b"x-ratelimit-limit-requests"] == b"5"
    assert exchange.caller is CALLER and exchange.request_id == "req_1"

    async def plain(exchange: Exchange) -> Answer:
        return Answer(200, b"x")

    assert b"x-steward-max-output-tokens" not in served(plain)[0].answer()[1]


@pytest.mark.parametrize(
    ("path", "status", "discloses", "marked"),
    [
        ("/v1/chat/completions", 200, True, True),
        ("/v1/chat/completions", 299, True, True),
        ("/v1/chat/completions", 300, True, False),
        ("/v1/chat/completions", 200, False, False),
        ("/v1/embeddings", 200, True, False),
        ("/v1/moderations", 200, True, False),
        ("/v1/rerank", 200, True, False),
    ],
)
def test_what_a_model_made_says_so_where_it_is_content(path: str, status: int, discloses: bool, marked: bool) -> None:
    async def handler(exchange: Exchange) -> Answer:
        return Answer(status, b"x")

    wire, service = Wire(path), Service(handler)
    service.discloses = discloses
    asyncio.run(serve_exchange(wire.request, cast(Any, service), RejectionCounter()))
    assert wire.answer()[1].get(b"x-ai-generated") == (b"true" if marked else None)


@pytest.mark.parametrize(
    ("status", "attempts", "own", "told"),
    [
        (503, 2, (), b"false"),
        (500, 2, (), b"false"),
        (503, 1, (), None),
        (499, 2, (), None),
        (503, 2, (("x-should-retry", "true"),), b"true"),
    ],
)
def test_what_was_tried_on_several_models_need_not_be_repeated(
    status: int, attempts: int, own: tuple[tuple[str, str], ...], told: bytes | None
) -> None:
    async def handler(exchange: Exchange) -> Answer:
        exchange.attempts += [Attempt("m", status, None, 0.0, 0.1)] * attempts
        raise Refused("No.", status=status, type="t", headers=own)

    wire, _, _ = served(handler)
    assert wire.answer()[0] == status and wire.answer()[1].get(b"x-should-retry") == told


@pytest.mark.parametrize(("settled", "counted"), [(False, 1), (True, 0)])
def test_a_refusal_that_has_a_row_is_not_counted_again(settled: bool, counted: int) -> None:
    async def handler(exchange: Exchange) -> Answer:
        exchange.settled = cast(Any, "row") if settled else None
        exchange.route = "r"
        raise Refused("No.", status=429, type="t", code="c")

    _, _, rejections = served(handler)
    tally = rejections.take(0.0)
    assert (sum(count for _, count in tally.counts) if tally is not None else 0) == counted


def test_a_gateway_that_stops_says_so() -> None:
    async def handler(exchange: Exchange) -> Answer:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        raise AssertionError

    status, headers, body = served(handler)[0].answer()
    assert status == 503 and b'"stopping"' in body and headers[b"retry-after"] == b"1"


def test_a_client_that_leaves_ends_the_exchange() -> None:
    wire, ends = Wire("/v1/chat/completions"), list[bool]()

    asyncio.run(_start_then_leave(wire, ends))
    assert wire.sent == [] and ends == [True]


async def _start_then_leave(wire: Wire, ends: list[bool]) -> None:
    """A request whose client leaves while the model is asked."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{}", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def handler(exchange: Exchange) -> Answer:
        answer = Answer(200, stream=cast(Any, object()))
        exchange.when_ended(answer, lambda: ends.append(exchange.client_closed))
        await asyncio.sleep(3600)
        return answer

    wire.request.receive = receive
    await serve_exchange(wire.request, cast(Any, Service(handler)), RejectionCounter())
