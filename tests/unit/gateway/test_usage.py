"""M4: an upstream's usage that cannot be is estimated number by number, and the row says so."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.records import Attempt
from steward.gateway.exchange import Exchange
from steward.gateway.pricing.prices import Counts
from steward.gateway.usage import measure_usage, note_cost
from steward.gateway.wire import decode_request
from steward.gateway.wire_fields import TokenUsage

BODY = (
    b'{"model":"m","messages":[{"role":"user","content":"0123456789012345678901234567"}]}'  # 58 bytes of messages: 15
)


def measured(
    usage: TokenUsage | None, events: int = 10, endpoint: str = "/v1/chat/completions"
) -> tuple[int, int, bool]:
    exchange = Exchange("req_1", endpoint, {}, BODY, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", BODY)
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    exchange.usage = usage
    for _ in range(events):
        exchange.count_event(200)
    found = measure_usage(exchange, delivered=True)
    return found.counts.input, found.counts.output, found.estimated


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (TokenUsage(7, 5), (7, 5, False)),
        (TokenUsage(0, 0), (15, 10, True)),
        (TokenUsage(7, None), (7, 10, True)),
        (TokenUsage(None, 5), (15, 5, True)),
        (TokenUsage(0, 5), (15, 5, True)),
        (TokenUsage(7, 0), (7, 10, True)),
        (TokenUsage(-1, 5), (15, 5, True)),
        (TokenUsage(10_000_001, 5), (15, 5, True)),
        (TokenUsage(10_000_000, 5), (10_000_000, 5, False)),
        (TokenUsage(7, 1_000_001), (7, 10, True)),
        (TokenUsage(7, 1_000_000), (7, 1_000_000, False)),
        (None, (15, 10, True)),
    ],
)
def test_each_number_is_believed_or_estimated(usage: TokenUsage | None, expected: tuple[int, int, bool]) -> None:
    assert measured(usage) == expected


def test_an_answer_without_a_word_may_have_no_tokens() -> None:
    assert measured(TokenUsage(7, 0), events=3) == (7, 0, False)
    assert measured(TokenUsage(7, 0), events=4) == (7, 4, True)


def test_embeddings_have_no_output() -> None:
    assert measured(TokenUsage(7, None), endpoint="/v1/embeddings") == (7, 0, False)


def test_what_was_refused_before_an_answer_used_nothing() -> None:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, BODY, 0.0, 0.0)
    found = measure_usage(exchange, delivered=False)
    assert (found.counts.input, found.counts.output, found.estimated) == (0, 0, False)


@pytest.mark.parametrize(
    ("sizes", "tokens"),
    [
        ([200] * 10, 10),  # a token an event
        ([200, 240, 204], 3 + 11),  # 44 bytes more than the shortest are 11 tokens
        ([5_024], 1 + 1_000),  # many tokens in one event: 1,024 bytes are around them
    ],
)
def test_a_stream_is_estimated_by_its_text_and_not_by_its_pieces(sizes: list[int], tokens: int) -> None:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, BODY, 0.0, 0.0)
    for size in sizes:
        exchange.count_event(size)
    assert exchange.estimate_output() == tokens


def test_details_of_any_type_are_read_without_harm() -> None:
    details: Any = [1, 2]
    assert measured(TokenUsage(7, 5, 12, details, "x", {"a": 1})) == (7, 5, False)


def counted(usage: TokenUsage, endpoint: str = "/v1/chat/completions") -> Counts:
    exchange = Exchange("req_1", endpoint, {}, BODY, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", BODY)
    exchange.usage = usage
    return measure_usage(exchange, delivered=True).counts


def test_details_are_parts_of_the_whole() -> None:
    prompt = {"cached_tokens": 40, "cache_write_tokens": 30, "audio_tokens": 20}
    completion = {"reasoning_tokens": 6, "audio_tokens": 3}
    assert counted(TokenUsage(100, 10, 110, prompt, completion)) == Counts(
        input=100, output=10, cached_input=40, cache_write=30, reasoning=6, audio_input=20, audio_output=3
    )
    # what is more than is left of the whole is cut: 50 - 40 of writes, nothing for sound; 8 - 6 of spoken output
    prompt["cache_write_tokens"], completion["audio_tokens"] = 30, 9
    assert counted(TokenUsage(50, 8, 58, prompt, completion)) == Counts(
        input=50, output=8, cached_input=40, cache_write=10, reasoning=6, audio_input=0, audio_output=2
    )


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        (TokenUsage(100, 10, prompt_cache_hit_tokens=30), 30),  # DeepSeek
        (TokenUsage(100, 10, prompt_cache_hit_tokens=300), 100),
        (TokenUsage(100, 10, prompt_cache_hit_tokens=-3), 0),
        (TokenUsage(100, 10, prompt_cache_hit_tokens="30"), 30),
        (TokenUsage(100, 10, prompt_tokens_details={"cached_tokens": 20}, prompt_cache_hit_tokens=30), 20),
        (TokenUsage(100, 10, prompt_tokens_details={"cached_tokens": -1}), 0),
        (TokenUsage(100, 10, prompt_tokens_details={"cached_tokens": True}), 0),
        (TokenUsage(100, 10), 0),
    ],
)
def test_tokens_of_a_cache_in_every_spelling(usage: TokenUsage, cached: int) -> None:
    assert counted(usage) == Counts(input=100, output=10, cached_input=cached)


def test_a_request_for_several_answers_may_use_a_million_for_each() -> None:
    body = BODY[:-1] + b',"n":2}'
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", body)
    for told, estimated in ((2_000_000, False), (2_000_001, True)):
        exchange.usage = TokenUsage(7, told)
        assert measure_usage(exchange, delivered=True).estimated is estimated


def test_an_input_of_one_token_is_believed_and_none_is_not() -> None:
    assert measured(TokenUsage(1, 5)) == (1, 5, False)


def test_what_began_and_told_nothing_is_estimated() -> None:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, BODY, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", BODY)
    assert measure_usage(exchange, delivered=True).counts == Counts(input=15)
    exchange.count_event(200)
    assert measure_usage(exchange, delivered=False).counts == Counts(input=15, output=1)
    exchange = Exchange("req_1", "/v1/chat/completions", {}, BODY, 0.0, 0.0)
    exchange.usage = TokenUsage(7, 5)
    assert measure_usage(exchange, delivered=False).counts == Counts(input=7, output=5)  # the upstream told it


def test_no_request_uses_more_than_128_answers_at_their_longest() -> None:
    body = b'{"model":"m","prompt":[' + b",".join([b'"a"'] * 2_000) + b"]}"  # 2,000 prompts of a million tokens
    exchange = Exchange("req_1", "/v1/completions", {}, body, 0.0, 0.0)
    exchange.request = decode_request("/v1/completions", body)
    for told, estimated in ((1_280_000_000, False), (1_280_000_001, True)):
        exchange.usage = TokenUsage(7, told)
        assert measure_usage(exchange, delivered=True).estimated is estimated


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (TokenUsage(100, 10, 110), (100, 10, False)),
        (TokenUsage(100, 10, 150), (100, 50, False)),  # xAI: thoughts stand beside the output, in the total alone
        (TokenUsage(100, 10, 109), (100, 10, False)),  # a total that is too small tells nothing
        (TokenUsage(100, 10, 150, cache_read_input_tokens=30, cache_creation_input_tokens=10), (140, 10, False)),
        (TokenUsage(100, 10, 151, cache_read_input_tokens=30, cache_creation_input_tokens=10), (100, 51, False)),
        (TokenUsage(100, 10, 1_000_100), (100, 1_000_000, False)),
        (TokenUsage(100, 10, 1_000_101), (100, 10, False)),  # more than an answer can have
        (TokenUsage(100, None, 150), (100, 50, False)),
        (TokenUsage(None, 50, 150), (100, 50, False)),
        (TokenUsage(100, None, 100), (100, 10, True)),
        (TokenUsage(None, 50, 50), (15, 50, True)),
    ],
)
def test_what_the_total_tells_beside_its_parts(usage: TokenUsage, expected: tuple[int, int, bool]) -> None:
    assert measured(usage) == expected


def test_what_a_failed_try_used_is_noted_with_it_and_counted_once() -> None:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, BODY, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", BODY)
    exchange.attempts.append(Attempt("m", 502, None, 0.0, 0.1))
    exchange.count_event(200)
    note_cost(exchange)  # the upstream told nothing
    assert (exchange.attempts[0].input_tokens, exchange.attempts[0].output_tokens, exchange.events) == (0, 0, 1)
    exchange.usage = TokenUsage(7, 5)
    note_cost(exchange)
    assert (exchange.attempts[0].input_tokens, exchange.attempts[0].output_tokens) == (7, 5)
    assert (exchange.events, exchange.event_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"prompt_tokens": 5, "total_tokens": 7}, (5, 2, False)),
        ({"completion_tokens": 5, "total_tokens": 7}, (2, 5, False)),
    ],
)
def test_a_total_tells_what_is_missing(told: dict[str, int], expected: tuple[int, int, bool]) -> None:
    assert measured(TokenUsage(**told)) == expected


@pytest.mark.parametrize(
    ("told", "alike"),
    [
        ({"prompt_tokens": 5, "total_tokens": 5}, {"prompt_tokens": 5}),
        ({"completion_tokens": 5, "total_tokens": 5}, {"completion_tokens": 5}),
    ],
)
def test_a_total_that_is_what_is_known_tells_nothing_more(told: dict[str, int], alike: dict[str, int]) -> None:
    assert measured(TokenUsage(**told)) == measured(TokenUsage(**alike))
