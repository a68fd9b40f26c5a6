"""What counts as large, and that what is done to it elsewhere is what would be done here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.extend import GuardContext, Verdict
from steward.core.identity import Caller, Principal
from steward.gateway.exchange import Exchange
from steward.gateway.large import (
    Upstream,
    build_large_outgoing,
    describe_guarded,
    guard_large_answer,
    guard_large_request,
    is_large,
    list_portable,
    read_large_request,
    refuse_many_parts,
)
from steward.gateway.request_reading import read_request

CHAT, TEXT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"


def body_of(size: int, parts: int = 0) -> bytes:
    """A body of so many bytes, with so many brackets and colons."""
    return b":" * parts + b"x" * (size - parts)


@pytest.mark.parametrize(
    ("size", "parts", "large"),
    [
        (128 * 1024, 0, True),
        (128 * 1024 - 1, 0, False),
        (16 * 1024, 4_001, True),
        (16 * 1024, 4_000, False),
        (16 * 1024 - 1, 4_001, False),
        (128 * 1024 - 1, 4_000, False),
    ],
)
def test_a_body_is_large_by_its_bytes_or_its_parts(size: int, parts: int, large: bool) -> None:
    assert is_large(body_of(size, parts)) is large


def test_brackets_of_every_kind_are_parts() -> None:
    mixed = b"[" * 1_334 + b"{" * 1_334 + b":" * 1_333
    assert is_large(mixed + b"x" * (16 * 1024)) and not is_large(mixed[:-1] + b"x" * (16 * 1024))


def test_names_and_values_are_bounded() -> None:
    refuse_many_parts(b":,[{" * 2, 8)
    with pytest.raises(Refused) as caught:
        refuse_many_parts(b":,[{" * 2 + b",", 8)
    assert (caught.value.status, caught.value.code) == (400, "too_complex")
    assert caught.value.message == (
        "The request body has about 9 names and values; at most 8 are read. Send less in one request."
    )


def test_a_large_request_is_known_without_its_texts() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 99}], "n": 3}).encode()
    large, (request, fields, _) = read_large_request(CHAT, body), read_request(CHAT, body)
    assert large.body is None and large.fields == fields and large.size == request.size()
    assert large.request.model == "m" and large.request.choices() == 3 and large.request.content_bytes() == 0


def test_a_count_with_a_fraction_changes_the_body() -> None:
    large = read_large_request(CHAT, b'{"model":"m","messages":[],"n":2.0}')
    assert large.body == b'{"model":"m","messages":[],"n":2}' and large.request.n == 2


@pytest.mark.parametrize("prompt", ["one", ["a", "b", "c"], [1, 2], [[1], [2]]])
def test_prompts_are_still_as_many(prompt: Any) -> None:
    body = json.dumps({"model": "m", "prompt": prompt}).encode()
    assert read_large_request(TEXT, body).request.prompts() == read_request(TEXT, body)[0].prompts()


class Portable:
    name = "portable"

    def __init__(self) -> None:
        self.memory: Any = None

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        if "stop" in fields:
            return Verdict("block", reason="it says stop", masked={"word": 1})
        return Verdict("rewrite", texts=tuple(text.upper() for text in fields), masked={"word": 2})

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        return f"{text} {self.memory}"

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")

    def recall(self, exchange: GuardContext) -> Any:
        return "remembered"

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        self.memory = memory


def exchange() -> Exchange:
    made = Exchange("req_1", CHAT, {}, b"{}", 0.0, 0.0, Caller(principal=Principal(kind="key", id="k")))
    made.conversation = "c"
    return made


def test_guards_know_there_what_they_know_here() -> None:
    told = describe_guarded(exchange())
    copy = told.restore(b"body")
    assert (copy.request_id, copy.endpoint, copy.body, copy.conversation) == ("req_1", CHAT, b"body", "c")
    assert copy.caller.principal.id == "k"


def test_a_request_is_guarded() -> None:
    guarded = guard_large_request([Portable()], describe_guarded(exchange()), b'{"messages":[{"content":"hi"}]}')
    assert json.loads(guarded.body)["messages"][0]["content"] == "HI" and guarded.refused is None
    assert (guarded.receipt, guarded.memories, guarded.masked) == (["portable=rewrite"], ["remembered"], {"word": 2})
    guarded = guard_large_request([Portable()], describe_guarded(exchange()), b'{"messages":[{"content":"stop"}]}')
    assert guarded.refused is not None and guarded.refused.status == 400 and guarded.body == b""
    assert guarded.receipt == ["portable=block"] and guarded.memories == []


def test_an_answer_is_guarded_with_what_was_remembered() -> None:
    body = b'{"choices":[{"message":{"content":"hi"}}]}'
    guarded = guard_large_answer([Portable()], ["m"], describe_guarded(exchange()), body)
    assert json.loads(guarded.body)["choices"][0]["message"]["content"] == "hi m"
    assert guarded.receipt == ["portable:answer=allow"] and guarded.refused is None
    guarded = guard_large_answer([Portable()], ["m"], describe_guarded(exchange()), b"[]")
    assert guarded.refused is not None and guarded.body == b""


def test_all_guards_can_leave_or_none_does() -> None:
    class Bound:
        name = "bound"
        request, delta, close = Portable.request, Portable.delta, Portable.close

    one, other, bound = Portable(), Portable(), Bound()
    assert list_portable([one, other]) == [one, other] and list_portable([]) == []
    assert list_portable([one, bound]) is None  # type: ignore[list-item]


def outgoing(endpoint: str, fields: dict[str, Any], **upstream: Any) -> Any:
    body = json.dumps({"model": "m", **fields}).encode()
    request, names, _ = read_request(endpoint, body)
    entry = Upstream(
        **{"name": "m", "upstream_model": "up", "endpoints": frozenset({CHAT}), "embedded": False, **upstream}
    )
    return build_large_outgoing(request, names, endpoint, body, None, entry, frozenset())


def test_what_goes_out_is_what_would_go_out_here() -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "stream": True, "container": "c"}
    built = outgoing(MESSAGES, asked)
    sent = json.loads(built.body)
    assert built.endpoint == CHAT and sent["model"] == "up" and sent["stream_options"] == {"include_usage": True}
    assert built.dropped == ["container"] and built.asked["max_tokens"] == 9 and not built.embedded
    assert not built.asked_usage
    assert outgoing(CHAT, {"messages": [], "stream": True, "stream_options": {"include_usage": True}}).asked_usage


@pytest.mark.parametrize(("size", "kept"), [(65_536 - 2, True), (65_536 - 1, False)])
def test_a_long_echo_is_left_out(size: int, kept: bool) -> None:
    """64 KiB with the two quotes around the text."""
    built = outgoing(RESPONSES, {"input": "hi", "instructions": "x" * size})
    assert ("instructions" in built.asked) is kept


def test_what_an_embedded_engine_cannot_parse_is_refused() -> None:
    fields = {"messages": [{"role": "user", "content": "hi"}], "grammar": "(" * 100}
    with pytest.raises(Refused) as caught:
        outgoing(CHAT, fields, embedded=True)
    assert caught.value.code == "too_complex"
    assert outgoing(CHAT, fields).endpoint == CHAT


@pytest.mark.parametrize(("parts", "refused"), [(2_000_000, False), (2_000_001, True)])
def test_a_large_request_has_at_most_two_million_names_and_values(parts: int, refused: bool) -> None:
    head = b'{"model":"m","messages":[],"x":[0'  # 3 colons, 2 commas and 3 brackets
    body = head + b",0" * (parts - 8) + b"]}"
    if refused:
        with pytest.raises(Refused, match="at most 2,000,000"):
            read_large_request(CHAT, body)
    else:
        assert read_large_request(CHAT, body).request.model == "m"
