"""S8: what takes long is done in another process, in which nobody waits; what cannot be read in time is refused."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from recording_offload import RecordingOffload
from steward.adapters.engines.http_answer import HttpAnswer
from steward.adapters.engines.http_connection import UpstreamConnection
from steward.adapters.executors.helper import HelperProcess
from steward.core.errors import InputError, Refused
from steward.core.extend import Offload
from steward.core.identity import Caller, Principal
from steward.core.records import Attempt
from steward.core.timeouts import Timeouts
from steward.gateway.exchange import Exchange
from steward.gateway.large import LARGE_BYTES, MANY_PARTS, MOST_PARTS, is_large
from steward.gateway.middleware import apply_prompt, call, choose_prompt, guard, identify
from steward.gateway.middleware.call import LONG_ANSWER_BYTES
from steward.gateway.middleware.offload import HERE
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import Outgoing
from steward.gateway.prompts import Prompt
from steward.gateway.relay import Relay
from steward.gateway.sse import (
    LONG_EVENT_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENT_PARTS,
    MOST_AT_ONCE,
    SHORT_BYTES,
    Scanner,
)
from steward.gateway.stream import Stream
from steward.gateway.wire_fields import Request
from steward.privacy.guard import make_guard
from steward.privacy.policy import PrivacyPolicy

POLICY = PrivacyPolicy(
    actions={"EMAIL_ADDRESS": "pseudonymise", "PHONE_NUMBER": "redact", "CREDIT_CARD": "redact"},
)
KEY = Caller(principal=Principal(kind="key", id="k"))
CHAT: dict[str, Any] = {
    "id": "a",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
}


def run(answering: Awaitable[Any]) -> Any:
    async def go() -> Any:
        return await answering

    return asyncio.run(go())


class Engine:
    """Keeps what it was asked, and answers with `answer`."""

    status = 200

    def __init__(self, answer: dict[str, Any]) -> None:
        self.headers: dict[str, str] = {"content-type": "application/json"}
        self.answer, self.asked = json.dumps(answer).encode(), b""

    async def call(self, endpoint: str, body: bytes, headers: Any = None, streamed: bool = False) -> Engine:
        self.asked = body
        return self

    async def read(self) -> bytes:
        return self.answer

    def close(self) -> None: ...


def send(
    endpoint: str, fields: dict[str, Any], offload: Offload, guarded: bool = False, answer: dict[str, Any] = CHAT
) -> tuple[bytes, bytes, Exchange]:
    """What the model was asked, the answer, and the exchange."""
    engine = Engine(answer)
    endpoints = frozenset({"/v1/chat/completions", "/v1/embeddings"})
    entry = ModelEntry("m", engine, "other", endpoints=endpoints)  # type: ignore[arg-type]
    body = json.dumps({"model": "m", **fields}).encode()
    exchange = Exchange("req_1", endpoint, {}, body, 0.0, time.perf_counter(), KEY)
    exchange.model = exchange.route = "m"

    async def go() -> bytes:
        handle = call({"m": entry}, offload=offload)
        prompts = {"m": Prompt(mode="prepend", system="be brief", examples=(), version="1")}
        handle = apply_prompt(offload)(handle)
        if guarded:
            handle = guard([make_guard(POLICY, b"k" * 32)], offload)(handle)
        handle = choose_prompt(prompts, offload)(handle) if endpoint != "/v1/embeddings" else handle
        return (await identify(lambda tenant: b"k" * 32, offload)(handle)(exchange)).body

    result = asyncio.run(go())
    return engine.asked, result, exchange


LONG = "Write to bob@example.com. " * (LARGE_BYTES // 20)
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": LONG}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}] * 10_000}),
    ("/v1/responses", {"input": LONG, "tools": [{"type": "function", "name": "f", "parameters": {}}]}),
    ("/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": LONG}]}),
    ("/v1/embeddings", {"input": ["a b"] * 100_000}),
]


@pytest.mark.parametrize(("endpoint", "fields"), REQUESTS)
@pytest.mark.parametrize("guarded", [False, True])
def test_nothing_of_a_large_request_is_read_on_the_loop(endpoint: str, fields: dict[str, Any], guarded: bool) -> None:
    recorder = RecordingOffload()
    exchange = send(endpoint, fields, recorder, guarded)[2]
    steps = ["read_large_request", "build_large_outgoing"]
    if guarded:
        steps.insert(1, "guard_large_request")
    if endpoint != "/v1/embeddings":
        steps.insert(1, "is_applicable")
        steps.insert(-1, "insert_prompt")
    assert recorder.done == steps
    assert exchange.request.model == "m" and exchange.request.messages is msgspec.UNSET  # no second copy of it is kept


@pytest.mark.parametrize(("endpoint", "fields"), REQUESTS)
def test_a_large_request_means_the_same_there_as_here(
    endpoint: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = send(endpoint, fields, HERE, guarded=True)
    for module in ("identify", "prompt", "call"):
        monkeypatch.setattr(sys.modules[f"steward.gateway.middleware.{module}"], "is_large", lambda body: False)
    monkeypatch.setattr(sys.modules["steward.gateway.middleware.guard"], "MANY_BYTES", 10**9)
    small = send(endpoint, fields, HERE, guarded=True)
    assert large[0] == small[0]
    changing = {"instructions": 0, "completed_at": 0}  # a long echo is left out; the time
    assert {**json.loads(large[1]), **changing} == {**json.loads(small[1]), **changing}
    for name in ("fields", "guards", "asked_usage", "streamed"):
        assert getattr(large[2], name) == getattr(small[2], name)
    assert large[2].estimate_input() == small[2].estimate_input()
    assert large[2].request.choices() == small[2].request.choices()


def test_as_many_prompts_are_counted_as_there_are() -> None:
    exchange = Exchange("r", "/v1/completions", {}, json.dumps({"model": "m", "prompt": ["a"] * 50_000}).encode(), 0, 0)

    async def inner(_: Exchange) -> Any:
        return None

    run(identify(lambda tenant: b"k", HERE)(inner)(exchange))
    assert is_large(exchange.body) and exchange.request.choices() == 50_000


def drop_versions(receipt: list[str]) -> list[str]:
    return [re.sub("@[^=]*", "", word) for word in receipt]


def test_a_large_answer_is_translated_and_guarded_elsewhere() -> None:
    long = {**CHAT, "choices": [{**CHAT["choices"][0], "message": {"content": "word " * LARGE_BYTES}}]}
    recorder = RecordingOffload()
    fields = {"max_tokens": 5, "messages": [{"role": "user", "content": "bob@example.com"}]}
    _, answer, exchange = send("/v1/messages", fields, recorder, guarded=True, answer=long)
    assert recorder.done == ["translate_answer", "guard_large_answer"]
    assert json.loads(answer)["content"][0]["text"] == "word " * LARGE_BYTES
    assert drop_versions(exchange.guards) == ["privacy=rewrite", "privacy:answer=allow"]


def test_a_value_is_restored_in_a_large_answer() -> None:
    fields = {"messages": [{"role": "user", "content": "bob@example.com"}]}
    asked = json.loads(send("/v1/chat/completions", fields, HERE, guarded=True)[0])
    token = asked["messages"][-1]["content"]
    long = {**CHAT, "choices": [{**CHAT["choices"][0], "message": {"content": token + " word" * LARGE_BYTES}}]}
    answer = send("/v1/chat/completions", fields, HERE, guarded=True, answer=long)[1]
    assert json.loads(answer)["choices"][0]["message"]["content"].startswith("bob@example.com word")


def test_a_guard_that_blocks_there_blocks_here_and_the_receipt_says_so() -> None:
    policy = PrivacyPolicy(actions={"EMAIL_ADDRESS": "block"})
    exchange = Exchange("r", "/v1/chat/completions", {}, json.dumps({"messages": [LONG]}).encode(), 0.0, 0.0, KEY)

    async def inner(_: Exchange) -> Any:
        raise AssertionError("it went through")

    with pytest.raises(Refused, match=r"privacy\.actions\.email: block"):
        run(guard([make_guard(policy, b"k" * 32)], HERE)(inner)(exchange))
    assert drop_versions(exchange.guards) == ["privacy=block"]


def test_a_guard_that_cannot_leave_looks_at_it_in_a_thread() -> None:
    class Rooted:
        name = "rooted"

        def request(self, exchange: Any, fields: Any) -> Any:
            from steward.core.extend import Verdict

            return Verdict("allow")

        def delta(self, exchange: Any, choice: int, field: str, text: str, last: bool) -> str:
            return text

        def close(self, exchange: Any) -> Any:
            from steward.core.extend import Verdict

            return Verdict("allow")

    recorder = RecordingOffload()
    exchange = Exchange("r", "/v1/chat/completions", {}, json.dumps({"messages": [LONG]}).encode(), 0.0, 0.0, KEY)

    async def inner(_: Exchange) -> Any:
        raise Refused("reached", status=400, type="x")

    with pytest.raises(Refused, match="reached"):
        run(guard([Rooted()], recorder)(inner)(exchange))
    assert recorder.done == ["beside:guard_request"]


def test_many_small_parts_are_large_too() -> None:
    filler = b" " * 16 * 1024
    assert is_large(filler + b"{}," * (MANY_PARTS + 1)) and not is_large(filler + b"{}," * MANY_PARTS)
    assert is_large(b" " * LARGE_BYTES) and not is_large(b" " * (LARGE_BYTES - 1)) and not is_large(b"[" * 16_383)


@pytest.mark.parametrize("value", [b"1", b"{}", b"[]"])
def test_a_body_of_very_many_values_is_refused(value: bytes) -> None:
    body = b'{"model":"m","messages":[' + b",".join([value] * (MOST_PARTS + 1)) + b"]}"
    exchange = Exchange("r", "/v1/chat/completions", {}, body, 0.0, 0.0, KEY)

    async def inner(_: Exchange) -> Any:
        raise AssertionError("it went through")

    with pytest.raises(Refused) as caught:
        run(identify(lambda tenant: b"k", HERE)(inner)(exchange))
    assert (caught.value.status, caught.value.code) == (400, "too_complex") and "2,000,000" in caught.value.message


def test_a_request_with_very_many_personal_values_is_refused() -> None:
    from steward.privacy.guard import MOST_VALUES

    def ask(count: int) -> list[str]:
        text = " ".join(f"b{number}@example.com" for number in range(count))
        return send("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}, HERE, True)[2].guards

    assert drop_versions(ask(MOST_VALUES))[0] == "privacy=rewrite"
    with pytest.raises(Refused, match="more than 20,000 different personal values"):
        ask(MOST_VALUES + 1)


# -- events of an upstream ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize(
    ("event", "why"),
    [
        (b'data: {"a":"' + b"x" * MAX_EVENT_BYTES + b'"}', "bytes"),
        (b'data: {"a":[' + b"{}," * MAX_EVENT_PARTS + b"{}]}", "values"),
        (b'data: {"a":[' + b"1," * (MAX_EVENT_PARTS + 9) + b"1]}", "values"),
    ],
)
def test_an_event_beyond_all_bounds_ends_the_stream(event: bytes, why: str, end: bytes) -> None:
    with pytest.raises(ValueError, match=f"an event of over .* {why}"):
        Scanner().feed(event + end)


def test_an_event_that_never_ends_is_not_kept() -> None:
    scanner = Scanner()
    with pytest.raises(ValueError, match="an event of over"):
        for _ in range(MAX_EVENT_BYTES // 65_536 + 2):
            scanner.feed(b"x" * 65_536)


def test_a_long_event_of_text_passes() -> None:
    event = b'data: {"a":"' + b"word, " * (LONG_EVENT_BYTES // 3) + b'"}\n\n'
    assert Scanner().feed(event) == [event]


# -- the process --------------------------------------------------------------------------------------


def with_helper(use: Callable[[HelperProcess], Any], **options: Any) -> Any:
    async def go() -> Any:
        helper = HelperProcess(**options)
        try:
            return await use(helper)
        finally:
            await helper.close()

    return asyncio.run(go())


def test_work_is_done_in_another_process_and_long_bytes_come_whole() -> None:
    async def use(helper: HelperProcess) -> Any:
        return await helper.run(os.getpid), await helper.run(bytes.upper, b"a" * 3_000_000), await helper.run(os.getpid)

    first, long, second = with_helper(use)
    assert first == second != os.getpid() and long == b"A" * 3_000_000


def test_what_it_raises_is_raised_here() -> None:
    from steward.gateway.wire import decode_request

    async def use(helper: HelperProcess) -> Any:
        with pytest.raises(Refused) as refused:
            await helper.run(decode_request, "/v1/chat/completions", b"{}")
        with pytest.raises(Refused) as failed:
            await helper.run(int, "card 4111111111111111")
        return refused.value, failed.value

    refused, failed = with_helper(use)
    assert (refused.status, refused.param) == (400, "model")
    assert failed.status == 500 and "ValueError" in failed.message and "4111" not in failed.message


def test_work_that_takes_too_long_is_ended_and_the_next_is_done() -> None:
    async def use(helper: HelperProcess) -> Any:
        with pytest.raises(Refused) as caught:
            await helper.run(time.sleep, 60)
        return caught.value, await helper.run(abs, -1)

    error, after = with_helper(use, longest_s=2.0)
    assert (error.status, error.code, after) == (400, "too_complex", 1)


def test_a_process_that_was_killed_is_started_again() -> None:
    async def use(helper: HelperProcess) -> Any:
        os.kill(await helper.run(os.getpid), signal.SIGKILL)
        with pytest.raises(Refused) as caught:
            await helper.run(abs, -1)
        return caught.value, await helper.run(abs, -1)

    error, after = with_helper(use)
    assert (error.status, error.code, after) == (503, "overloaded", 1)


def test_it_ends_with_the_process_that_started_it() -> None:
    async def use(helper: HelperProcess) -> int:
        return int(await helper.run(os.getpid))

    pid = with_helper(use)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_too_many_do_not_wait() -> None:
    async def use(helper: HelperProcess) -> Any:
        waiting = [asyncio.ensure_future(helper.run(time.sleep, 0.2)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as caught:
            await helper.run(abs, -1)
        await asyncio.gather(*waiting)
        return caught.value, await helper.run(abs, -1)

    error, after = with_helper(use, most_waiting=2)
    assert error.status == 503 and after == 1


def test_an_error_of_any_kind_keeps_its_words() -> None:
    import multiprocessing.reduction as reduction

    for error in (Refused("no", status=429, type="t", code="c", param="p", headers=(("a", "b"),)), InputError("bad")):
        again = reduction.ForkingPickler.loads(bytes(reduction.ForkingPickler.dumps(error)))
        assert (type(again), str(again)) == (type(error), str(error))
    assert (again := InputError("x")) and again.exit_code == 2


class Arriving:
    """A stream of an upstream, all of whose pieces are there already."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({"content-type": "text/event-stream"})

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def read_piece(self) -> bytes:
        return self.take_arrived()

    async def read(self) -> bytes:
        raise AssertionError("a stream is not read whole")

    def take_arrived(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        while take is not None and take(self.take_arrived()):
            pass

    def finish(self) -> None: ...

    def close(self) -> None: ...


class Pool:
    keeps, shortest_s = True, 60.0

    def keep(self, connection: UpstreamConnection) -> None: ...

    def drop(self, connection: UpstreamConnection) -> None: ...


class Transport:
    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class Upper:
    """An `EventFilter` that shows that it was there."""

    over = False

    def feed(self, events: bytes) -> bytes:
        return events.upper()

    def end(self) -> bytes:
        return b""


BEGIN = b'data: {"id":"a","choices":[{"delta":{"content":"1"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def pass_on(pieces: list[bytes], filtered: bool = False) -> tuple[bytes, int, list[str]]:
    """What the client gets, how often others had their turn meanwhile, and what was done in a thread."""
    recorder = RecordingOffload()

    async def go() -> tuple[bytes, int, list[str]]:
        exchange = Exchange("req", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
        exchange.request = Request(model="m", stream=True)
        exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
        relay = Relay(exchange, Outgoing(exchange.endpoint, b"{}"))
        stream = Stream(exchange, Arriving(*pieces), relay, [BEGIN], None, recorder)
        stream.filter = Upper() if filtered else None
        turns, over = 0, False

        async def stranger() -> None:
            nonlocal turns
            while not over:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(stranger())
        got: list[bytes] = []

        def write(events: bytes) -> bool:
            got.append(events)
            return True

        async for events in stream:
            got.append(events)
            await stream.forward(write)
        over = True
        await other
        return b"".join(got), turns, recorder.done

    return asyncio.run(go())


@pytest.mark.parametrize("event", [b": a\n\n", b"data: {}\n\n", b"data: \n\n"])
def test_others_have_their_turn_among_very_many_events(event: bytes) -> None:
    many = event * 50_000
    out, turns, _ = pass_on([many, END])
    assert out == BEGIN + many + END and turns >= 50_000 // MOST_AT_ONCE


def test_others_have_their_turn_before_each_long_event() -> None:
    long = b'data: {"choices":[{"delta":{"content":"' + b"x" * SHORT_BYTES + b'"}}]}\n\n'
    out, turns, _ = pass_on([long, *[long[:9], long[9:]] * 9, END])
    assert out == BEGIN + long * 10 + END and turns >= 9


@pytest.mark.parametrize("cut", [0, 5])
def test_a_long_event_is_read_by_guards_in_a_thread_and_in_its_place(cut: int) -> None:
    long = b'data: {"choices":[{"delta":{"content":"' + b"x" * SHORT_BYTES + b'"}}]}\n\n'
    pieces = [long[:cut], long[cut:]] if cut else [long]
    out, _, done = pass_on([BEGIN, *pieces, BEGIN, END], filtered=True)
    assert out == (BEGIN + BEGIN + long + BEGIN + END).upper() and done == ["beside:_apply_filter"]


def test_an_event_that_arrives_in_many_small_pieces_is_not_copied_for_each() -> None:
    """To copy a megabyte 60,000 times would take minutes."""
    event = b'data: {"a":"' + b"x" * 1024 * 1024 + b'"}\n\n'
    scanner, found = Scanner(), []
    for start in range(0, len(event), 16):
        found += scanner.feed(event[start : start + 16])
    assert found == [event] and scanner.rest == b"" and scanner.feed(BEGIN) == [BEGIN]


def test_chunks_of_one_byte_are_handed_on_together() -> None:
    taken: list[bytes] = []

    async def go() -> None:
        connection = UpstreamConnection(Pool())
        connection.connection_made(Transport())
        answer = HttpAnswer(connection, Timeouts(), 0.0, streamed=True)
        connection.begin(answer, b"", b"")
        connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        answer.listen(lambda piece: taken.append(piece) or True)  # type: ignore[func-returns-value]
        connection.data_received(b"1\r\na\r\n" * 40_000)
        connection.data_received(b"1\r\nb\r\n0\r\n\r\n")

    asyncio.run(go())
    assert taken[:2] == [b"a" * 40_000, b"b"]


def test_comments_without_end_do_not_pile_up_before_the_first_event() -> None:
    comments = b": wait\n\n" * 2000
    engine = Arriving(*[comments] * 100)
    exchange = Exchange("req", "/v1/chat/completions", {}, b'{"model":"m","stream":true}', 0.0, 0.0)
    exchange.model, exchange.request = "m", Request(model="m", stream=True)

    class Asked:
        async def call(self, *_: Any) -> Arriving:
            return engine

    entry = ModelEntry("m", Asked(), "m", endpoints=frozenset({"/v1/chat/completions"}))
    answer = run(call({"m": entry})(exchange))
    assert answer.stream is not None and len(engine.pieces) >= 98  # the client gets them, or the upstream waits


@pytest.mark.parametrize("size", [LONG_ANSWER_BYTES // 2, LONG_ANSWER_BYTES + 1])
def test_a_very_long_answer_is_read_elsewhere(size: int) -> None:
    recorder = RecordingOffload()
    long = {**CHAT, "choices": [{**CHAT["choices"][0], "message": {"content": "x" * size}}], "usage": None}
    _, answer, exchange = send("/v1/chat/completions", {"messages": []}, recorder, answer=long)
    assert json.loads(answer) == long and exchange.upstream_id == "a"
    assert recorder.done == (["read_status", "read_answer"] if size > LONG_ANSWER_BYTES else [])


def test_of_a_very_long_error_the_beginning_is_read() -> None:
    class Failing(Engine):
        status = 500

    engine = Failing({"error": {"message": "x" * 10_000_000}})
    entry = ModelEntry("m", engine, "m", endpoints=frozenset({"/v1/chat/completions"}))  # type: ignore[arg-type]
    exchange = Exchange("req", "/v1/chat/completions", {}, b'{"model":"m"}', 0.0, 0.0)
    exchange.model, exchange.request = "m", Request(model="m")
    answer = run(call({"m": entry})(exchange))
    assert answer.status == 500 and len(answer.body) < 10_000 and json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize(("size", "beside"), [(2_000, []), (8_000, ["beside:check_engine_input"])])
def test_rules_for_an_embedded_model_are_followed_in_a_thread_where_they_are_long(size: int, beside: list[str]) -> None:
    recorder, engine = RecordingOffload(), Engine(CHAT)
    entry = ModelEntry("m", engine, "m", endpoints=frozenset({"/v1/chat/completions"}), embedded=True)  # type: ignore[arg-type]
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "grammar": "root ::= " + "a" * size}
    exchange = Exchange("req", "/v1/chat/completions", {}, json.dumps(body).encode(), 0.0, 0.0)
    exchange.model, exchange.request = "m", Request(model="m")
    exchange.fields = frozenset(body)
    assert run(call({"m": entry}, offload=recorder)(exchange)).status == 200
    assert recorder.done == beside
