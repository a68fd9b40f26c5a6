"""A service that judges: `{"direction": "request", "texts": [...]}` goes in, `{"allow": false, "reason": "gambling"}`
comes out. Without `allow` there is no verdict, which is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.adapters.judges.post import post_question

_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9 _.-]{0,59}")  # a reason that could quote a text is not passed on


class _Judged(msgspec.Struct):
    allow: bool
    reason: str = ""


class ServiceJudge:
    """`url` is the whole address, posted to as it is."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        self._url, self._key, self._timeout_s = url, key, timeout_s

    def judge(self, direction: Literal["request", "answer"], texts: Sequence[str], request: Sequence[str] = ()) -> str:
        question = {"direction": direction, "texts": list(texts)} | ({"request": list(request)} if request else {})
        judged = post_question(self._url, self._key, question, self._timeout_s, _Judged)
        if judged.allow:
            return ""
        return judged.reason if _LABEL.fullmatch(judged.reason) else "what the guard's service refuses"
