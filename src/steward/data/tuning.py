"""Checks of fine-tuning rows that a short, correct answer passes: structure instead of web heuristics.

Chats: known roles, a question before an answer, an answer at the end. Pairs: two different answers to something. Both:
an answer in the language of its question, not cut off, of a length in proportion. Tool calls: arguments that are a JSON
object, a name that the row's `tools` declare, an answer for each call. All: nothing empty, no template tokens left in
the text, no characters lost in decoding, no answer that only repeats the question, no refusal in place of one.

The phrases are our own; `limits` may switch a rule off with a limit of 1 or more. What it does not know: whether an
answer is right. The language is asked of texts of 40 letters and more only, and not where the question speaks of
translating or names a language.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from steward.data.stage import PAIR, texts
from steward.data.stages.language import UNKNOWN, detect
from steward.data.verdict import Verdict

ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
LIMITS = {
    "replacement_characters": 0.001, "refusal": 0, "echo": 0, "template_tokens": 0, "truncated": 0,
    "language_mismatch": 0, "answer_ratio": 1000, "length_ratio": 20,
}  # fmt: skip
_TEMPLATE = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>(?=\s*$)|\{\{\s*\w+\s*\}\}"
)
_REFUSAL = re.compile(
    r"^\W*(?:i(?:['’]m| am) sorry,? but|sorry,? (?:but )?i|i (?:can(?:['’]t|not)|am unable to|['’]?m unable to)"
    r"|as an ai(?: language)? model)", re.IGNORECASE,
)  # fmt: skip
_SHORT = 50  # characters: a shorter text counts as so many in a ratio
_LONG = 200  # characters of an answer from which a half sentence at its end means that it was cut off
_OPEN_END = re.compile(r"(?:[,;(\[{]|\b(?:a|an|and|are|as|at|by|for|from|in|is|of|on|or|that|the|to|was|with|which))$")
_SURE, _LETTERS = 0.95, 40  # probability and letters from which a language is believed
_OTHER_LANGUAGE = re.compile(
    r"translat|übersetz|tradu|перев|翻译|翻譯|翻訳|english|german|deutsch|french|français|spanish|español|italian|dutch"
    r"|portugu|russian|chinese|japanese|korean|arabic|hindi|latin|polish|turkish|language|sprache|langue|idioma|lingua",
    re.IGNORECASE,
)


def judge(batch: pa.RecordBatch, limits: dict[str, float]) -> Iterator[tuple[int, Verdict]]:
    """The rows that break a rule, by index in the batch, with the first rule each breaks."""
    allowed = LIMITS | limits
    names = batch.schema.names
    whole = texts(batch).to_pylist()
    for index, text in enumerate(whole):
        verdict = None
        if "text" not in names and "messages" in names:
            tools = _declared(batch["tools"][index].as_py()) if "tools" in names else None
            verdict = _chat(batch["messages"][index].as_py() or [], tools, allowed)
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


def _chat(
    messages: list[dict[str, str | None]], tools: frozenset[str] | None, allowed: dict[str, float]
) -> Verdict | None:
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
    rest = [_rest(message) for message in messages]
    if verdict := _tool_calls(roles, rest, tools):
        return verdict
    if rest[-1].get("finish_reason") == "length" and allowed["truncated"] < 1:
        return Verdict("truncated", "finish_reason length", "stop")
    if not contents[-1] and _calls(rest[-1]):
        return None
    question = next(c for r, c in zip(reversed(roles), reversed(contents), strict=True) if r == "user")
    return _answer(question, contents[-1], allowed)


def _rest(message: dict[str, str | None]) -> dict[str, Any]:
    """The keys of a message beside role and content."""
    found = msgspec.json.decode(message.get("more") or "{}")
    return found if isinstance(found, dict) else {}


def _declared(tools: str | None) -> frozenset[str] | None:
    """The names in a row's `tools`, in OpenAI's shape or Anthropic's; None where it has none that can be read."""
    try:
        found = msgspec.json.decode(tools or "null")
    except msgspec.DecodeError:
        return None
    given = [item.get("function", item) for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return frozenset(str(item["name"]) for item in given if isinstance(item, dict) and "name" in item) or None


def _calls(rest: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's tool calls, and the one of the older `function_call`, as {id, name, arguments}."""
    given = rest.get("tool_calls")
    found = [call for call in given if isinstance(call, dict)] if isinstance(given, list) else []
    calls = [{"id": call.get("id"), **(call.get("function") or {})} for call in found]
    old = rest.get("function_call")
    return [*calls, old] if isinstance(old, dict) else calls


def _tool_calls(roles: list[str], rest: list[dict[str, Any]], tools: frozenset[str] | None) -> Verdict | None:
    waiting: set[str] = set()
    for role, keys in zip(roles, rest, strict=True):
        if role == "tool":
            if keys.get("tool_call_id") not in waiting:
                return Verdict("tool_answer_without_call", str(keys.get("tool_call_id"))[:40], "the id of a call")
            waiting.discard(keys["tool_call_id"])
        elif waiting:
            return Verdict("unanswered_tool_call", float(len(waiting)), 0.0)
        for call in _calls(keys):
            name, arguments = call.get("name"), call.get("arguments")
            if not name or (tools is not None and name not in tools):
                return Verdict("unknown_tool", str(name or "")[:40], "|".join(sorted(tools or {"a name"})))
            if not isinstance(arguments, dict) and not _is_object(arguments):
                return Verdict("tool_arguments", f"of {str(name)[:40]}", "a JSON object")
            if call.get("id"):
                waiting.add(call["id"])
    return None


def _is_object(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(msgspec.json.decode(arguments), dict)
    except msgspec.DecodeError:
        return False


def _pair(prompt: str, chosen: str, rejected: str, allowed: dict[str, float]) -> Verdict | None:
    if not rejected.strip():
        return Verdict("empty_rejected", 0.0, 1.0)
    if chosen.strip() == rejected.strip():
        return Verdict("same_answers", 1.0, 0.0)
    lengths = sorted(max(len(answer.strip()), _SHORT) for answer in (chosen, rejected))
    if (ratio := lengths[1] / lengths[0]) > allowed["length_ratio"]:
        return Verdict("length_ratio", ratio, allowed["length_ratio"])
    return _answer(prompt.strip(), chosen.strip(), allowed)


def _answer(question: str, answer: str, allowed: dict[str, float]) -> Verdict | None:
    if not answer:
        return Verdict("empty_answer", 0.0, 1.0)
    if answer.casefold() == question.casefold() and allowed["echo"] < 1:
        return Verdict("echo", 1.0, allowed["echo"])
    if _REFUSAL.match(answer) and allowed["refusal"] < 1:
        return Verdict("refusal", 1.0, allowed["refusal"])
    if (ratio := len(answer) / max(len(question), 1)) > allowed["answer_ratio"] and len(answer) > _LONG:
        return Verdict("answer_ratio", ratio, allowed["answer_ratio"])
    if allowed["truncated"] < 1 and (seen := _truncated(answer)):
        return Verdict("truncated", seen, "a whole answer")
    return _languages(question, answer) if allowed["language_mismatch"] < 1 else None


def _truncated(answer: str) -> str | None:
    """What says that the answer was cut off: a code block that stays open, a half sentence at the end of prose."""
    if answer.count("```") % 2:
        return "an open code block"
    last = answer.rpartition("\n")[2]
    if len(answer) >= _LONG and len(last.split()) > 5 and _OPEN_END.search(last):
        return "a half sentence"
    return None


def _languages(question: str, answer: str) -> Verdict | None:
    if _OTHER_LANGUAGE.search(question) or "```" in answer:
        return None
    asked, given = (detect(text, _SURE, _LETTERS) for text in (question, answer))
    if UNKNOWN in (asked, given) or asked == given:
        return None
    return Verdict("language_mismatch", given, asked)
