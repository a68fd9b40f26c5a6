"""What is done when an answer has ended, and in which order."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.prompts import Prompt
from steward.gateway.wire import decode_request

WHOLE = Answer(200)
STREAM = Answer(200, stream=cast(Any, object()))


def make_exchange() -> Exchange:
    return Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)


def test_a_whole_answer_has_ended_when_it_is_there() -> None:
    ends: list[str] = []
    make_exchange().when_ended(WHOLE, lambda: ends.append("settle"))
    assert ends == ["settle"]


def test_a_streams_endings_run_once_from_the_inside_out() -> None:
    exchange, ends = make_exchange(), []  # type: tuple[Exchange, list[str]]
    for name in ("call", "route", "settle", "queue", "admit"):
        exchange.when_ended(STREAM, lambda name=name: ends.append(name))  # type: ignore[misc]
    assert ends == []
    exchange.end()
    exchange.end()
    assert ends == ["call", "route", "settle", "queue", "admit"]


def test_an_ending_that_fails_does_not_keep_the_others_from_running() -> None:
    exchange, ends = make_exchange(), []  # type: tuple[Exchange, list[str]]
    exchange.when_ended(STREAM, lambda: 1 // 0)  # type: ignore[arg-type,return-value]
    exchange.when_ended(STREAM, lambda: ends.append("queue"))
    with pytest.raises(ZeroDivisionError):
        exchange.end()
    assert ends == ["queue"]


def asked(content: object, system: str | None = None) -> int:
    exchange = make_exchange()
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    exchange.request = decode_request("/v1/chat/completions", json.dumps(body).encode())
    exchange.prompt = None if system is None else Prompt("p@1", system)
    first = exchange.estimate_input()
    assert exchange.estimate_input() == first
    return first


def test_a_request_is_estimated_at_a_token_for_4_bytes() -> None:
    empty = asked("")
    assert [asked("x" * (4 * n)) - empty for n in (1, 100)] == [1, 100]
    assert asked("x" * 401) - asked("x" * 397) == 1
    assert asked("", "s" * 40) == empty + 10 and asked("x" * 40, "s" * 40) == empty + 20


def test_a_picture_counts_by_its_kind_and_not_by_its_bytes() -> None:
    def picture(size: int) -> int:
        return asked([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}])

    assert 85 <= picture(4000) == picture(40_000) < 2_000  # OpenAI, "Images and vision": a small picture has 85 tokens


@pytest.mark.parametrize(
    ("sizes", "tokens"),
    [
        ([], 0),
        ([300], 1),
        ([300, 300], 2),
        ([300, 300, 340], 3 + 10),  # 40 bytes longer than the shortest
        ([340, 300], 2 + 10),
        ([303, 300], 2),
        ([1024], 1),
        ([1028], 1 + 1),  # no event needs more than 1,024 bytes around its text
        ([5024, 1424], 2 + 1000 + 100),
    ],
)
def test_an_answer_is_estimated_at_a_token_an_event_and_one_for_4_bytes_more(sizes: list[int], tokens: int) -> None:
    exchange = make_exchange()
    for size in sizes:
        exchange.count_event(size)
    assert exchange.estimate_output() == tokens


def test_an_answer_that_ended_by_itself_has_not_passed_its_maximum() -> None:
    exchange = make_exchange()
    assert exchange.reserved_output_limit() == 10_000_000
    exchange.enforced_maximum = 4096
    assert exchange.reserved_output_limit() == 4096
    exchange.declared_maximum = 50
    assert exchange.reserved_output_limit() == 50
