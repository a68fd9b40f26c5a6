"""Completions as OpenAI's API gives them, of what llama.cpp gives."""

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.dialects.embedded_completions import is_needed, open_stream, translate_answer, translate_request


def entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "top_logprobs": [{"token": token, "logprob": logprob}]}


def test_it_is_needed_for_an_echo_log_probabilities_or_no_token() -> None:
    assert is_needed(frozenset({"echo"}), 5) and is_needed(frozenset({"logprobs"}), None)
    assert is_needed(frozenset({"prompt"}), 0)
    assert not is_needed(frozenset({"prompt"}), 1) and not is_needed(frozenset(), None)


def test_the_request() -> None:
    assert translate_request({"prompt": "a", "echo": False, "max_tokens": 0}, []) == {"prompt": "a", "max_tokens": 1}
    assert translate_request({"prompt": ["a", "b"], "echo": True}, []) == {"prompt": ["a", "b"]}
    assert translate_request({"prompt": [1], "logprobs": 2, "echo": False}, []) == {"prompt": [1], "logprobs": 2}
    for body in ({"prompt": "a", "logprobs": 0}, {"prompt": [1]}, {"prompt": ["a", [1]]}, {}):
        with pytest.raises(Refused) as caught:
            translate_request({**body, "echo": True}, [])
        assert caught.value.param == "echo"


def test_prompts_go_to_their_choices() -> None:
    asked = {"prompt": ["a", "b"], "n": 2, "echo": True}
    choices = [{"index": number, "text": str(number)} for number in range(5)]
    made = translate_answer({"choices": choices}, asked, "req_1", 0.0)["choices"]
    assert [choice["text"] for choice in made] == ["a0", "a1", "b2", "b3", "b4"]
    assert all(choice["logprobs"] is None for choice in made)


def test_offsets_go_on_over_the_chunks_of_a_choice() -> None:
    stream = open_stream({"prompt": "p", "logprobs": 1}, "req_1", 0.0, 1)
    seen = []
    for token in ("ab", "c"):
        chunk = {"choices": [{"index": 0, "text": token, "logprobs": {"content": [entry(token, -1.0)]}}]}
        (event,) = stream.feed(chunk)
        seen.append(json.loads(event[6:])["choices"][0]["logprobs"])
    assert seen[0] == {"tokens": ["ab"], "token_logprobs": [-1.0], "top_logprobs": [{"ab": -1.0}], "text_offset": [0]}
    assert seen[1]["text_offset"] == [2]
    assert stream.end(TokenCounts()) == [b"data: [DONE]\n\n"]


def test_a_chunk_with_usage_alone_comes_only_where_it_was_asked_for() -> None:
    usage: dict[str, Any] = {"choices": [], "usage": {}}
    assert open_stream({"echo": True, "prompt": "p"}, "req_1", 0.0, 1).feed(usage) == []
    asked = {"echo": True, "prompt": "p", "stream_options": {"include_usage": True}}
    assert len(open_stream(asked, "req_1", 0.0, 1).feed(usage)) == 1


def test_no_token_leaves_nothing_but_the_end() -> None:
    answer = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    made = translate_answer(answer, {"prompt": "p", "max_tokens": 0}, "req_1", 0.0)
    assert made["choices"] == [{"index": 0, "text": "", "finish_reason": "length", "logprobs": None}]
    assert made["usage"] == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    begun = translate_answer({"choices": [{"index": 0, "text": "x"}]}, {"prompt": "p", "max_tokens": 0}, "req_1", 0.0)
    assert begun["choices"] == [{"index": 0, "text": "", "logprobs": None}]
