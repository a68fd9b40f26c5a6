"""Words and lengths: topics, insults, prejudice, and canaries that only a system prompt has."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Final

from steward.guardrails.check import GuardCheck
from steward.text.disguise import undisguise

_OTHER: Final = re.compile(r"[\W_]+")


class WordsCheck(GuardCheck):
    """Any of some words, whole and whatever their case, in requests, answers or both; also where they are disguised.

    `*` at the end of a word stands for any ending.
    """

    reads_pieces = True

    def __init__(self, words: Sequence[str], requests: bool = True, answers: bool = True) -> None:
        self._requests, self._answers = requests, answers
        parts = [re.escape(word.casefold()).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for word in words]
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")

    def judge_request(self, texts: Sequence[str]) -> str:
        return "a word that is not allowed" if self._requests and any(map(self._has, texts)) else ""

    def judge_piece(self, tail: str, size: int) -> str:
        return "a word that is not allowed" if self._answers and self._has(tail) else ""

    def _has(self, text: str) -> bool:
        plain = undisguise(text)
        return self._pattern.search((text if plain is None else plain[0]).casefold()) is not None


class LengthCheck(GuardCheck):
    """How many characters a request, all its texts together, and an answer may have; 0: any."""

    reads_pieces = True

    def __init__(self, request_chars: int = 0, answer_chars: int = 0) -> None:
        self._request_chars, self._answer_chars = request_chars, answer_chars

    def judge_request(self, texts: Sequence[str]) -> str:
        size = sum(map(len, texts))
        if self._request_chars and size > self._request_chars:
            return f"{size} characters where {self._request_chars} are allowed"
        return ""

    def judge_piece(self, tail: str, size: int) -> str:
        return (
            f"more than {self._answer_chars:,} characters" if self._answer_chars and size > self._answer_chars else ""
        )


class CanaryCheck(GuardCheck):
    """Texts that only a system prompt has: an answer that repeats one gives the prompt away. Spaces, marks and case do
    not hide it, nor do base 64 and writing it backwards."""

    reads_pieces = True

    def __init__(self, canaries: Sequence[str]) -> None:
        plain = [_strip(canary) for canary in canaries]
        self._canaries = [form for canary in plain for form in (canary, canary[::-1])]
        self._encoded = [_encode(canary) for canary in canaries]

    def judge_piece(self, tail: str, size: int) -> str:
        bare = _strip(tail)
        told = any(canary in bare for canary in self._canaries) or any(code in tail for code in self._encoded)
        return "a canary of the system prompt" if told else ""


def _strip(text: str) -> str:
    return _OTHER.sub("", text.casefold())


def _encode(canary: str) -> str:
    """The part of its base 64 that does not depend on what follows."""
    code = canary.encode()
    return base64.b64encode(code[: len(code) // 3 * 3]).decode()
