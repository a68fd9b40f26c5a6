"""Bounds of numbers, to the last value that passes. Sources: OpenAI's and Anthropic's API references."""

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.numbers import BOUNDS, CHECKED, check_numbers

CHAT = "/v1/chat/completions"


def refusal(endpoint: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        check_numbers(endpoint, fields)
    return caught.value


def test_the_table() -> None:
    sampling = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"}
    assert {endpoint: set(bounds) for endpoint, bounds in BOUNDS.items()} == {
        CHAT: sampling | {"top_logprobs"},
        "/v1/completions": sampling | {"logprobs"},
        "/v1/responses": {"temperature", "top_p", "top_logprobs"},
        "/v1/messages": {"temperature", "top_p", "top_k"},
        "/v1/embeddings": {"dimensions"},
    }
    assert CHECKED["/v1/embeddings"] == {"dimensions", "logit_bias", "logprobs"}


def test_the_words_say_what_was_seen_and_what_is_expected() -> None:
    assert refusal(CHAT, temperature=3).message == "'temperature' must be between 0 and 2, not 3."
    assert refusal(CHAT, temperature="hot").message == "'temperature' must be a number, not \"hot\"."
    assert refusal("/v1/messages", top_k=-1).message == "'top_k' must be at least 0, not -1."
    assert refusal("/v1/messages", top_k=0.5).message == "'top_k' must be a whole number, not 0.5."
    assert refusal(CHAT, seed=10**30).message.endswith("not a number of 100 bits.")
    assert refusal(CHAT, temperature=[1]).message.endswith("not a list.")
    assert refusal(CHAT, temperature={}).message.endswith("not an object.")
    assert refusal(CHAT, logit_bias={"5": -101}).message == "'logit_bias.5' must be between -100 and 100, not -101."


def test_what_passes() -> None:
    check_numbers(CHAT, {"temperature": None, "top_p": 1.0, "seed": 5.0, "logit_bias": {"5": 100, "6": -100}})
    check_numbers(CHAT, {"logprobs": False, "logit_bias": None})
    check_numbers("/v1/messages", {"logit_bias": {"5": 999}, "top_k": 10**9})
    check_numbers("/v1/embeddings", {"dimensions": 1})
    check_numbers("/v1/unheard-of", {"temperature": 99})
    check_numbers("/v1/completions", {"logprobs": 5})


def test_log_probabilities_of_chat() -> None:
    assert refusal(CHAT, top_logprobs=1).param == "top_logprobs"
    assert refusal(CHAT, top_logprobs=0, logprobs=False).param == "top_logprobs"
    assert refusal(CHAT, logprobs=1).message == "'logprobs' must be true or false, not 1."
    check_numbers(CHAT, {"top_logprobs": 0, "logprobs": True})
