"""Exchanges that a rule chooses reach the spool, whole and streamed, in every dialect; the answer stays as it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from steward.core.captures import CapturedContent, CapturedExchange, CapturedText, CaptureForm
from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.capture import CapturePlan, CaptureRule
from steward.gateway.exchange import Exchange
from steward.gateway.middleware import capture
from steward.gateway.middleware.capture import find_obstacle

KEY = Principal(kind="key", id="k", tenant="t", project="p")
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
MASKED = CaptureRule(purpose="support", keep_s=60.0)
AS_SENT = msgspec.structs.replace(MASKED, form="as_sent")
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHAT_ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}
MESSAGE = {"type": "message", "content": [{"type": "text", "text": "hello"}]}
RESPONSE = {"output": [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}]}


class KeptInMemory:
    def __init__(self) -> None:
        self.kept: list[tuple[CapturedExchange, CapturedContent]] = []
        self.skipped: list[tuple[str, str]] = []

    def keep(self, record: CapturedExchange, content: CapturedContent) -> None:
        self.kept.append((record, content))

    def count_skipped(self, reason: str, purpose: str) -> None:
        self.skipped.append((reason, purpose))


class Streamed:
    """An answer's stream of given events, as a client would read it."""

    budget = None
    broke = False

    def __init__(self, events: list[bytes], ended: bool = True) -> None:
        self.filter: Any = None
        self.ended = ended
        self._events = events

    def read(self) -> bytes:
        passed = [self.filter.feed(event) if self.filter else event for event in self._events]
        return b"".join([*passed, self.filter.end() if self.filter else b""])


def make_exchange(endpoint: str = CHAT, body: Any = BODY, **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    exchange = Exchange("req_1", endpoint, named, json.dumps(body).encode(), 1000.0, 0.0, Caller(principal=KEY))
    exchange.route, exchange.subject, exchange.conversation = "m", "s", "c"
    return exchange


def serve(
    exchange: Exchange,
    answer: Answer,
    *rules: CaptureRule,
    form: CaptureForm = "masked",
    masked: bool = True,
    most: int = 4096,
) -> KeptInMemory:
    spool = KeptInMemory()

    async def inner(one: Exchange) -> Answer:
        one.model = "model"
        return answer

    plan = CapturePlan(rules=rules, max_exchange_bytes=most)
    assert asyncio.run(capture(form, plan, spool, lambda _: masked)(inner)(exchange)) is answer  # type: ignore[arg-type]
    return spool


def whole(answer: Any) -> Answer:
    return Answer(200, json.dumps(answer).encode())


def test_a_whole_answer_is_kept_with_what_was_asked() -> None:
    exchange = make_exchange(x_steward_training="no")
    spool = serve(exchange, whole(CHAT_ANSWER), MASKED)
    [(record, content)] = spool.kept
    assert json.loads(content.request) == BODY
    assert content.answer == (CapturedText(0, "content", "hello"),)
    assert record == CapturedExchange(
        request_id="req_1", at=1000.0, key_id="k", tenant="t", project="p", endpoint=CHAT, route="m", model="model",
        streamed=False, subject="s", conversation="c", purpose="support", consent=False, form="masked",
        rules_version=CapturePlan(rules=(MASKED,)).version, expires_at=1060.0, complete=True, sealed=b"",
    )  # fmt: skip


@pytest.mark.parametrize(("endpoint", "answer"), [(CHAT, CHAT_ANSWER), (MESSAGES, MESSAGE), (RESPONSES, RESPONSE)])
def test_every_dialect_is_kept(endpoint: str, answer: Any) -> None:
    spool = serve(make_exchange(endpoint), whole(answer), MASKED)
    assert [text.text for text in spool.kept[0][1].answer] == ["hello"]


def event(data: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


CHUNKS = [event({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in ("hel", "lo")]
MESSAGE_EVENTS = [
    event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}, "x")
    for piece in ("hel", "lo")
]
RESPONSE_EVENTS = [
    event({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": piece}, "x")
    for piece in ("hel", "lo")
]


@pytest.mark.parametrize(
    ("endpoint", "events"),
    [(CHAT, [*CHUNKS, b"data: [DONE]\n\n"]), (MESSAGES, MESSAGE_EVENTS), (RESPONSES, RESPONSE_EVENTS)],
)
def test_a_stream_is_kept_when_it_has_ended_and_passes_unchanged(endpoint: str, events: list[bytes]) -> None:
    exchange, stream = make_exchange(endpoint), Streamed(events)
    spool = serve(exchange, Answer(200, stream=stream), MASKED)  # type: ignore[arg-type]
    assert stream.read() == b"".join(events) and spool.kept == []
    exchange.end()
    [(record, content)] = spool.kept
    assert record.complete and [text.text for text in content.answer] == ["hello"]


@pytest.mark.parametrize(
    ("ended", "failed", "truncated"), [(False, False, False), (True, True, False), (True, False, True)]
)
def test_a_stream_that_broke_off_is_kept_as_such(ended: bool, failed: bool, truncated: bool) -> None:
    exchange, stream = make_exchange(), Streamed(CHUNKS[:1], ended)
    spool = serve(exchange, Answer(200, stream=stream), MASKED)  # type: ignore[arg-type]
    stream.read()
    exchange.failed, exchange.truncated = failed, truncated
    exchange.end()
    [(record, content)] = spool.kept
    assert not record.complete and content.answer == (CapturedText(0, "content", "hel"),)


def test_nothing_is_wrapped_where_no_rule_has_this_form() -> None:
    async def inner(_: Exchange) -> Answer:
        return Answer(200)

    for rules, form in (((), "masked"), ((AS_SENT,), "masked"), ((MASKED,), "as_sent")):
        plan = CapturePlan(rules=rules)
        assert capture(form, plan, KeptInMemory(), lambda _: True)(inner) is inner  # type: ignore[arg-type]


def test_each_place_keeps_what_its_form_is_chosen_for() -> None:
    rules = (AS_SENT, MASKED)  # the first keeps all
    assert len(serve(make_exchange(), whole(CHAT_ANSWER), *rules, form="as_sent").kept) == 1
    assert serve(make_exchange(), whole(CHAT_ANSWER), *rules, form="masked").kept == []


@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_is_not_kept(status: int) -> None:
    spool = serve(make_exchange(), Answer(status, b"{}"), MASKED)
    assert spool.kept == spool.skipped == []


def test_a_refusal_passes() -> None:
    async def inner(_: Exchange) -> Answer:
        raise Refused("no", status=429, type="x", code="y")

    spool = KeptInMemory()
    with pytest.raises(Refused):
        asyncio.run(capture("masked", CapturePlan(rules=(MASKED,)), spool, lambda _: True)(inner)(make_exchange()))  # type: ignore[arg-type]
    assert spool.kept == spool.skipped == []


def test_what_is_too_long_is_counted_before_and_after_its_answer() -> None:
    size = len(json.dumps(BODY).encode())
    assert serve(make_exchange(), whole(CHAT_ANSWER), MASKED, most=size - 1).skipped == [("too_long", "support")]
    assert serve(make_exchange(), whole(CHAT_ANSWER), MASKED, most=size + 4).skipped == [("too_long", "support")]
    assert len(serve(make_exchange(), whole(CHAT_ANSWER), MASKED, most=size + 5).kept) == 1


@pytest.mark.parametrize(
    ("masked", "guards", "reason"),
    [
        (False, [], "unmasked"),
        (True, ["privacy=allow(failed)"], "unmasked"),
        (True, ["privacy=rewrite", "unread=image_url"], "unread"),
    ],
)
def test_what_the_guards_did_not_mask_is_not_kept_as_masked(masked: bool, guards: list[str], reason: str) -> None:
    exchange = make_exchange()
    exchange.guards = guards
    spool = serve(exchange, whole(CHAT_ANSWER), MASKED, masked=masked)
    assert spool.kept == [] and spool.skipped == [(reason, "support")]
    exchange = make_exchange()
    exchange.guards = guards
    assert len(serve(exchange, whole(CHAT_ANSWER), AS_SENT, form="as_sent", masked=masked).kept) == 1


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"choices":[{"message":{"content":"a"}}', b"\xff"])
def test_an_answer_that_cannot_be_read_is_counted_and_goes_out(body: bytes) -> None:
    spool = serve(make_exchange(), Answer(200, body), MASKED)
    assert spool.kept == [] and spool.skipped == [("unreadable", "support")]


def test_an_event_that_cannot_be_read_is_counted_and_goes_out() -> None:
    exchange, stream = make_exchange(), Streamed([CHUNKS[0], b"data: {]}\n\n", CHUNKS[1]])
    spool = serve(exchange, Answer(200, stream=stream), MASKED)  # type: ignore[arg-type]
    assert stream.read() == CHUNKS[0] + b"data: {]}\n\n" + CHUNKS[1]
    exchange.end()
    assert spool.kept == [] and spool.skipped == [("unreadable", "support")]


def test_vectors_are_not_kept() -> None:
    spool = serve(make_exchange("/v1/embeddings", {"model": "m", "input": "hi"}), whole({"data": [{"x": "y"}]}), MASKED)
    assert spool.kept[0][1].answer == ()


def test_a_consent_that_cannot_be_read_is_refused_before_the_model_is_asked() -> None:
    with pytest.raises(Refused, match="must be yes or no"):
        serve(make_exchange(x_steward_training="ja"), whole(CHAT_ANSWER), MASKED)


def test_a_request_may_be_just_as_long_as_is_kept() -> None:
    exchange = make_exchange()
    size = len(exchange.body)
    reasons = [
        find_obstacle(exchange, MASKED, CapturePlan(rules=(MASKED,), max_exchange_bytes=most), lambda _: True)
        for most in (size - 1, size, size + 1)
    ]
    assert reasons == ["too_long", None, None]
