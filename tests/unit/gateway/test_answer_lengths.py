"""What a stream reserves that declares no maximum."""

from __future__ import annotations

import random

from steward.gateway.answer_lengths import AnswerLengths, OutputLengths
from steward.gateway.wire import COMMON_OUTPUT_TOKENS


def test_learned_lengths_are_an_upper_quantile() -> None:
    """Against the 95th of 100 sorted values, to one bucket (19 %) above."""
    r = random.Random(0)
    values = sorted(r.randint(1, 900) for _ in range(100))
    lengths = OutputLengths()
    assert lengths.quantile() == COMMON_OUTPUT_TOKENS
    for value in values:
        lengths.add(value)
    assert values[94] <= lengths.quantile() <= values[94] * 1.2


def test_learned_lengths_follow_a_route_that_changes() -> None:
    lengths = OutputLengths()
    for _ in range(2000):
        lengths.add(1000)
    for _ in range(4000):
        lengths.add(10)
    assert lengths.quantile() < 15


def test_each_key_learns_from_its_own_answers() -> None:
    lengths = AnswerLengths()
    for _ in range(60):
        lengths.learn("k1", "m", 1)
    assert lengths.quantile("k1", "m") == 1
    assert lengths.quantile("k2", "m") == lengths.quantile("k1", "other") == COMMON_OUTPUT_TOKENS


def test_no_more_keys_are_remembered_than_there_is_room_for() -> None:
    lengths = AnswerLengths()
    for number in range(AnswerLengths.MOST + 1):
        for _ in range(20):
            lengths.learn(f"k{number}", "m", 2)
    assert lengths.quantile("k0", "m") == COMMON_OUTPUT_TOKENS and lengths.quantile("k1", "m") == 2
