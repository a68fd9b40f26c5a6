"""How long an answer may become: the endpoint's own fields, names that others might take for one, and what fits.

Own fields: OpenAI API reference ("Create chat completion", "Create completion", "Create a model response"); Anthropic
API reference, "Create a Message". Others: llama.cpp's `n_predict`, Text Generation Inference's `max_new_tokens`,
Ollama's `options.num_predict`, Gemini's `generationConfig.maxOutputTokens`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.records import LimitSpec, Scope
from steward.gateway.output_limits import declared_maximum, fit_maximum, refuse_other_maxima
from steward.gateway.wire_fields import Request

CHAT, TEXT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"


@pytest.mark.parametrize(
    ("endpoint", "fields", "most"),
    [
        (CHAT, {}, None),
        (CHAT, {"max_tokens": 5}, 5),
        (CHAT, {"max_completion_tokens": 7, "max_tokens": 5}, 7),
        (CHAT, {"max_completion_tokens": 5, "max_tokens": 7}, 7),
        (CHAT, {"max_completion_tokens": 5, "n": 3}, 15),
        (CHAT, {"max_output_tokens": 5}, None),
        (TEXT, {"max_tokens": 5, "best_of": 4, "n": 2}, 20),
        (TEXT, {"max_tokens": 0}, 0),
        (TEXT, {"max_completion_tokens": 5}, None),
        (RESPONSES, {"max_output_tokens": 5}, 5),
        (RESPONSES, {"max_tokens": 5}, None),
        (MESSAGES, {"max_tokens": 5}, 5),
        ("/v1/embeddings", {"max_tokens": 5}, None),
    ],
)
def test_only_the_endpoints_own_fields_declare(endpoint: str, fields: dict[str, Any], most: int | None) -> None:
    assert declared_maximum(Request(model="m", **fields), endpoint) == most


def refused(endpoint: str, fields: dict[str, Any]) -> Refused | None:
    try:
        refuse_other_maxima(frozenset(fields), json.dumps(fields).encode(), endpoint)
    except Refused as error:
        assert (error.status, error.code) == (400, "unsupported_parameter")
        return error
    return None


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (CHAT, {"max_completion_tokens": 1, "max_tokens": 1, "n": 2, "temperature": 1}),
        (TEXT, {"max_tokens": 1, "n": 2, "best_of": 2}),
        (RESPONSES, {"max_output_tokens": 1}),
        (MESSAGES, {"max_tokens": 1}),
        (CHAT, {"options": {"temperature": 1}, "extra_body": [{"max_tokens": 1}], "config": None}),
        (CHAT, {"metadata": {"n_predict": 1}}),  # no object of settings
        (CHAT, {"max_input_tokens": 9, "truncate_prompt_tokens": 9, "num_ctx": 9, "min_p": 0.1, "top_logprobs": 1}),
        (CHAT, {"min_tokens_to_keep": 1, "max_prompt_length": 9, "n_probs": 1, "num_keep": 1}),
        (RESPONSES, {"max_tool_calls": 2, "max_output_tokens": 1}),
        ("/v1/rerank", {"max_tokens_per_doc": 9, "top_n": 2}),
    ],
)
def test_what_is_the_endpoints_own_passes(endpoint: str, fields: dict[str, Any]) -> None:
    assert refused(endpoint, fields) is None


@pytest.mark.parametrize(
    ("endpoint", "fields", "param"),
    [
        (CHAT, {"n_predict": 9}, "n_predict"),
        (CHAT, {"Max-New_Tokens": 9}, "Max-New_Tokens"),
        (CHAT, {"ｎ_ｐｒｅｄｉｃｔ": 9}, "ｎ_ｐｒｅｄｉｃｔ"),
        (CHAT, {"max_total_tokens": 9}, "max_total_tokens"),
        (CHAT, {"max_new_token": 9}, "max_new_token"),
        (CHAT, {"num_beams": 9}, "num_beams"),
        (CHAT, {"max_seq_len": 9}, "max_seq_len"),
        (CHAT, {"response_length": 9}, "response_length"),
        (RESPONSES, {"num_choices": 9}, "num_choices"),
        (CHAT, {"best_of": 2}, "best_of"),
        (TEXT, {"max_completion_tokens": 9}, "max_completion_tokens"),
        (MESSAGES, {"n": 2}, "n"),
        (RESPONSES, {"max_tokens": 9}, "max_tokens"),
        (CHAT, {"options": {"num_predict": 9}}, "options.num_predict"),
        (CHAT, {"config": {"generationConfig": {"maxOutputTokens": 9}}}, "config.generationConfig.maxOutputTokens"),
        (CHAT, {"options": {"max_tokens": 9}}, "options.max_tokens"),  # within settings no name is the endpoint's own
    ],
)  # fmt: skip
def test_what_might_be_taken_for_a_maximum_is_refused(endpoint: str, fields: dict[str, Any], param: str) -> None:
    error = refused(endpoint, fields)
    assert error is not None and error.param == param


def test_the_refusal_says_what_to_do() -> None:
    error = refused(RESPONSES, {"n_predict": 9})
    assert error is not None and error.message == (
        "'n_predict' could change the length of the answer, which this key's limits count; use 'max_output_tokens'."
    )
    error = refused("/v1/embeddings", {"n_predict": 9})
    assert error is not None and error.message.endswith("; remove it.")
    error = refused(CHAT, {"config": {"x" * 99: {"n": 1}}})
    assert error is not None and error.param == f"config.{'x' * 92}…"
    assert error.message.startswith(f"'config.{'x' * 92}…' could change")


@pytest.mark.parametrize("padding", [0, 5_000])
def test_large_bodies_are_read_as_small_ones(padding: int) -> None:
    fields = {"messages": "x" * padding, "n_predict": 9}
    error = refused(CHAT, fields)
    assert error is not None and error.param == "n_predict"


def scope(**limits: Any) -> Scope:
    return Scope("key:k", LimitSpec(**limits))


def fit(*scopes: Scope, choices: int = 1, prices: tuple[float, float] = (1.0, 2.0)) -> int:
    """Of 4096 configured, for a request of 100 tokens."""
    return fit_maximum(4096, 100, scopes, prices, choices)


def test_m02_without_a_limit_that_counts_the_configured_maximum_holds() -> None:
    assert fit() == fit(scope(requests_per_minute=1)) == 4096 and fit(choices=3) == 4096
    assert fit(scope(usd_per_day=0.0), prices=(1.0, 0.0)) == 4096  # output costs nothing


@pytest.mark.parametrize(
    ("limits", "choices", "most"),
    [
        ({"tokens_per_minute": 1_100}, 1, 1_000),  # less the 100 of the request
        ({"tokens_per_minute": 1_100}, 3, 333),
        ({"tokens_per_minute": 4_196}, 1, 4_096),
        ({"tokens_per_minute": 4_195}, 1, 4_095),
        ({"tokens_per_minute": 50}, 1, 1),
        # 0.0011 USD are 1,100 millionths: 100 for the request, and 2 for each token of the answer
        ({"usd_per_day": 0.0011}, 1, 500),
        ({"usd_per_month": 0.0011}, 2, 250),
        ({"usd_per_day": 0.0011, "usd_per_month": 0.0005, "tokens_per_minute": 400}, 1, 200),
        ({"usd_per_day": 0.0}, 1, 1),
    ],
)
def test_the_tightest_limit_decides(limits: dict[str, Any], choices: int, most: int) -> None:
    assert fit(scope(**limits), choices=choices) == most


def test_the_request_itself_costs_its_own_price() -> None:
    # 0.0011 USD are 1,100 millionths: 100 tokens at 3 millionths leave 800, at 4 each 200
    assert fit(scope(usd_per_day=0.0011), prices=(3.0, 4.0)) == 200
    assert fit_maximum(10**9, 100, [scope(usd_per_day=1_000.0)], (1.0, 2.0), 1) == 499_999_950


def test_a_price_below_one_dollar_counts_too() -> None:
    assert fit(scope(usd_per_day=0.0002), prices=(1.0, 0.5)) == 200  # (200 - 100) / 0.5
