"""The bytes of the requests: synthetic texts of given lengths, prompts of a file, conversations, or rows of a trace.

A synthetic prompt is a run of common words, each about one token of any English tokenizer; with a tokenizer, only words
that are exactly one token. It is cut from one pool at a place that depends only on its number and the seed: any process
makes the same request, in microseconds, while the run goes on. It begins with words of its own, so no prefix cache can
answer it, unless a shared prefix is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from steward.loadtest.config import LoadConfig, draw_length, parse_lengths
from steward.loadtest.prompt_files import PromptRow

_COMMON: Final = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but "
    "not what all were we when your can said there use an each which she do how their if will up other about out many "
    "then them these so some her would make like him into time has look two more write go see number no way could "
    "people my than first water been call who oil its now find long down day did get come made may part over new sound "
    "take only little work know place year live me back give most very after thing our just name good man think say "
    "great where help through much before line right too mean old any same tell boy follow came want show also around "
    "form three small set put end does another well large must big even such because turn here why ask went men read "
    "need land home us move try kind hand picture again change off play air away animal house point page letter mother "
    "answer found study still learn should world high"
)
WORDS: Final = _COMMON.split()
_POOL: Final = 32_768  # words
_DRAWN: Final = 8192  # lengths, used in turn
_MIN_EXACT: Final = 64  # words of one token each that make prompts varied enough
CHARACTERS_PER_TOKEN: Final = 4.0  # English text, OpenAI's rule of thumb; only for counts marked "estimated"
_MASK: Final = (1 << 64) - 1


class Vocabulary(msgspec.Struct, frozen=True):
    """The words that synthetic prompts are made of."""

    words: tuple[str, ...] = tuple(WORDS)
    per_token: float = 1.0
    is_exact: bool = False  # each word is one token, also beside other words


def build_vocabulary(count: Callable[[str], int] | None) -> Vocabulary:
    """The words that are one token each by a tokenizer's `count`; if there are too few, all words at their mean."""
    if count is None:
        return Vocabulary()
    single = tuple(word for word in WORDS if count(word) == 1 and count(f"the {word}") == count("the") + 1)
    if len(single) >= _MIN_EXACT and count(" ".join(single)) == len(single):
        return Vocabulary(single, 1.0, True)
    return Vocabulary(tuple(WORDS), len(WORDS) / max(1, count(" ".join(WORDS))))


def estimate_tokens(characters: int) -> int:
    """
    >>> estimate_tokens(16)
    4
    """
    return round(characters / CHARACTERS_PER_TOKEN)


class PromptSource:
    """Makes the body of request `number`, and of the turns after it."""

    def __init__(
        self,
        config: LoadConfig,
        rows: Sequence[PromptRow] = (),
        vocabulary: Vocabulary | None = None,
        count: Callable[[str], int] | None = None,
    ) -> None:
        self._config, self._rows, self._count = config, rows, count
        self.vocabulary = vocabulary or build_vocabulary(count)
        self._per_token = self.vocabulary.per_token
        self.endpoint = config.endpoint
        chance = random.Random(f"lengths {config.seed}")
        wanted, answered = parse_lengths(config.input_tokens), parse_lengths(config.output_tokens)
        self._inputs = [draw_length(wanted, chance) for _ in range(1 if wanted.kind == "fixed" else _DRAWN)]
        self._outputs = [draw_length(answered, chance) for _ in range(1 if answered.kind == "fixed" else _DRAWN)]
        self._words = random.Random(f"words {config.seed}").choices(self.vocabulary.words, k=_POOL)
        self._starts = [0]
        for word in self._words:
            self._starts.append(self._starts[-1] + len(word) + 1)
        self._pool = " ".join([*self._words, ""])
        self._prefix = self._cut_words(0xFFFF, round(config.shared_prefix_tokens * self._per_token))

    def is_conversation(self) -> bool:
        """Whether any request has a turn after the first."""
        return self._config.turns > 1 or any(
            sum(message.get("role") == "user" for message in row.messages) > 1 for row in self._rows
        )

    def find_asked_tokens(self, number: int) -> tuple[int | None, int | None]:
        """Input and output tokens that are asked for; None where the prompt is given, or its answer ends by itself."""
        row = self._row(number)
        if row is not None and row.messages:
            return row.input_tokens, row.output_tokens
        return self._input_tokens(number), self.max_tokens(number)

    def max_tokens(self, number: int) -> int:
        row = self._row(number)
        if row is not None and row.output_tokens is not None:
            return row.output_tokens
        return self._outputs[number % len(self._outputs)]

    def estimate_input_tokens(self, number: int) -> int:
        """For servers without usage: what is asked for, else the given text by the tokenizer or by its length."""
        asked = self.find_asked_tokens(number)[0]
        if asked is not None:
            return asked
        text = " ".join(str(message.get("content", "")) for message in self.first_messages(number))
        return self._count(text) if self._count is not None else max(1, estimate_tokens(len(text)))

    def first_messages(self, number: int) -> list[Any]:
        """The messages of a request, or of a conversation's first turn. (Other endpoints than chat send one text.)"""
        row = self._row(number)
        if row is not None and row.messages:
            return list(_first_turn(row.messages))
        text = self._make_text(number, self._input_tokens(number), row.blocks if row is not None else ())
        return [{"role": "user", "content": text}]

    def next_messages(self, number: int, turn: int, before: list[Any], answer: str) -> list[Any] | None:
        """The messages of turn 1, 2, …; None when the conversation is over."""
        row = self._row(number)
        so_far = [*before, {"role": "assistant", "content": answer}]
        if row is not None and row.messages:
            users = [message for message in row.messages if message.get("role") == "user"]
            return [*so_far, users[turn]] if turn < len(users) else None
        if turn >= self._config.turns:
            return None
        words = max(1, round(self._input_tokens(number) * self._per_token))
        text = self._cut_words(_mix_bits(self._config.seed, number, turn), words)
        return [*so_far, {"role": "user", "content": text}]

    def encode_body(self, number: int, messages: list[Any]) -> bytes:
        """The JSON body of a request."""
        config = self._config
        body: dict[str, Any] = {"model": config.model}
        if config.endpoint == "chat":
            body["messages"] = messages
        elif config.endpoint == "completions":
            body["prompt"] = messages[-1]["content"]
        else:
            body["input"] = messages[-1]["content"]
        if config.endpoint != "embeddings":
            body["max_tokens"] = self.max_tokens(number)
            if config.stream:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode(body | config.body if config.body else body)

    def _row(self, number: int) -> PromptRow | None:
        return self._rows[number % len(self._rows)] if self._rows else None

    def _input_tokens(self, number: int) -> int:
        row = self._row(number)
        if row is not None and row.input_tokens is not None:
            return row.input_tokens
        return self._inputs[number % len(self._inputs)]

    def _make_text(self, number: int, tokens: int, blocks: Sequence[int]) -> str:
        parts = [self._prefix] if self._prefix else []
        left = tokens - self._config.shared_prefix_tokens
        for block in blocks[: max(0, left) // 512]:
            parts.append(self._cut_words(_mix_bits(0, block, 1), round(512 * self._per_token)))
            left -= 512
        seed = _mix_bits(self._config.seed, number, 0)
        words = max(1, round(left * self._per_token))
        own = [self._words[(seed >> shift) % _POOL] for shift in (0, 12, 24, 36)]
        parts.append(" ".join(own[:words]))
        if words > 4:
            parts.append(self._cut_words(seed >> 20, words - 4))
        return " ".join(parts)

    def _cut_words(self, place: int, words: int) -> str:
        """`words` words of the pool, from a place that `place` decides."""
        if words <= 0:
            return ""
        if words >= _POOL:
            return " ".join([self._pool.strip()] * (words // _POOL)) + " " + self._cut_words(place, words % _POOL)
        start = place % (_POOL - words)
        return self._pool[self._starts[start] : self._starts[start + words] - 1]


def _mix_bits(seed: int, number: int, turn: int) -> int:
    """64 pseudo-random bits (splitmix64; Steele, Lea and Flood 2014)."""
    x = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + turn * 0x8CB92BA72F3D8DD7 + 1) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def _first_turn(messages: Sequence[Any]) -> Sequence[Any]:
    """The messages up to the first of the user."""
    for index, message in enumerate(messages):
        if message.get("role") == "user":
            return messages[: index + 1]
    return messages
