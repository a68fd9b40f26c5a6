"""The requests' bytes: synthetic texts of given lengths, a file's prompts, conversations, or a trace's rows.

A synthetic prompt is common words, each about one token of any English tokenizer, cut from one pool at a place that
only its number and the seed decide: the same request in any process, made in microseconds while the run goes on. Its
first words are its own, so that no prefix cache answers it, unless a shared prefix is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError
from steward.loadtest.config import LoadConfig, draw_length, parse_lengths

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
_DRAWN: Final = 8192  # lengths, taken in turn
_MASK: Final = (1 << 64) - 1


class PromptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a file or trace: a conversation's user messages, or token counts to make a text of."""

    at_s: float | None = None
    messages: tuple[Any, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    blocks: tuple[int, ...] = ()  # names of shared prefixes of 512 tokens (Mooncake's hash_ids)


class PromptSource:
    """Makes the body of request `number`, and of the turns after it. `words_per_token` corrects for a tokenizer."""

    def __init__(self, config: LoadConfig, rows: Sequence[PromptRow] = (), words_per_token: float = 1.0) -> None:
        self._config, self._rows, self._per_token = config, rows, words_per_token
        chance = random.Random(f"lengths {config.seed}")
        wanted, answered = parse_lengths(config.input_tokens), parse_lengths(config.output_tokens)
        self._inputs = [draw_length(wanted, chance) for _ in range(1 if wanted.kind == "fixed" else _DRAWN)]
        self._outputs = [draw_length(answered, chance) for _ in range(1 if answered.kind == "fixed" else _DRAWN)]
        self._words = random.Random(f"words {config.seed}").choices(WORDS, k=_POOL)
        self._starts = [0]
        for word in self._words:
            self._starts.append(self._starts[-1] + len(word) + 1)
        self._pool = " ".join([*self._words, ""])
        self._prefix = self._cut_words(0xFFFF, round(config.shared_prefix_tokens * words_per_token))

    def token_counts(self, number: int) -> tuple[int, int]:
        """Input and output tokens asked for."""
        row = self._rows[number % len(self._rows)] if self._rows else None
        wanted = self._inputs[number % len(self._inputs)]
        output = self._outputs[number % len(self._outputs)]
        if row is not None:
            wanted = row.input_tokens if row.input_tokens is not None else wanted
            output = row.output_tokens if row.output_tokens is not None else output
        return wanted, output

    def first_messages(self, number: int) -> list[Any]:
        """The messages of a request, or of a conversation's first turn. Not chat: one text."""
        row = self._rows[number % len(self._rows)] if self._rows else None
        if row is not None and row.messages:
            return list(_first_turn(row.messages))
        return [
            {
                "role": "user",
                "content": self._make_text(number, self.token_counts(number)[0], row.blocks if row else ()),
            }
        ]

    def next_messages(self, number: int, turn: int, before: list[Any], answer: str) -> list[Any] | None:
        """The messages of turn 1, 2, …; None where the conversation is over."""
        row = self._rows[number % len(self._rows)] if self._rows else None
        so_far = [*before, {"role": "assistant", "content": answer}]
        if row is not None and row.messages:
            users = [message for message in row.messages if message.get("role") == "user"]
            return [*so_far, users[turn]] if turn < len(users) else None
        if turn >= self._config.turns:
            return None
        wanted = self.token_counts(number)[0]
        return [
            *so_far,
            {"role": "user", "content": self._cut_words(_mix_bits(self._config.seed, number, turn), wanted)},
        ]

    def encode_body(self, number: int, messages: list[Any]) -> bytes:
        """The JSON that is sent."""
        config = self._config
        made: dict[str, Any] = {"model": config.model}
        if config.endpoint == "chat":
            made["messages"] = messages
        elif config.endpoint == "completions":
            made["prompt"] = messages[-1]["content"]
        else:
            made["input"] = messages[-1]["content"]
        if config.endpoint != "embeddings":
            made["max_tokens"] = self.token_counts(number)[1]
            if config.stream:
                made |= {"stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode(made | config.body if config.body else made)

    def _make_text(self, number: int, tokens: int, blocks: Sequence[int]) -> str:
        parts = [self._prefix] if self._prefix else []
        left = tokens - self._config.shared_prefix_tokens
        for block in blocks[: max(0, left) // 512]:
            parts.append(self._cut_words(_mix_bits(0, block, 1), round(512 * self._per_token)))
            left -= 512
        seed = _mix_bits(self._config.seed, number, 0)
        words = max(1, round(left * self._per_token))
        own = [WORDS[(seed >> shift) % len(WORDS)] for shift in (0, 12, 24, 36)]
        parts.append(" ".join(own[:words]))
        if words > 4:
            parts.append(self._cut_words(seed >> 20, words - 4))
        return " ".join(parts)

    def _cut_words(self, place: int, words: int) -> str:
        """So many words of the pool from a place that the number decides."""
        if words <= 0:
            return ""
        if words >= _POOL:
            return " ".join([self._pool.strip()] * (words // _POOL)) + " " + self._cut_words(place, words % _POOL)
        start = place % (_POOL - words)
        return self._pool[self._starts[start] : self._starts[start + words] - 1]


def _mix_bits(seed: int, number: int, turn: int) -> int:
    """64 bits that look random (splitmix64; Steele, Lea and Flood 2014)."""
    x = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + turn * 0x8CB92BA72F3D8DD7 + 1) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def _first_turn(messages: Sequence[Any]) -> Sequence[Any]:
    """A system message, if any, and the first of the user's."""
    for index, message in enumerate(messages):
        if message.get("role") == "user":
            return messages[: index + 1]
    return messages


# -- files -------------------------------------------------------------------------------------------


def read_prompt_rows(path: Path, *, trace: bool = False) -> list[PromptRow]:
    """PromptSource or a trace: a JSON object a line; in a .txt file of prompts, a prompt a line.

    A line holds `prompt` or `messages`, or token counts (`input_tokens` or Mooncake's `input_length`, `output_tokens`
    or `output_length`); a trace also when: `at_s`, or `timestamp` in milliseconds as Mooncake's.

    :raises InputError: a line that is none of these, or a time before the one above it, by file and line
    """
    rows: list[PromptRow] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file of JSON lines") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if path.suffix == ".txt" and not trace:
            rows.append(PromptRow(messages=({"role": "user", "content": line.decode(errors="replace").strip()},)))
            continue
        rows.append(_parse_row(line, f"{path}:{number}", trace))
        at, before = rows[-1].at_s, rows[-2].at_s if len(rows) > 1 else None
        if trace and before is not None and at is not None and at < before:
            raise InputError(
                f"{path}:{number}: {at:g} s comes after {before:g} s; expected times that do not fall; sort the trace"
            )
    if not rows:
        raise InputError(f"{path}: no rows; expected a JSON object a line")
    return rows


def _parse_row(line: bytes, where: str, trace: bool) -> PromptRow:
    try:
        found = msgspec.json.decode(line)
        if not isinstance(found, dict):
            raise ValueError("no object")
        given = found.get("at_s")
        if given is None and "timestamp" in found:
            given = float(found["timestamp"]) / 1000
        at = float(given) if given is not None else None
        wanted, output = (
            found.get(f"{side}_tokens", found.get(f"{side}_length", found.get(other)))
            for side, other in (("input", "ISL"), ("output", "OSL"))
        )
        messages = found.get("messages") or ()
        if not messages and (text := found.get("prompt", found.get("text"))) is not None:
            messages = ({"role": "user", "content": str(text)},)
        row = PromptRow(
            at_s=at,
            messages=tuple(dict(message) for message in messages),
            input_tokens=None if wanted is None else max(1, int(wanted)),
            output_tokens=None if output is None else max(1, int(output)),
            blocks=tuple(int(block) for block in found.get("hash_ids", ())),
        )
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}; expected a JSON object with prompt, messages or input_tokens") from error
    if trace and (row.at_s is None or row.at_s < 0):
        raise InputError(f"{where}: no time; expected at_s (seconds) or timestamp (milliseconds), 0 or more")
    if not row.messages and row.input_tokens is None:
        raise InputError(f"{where}: expected prompt, messages or input_tokens")
    return row
