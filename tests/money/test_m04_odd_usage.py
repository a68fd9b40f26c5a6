"""M4: usage of odd types and in odd places is what is billed, the same whole and streamed; what is not usage is not.

Places and types as they are met: Moonshot (in the choice, `cached_tokens`), Groq (`x_groq`), xAI (thoughts beside the
output), proxies that mix Anthropic's names in, servers that count with a point or as text, or end with zeros.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from compatibility.scripted_engine import Gate, whole
from steward.gateway.pricing.prices import Counts, MeasuredUsage
from steward.gateway.usage import measure_usage

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PLAIN = {"prompt_tokens": 10, "completion_tokens": 5}


def count(put_in: int, put_out: int, **more: int) -> Counts:
    return msgspec.structs.replace(Counts(input=put_in, output=put_out), **more)


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "up", "choices": [choice], **more}


def measure(body: dict[str, Any], answer: Any) -> MeasuredUsage:
    gate = Gate({"m": lambda asked: (200, answer)})
    assert gate.ask(body)[0] == 200
    return measure_usage(gate.exchange, True)


def stream(*chunks: dict[str, Any]) -> MeasuredUsage:
    pieces = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks] + [b"data: [DONE]\n\n"]
    return measure({**CHAT, "stream": True}, pieces)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (PLAIN, count(10, 5)),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.0}, count(10, 5)),
        ({"prompt_tokens": "10", "completion_tokens": "5"}, count(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5}, count(10, 5)),
        ({**PLAIN, "prompt_tokens_details": {"cached_tokens": "4"}}, count(10, 5, cached_input=4)),
        ({**PLAIN, "prompt_tokens_details": {"cached_tokens": 40.0}}, count(10, 5, cached_input=10)),
        ({**PLAIN, "cached_tokens": 4}, count(10, 5, cached_input=4)),
        ({**PLAIN, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2},
         count(10, 5, cached_input=4, cache_write=2)),
        ({**PLAIN, "completion_tokens_details": {"reasoning_tokens": 500}, "total_tokens": 515},
         count(10, 505, reasoning=500)),
        ({**PLAIN, "completion_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 15},
         count(10, 5, reasoning=3)),
        ({**PLAIN, "total_tokens": 215}, count(10, 205)),  # Gemini: thoughts are in the total only, billed as output
        ({**PLAIN, "total_tokens": 12}, count(10, 5)),
        ({**PLAIN, "total_tokens": 10**12}, count(10, 5)),
        ({**PLAIN, "cache_read_input_tokens": 4, "total_tokens": 19}, count(14, 5, cached_input=4)),  # beside the 10
        ({**PLAIN, "cache_read_input_tokens": 4, "total_tokens": 15}, count(10, 5, cached_input=4)),
        # Anthropic's names as its API means them: "Total input tokens" are all three together
        ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 90},
         count(1000, 5, cached_input=900, cache_write=90)),
        ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": -900}, count(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 10**12}, count(10, 5, cached_input=10)),
        ({**PLAIN, "cost": "abc", "prompt_tokens_details": "x", "completion_tokens_details": [1]}, count(10, 5)),
    ],
)  # fmt: skip
def test_m4_usage_of_odd_types(usage: dict[str, Any], counts: Counts) -> None:
    right = MeasuredUsage(counts, estimated=False)
    assert measure(CHAT, whole("Hi there", usage=usage)) == right
    assert stream(chunk("Hi there"), chunk(finish="stop"), {"choices": [], "usage": usage}) == right


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk("Hi", usage=PLAIN), chunk(finish="stop", usage=PLAIN), {"choices": [], "usage": PLAIN}],
        [chunk("Hi", usage={**PLAIN, "completion_tokens": 1}), chunk(finish="stop", usage=PLAIN)],
        [chunk("Hi"), chunk(finish="stop", usage=PLAIN), {"choices": [], "usage": {**dict.fromkeys(PLAIN, 0)}}],
        [chunk("Hi", usage={"prompt_tokens": 10}), chunk(finish="stop", usage={"completion_tokens": 5})],
        [chunk("Hi"), {**chunk(finish="stop"), "x_groq": {"usage": PLAIN}}],
        [chunk("Hi"), {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": PLAIN}]}],
    ],
)  # fmt: skip
def test_m4_usage_in_odd_places(chunks: list[dict[str, Any]]) -> None:
    assert stream(*chunks) == MeasuredUsage(count(10, 5), estimated=False)


@pytest.mark.parametrize("usage", [[10, 5], "15", {"total_tokens": 15}, dict.fromkeys(PLAIN), dict.fromkeys(PLAIN, -1)])
def test_m4_what_is_no_usage_is_estimated_and_not_billed_as_words(usage: Any) -> None:
    streamed = stream(chunk("Hi there"), chunk(finish="stop"), {"choices": [], "usage": usage})
    assert streamed.estimated and 1 <= streamed.counts.output <= 10  # two words, and no part of the usage's own event


def test_m4_zeros_for_an_answer_with_words_are_estimated() -> None:
    streamed = stream(chunk("Hi there"), chunk(finish="stop"), {"choices": [], "usage": dict.fromkeys(PLAIN, 0)})
    assert streamed.estimated and streamed.counts.output >= 1
