"""The twelve ways in which restoring pseudonyms in streams has failed elsewhere, each by name."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from failing_guard import FailingGuard
from steward.core.errors import Refused
from steward.core.extend import Guard
from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, guard_answer, guard_request
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PROFILE_ACTIONS, PrivacyPolicy

CHAT, MAIL, OTHER = "/v1/chat/completions", "bob@example.com", "eve@example.com"
POLICY = PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"]))


def ask(guard: Guard, *texts: str, request_id: str = "req_1") -> tuple[Exchange, list[str]]:
    """The exchange, and what went upstream."""
    messages = [{"role": "user", "content": text} for text in texts]
    exchange = Exchange(request_id, CHAT, {}, json.dumps({"model": "m", "messages": messages}).encode(), 0.0, 0.0)
    guard_request([guard], exchange)
    return exchange, [message["content"] for message in json.loads(exchange.body)["messages"]]


def stream(guard: PrivacyGuard, exchange: Exchange, deltas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deltas that come out, one list of an event each."""
    guarded, out = GuardedStream([guard], exchange), []
    events = [*({"choices": [{"index": 0, "delta": delta}]} for delta in deltas)]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    for event in events:
        sent = guarded.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
        for line in sent.split(b"\n"):
            if line.startswith(b"data: "):
                out += [choice["delta"] for choice in json.loads(line[6:])["choices"]]
    return out


def content(deltas: Sequence[dict[str, Any]], field: str = "content") -> str:
    return "".join(str(delta.get(field) or "") for delta in deltas)


@pytest.mark.parametrize("size", range(1, 17))
def test_1_a_token_that_is_split_anywhere_comes_back(size: int) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, (sent,) = ask(guard, MAIL)
    out = stream(guard, exchange, [{"content": sent[at : at + size]} for at in range(0, len(sent), size)])
    assert content(out) == MAIL
    assert all(MAIL.startswith(content(out[:count])) for count in range(len(out)))  # no part of a token on the way


def test_2_what_was_restored_is_not_masked_again() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, (sent,) = ask(guard, MAIL)
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": f"to {sent}"}}]}).encode()
    assert f"to {MAIL}" in guard_answer([guard], exchange, body).decode()


def test_3_and_7_two_requests_and_two_people_are_kept_apart() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    first, sent = ask(guard, f"{MAIL} {OTHER}")
    assert len(set(sent[0].split())) == 2
    second, _ = ask(guard, "nobody@example.com", request_id="req_2")
    assert content(stream(guard, second, [{"content": sent[0]}])) == sent[0]  # not of this request
    assert content(stream(guard, first, [{"content": sent[0]}])) == f"{MAIL} {OTHER}"


def test_4_arguments_of_tools_are_restored_also_where_json_escapes_them() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, (sent,) = ask(guard, MAIL)
    arguments = json.dumps({"to": sent, "note": 'a "b" \\ c'})
    calls = [
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 3]}}]}
        for at in range(0, len(arguments), 3)
    ]
    pieces = [
        call["function"]["arguments"]
        for delta in stream(guard, exchange, calls)
        for call in delta.get("tool_calls", [])
    ]
    assert json.loads("".join(pieces)) == {"to": MAIL, "note": 'a "b" \\ c'}


def test_6_a_guard_that_fails_sends_nothing() -> None:
    with pytest.raises(Refused) as caught:
        ask(FailingGuard(), MAIL)
    assert caught.value.code == "content_policy_violation" and MAIL not in caught.value.message


def test_8_a_stream_is_not_held_back() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, (sent,) = ask(guard, MAIL)
    out = stream(guard, exchange, [{"content": "Hello "}, {"content": "world, "}, {"content": sent}])
    assert [delta["content"] for delta in out if delta.get("content")] == ["Hello ", "world, ", MAIL]


def test_10_the_same_value_has_the_same_token_in_all_embeddings_of_a_project() -> None:
    guard, tokens = PrivacyGuard(POLICY, bytes(32)), set()
    for number in range(2):
        body = json.dumps({"model": "m", "input": MAIL}).encode()
        exchange = Exchange(f"req_{number}", "/v1/embeddings", {}, body, 0.0, 0.0)
        guard_request([guard], exchange)
        tokens.add(json.loads(exchange.body)["input"])
    assert len(tokens) == 1 and MAIL not in tokens


def test_11_a_token_that_the_model_alters_is_nobodys() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, (sent,) = ask(guard, f"{MAIL} {OTHER}")
    for at, letter in itertools.product((6, 10, 15), "09Z"):
        altered = sent[:at] + letter + sent[at + 1 : 16]
        expected = MAIL if altered == sent[:16] else altered
        assert content(stream(guard, exchange, [{"content": altered}])) == expected


def test_12_system_prompts_names_and_descriptions_of_tools_are_masked() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": MAIL}, {"role": "user", "name": MAIL, "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": f"writes to {MAIL}"}}],
    }
    exchange = Exchange("req_1", CHAT, {}, json.dumps(body).encode(), 0.0, 0.0)
    guard_request([guard], exchange)
    assert MAIL.encode() not in exchange.body and exchange.masked == {"email": 3}


def test_reasoning_and_choices_have_texts_of_their_own() -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, (sent,) = ask(guard, MAIL)
    out = stream(
        guard,
        exchange,
        [
            {"reasoning_content": sent[:9]},
            {"content": sent[:9]},
            {"reasoning_content": sent[9:]},
            {"content": sent[9:]},
        ],
    )
    assert content(out, "reasoning_content") == MAIL and content(out) == MAIL
