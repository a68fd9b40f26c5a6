"""M4: an upstream's usage that cannot be is estimated number by number, and the row says so."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.records import Attempt
from steward.gateway.exchange import Exchange
from steward.gateway.usage import measure_usage
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


def test_comments_count_for_nothing() -> None:
    from steward.gateway.outgoing import Outgoing
    from steward.gateway.relay import Relay

    exchange = Exchange("req_1", "/v1/chat/completions", {}, BODY, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", BODY)
    relay = Relay(exchange, Outgoing("/v1/chat/completions", BODY))
    relay.feed(b": ping\n\n" * 50 + b'data: {"id":"1","choices":[{"delta":{"content":"a"}}]}\n\n')
    assert exchange.events == 1


def test_details_of_any_type_are_read_without_harm() -> None:
    details: Any = [1, 2]
    assert measured(TokenUsage(7, 5, 12, details, "x", {"a": 1})) == (7, 5, False)
