"""Checks of fine-tuning rows that a short, correct answer passes: structure instead of web heuristics.

Chats: known roles, a question before an answer, an answer at the end. Pairs: two different answers to something. All:
nothing empty, no template tokens left in the text, no characters lost in decoding, no answer that only repeats the
question, no refusal in place of one. The phrases are our own; `limits` may switch a rule off with a limit of 1 or more.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pyarrow as pa

from steward.data.stage import PAIR, texts
from steward.data.verdict import Verdict

ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
LIMITS = {"replacement_characters": 0.001, "refusal": 0, "echo": 0, "template_tokens": 0}
_TEMPLATE = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>(?=\s*$)|\{\{\s*\w+\s*\}\}"
)
_REFUSAL = re.compile(
    r"^\W*(?:i(?:['’]m| am) sorry,? but|sorry,? (?:but )?i|i (?:can(?:['’]t|not)|am unable to|['’]?m unable to)"
    r"|as an ai(?: language)? model)", re.IGNORECASE,
)  # fmt: skip


def judge(batch: pa.RecordBatch, limits: dict[str, float]) -> Iterator[tuple[int, Verdict]]:
    """The rows that break a rule, by index in the batch, with the first rule each breaks."""
    allowed = LIMITS | limits
    names = batch.schema.names
    whole = texts(batch).to_pylist()
    for index, text in enumerate(whole):
        verdict = None
        if "text" not in names and "messages" in names:
            verdict = _chat(batch["messages"][index].as_py() or [], allowed)
        elif "text" not in names and "chosen" in names:
            prompt, chosen, rejected = (str(batch[name][index].as_py() or "") if name in names else "" for name in PAIR)
            verdict = _pair(prompt, chosen, rejected, allowed)
        if verdict := verdict or _text(text, allowed):
            yield index, verdict


def _text(text: str, allowed: dict[str, float]) -> Verdict | None:
    if not text.strip():
        return Verdict("empty", 0.0, 1.0)
    left = len(_TEMPLATE.findall(text))
    if left > allowed["template_tokens"]:
        return Verdict("template_tokens", float(left), allowed["template_tokens"])
    lost = text.count("\ufffd") / len(text)
    if lost > allowed["replacement_characters"]:
        return Verdict("replacement_characters", lost, allowed["replacement_characters"])
    return None


def _chat(messages: list[dict[str, str | None]], allowed: dict[str, float]) -> Verdict | None:
    roles = [message.get("role") or "" for message in messages]
    contents = [(message.get("content") or "").strip() for message in messages]
    if unknown := next((role for role in roles if role not in ROLES), None):
        return Verdict("unknown_role", unknown[:40], "|".join(sorted(ROLES)))
    if not roles or "" in roles:
        return Verdict("no_messages" if not roles else "unknown_role", "", "|".join(sorted(ROLES)))
    if roles[-1] != "assistant":
        return Verdict("no_answer_at_end", roles[-1], "assistant")
    talk = [role for role in roles if role in ("user", "assistant")]
    if talk[0] != "user":
        return Verdict("no_question_first", talk[0], "user")
    if any(a == b == "user" for a, b in itertools.pairwise(talk)):
        return Verdict("unanswered_question", "user, user", "user, assistant")
    for role, content in zip(roles, contents, strict=True):
        if role == "user" and not content:
            return Verdict("empty_question", 0.0, 1.0)
    return _answer(next(c for r, c in zip(reversed(roles), reversed(contents), strict=True) if r == "user"),
                   contents[-1], allowed)  # fmt: skip


def _pair(prompt: str, chosen: str, rejected: str, allowed: dict[str, float]) -> Verdict | None:
    if not rejected.strip():
        return Verdict("empty_rejected", 0.0, 1.0)
    if chosen.strip() == rejected.strip():
        return Verdict("same_answers", 1.0, 0.0)
    return _answer(prompt.strip(), chosen.strip(), allowed)


def _answer(question: str, answer: str, allowed: dict[str, float]) -> Verdict | None:
    if not answer:
        return Verdict("empty_answer", 0.0, 1.0)
    if answer.casefold() == question.casefold() and allowed["echo"] < 1:
        return Verdict("echo", 1.0, allowed["echo"])
    if _REFUSAL.match(answer) and allowed["refusal"] < 1:
        return Verdict("refusal", 1.0, allowed["refusal"])
    return None
