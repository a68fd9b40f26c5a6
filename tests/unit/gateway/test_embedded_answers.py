"""What is added to an embedded engine's answers, and the check of an embedding's length."""

import base64
import json
from typing import Any

from steward.gateway.embedded_answers import check_dimensions, complete_chat


def test_required_fields_are_added_and_others_stay() -> None:
    assert complete_chat({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}], "x": 1}) == {
        "x": 1,
        "service_tier": None,
        "choices": [
            {
                "index": 0,
                "logprobs": None,
                "message": {"role": "assistant", "content": "hi", "refusal": None, "annotations": []},
            }
        ],
    }
    told = {"logprobs": {"content": []}, "message": {"refusal": "no", "annotations": [1]}}
    choice = complete_chat({"choices": [told], "service_tier": "flex"})["choices"][0]
    assert choice["logprobs"] == {"content": []} and choice["message"]["refusal"] == "no"
    assert choice["message"]["annotations"] == [1] and choice["message"]["content"] is None
    assert complete_chat({}) == {"service_tier": None}
    assert complete_chat({"choices": [{"message": None}]})["choices"][0] == {"message": None, "logprobs": None}


def body(embedding: Any) -> bytes:
    return json.dumps({"data": [{"embedding": embedding}]}).encode()


def test_a_length_is_known_of_numbers_and_of_base64() -> None:
    for embedding in ([0.0] * 3, base64.b64encode(bytes(12)).decode()):
        assert check_dimensions("m", 3, body(embedding)) is None
        refusal = check_dimensions("m", 2, body(embedding))
        assert refusal is not None and refusal.param == "dimensions" and refusal.code == "unsupported_parameter"
        assert refusal.message == "Model 'm' makes embeddings of 3 numbers, not 2; leave out 'dimensions'."


def test_what_cannot_be_told_is_not_refused() -> None:
    for answer in (body(None), body("a"), b'{"data":[]}', b'{"data":[1]}', b"{}"):
        assert check_dimensions("m", 2, answer) is None
