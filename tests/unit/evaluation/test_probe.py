"""A question with a known answer: what honest models answer passes, and each way of being wrong is named."""

from __future__ import annotations

import math

import pytest

from steward.core.extend import Continuation, Likely
from steward.evaluation.probe import KnownAnswer, find_contradiction

KNOWN = KnownAnswer((5, 6), Likely(7, -0.25), 5)
HONEST = [[-0.25], [-0.26, -3.0], [-3.01], [-9.0]]


def test_honest_answers_pass() -> None:
    assert find_contradiction(KNOWN, HONEST) == ""
    assert KNOWN.questions()[2] == Continuation((5, 6, 7), (5,))


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([[-0.25], [-0.25], [-3.0], [-9.0]], "1, 1, 1, 1"),  # those of what was generated, one for each request
        ([[-2.0], [-2.0, -3.0], [-3.0], [-9.0]], "-2.0000 for a token that the server gave -0.2500"),
        ([[-0.25], [-0.25, -5.0], [-3.0], [-9.0]], "two tokens scored together"),
        ([[-0.25], [-0.25, -3.0], [-3.0], [-0.01]], "another token has -0.0100"),
        ([[-0.25], [-0.25, -0.25], [-0.25], [-0.25]], "the same log-probability"),
        ([[-0.25], [math.nan, -3.0], [-3.0], [-9.0]], "expected finite ones"),
        ([[-0.25], [-0.25, 3.0], [3.0], [-9.0]], "expected finite ones"),
        ([[-0.25], [-0.25, -3.0], [-3.0], [-math.inf]], "expected finite ones"),
        ([[-0.25], [-0.25, -3.0], [-3.0], [-3.4e38]], "expected finite ones"),  # what stands for none in 32 bits
        ([[0.00011], [-0.25, -3.0], [-3.0], [-9.0]], "expected finite ones"),
    ],
)
def test_each_wrong_answer_is_named(answers: list[list[float]], said: str) -> None:
    assert said in find_contradiction(KNOWN, answers)


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        (0.0, [[-0.2], [-0.2, -3.0], [-3.0], [-9.0]]), (0.0, [[0.0], [-0.2, -3.0], [-3.0], [-9.0]]),
        (0.0, [[0.0], [0.0, -0.2], [0.0], [-9.0]]), (-0.2, [[-0.2], [-0.2, -3.0], [-3.0], [0.0]]),
        (-0.25, [[-0.25], [-0.25, -0.5], [-0.5], [-0.5]]),
        (0.0, [[0.0001], [0.0, -3.0], [-3.0], [-300.0]]),  # a ten-thousandth above 0, too
    ],
)  # fmt: skip
def test_a_fifth_of_a_nat_is_rounding(given: float, answers: list[list[float]]) -> None:
    assert find_contradiction(KnownAnswer((5, 6), Likely(7, given), 5), answers) == ""


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([[-0.46], [-0.46, -3.0], [-3.0], [-9.0]], "-0.4600 for a token that the server gave -0.2500"),
        ([[-0.25], [-0.46, -3.0], [-3.0], [-9.0]], "two tokens scored together"),
        ([[-0.25], [-0.25, -3.0], [-3.0], [-0.04]], "another token has -0.0400"),
        ([[-0.25], [-0.25, -3.0], [-3.0], [0.001]], "expected finite ones"),
    ],
)
def test_more_than_that_is_none(answers: list[list[float]], said: str) -> None:
    assert said in find_contradiction(KNOWN, answers)
