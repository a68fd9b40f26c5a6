"""What is done when an answer has ended, and in which order."""

from __future__ import annotations

from typing import Any, cast

import pytest

from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange

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
