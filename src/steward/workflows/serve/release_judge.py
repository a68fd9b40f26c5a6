"""A model that compares two answers to a chat, asked in both orders, since judges prefer what they read first."""

from __future__ import annotations

import msgspec

from steward.evaluation.judge import make_comparison_calls, read_verdicts
from steward.evaluation.metrics.graded import reply_text

_SCORES = {"candidate": 1.0, "baseline": -1.0, "tie": 0.0}


class ChatJudge:
    """`gateway.middleware.release_trial.AnswerJudge` by the prompt of `steward eval judge`."""

    def __init__(self, model: str, rubric: str) -> None:
        self.model, self._rubric = model, rubric

    def write_questions(self, chat: bytes, champion: bytes, candidate: bytes) -> tuple[bytes, bytes]:
        question = _format_chat(chat)
        one, other = make_comparison_calls(
            self.model, self._rubric, question, reply_text(champion), reply_text(candidate)
        )
        return one.body, other.body

    def read_replies(self, replies: tuple[bytes, bytes]) -> float | None:
        winner = read_verdicts("", replies).winner
        return None if winner is None else _SCORES[winner]


def _format_chat(chat: bytes) -> str:
    """The messages as a judge reads them; what is no text is named."""
    body = msgspec.json.decode(chat)
    messages = body.get("messages") if isinstance(body, dict) else None
    turns = messages if isinstance(messages, list) else []
    return "\n\n".join(
        f"{one.get('role', '')}: {_format_content(one.get('content'))}" if isinstance(one, dict) else str(one)
        for one in turns
    )


def _format_content(content: object) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    parts = content if isinstance(content, list) else [content]
    return "\n".join(
        str(part.get("text", f"[{part.get('type', 'something else')}]")) if isinstance(part, dict) else str(part)
        for part in parts
    )
