"""A stream adds up to what an unstreamed call gives."""

from __future__ import annotations

import msgspec
import pytest

from steward.evaluation.streamed import join_parts, join_stream

EVENTS = (
    b'data: {"choices": [{"delta": {"role": "assistant", "content": null}}]}\n\n'
    b": a comment\n\nevent: x\n"
    b'data: {"choices": [{"delta": {"content": "Pa"}}]}\r\n\r\n'
    b'data: {"choices": [{"delta": {"content": "ris"}, "finish_reason": "length"}]}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
    b"data: [DONE]\n\n"
)


def test_e02_a_stream_is_put_together() -> None:
    found = join_stream(EVENTS)
    assert found["choices"] == [{"message": {"content": "Paris"}, "finish_reason": "length"}]
    assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 2}


@pytest.mark.parametrize("data", [b"", b"data: [DONE]\n", b"data: {\n", b'{"choices": []}'])
def test_what_is_no_stream_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="no event"):
        join_stream(data)


def test_of_several_choices_the_first_is_read_and_no_space_is_needed() -> None:
    line = b'data:{"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}\n'
    assert join_stream(line + b"data:[DONE]\n") == {
        "choices": [{"message": {"content": "a"}, "finish_reason": None}], "usage": None
    }  # fmt: skip


def test_e03_content_in_parts_is_its_text_without_thoughts() -> None:
    """Mistral's reasoning models answer with a list of chunks (docs.mistral.ai, reasoning)."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "London?"}]}, {"type": "text", "text": "Paris"}]
    assert join_parts(parts) == "Paris" and join_parts("Paris") == "Paris"
    event = msgspec.json.encode({"choices": [{"delta": {"content": parts}}]})
    assert join_stream(b"data: " + event)["choices"][0]["message"]["content"] == "Paris"
    unclear = [*parts, {"type": "image"}], [*parts, {"type": "text", "text": None}], [{"type": "text", "text": "Paris"}]
    for other in (*unclear, [], ["x"], 5, None):
        assert join_parts(other) is other
