"""C20: numbers are taken as the real APIs take them; what an embedded model cannot do is refused by name.

Bounds: OpenAI's and Anthropic's API references. `starter` is asked in tests/functional/test_conformance_starter.py.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from compatibility.events import parse_events
from compatibility.scripted_engine import Gate, streamed, whole
from steward.core.errors import Refused
from steward.gateway.request_reading import read_request

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TEXT: dict[str, Any] = {"model": "m", "prompt": "Say"}
MESSAGES: dict[str, Any] = {**CHAT, "max_tokens": 5}
RESPONSES: dict[str, Any] = {"model": "m", "input": "hi"}
BODIES = {
    "/v1/chat/completions": CHAT, "/v1/completions": TEXT, "/v1/messages": MESSAGES, "/v1/responses": RESPONSES,
    "/v1/embeddings": {"model": "m", "input": "hi"},
}  # fmt: skip


def embedded(answer: Any = None) -> Gate:
    return Gate({"m": lambda body: (200, answer or (streamed("x") if body.get("stream") else whole()))}, embedded=True)


def refused(endpoint: str, **fields: Any) -> tuple[str | None, str | None]:
    with pytest.raises(Refused) as caught:
        embedded().ask({**BODIES[endpoint], **fields}, endpoint)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code


@pytest.mark.parametrize("written", ["100.0", "1e2", "100"])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
def test_a_whole_number_may_be_written_with_a_fraction_of_zero(name: str, written: str) -> None:
    body = json.dumps(CHAT)[:-1].encode() + f',"{name}":{written}}}'.encode()
    request, fields, passed = read_request("/v1/chat/completions", body)
    assert getattr(request, name) == 100 and name in fields
    assert json.loads(passed)[name] == 100 and b"100.0" not in passed
    assert (passed is body) is (written == "100")


@pytest.mark.parametrize(
    ("name", "written", "code"),
    [
        ("max_tokens", "1.5", "invalid_type"),
        ("max_tokens", '"5"', "invalid_type"),
        ("max_tokens", "true", "invalid_type"),
        ("max_tokens", "-1", "integer_below_min_value"),
        ("max_tokens", "-1.0", "integer_below_min_value"),
        ("max_tokens", "0", "integer_below_min_value"),
        ("max_completion_tokens", "0", "integer_below_min_value"),
        ("max_tokens", "1e300", "integer_above_max_value"),
        ("max_tokens", "1" + "0" * 30, "integer_above_max_value"),
        ("max_tokens", "1" + "0" * 5000, "invalid_value"),
        ("max_tokens", "1e400", "invalid_value"),
        ("n", "0", "integer_below_min_value"),
        ("n", "129", "integer_above_max_value"),
        ("n", "0.5", "invalid_type"),
    ],
)
def test_other_counts_are_refused_by_name(name: str, written: str, code: str) -> None:
    body = json.dumps(CHAT)[:-1].encode() + f',"{name}":{written}}}'.encode()
    with pytest.raises(Refused) as caught:
        read_request("/v1/chat/completions", body)
    assert (caught.value.param, caught.value.code, caught.value.status) == (name, code, 400)


def test_a_count_that_stands_twice_is_refused_also_with_a_fraction() -> None:
    with pytest.raises(Refused, match="twice"):
        read_request("/v1/chat/completions", b'{"model":"m","messages":[],"max_tokens":5.0,"max_tokens":9}')


BOUNDS = [
    *((endpoint, field, low, high) for endpoint in ("/v1/chat/completions", "/v1/completions")
      for field, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("presence_penalty", -2, 2),
                               ("frequency_penalty", -2, 2), ("seed", -(2**63), 2**63 - 1))),
    ("/v1/responses", "temperature", 0, 2), ("/v1/responses", "top_p", 0, 1),
    ("/v1/messages", "temperature", 0, 1), ("/v1/messages", "top_p", 0, 1), ("/v1/messages", "top_k", 0, 10**6),
    ("/v1/completions", "logprobs", 0, 5),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "field", "low", "high"), BOUNDS)
def test_numbers_within_their_bounds_pass_and_others_do_not(endpoint: str, field: str, low: int, high: int) -> None:
    for value in (low, high):
        assert embedded().ask({**BODIES[endpoint], field: value}, endpoint)[0] == 200
    kind = "integer" if field in ("seed", "top_k", "logprobs") else "decimal"
    assert refused(endpoint, **{field: low - 1}) == (field, f"{kind}_below_min_value")
    if field != "top_k":
        assert refused(endpoint, **{field: high + 1}) == (field, f"{kind}_above_max_value")
    assert refused(endpoint, **{field: "hot"}) == (field, "invalid_type")
    assert refused(endpoint, **{field: True}) == (field, "invalid_type")


def test_log_probabilities() -> None:
    chat = "/v1/chat/completions"
    assert embedded().ask({**CHAT, "logprobs": True, "top_logprobs": 20}, chat)[0] == 200
    assert refused(chat, logprobs=True, top_logprobs=21) == ("top_logprobs", "integer_above_max_value")
    assert refused(chat, top_logprobs=2) == ("top_logprobs", "invalid_value")
    assert refused(chat, logprobs=5) == ("logprobs", "invalid_type")
    assert refused(chat, logit_bias={"5": 101}) == ("logit_bias.5", "decimal_above_max_value")


def test_an_upstream_that_speaks_the_dialect_judges_numbers_itself() -> None:
    gate = Gate({"m": lambda body: (200, whole())})
    assert gate.ask({**CHAT, "temperature": 9, "top_logprobs": 50})[0] == 200
    assert gate.engines["m"].asked[0]["temperature"] == 9


def completion(*texts: str, logprobs: Any = None) -> dict[str, Any]:
    choices = [{"index": i, "text": t, "logprobs": logprobs, "finish_reason": "stop"} for i, t in enumerate(texts)]
    return {"id": "c", "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


def test_an_echo_and_no_token() -> None:
    gate = embedded(completion(" no"))
    answer = json.loads(gate.ask({**TEXT, "echo": True, "max_tokens": 0}, "/v1/completions")[1])
    assert answer["choices"][0]["text"] == "Say" and answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"] == {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    assert gate.engines["m"].asked[0] == {"model": "m", "prompt": "Say", "max_tokens": 1}
    assert json.loads(gate.ask({**TEXT, "max_tokens": 0}, "/v1/completions")[1])["choices"][0]["text"] == ""
    gate = embedded(completion("1", "2", "3", "4"))
    answer = json.loads(gate.ask({**TEXT, "prompt": ["a", "b"], "n": 2, "echo": True}, "/v1/completions")[1])
    assert [choice["text"] for choice in answer["choices"]] == ["a1", "a2", "b3", "b4"]


def test_an_echo_in_a_stream_comes_first() -> None:
    chunks = [completion(" he"), completion("llo")]
    events = [b"data: null\n\n", *(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)]
    gate = embedded([*events, b"data: [DONE]\n\n"])
    status, content, _ = gate.ask({**TEXT, "echo": True, "stream": True}, "/v1/completions")
    assert status == 200 and content.endswith(b"data: [DONE]\n\n")
    assert [event["choices"][0]["text"] for event in parse_events([content])] == ["Say he", "llo"]


def test_what_cannot_be_echoed_is_refused() -> None:
    assert refused("/v1/completions", echo=True, logprobs=1) == ("echo", "unsupported_parameter")
    assert refused("/v1/completions", echo=True, prompt=[1, 2]) == ("echo", "unsupported_parameter")


def test_log_probabilities_of_completions_have_their_own_shape() -> None:
    entry = {"token": "x", "logprob": -0.5, "top_logprobs": [{"token": "x", "logprob": -0.5}]}
    gate = embedded(completion("x", logprobs={"content": [entry]}))
    answer = json.loads(gate.ask({**TEXT, "logprobs": 1}, "/v1/completions")[1])
    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["x"], "token_logprobs": [-0.5], "top_logprobs": [{"x": -0.5}], "text_offset": [0],
    }  # fmt: skip


@pytest.mark.parametrize("vector", [[0.5] * 8, base64.b64encode(bytes(32)).decode()])  # 8 numbers of 4 bytes
def test_dimensions_that_the_model_has_or_an_error(vector: Any) -> None:
    made = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": vector}]}
    gate = embedded(made)
    body = {"model": "m", "input": "hi"}
    assert json.loads(gate.ask({**body, "dimensions": 8}, "/v1/embeddings")[1]) == made
    with pytest.raises(Refused, match="8 numbers, not 4") as caught:
        gate.ask({**body, "dimensions": 4}, "/v1/embeddings")
    assert (caught.value.param, caught.value.status) == ("dimensions", 400)
    assert refused("/v1/embeddings", dimensions=0) == ("dimensions", "integer_below_min_value")


def test_several_prompts_stream_though_llama_cpp_begins_with_null() -> None:
    gate = embedded([b"data: null\n\n", *streamed("x")])
    status, content, _ = gate.ask({**TEXT, "prompt": ["a", "b"], "stream": True}, "/v1/completions")
    assert status == 200 and b"null\n\n" not in content and b'"error"' not in content


@pytest.mark.parametrize("spoken", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("endpoint", "field", "sent"),
    [
        ("/v1/chat/completions", "max_tokens", "max_tokens"),
        ("/v1/chat/completions", "max_completion_tokens", "max_completion_tokens"),
        ("/v1/messages", "max_tokens", "max_tokens"),
        ("/v1/messages", "top_k", "top_k"),
        ("/v1/responses", "max_output_tokens", "max_tokens"),
    ],
)
def test_whole_numbers_reach_every_upstream_without_a_fraction(
    spoken: str, endpoint: str, field: str, sent: str
) -> None:
    if endpoint == spoken == "/v1/messages" and field == "top_k":
        return  # what is not a count passes as it is where the upstream speaks the dialect
    message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1}}
    gate = Gate(
        {"m": lambda body: (200, whole() if spoken != "/v1/messages" else message)}, endpoints=frozenset({spoken})
    )
    assert gate.ask({**BODIES[endpoint], field: 9000.0}, endpoint)[0] == 200
    (asked,) = gate.engines["m"].asked
    names = [name for name in asked if name == sent or name.startswith("max")]
    assert names and all(asked[name] in (9000, 5) and type(asked[name]) is int for name in names)


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("value", [-1, 0, 1.5, "5", True, 10**30])
@pytest.mark.parametrize(
    ("spoken", "is_embedded"),
    [("/v1/chat/completions", False), ("/v1/chat/completions", True), ("/v1/messages", False)],
)
def test_a_maximum_that_is_none_is_refused_before_every_upstream(
    endpoint: str, value: Any, spoken: str, is_embedded: bool
) -> None:
    field = "max_output_tokens" if endpoint == "/v1/responses" else "max_tokens"
    gate = Gate({"m": lambda body: (200, whole())}, endpoints=frozenset({spoken}), embedded=is_embedded)
    with pytest.raises(Refused) as caught:
        gate.ask({**BODIES[endpoint], field: value}, endpoint)
    assert (caught.value.status, caught.value.param) == (400, field) and gate.engines["m"].asked == []


def test_m2_a_maximum_that_a_translation_sets_is_told() -> None:
    message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1}}
    gate = Gate({"m": lambda body: (200, message)}, endpoints=frozenset({"/v1/messages"}))
    for endpoint, field in (("/v1/chat/completions", "max_tokens"), ("/v1/responses", "max_output_tokens")):
        told = dict(gate.ask(BODIES[endpoint], endpoint)[2].headers)
        assert told[b"x-steward-max-output-tokens"] == b"8192"  # what is sent where the client says nothing
        assert gate.engines["m"].asked[-1]["max_tokens"] == 8192
        told = dict(gate.ask({**BODIES[endpoint], field: 7}, endpoint)[2].headers)
        assert b"x-steward-max-output-tokens" not in told and gate.engines["m"].asked[-1]["max_tokens"] == 7
