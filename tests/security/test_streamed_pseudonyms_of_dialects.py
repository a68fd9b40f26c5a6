"""The ways in which restoring pseudonyms in streams has failed elsewhere, in the Messages and Responses dialects.

Streams are cut anywhere, from fixed seeds.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from failing_guard import FailingGuard
from steward.core.errors import Refused
from steward.core.extend import Guard
from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, guard_answer, guard_request
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PROFILE_ACTIONS, PrivacyPolicy

MAIL, OTHER = "bob@example.com", "eve@example.com"
MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
DIALECTS = (MESSAGES, RESPONSES)
POLICY = PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"]))


def ask(endpoint: str, guard: Guard, text: str, request_id: str = "req_1") -> tuple[Exchange, str]:
    """The exchange, and what went upstream of `text`."""
    body: dict[str, Any] = {"model": "m", "max_tokens": 9}
    if endpoint == MESSAGES:
        body["messages"] = [{"role": "user", "content": text}]
    else:
        body["input"] = text
    exchange = Exchange(request_id, endpoint, {}, json.dumps(body).encode(), 0.0, 0.0)
    guard_request([guard], exchange)
    sent = json.loads(exchange.body)
    return exchange, sent["messages"][0]["content"] if endpoint == MESSAGES else sent["input"]


def text_events(endpoint: str, pieces: Sequence[str], block: int = 0) -> Iterator[dict[str, Any]]:
    """One text of an answer in pieces."""
    if endpoint == MESSAGES:
        start = {"type": "text", "text": ""}
        yield {"type": "content_block_start", "index": block, "content_block": start}
        for piece in pieces:
            delta = {"type": "text_delta", "text": piece}
            yield {"type": "content_block_delta", "index": block, "delta": delta}
        yield {"type": "content_block_stop", "index": block}
        return
    place = {"item_id": f"msg_{block}", "output_index": block, "content_index": 0}
    for piece in pieces:
        yield {"type": "response.output_text.delta", **place, "delta": piece}
    yield {"type": "response.output_text.done", **place, "text": "".join(pieces)}


def argument_events(endpoint: str, pieces: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The arguments of a called tool in pieces."""
    if endpoint == MESSAGES:
        start = {"type": "tool_use", "id": "t", "name": "send", "input": {}}
        yield {"type": "content_block_start", "index": 0, "content_block": start}
        for piece in pieces:
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        return
    place = {"item_id": "fc_0", "output_index": 0}
    for piece in pieces:
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **place, "arguments": "".join(pieces)}


def stream(guard: PrivacyGuard, exchange: Exchange, events: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events that come out."""
    guarded, out = GuardedStream([guard], exchange), []
    for event in events:
        sent = guarded.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        out += [json.loads(line[6:]) for line in sent.split(b"\n") if line.startswith(b"data: ")]
    return out


def pieces_of(events: Sequence[dict[str, Any]]) -> list[str]:
    """What each event adds to a text or to arguments."""
    deltas = [event["delta"] for event in events if "delta" in event]
    return [one if isinstance(one, str) else one.get("text", one.get("partial_json", "")) for one in deltas]


def whole_of(events: Sequence[dict[str, Any]]) -> list[str]:
    """What events say that a text or its arguments were, in dialects that repeat it."""
    return [event[name] for event in events for name in ("text", "arguments") if name in event]


def cut(text: str, source: random.Random) -> list[str]:
    places = sorted(source.sample(range(1, len(text)), source.randint(1, len(text) - 1)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize("endpoint", DIALECTS)
@pytest.mark.parametrize("seed", range(60))
def test_1_a_token_that_is_cut_anywhere_comes_back(endpoint: str, seed: int) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, guard, f"to {MAIL}, EMAIL_ and {OTHER}.")
    out = stream(guard, exchange, text_events(endpoint, cut(sent, random.Random(seed))))
    expected = f"to {MAIL}, EMAIL_ and {OTHER}."
    assert "".join(pieces_of(out)) == expected
    assert all(expected.startswith("".join(pieces_of(out[:count]))) for count in range(len(out)))
    assert whole_of(out) == ([expected] if endpoint == RESPONSES else [])


@pytest.mark.parametrize("endpoint", DIALECTS)
@pytest.mark.parametrize("seed", range(60))
def test_4_arguments_of_tools_come_back_escaped_as_json_however_they_are_cut(endpoint: str, seed: int) -> None:
    guard, address = PrivacyGuard(POLICY, bytes(32)), "Zora Quill <zora@example.com>"
    exchange, sent = ask(endpoint, guard, f"My name is {address}")
    arguments = {"to": sent.removeprefix("My name is "), "note": 'a "b" \\ é \n c'}
    events = argument_events(endpoint, cut(json.dumps(arguments), random.Random(seed)))
    out = stream(guard, exchange, events)
    expected = {"to": address, "note": 'a "b" \\ é \n c'}
    assert arguments["to"] != address and json.loads("".join(pieces_of(out))) == expected
    assert [json.loads(text) for text in whole_of(out)] == ([expected] if endpoint == RESPONSES else [])


@pytest.mark.parametrize("endpoint", DIALECTS)
def test_3_7_and_11_tokens_of_others_and_altered_ones_stay(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    first, sent = ask(endpoint, guard, f"{MAIL} {OTHER}")
    second, _ = ask(endpoint, guard, "nobody@example.com", "req_2")
    assert len(set(sent.split())) == 2
    assert "".join(pieces_of(stream(guard, second, text_events(endpoint, [sent])))) == sent
    altered = sent[:15] + ("A" if sent[15] != "A" else "B")
    assert "".join(pieces_of(stream(guard, first, text_events(endpoint, [altered])))) == altered


@pytest.mark.parametrize("endpoint", DIALECTS)
def test_6_a_guard_that_fails_sends_nothing(endpoint: str) -> None:
    with pytest.raises(Refused) as caught:
        ask(endpoint, FailingGuard(), MAIL)
    assert caught.value.code == "content_policy_violation" and MAIL not in caught.value.message


@pytest.mark.parametrize("endpoint", DIALECTS)
def test_8_a_stream_is_not_held_back(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, guard, MAIL)
    out = stream(guard, exchange, text_events(endpoint, ["Hello ", "world, ", sent]))
    assert [piece for piece in pieces_of(out) if piece] == ["Hello ", "world, ", MAIL]


@pytest.mark.parametrize("endpoint", DIALECTS)
def test_9_two_texts_of_an_answer_hold_back_each_their_own(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, guard, MAIL)
    first, second = (list(text_events(endpoint, [sent[:9], sent[9:]], block)) for block in (0, 1))
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]
    out = stream(guard, exchange, iter(mixed))
    number = "index" if endpoint == MESSAGES else "output_index"
    for block in (0, 1):
        assert "".join(pieces_of([event for event in out if event[number] == block])) == MAIL


@pytest.mark.parametrize("endpoint", DIALECTS)
def test_12_instructions_and_descriptions_of_tools_are_masked(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    tool = {"name": "f", "description": f"writes to {MAIL}", "input_schema": {}}
    body = {"model": "m", "system": MAIL, "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    if endpoint == RESPONSES:
        tool = {"type": "function", "name": "f", "description": f"writes to {MAIL}", "parameters": {}}
        body = {"model": "m", "instructions": MAIL, "input": "hi", "tools": [tool]}
    exchange = Exchange("req_1", endpoint, {}, json.dumps(body).encode(), 0.0, 0.0)
    guard_request([guard], exchange)
    assert MAIL.encode() not in exchange.body and exchange.masked == {"email": 2}


@pytest.mark.parametrize("endpoint", DIALECTS)
def test_2_what_a_whole_answer_restores_is_not_masked_again(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, guard, MAIL)
    text = {"type": "text" if endpoint == MESSAGES else "output_text", "text": f"to {sent}"}
    answer: dict[str, Any] = {"content": [text]}
    if endpoint == RESPONSES:
        answer = {"output": [{"type": "message", "role": "assistant", "content": [text]}]}
    assert f"to {MAIL}" in guard_answer([guard], exchange, json.dumps(answer).encode()).decode()
