"""What one rule looks at, as pure functions of texts; the modes, budgets and streams around it are `guard.py`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GuardCheck:
    """A rule that finds nothing; each kind overrides what it looks at. A reason never repeats the text it was found in.

    `version` changes when its rules do: receipts name it.
    """

    version: ClassVar[str] = "1"
    needs_request: ClassVar[bool] = False  # whether the answer is judged by what the request said
    needs_schemas: bool = False  # whether calls are judged by the tools that the request declares
    reads_pieces: ClassVar[bool] = False  # whether a stream can be stopped before its end

    def judge_request(self, texts: Sequence[str]) -> str:
        """Why a request must not pass; empty: it may."""
        return ""

    def judge_piece(self, tail: str, size: int) -> str:
        """Why an answer must not go on: `tail` is the end of what has come of one text, `size` all its characters."""
        return ""

    def judge_answer(self, request: Sequence[str], answer: Sequence[str]) -> str:
        """Why a whole answer must not pass."""
        return ""

    def rewrite(self, text: str, last: bool) -> tuple[str, str]:
        """What of an answer's text is sent now, changed, and what waits for its next piece."""
        return text, ""

    def finish(self, text: str) -> str:
        """What is added where an answer's main text ends with `text`."""
        return ""

    def judge_call(self, name: str, arguments: Any, schemas: Mapping[str, Any]) -> str:
        """Why a tool must not be called with these arguments; `schemas` are those that the request declares."""
        return ""

    def judge_tool(self, name: str) -> str:
        """Why a tool of this name must not be called."""
        return ""
