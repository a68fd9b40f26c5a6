"""What a stream reserves that declares no maximum."""

from __future__ import annotations

import random

import pytest

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
    assert AnswerLengths.MOST == 2_000
    for number in range(2_001):
        for _ in range(20):
            lengths.learn(f"k{number}", "m", 2)
    assert lengths.quantile("k0", "m") == COMMON_OUTPUT_TOKENS and lengths.quantile("k1", "m") == 2


def test_a_common_length_serves_until_twenty_answers_are_known() -> None:
    lengths = OutputLengths()
    for _ in range(19):
        lengths.add(3)
    assert lengths.quantile() == COMMON_OUTPUT_TOKENS
    lengths.add(3)
    assert lengths.quantile() == 3


@pytest.mark.parametrize(
    ("tokens", "reserved"), [(1, 1), (2, 2), (3, 3), (5, 5), (100, 107), (128, 128), (900, 1024), (1 << 30, 881_743)]
)
def test_a_bucket_ends_at_a_quarter_of_a_doubling(tokens: int, reserved: int) -> None:
    """2^(27/4) = 107.6; 2^(79/4) = 881,743.5 is the last edge below 2^20."""
    lengths = OutputLengths()
    for _ in range(20):
        lengths.add(tokens)
    assert lengths.quantile() == reserved


def test_old_answers_count_half_after_a_thousand() -> None:
    """1,001 short ones halve to 500.5; 27 long ones are 5.1 % of 527.5, of 1,028 they would be 2.6 %."""
    lengths = OutputLengths()
    for _ in range(1000):
        lengths.add(2)
    for _ in range(27):
        lengths.add(64)
    assert lengths.quantile() == 64
    only = OutputLengths()
    for _ in range(973):
        only.add(2)
    for _ in range(27):
        only.add(64)
    assert only.quantile() == 2  # exactly a thousand: nothing has halved, 27 are 2.7 %
