"""What a request may refer to, and how it reads with that in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.stored_responses import (
    MOST_ANSWER_BYTES,
    OwnAnswer,
    StoredResponse,
    answer_of,
    expand,
    find_references,
    make_stored,
    read_last_event,
    read_output,
)

A, B = "a" * 24, "b" * 24
HI = {"type": "message", "role": "user", "content": "hi"}


def item(name: str, text: str = "Hello.") -> dict[str, Any]:
    return {"id": name, "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def refer(*names: str, **more: Any) -> bytes:
    return json.dumps(
        {"model": "m", "input": [{"type": "item_reference", "id": name} for name in names], **more}
    ).encode()


def stored(*items: dict[str, Any], asked: Any = ()) -> StoredResponse:
    return StoredResponse(at=1.0, output=json.dumps(items).encode(), input=json.dumps(asked).encode() if asked else b"")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (f"msg_{A}", A),
        (f"msg_{A}0", A),
        (f"fc_{A}12", A),
        (f"rs_{A}", A),
        (f"resp_{A}", A),
        (f"call_{A}", None),
        (f"msg_{A[1:]}", None),
        (f"msg_{A}0000000", None),
        (f"../{A}", None),
        ("msg_" + "A" * 24, None),
        (f"msg_{A}\n", None),
        (None, None),
        (5, None),
    ],
)
def test_an_item_names_its_answer(name: Any, answer: str | None) -> None:
    assert answer_of(name) == answer


@pytest.mark.parametrize(
    ("body", "wants", "previous", "answers"),
    [
        (refer(f"msg_{A}", f"fc_{B}1", f"fc_{B}2", "msg_gone"), True, None, {A, B}),
        (refer(previous_response_id=f"resp_{A}", store=False), False, f"resp_{A}", {A}),
        (refer(previous_response_id="resp_of_another", store=True), True, None, set()),
        (b'{"input":"item_reference","store":null}', True, None, set()),
        (b'{"input":[{"type":"item_reference","id":7},3,null]}', True, None, set()),
        (b'{"store":"yes"}', False, None, set()),
        (b'{"input":{"type":"item_reference"}}', True, None, set()),
        (b"[]", False, None, set()),
        (b'{"input":', False, None, set()),
        (b'{"input":"\xff"}', True, None, set()),
        (b'{"input":["item_reference\xff"]}', True, None, set()),
    ],
)
def test_references_are_found(body: bytes, wants: bool, previous: str | None, answers: set[str]) -> None:
    found = find_references(body)
    assert (found.wants_store, found.previous, found.answers) == (wants, previous, answers)
    assert found.is_empty() == (not answers)


def test_a_reference_becomes_its_item_and_the_others_stay() -> None:
    body = refer(f"msg_{A}", f"msg_{B}", "msg_gone", temperature=0.5)
    made = json.loads(expand(body, find_references(body), {A: stored(item(f"msg_{A}"))}, 10_000))
    first, second, third = made["input"]
    assert first == item(f"msg_{A}") and second["type"] == third["type"] == "item_reference"
    assert (made["model"], made["temperature"]) == ("m", 0.5)


def test_an_item_of_the_request_itself_comes_before_a_stored_one() -> None:
    body = json.dumps({"input": [item(f"msg_{A}", "mine"), {"type": "item_reference", "id": f"msg_{A}"}]}).encode()
    made = json.loads(expand(body, find_references(body), {A: stored(item(f"msg_{A}", "stored"))}, 10_000))
    assert made["input"][1]["type"] == "item_reference"  # the translation finds it in the request


def test_the_answer_before_comes_with_what_it_was_asked() -> None:
    body = json.dumps({"input": "and now?", "previous_response_id": f"resp_{A}"}).encode()
    made = json.loads(expand(body, find_references(body), {A: stored(item(f"msg_{A}"), asked=[HI])}, 10_000))
    assert made == {"input": [HI, item(f"msg_{A}"), {**HI, "content": "and now?"}]}


def test_an_answer_without_what_it_was_asked_is_not_followed() -> None:
    body = json.dumps({"input": "and now?", "previous_response_id": f"resp_{A}"}).encode()
    made = json.loads(expand(body, find_references(body), {A: stored(item(f"msg_{A}"))}, 10_000))
    assert made["previous_response_id"] == f"resp_{A}"


def test_a_request_does_not_grow_beyond_its_bound() -> None:
    long = item(f"msg_{A}", "x" * 1000)
    size = len(json.dumps(long))
    body = refer(*[f"msg_{A}"] * 3)
    found = {A: stored(long)}
    assert len(json.loads(expand(body, find_references(body), found, 3 * size))["input"]) == 3
    with pytest.raises(Refused, match=f"has {3 * size:,} bytes") as caught:
        expand(body, find_references(body), found, 3 * size - 1)
    assert caught.value.status == 413


def test_what_is_kept_is_bounded() -> None:
    body = json.dumps({"input": "x" * 100}).encode()
    asked = json.dumps([{**HI, "content": "x" * 100}], separators=(",", ":")).encode()
    fits = b" " * (MOST_ANSWER_BYTES - len(asked))
    assert make_stored(body, OwnAnswer(fits, b""), 2.0) == StoredResponse(at=2.0, output=fits, input=asked)
    assert make_stored(body, OwnAnswer(fits, b" "), 2.0) == StoredResponse(at=2.0, output=fits, rest=b" ")
    assert make_stored(body, OwnAnswer(b" " * MOST_ANSWER_BYTES, b""), 2.0) is not None
    assert make_stored(body, OwnAnswer(b" " * MOST_ANSWER_BYTES, b" "), 2.0) is None
    assert make_stored(b"no", OwnAnswer(b"[]", b"{}"), 2.0) == StoredResponse(
        at=2.0, output=b"[]", input=b"[]", rest=b"{}"
    )


def test_only_an_answer_of_our_own_is_kept() -> None:
    body = b'{"id":"resp_1","output":[{"id":"x"}],"error":null}'
    assert read_output(body, "resp_1") == OwnAnswer(b'[{"id":"x"}]', b'{"id":"resp_1","error":null}')
    assert read_output(body, "resp_2") is None and read_output(b"no", "resp_1") is None


@pytest.mark.parametrize("end", ["completed", "incomplete"])
def test_the_last_event_tells_the_items(end: str) -> None:
    data = json.dumps({"type": f"response.{end}", "response": {"id": "resp_1", "output": [1]}})
    events = f"event: response.output_item.done\ndata: {{}}\n\nevent: response.{end}\ndata: {data}\n\n".encode()
    assert read_last_event(events, "resp_1") == OwnAnswer(b"[1]", b'{"id":"resp_1"}')
    assert read_last_event(events, "resp_2") is None


def test_other_events_tell_nothing() -> None:
    data = json.dumps({"response": {"id": "resp_1", "output": [1]}})
    for kind in ("created", "failed", "completed.not"):
        assert read_last_event(f"event: response.{kind}\ndata: {data}\n\n".encode(), "resp_1") is None
    assert read_last_event(b"event: response.completed\ndata: {\n\n", "resp_1") is None
