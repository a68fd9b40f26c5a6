"""Whether a model's log-probabilities are those of the text it was given: asked before any number rests on them.

Some servers answer a request for the prompt's log-probabilities with those of what they generated, and say nothing
(llama.cpp issue 27174): every choice then scores the same, and a benchmark returns chance. So a question is asked
whose answer is known: the token that the model itself finds most likely next, with the probability it gave when it
generated it. Scored as a part of the text, it must come back with the same probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from steward.core.extend import Continuation, Likely

TEXTS: Final = ("The order arrived on Monday, and the box was", "One two three four five six seven eight nine")
TOLERANCE: Final = 0.2  # nats; logits near 16 are 1/16 apart in bfloat16, and another batch rounds them otherwise


class KnownAnswer(msgspec.Struct, frozen=True):
    """One known answer: `likely` was said to follow `context`; `least` is another token, the context's first."""

    context: tuple[int, ...]
    likely: Likely
    least: int

    def questions(self) -> tuple[Continuation, Continuation, Continuation, Continuation]:
        """The likely token alone, both in one, the second of them alone, and the first's rival."""
        first, second = self.likely.token, self.least
        return (
            Continuation(self.context, (first,)),
            Continuation(self.context, (first, second)),
            Continuation((*self.context, first), (second,)),
            Continuation(self.context, (second,)),
        )


def find_contradiction(known: KnownAnswer, answers: Sequence[Sequence[float]]) -> str:
    """Why these answers to the four questions are not log-probabilities of the text; empty where they are."""
    sizes, wanted = [len(answer) for answer in answers], [1, 2, 1, 1]
    if sizes != wanted:
        return f"{sizes} log-probabilities for {wanted} tokens"
    values = [value for answer in answers for value in answer]
    if not all(value <= 1e-4 and math.exp(value) > 0 for value in values):
        return f"log-probabilities {values}, expected finite ones not above 0"
    (alone,), (first, second), (after,), (rival,) = answers
    generated = known.likely.log_probability
    if abs(alone - generated) > TOLERANCE:
        return f"log-probability {alone:.4f} for a token that the server gave {generated:.4f} when it generated it"
    if abs(first - alone) > TOLERANCE or abs(second - after) > TOLERANCE:
        together = f"two tokens scored together have {first:.4f} and {second:.4f}"
        return f"{together}, but {alone:.4f} and {after:.4f} when scored one at a time"
    if rival > alone + TOLERANCE:
        return (
            f"another token has {rival:.4f}, more than the {alone:.4f} of the token that the server calls most likely"
        )
    if math.isclose(max(values), min(values)):
        return f"every token has the same log-probability, {values[0]:.4f}"
    return ""
