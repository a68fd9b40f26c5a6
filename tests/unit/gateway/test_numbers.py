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


def codes(endpoint: str, name: str, *values: float) -> list[str | None]:
    """What is said against each value; None: nothing."""
    found: list[str | None] = []
    for value in values:
        try:
            check_numbers(endpoint, {name: value} | ({"logprobs": True} if endpoint == CHAT else {}))
            found.append(None)
        except Refused as error:
            found.append((error.code or "").partition("_")[2])
    return found


BELOW, ABOVE = "below_min_value", "above_max_value"
RANGES = [
    *((endpoint, "temperature", 0, most) for endpoint, most in (
        (CHAT, 2), ("/v1/completions", 2), ("/v1/responses", 2), ("/v1/messages", 1))),
    *((endpoint, "top_p", 0, 1) for endpoint in (CHAT, "/v1/completions", "/v1/responses", "/v1/messages")),
    *((endpoint, name, -2, 2) for endpoint in (CHAT, "/v1/completions")
      for name in ("presence_penalty", "frequency_penalty")),
    (CHAT, "top_logprobs", 0, 20),
    ("/v1/responses", "top_logprobs", 0, 20),
    ("/v1/completions", "logprobs", 0, 5),
    (CHAT, "seed", -(2**63), 2**63 - 1),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "name", "least", "most"), RANGES)
def test_the_ends_of_a_range_pass_and_nothing_beyond(endpoint: str, name: str, least: int, most: int) -> None:
    assert codes(endpoint, name, least - 1, least, most, most + 1) == [BELOW, None, None, ABOVE]


def test_some_numbers_have_no_end() -> None:
    assert codes("/v1/messages", "top_k", -1, 0, 10**18) == [BELOW, None, None]
    assert codes("/v1/embeddings", "dimensions", 0, 1, 10**18) == [BELOW, None, None]
    assert codes(CHAT, "temperature", 1.99, 2.01) == [None, ABOVE]


def test_what_was_seen_is_told_at_a_readable_length() -> None:
    assert refusal(CHAT, temperature=10**20 - 1).message.endswith("not 99999999999999999999.")
    assert refusal(CHAT, temperature=10**20).message.endswith("not a number of 67 bits.")
    assert refusal(CHAT, temperature="x" * 200).message.endswith(f'not "{"x" * 98}….')
    assert refusal(CHAT, logit_bias={"t" * 101: 101}).param == "logit_bias." + "t" * 99 + "…"
