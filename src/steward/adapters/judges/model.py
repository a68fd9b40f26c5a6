"""A model that judges conversations as Llama Guard does, asked by chat completions, such as through this gateway.

Verdicts as in the model card of Llama Guard 3: `safe`, or `unsafe` and on the next line the categories that are
violated, such as `S1,S10`. Anything else is no verdict, which is a failure and never a pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.adapters.judges.post import post_question
from steward.core.errors import Unavailable

_UNSAFE: Final = re.compile(r"unsafe(?:\s*\n\s*(S[0-9]{1,2}(?:\s*,\s*S[0-9]{1,2})*))?", re.IGNORECASE)
_CATEGORY: Final = re.compile("S[0-9]{1,2}", re.IGNORECASE)
_MOST_TOKENS: Final = 64  # of a verdict with every category


class _Said(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Said


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class ModelJudge:
    """`url` is that of chat completions; `model` the name under which the judging model is served there."""

    def __init__(self, url: str, model: str, key: str, timeout_s: float) -> None:
        self._url, self._model, self._key, self._timeout_s = url, model, key, timeout_s

    def judge(self, direction: Literal["request", "answer"], texts: Sequence[str], request: Sequence[str] = ()) -> str:
        asked = "\n\n".join(texts if direction == "request" else request)
        messages = [{"role": "user", "content": asked or "-"}]
        if direction == "answer":
            messages.append({"role": "assistant", "content": "\n\n".join(texts)})
        question = {"model": self._model, "messages": messages, "temperature": 0, "max_tokens": _MOST_TOKENS}
        completion = post_question(self._url, self._key, question, self._timeout_s, _Completion)
        return read_verdict(completion.choices[0].message.content if completion.choices else "")


def read_verdict(text: str) -> str:
    """Why it must not pass; empty: it may. :raises Unavailable: it is no verdict

    >>> read_verdict("safe"), read_verdict("unsafe\\nS1,S10")
    ('', 'content of the categories S1 S10')
    """
    verdict = text.strip()
    if verdict.lower() == "safe":
        return ""
    match = _UNSAFE.fullmatch(verdict)
    if match is None:
        raise Unavailable("the guard's model gave no verdict; expected safe, or unsafe with its categories")
    categories = " ".join(_CATEGORY.findall(match[1] or "")).upper()
    return f"content of the categories {categories}" if categories else "content that the guard's model calls unsafe"
