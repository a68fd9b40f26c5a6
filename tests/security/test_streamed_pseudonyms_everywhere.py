"""The ways in which restoring pseudonyms in streams has failed elsewhere, wherever a token stands: in every dialect its
text, its reasoning, the arguments of its tools, and several choices side by side. Cut anywhere, from fixed seeds.

What depends on the dialect alone is in `test_streamed_pseudonyms.py` and `test_streamed_pseudonyms_of_dialects.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from steward.core.errors import Refused
from steward.core.extend import Guard
from steward.core.identity import Caller, Principal
from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, close, guard_answer, guard_request
from steward.guardrails.guard import Guardrail
from steward.guardrails.plan import GuardrailPlan
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PROFILE_ACTIONS, PrivacyPolicy

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
MAIL, OTHER = "bob@example.com", "eve@example.com"
POLICY = PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"]))
Event = dict[str, Any]


def chat(index: int, delta: dict[str, Any]) -> Event:
    return {"choices": [{"index": index, "delta": delta}]}


def block(index: int, delta: dict[str, Any]) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def item(kind: str, index: int, piece: str) -> Event:
    return {"type": f"response.{kind}.delta", "item_id": f"i{index}", "output_index": index, "content_index": 0,
            "delta": piece}  # fmt: skip


PLACES: Final[dict[tuple[str, str], Callable[[int, str], Event]]] = {  # of a choice or block, and a piece of it
    (CHAT, "text"): lambda index, piece: chat(index, {"content": piece}),
    (CHAT, "reasoning"): lambda index, piece: chat(index, {"reasoning_content": piece}),
    (CHAT, "arguments"): lambda index, piece: chat(
        index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
    ),
    (MESSAGES, "text"): lambda index, piece: block(index, {"type": "text_delta", "text": piece}),
    (MESSAGES, "reasoning"): lambda index, piece: block(index, {"type": "thinking_delta", "thinking": piece}),
    (MESSAGES, "arguments"): lambda index, piece: block(index, {"type": "input_json_delta", "partial_json": piece}),
    (RESPONSES, "text"): lambda index, piece: item("output_text", index, piece),
    (RESPONSES, "reasoning"): lambda index, piece: item("reasoning_text", index, piece),
    (RESPONSES, "arguments"): lambda index, piece: item("function_call_arguments", index, piece),
}
ENDS: Final[dict[str, Callable[[int], Event]]] = {
    CHAT: lambda index: {"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]},
    MESSAGES: lambda index: {"type": "content_block_stop", "index": index},
    RESPONSES: lambda index: {"type": "response.output_text.done", "item_id": f"i{index}", "output_index": index,
                              "content_index": 0, "text": ""},
}  # fmt: skip
RESPONSES_ENDS: Final = {"text": ("output_text", "text"), "reasoning": ("reasoning_text", "text"),
                         "arguments": ("function_call_arguments", "arguments")}  # fmt: skip
everywhere = pytest.mark.parametrize(("endpoint", "place"), sorted(PLACES))
NAMES = frozenset({"content", "reasoning_content", "arguments", "text", "thinking", "partial_json"})


def ask(endpoint: str, guards: Sequence[Guard], text: str, request_id: str = "req_1") -> tuple[Exchange, str]:
    """The exchange, and what went upstream of `text`."""
    said = {"input": text} if endpoint == RESPONSES else {"messages": [{"role": "user", "content": text}]}
    exchange = Exchange(
        request_id, endpoint, {}, json.dumps({"model": "m", "max_tokens": 9, **said}).encode(), 0.0, 0.0
    )
    guard_request(guards, exchange)
    sent = json.loads(exchange.body)
    return exchange, sent["input"] if endpoint == RESPONSES else sent["messages"][0]["content"]


def end(endpoint: str, place: str, index: int, whole: str) -> Event:
    if endpoint != RESPONSES:
        return ENDS[endpoint](index)
    kind, name = RESPONSES_ENDS[place]
    return ENDS[endpoint](index) | {"type": f"response.{kind}.done", name: whole}


def send(guards: Sequence[Guard], exchange: Exchange, events: Sequence[Event]) -> list[Event]:
    """What comes out."""
    guarded, out = GuardedStream(guards, exchange), []
    for event in events:
        head = f"event: {event['type']}\n" if "type" in event else ""
        sent = guarded.feed(f"{head}data: {json.dumps(event)}\n\n".encode())
        out += [json.loads(line[6:]) for line in sent.split(b"\n") if line.startswith(b"data: {")]
    return out


def read(events: Sequence[Event], index: int) -> str:
    """What the pieces of one choice or block say, one after another."""
    return "".join(piece for event in events for piece in list_pieces(event, index))


def list_pieces(event: Event, index: int) -> list[str]:
    if "choices" in event:
        return [text for one in event["choices"] if one["index"] == index for text in find_texts(one["delta"])]
    if event.get("index", event.get("output_index")) != index or "delta" not in event:
        return []
    return [event["delta"]] if isinstance(event["delta"], str) else find_texts(event["delta"])


def find_texts(delta: Any) -> list[str]:
    if isinstance(delta, list):
        return [text for one in delta for text in find_texts(one)]
    if not isinstance(delta, dict):
        return []
    here = [value for name, value in delta.items() if name in NAMES and isinstance(value, str)]
    return here + [text for value in delta.values() for text in find_texts(value)]


def cut(text: str, source: random.Random) -> list[str]:
    places = sorted(source.sample(range(1, len(text)), source.randint(1, len(text) - 1)))
    return [text[start:stop] for start, stop in zip([0, *places], [*places, len(text)], strict=True)]


def say(place: str, text: str) -> str:
    """A text as it stands in the place: arguments are JSON."""
    return json.dumps({"to": text}) if place == "arguments" else text


@everywhere
@pytest.mark.parametrize("seed", range(40))
def test_1_4_and_9_two_choices_that_are_cut_anywhere_come_back_each_by_itself(
    endpoint: str, place: str, seed: int
) -> None:
    guard, source = PrivacyGuard(POLICY, bytes(32)), random.Random(seed)
    exchange, sent = ask(endpoint, [guard], f"{MAIL} and {OTHER}")
    texts = {0: say(place, sent), 1: say(place, f"EMAIL_ {sent} EMAIL")}
    pieces = {index: cut(text, source) for index, text in texts.items()}
    order = [index for index, row in pieces.items() for _ in row]
    source.shuffle(order)
    rows = {index: iter(row) for index, row in pieces.items()}
    events = [PLACES[endpoint, place](index, next(rows[index])) for index in order]
    events += [end(endpoint, place, index, text) for index, text in texts.items()]
    out = send([guard], exchange, events)
    assert read(out, 0) == say(place, f"{MAIL} and {OTHER}")
    assert read(out, 1) == say(place, f"EMAIL_ {MAIL} and {OTHER} EMAIL")


@everywhere
def test_2_and_7_what_came_back_is_not_masked_again_and_nobody_becomes_another(endpoint: str, place: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, [guard], f"{MAIL} {OTHER}")
    once = [PLACES[endpoint, place](0, say(place, sent)), end(endpoint, place, 0, say(place, sent))]
    out = send([guard], exchange, once)
    assert read(out, 0) == say(place, f"{MAIL} {OTHER}")
    assert read(send([guard], exchange, out), 0) == say(place, f"{MAIL} {OTHER}")  # as if filtered twice


@everywhere
def test_3_and_11_a_token_of_another_request_or_an_altered_one_is_nobodys(endpoint: str, place: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    _, sent = ask(endpoint, [guard], MAIL)
    other, _ = ask(endpoint, [guard], OTHER, "req_2")
    altered = sent[:-1] + ("A" if sent[-1] != "A" else "B")
    text = say(place, f"{sent} {altered}")
    assert read(send([guard], other, [PLACES[endpoint, place](0, text), end(endpoint, place, 0, text)]), 0) == text


@everywhere
def test_5_a_guard_that_only_observes_changes_no_answer(endpoint: str, place: str) -> None:
    """litellm#30447: what was said to log alone rewrote what the user got."""
    guards = [
        Guardrail(GuardrailPlan(kind="words", name="words", mode="observe", words=("secret",))),
        Guardrail(GuardrailPlan(kind="canary", name="canary", mode="warn", words=("zebra-4711",))),
    ]
    exchange, _ = ask(endpoint, guards, "hi")
    text = say(place, "a secret of zebra-4711 ")
    events = [
        *(PLACES[endpoint, place](0, piece) for piece in cut(text, random.Random(5))),
        end(endpoint, place, 0, text),
    ]
    assert read(send(guards, exchange, events), 0) == text
    close(guards, exchange)
    assert [word.partition(":answer=")[2] for word in exchange.guards[-2:]] == [
        "allow(observed: a word that is not allowed)", "allow(warned: a canary of the system prompt)",
    ]  # fmt: skip


@everywhere
def test_6_a_guard_that_fails_in_a_stream_ends_it(endpoint: str, place: str) -> None:
    class Broken(PrivacyGuard):
        def delta(self, *_: Any) -> str:
            raise RuntimeError(MAIL)

    guard = Broken(POLICY, bytes(32))
    exchange, sent = ask(endpoint, [guard], MAIL)
    with pytest.raises(Refused) as caught:
        send([guard], exchange, [PLACES[endpoint, place](0, say(place, sent)), end(endpoint, place, 0, sent)])
    assert caught.value.code == "content_policy_violation" and MAIL not in caught.value.message


@everywhere
def test_8_nothing_but_the_beginning_of_a_token_waits(endpoint: str, place: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, [guard], MAIL)
    begin = '{"to": "' if place == "arguments" else ""
    out = send([guard], exchange, [PLACES[endpoint, place](0, piece) for piece in (begin + "Hello ", sent[:9])])
    assert read(out, 0) == begin + "Hello "


@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES, RESPONSES])
def test_9_a_whole_answer_and_a_stream_of_it_say_the_same(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    exchange, sent = ask(endpoint, [guard], MAIL)
    text = f"write to {sent}, or https://evil.example/?d={sent}"
    whole: dict[str, Any] = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    if endpoint != CHAT:
        part = {"type": "text" if endpoint == MESSAGES else "output_text", "text": text}
        whole = {"content": [part]} if endpoint == MESSAGES else {"output": [{"type": "message", "content": [part]}]}
    streamed = read(send([guard], exchange, [PLACES[endpoint, "text"](0, text), end(endpoint, "text", 0, text)]), 0)
    answered = json.loads(guard_answer([guard], exchange, json.dumps(whole).encode()))
    assert streamed == f"write to {MAIL}, or https://evil.example/?d={sent}" and streamed in json.dumps(answered)


def test_10_vectors_of_a_masked_text_are_one_projects_alone() -> None:
    """litellm#39097: a search finds what was stored, since both are masked alike; another project's is another."""
    guard, found = PrivacyGuard(POLICY, bytes(32)), set()
    for number, project in enumerate(("a", "a", "b")):
        exchange = Exchange(f"req_{number}", "/v1/embeddings", {}, json.dumps({"input": MAIL}).encode(), 0.0, 0.0)
        exchange.caller = Caller(principal=Principal(kind="key", id="k", project=project))
        guard_request([guard], exchange)
        found.add((project, json.loads(exchange.body)["input"]))
        assert exchange.guards[0].endswith("=rewrite")  # never silently: the receipt says so
    assert len(found) == 2


@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES, RESPONSES])
def test_12_what_stands_beside_the_messages_is_masked_too(endpoint: str) -> None:
    guard = PrivacyGuard(POLICY, bytes(32))
    schema = {"type": "object", "properties": {"to": {"type": "string", "description": MAIL}}}
    tool: dict[str, Any] = {"name": "send", "description": f"for {MAIL}"}
    body: dict[str, Any] = {"model": "m", "max_tokens": 9}
    if endpoint == CHAT:
        function = {"type": "function", "function": {**tool, "parameters": schema}}
        body |= {"messages": [{"role": "system", "content": MAIL}, {"role": "user", "name": MAIL, "content": "hi"}]}
        body |= {"tools": [function], "stop": [MAIL]}
    elif endpoint == MESSAGES:
        body |= {"system": [{"type": "text", "text": MAIL}], "messages": [{"role": "user", "content": "hi"}]}
        body |= {"tools": [{**tool, "input_schema": schema}], "stop_sequences": [MAIL]}
    else:
        body |= {"instructions": MAIL, "input": "hi", "tools": [{"type": "function", **tool, "parameters": schema}]}
    exchange = Exchange("req_1", endpoint, {}, json.dumps(body).encode(), 0.0, 0.0)
    guard_request([guard], exchange)
    assert MAIL.encode() not in exchange.body and exchange.masked["email"] >= 3
