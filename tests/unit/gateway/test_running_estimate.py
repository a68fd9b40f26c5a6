"""Tokens of a stream, estimated from its bytes."""

from __future__ import annotations

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
