"""Tokens of a stream, estimated from its bytes."""

from __future__ import annotations

import pytest

from steward.gateway.running_estimate import RunningEstimate


def test_the_running_estimate_counts_long_events_as_more() -> None:
    estimate = RunningEstimate()
    for _ in range(10):
        estimate.add(b'data: {"x":"tok "}\n\n')
    assert estimate.tokens() == 10
    estimate.add(b'data: {"x":"tok ' + b"a" * 400 + b'"}\n\n')
    assert estimate.tokens() == 11 + 100
    estimate.add(b": comment\n\n")
    assert estimate.tokens() == 111


def test_the_running_estimate_sees_through_events_that_are_all_long() -> None:
    estimate = RunningEstimate()
    for _ in range(3):
        estimate.add(b'data: {"x":"' + b"a" * (1024 + 4000) + b'"}\n\n')
    assert 3 * 1000 < estimate.tokens() < 3 * 1010  # 4 bytes a token
    detailed = RunningEstimate()
    for _ in range(3):  # top_logprobs make one token's event as long
        detailed.add(b'data: {"x":"a","logprobs":{"content":[' + b"1," * 2000 + b"]}}\n\n")
    assert detailed.tokens() == 3


def event(size: int, text: bytes = b"") -> bytes:
    """An event of so many bytes."""
    return b"data: " + text.ljust(size - 8, b"a") + b"\n\n"


@pytest.mark.parametrize(
    ("pieces", "tokens"),
    [
        ([b": comment\n\n"], [0]),
        ([event(300), event(340), event(304)], [1, 2 + 10, 3 + 11]),
        ([event(340), event(300)], [1, 2 + 10]),
        ([event(300) + event(400), event(300)], [2, 3 + 25]),  # 350 bytes each, then 100 more than three of 300
        ([event(1024)], [1]),
        ([event(1028)], [2]),  # 4 bytes more than any event needs around its text
        ([event(5024), event(1424)], [1 + 1000, 2 + 1100]),
        ([event(1028, b'"logprobs":{'), event(1028)], [1, 2 + 2]),
        ([event(1024), event(1100, b'"logprobs":{')], [1, 2 + 19]),
    ],
)
def test_a_token_an_event_and_one_for_4_bytes_more_than_the_shortest(pieces: list[bytes], tokens: list[int]) -> None:
    estimate = RunningEstimate()
    assert [estimate.add(piece) for piece in pieces] == tokens
