"""What steward has put into instructions stands in no answer; the client's own do."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from steward.gateway.answer import Answer
from steward.gateway.hidden_instructions import _HiddenEvents, hide_instructions, read_instructions

PATH = "/v1/responses"


@pytest.mark.parametrize(
    ("body", "own"),
    [(b'{"instructions": "Be brief.", "input": "hi"}', '"Be brief."'), (b'{"input": "hi"}', "null"), (b"{", "null")],
)
def test_a_clients_own_are_read_before_anything_is_put_in(body: bytes, own: str) -> None:
    read = read_instructions(PATH, body)
    assert read is not None and bytes(read).decode() == own
    assert read_instructions("/v1/chat/completions", body) is None


@pytest.mark.parametrize(("own", "status"), [(None, 200), ("Be brief.", 200), ("Be brief.", 400), (None, 500)])
def test_a_whole_answer_repeats_the_clients_own(own: str | None, status: int) -> None:
    answer = Answer(status, json.dumps({"id": "r", "instructions": "REF-1\n\nBe brief.", "output": ["é"]}).encode())
    hide_instructions(answer, msgspec.Raw(json.dumps(own).encode()))
    assert json.loads(answer.body) == {"id": "r", "instructions": own, "output": ["é"]}


@pytest.mark.parametrize("body", [b'{"output": [{"instructions": "x"}]}', b'{"instructions"', b"", b"no JSON"])
def test_what_repeats_nothing_stays_as_it_is(body: bytes) -> None:
    answer = Answer(200, body)
    hide_instructions(answer, msgspec.Raw(b"null"))
    assert answer.body == body


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_with_a_response_repeat_the_clients_own_and_others_stay(size: int) -> None:
    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    told = {"id": "r", "instructions": "REF-1"}
    others = [event("response.output_text.delta", delta='the "instructions" are {"instructions": 1}'), b": wait\n\n"]
    sent = event("response.created", response=told) + b"".join(others) + event("response.completed", response=told)
    hidden, out = _HiddenEvents(msgspec.Raw(b'"mine"')), b""
    for at in range(0, len(sent), size):
        out += hidden.feed(sent[at : at + size])
    out += hidden.end()
    assert b"REF-1" not in out and out.count(b'"instructions":"mine"') == 2
    assert b"".join(others) in out and out.startswith(b"event: response.created\ndata: {")
