import json
from collections.abc import Sequence

import pytest

from steward.core.errors import Refused
from steward.core.extend import GuardContext, Verdict
from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, guard_answer, guard_request


class Shout:
    """Upper-cases requests; holds back one character of answers."""

    name = "shout"

    def __init__(self) -> None:
        self.held: dict[tuple[int, str], str] = {}

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        return Verdict("rewrite", texts=tuple(text.upper() for text in fields))

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        whole = self.held.pop((choice, field), "") + text.lower()
        if last:
            return whole
        self.held[choice, field] = whole[-1:]
        return whole[:-1]

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


class Broken(Shout):
    name = "broken"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        raise RuntimeError("cannot decide")


def exchange(body: object) -> Exchange:
    return Exchange("req", "/v1/chat/completions", {}, json.dumps(body).encode(), 0.0, 0.0)


def test_every_text_of_a_request_is_seen() -> None:
    call = {"function": {"name": "f", "arguments": '{"a":"b"}'}}
    parts = [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "u"}}]
    it = exchange({"messages": [{"content": "a"}, {"content": parts}, {"tool_calls": [call]}], "input": ["c"]})
    guard_request([Shout()], it)
    text = it.body.decode()
    assert '"A"' in text and '"B"' in text and '"C"' in text and '{\\"A\\":\\"B\\"}' in text and '"u"' in text
    assert it.guards == ["shout=rewrite"]


def test_a_guard_that_fails_blocks() -> None:
    with pytest.raises(Refused, match="could not decide"):
        guard_request([Broken()], exchange({"messages": [{"content": "a"}]}))


def test_answers_are_rewritten_and_lose_their_logprobs() -> None:
    body = {"choices": [{"index": 0, "message": {"content": "HELLO"}, "logprobs": {"content": []}}]}
    answer = json.loads(guard_answer([Shout()], exchange({}), json.dumps(body).encode()))
    assert answer["choices"] == [{"index": 0, "message": {"content": "hello"}}]


def test_streams_are_guarded_per_choice_and_flushed() -> None:
    stream = GuardedStream([Shout()], exchange({}))
    texts = {0: "", 1: ""}
    for choice, text, reason in [(0, "AB", None), (1, "XY", None), (0, "C", None), (1, "", "stop"), (0, "", "stop")]:
        chunk = {"choices": [{"index": choice, "delta": {"content": text}, "finish_reason": reason}]}
        event = stream.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        delta = json.loads(event[6:])["choices"][0]["delta"]
        texts[choice] += delta.get("content") or ""
    assert texts == {0: "abc", 1: "xy"}
