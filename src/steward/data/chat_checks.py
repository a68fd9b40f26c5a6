"""Checks of fine-tuning rows that a short, correct answer passes: structure instead of web heuristics.

Chats: known roles, a question before an answer, an answer at the end. Pairs: two different answers to something. Both:
an answer in the language of its question, not cut off, of a length in proportion. Tool calls: arguments that are a JSON
object, a name that the row's `tools` declare, an answer for each call. All: nothing empty, no template tokens left in
the text, no characters lost in decoding, no answer that only repeats the question, no refusal in place of one.

`limits` may switch a rule off with a limit of 1 or more. What it does not know: whether an
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

from steward.core.excerpts import cut_text
from steward.data.language_detection import UNKNOWN, detect_language
from steward.data.refusals import is_refusal
from steward.data.stage import PAIR, get_texts
from steward.data.violation import Violation, report_missing, report_present

ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
LIMITS = {
    "replacement_characters": 0.001, "refusal": 0, "echo": 0, "template_tokens": 0, "truncated": 0,
    "language_mismatch": 0, "answer_ratio": 1000, "length_ratio": 20,
}  # fmt: skip
_TEMPLATE = re.compile(
    r"<\|[a-z_]{2,24}\|>|<｜[^｜<>\n]{2,40}｜>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>(?=\s*$)"
)
_ALPACA = re.compile(
    r"^### ?(?:Instruction|Human|User)\b:?[\s\S]{0,20000}?^### ?(?:Response|Assistant)\b:?", re.MULTILINE
)
_SIGNS = (  # of what the two above find; each begins with one literal, to which a search jumps
    ("<", re.compile(r"<(?:\||｜|/?s>|<|(?:start|end)_of_turn>)")), ("[", re.compile(r"\[/?INST\]")),
    ("#", re.compile(r"#(?=## ?(?:Instruction|Human|User))")),
)  # fmt: skip
_OPENINGS = {"[/INST]": "[INST]", "<</SYS>>": "<<SYS>>"}
_OPENS = re.compile(r"\[INST\]|<<SYS>>|<start_of_turn>|<\|[a-z_]*start[a-z_]*\|>")
_LINE_BEFORE = re.compile(rf"^(?:\s|<s>|{_TEMPLATE.pattern})*$")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_MIN_RATIO_LENGTH = 50  # characters: a shorter text counts as so many in a ratio
_MIN_PROSE_LENGTH = 200  # characters of an answer from which a half sentence at its end means that it was cut off
_OPEN_END = re.compile(r"(?:[,;(\[{]|\b(?:a|an|and|are|as|at|by|for|from|in|is|of|on|or|that|the|to|was|with|which))$")
_MIN_PROBABILITY, _MIN_LETTERS = 0.95, 40  # probability and letters from which a language is believed
_OTHER_LANGUAGE = re.compile(
    r"translat|übersetz|tradu|перев|翻译|翻譯|翻訳|english|german|deutsch|french|français|spanish|español|italian|dutch"
    r"|portugu|russian|chinese|japanese|korean|arabic|hindi|latin|polish|turkish|language|sprache|langue|idioma|lingua",
    re.IGNORECASE,
)


def check_rows(batch: pa.RecordBatch, limits: dict[str, float]) -> Iterator[tuple[int, Violation]]:
    """The rows that break a rule, by index in the batch, with the first rule each breaks."""
    allowed = LIMITS | limits
    names = batch.schema.names
    row_texts = get_texts(batch).to_pylist()
    for index, text in enumerate(row_texts):
        violation = None
        if "text" not in names and "messages" in names:
            tools = _declared_tools(batch["tools"][index].as_py()) if "tools" in names else None
            violation = _check_chat(batch["messages"][index].as_py() or [], tools, allowed)
        elif "text" not in names and "chosen" in names:
            prompt, chosen, rejected = (_read_side(batch, name, index) for name in PAIR)
            violation = _check_pair(prompt, chosen, rejected, allowed)
        if violation := violation or _check_text(text, allowed):
            yield index, violation


def _read_side(batch: pa.RecordBatch, name: str, index: int) -> str:
    """The text of a side of a pair; of messages the last of the prompt, or the answers."""
    value = batch[name][index].as_py() if name in batch.schema.names else None
    if not isinstance(value, list):
        return str(value or "")
    messages = value[-1:] if name == "prompt" else [one for one in value if one.get("role") == "assistant"]
    return "\n\n".join(message.get("content") or "" for message in messages)


def _check_text(text: str, allowed: dict[str, float]) -> Violation | None:
    if not text or text.isspace():
        return report_missing("empty")
    token_count = count_template_tokens(text)
    if token_count > allowed["template_tokens"]:
        return Violation("template_tokens", float(token_count), allowed["template_tokens"])
    lost_share = text.count("\ufffd") / len(text)
    if lost_share > allowed["replacement_characters"]:
        return Violation("replacement_characters", lost_share, allowed["replacement_characters"])
    return None


def count_template_tokens(text: str) -> int:
    """How many marks of chat templates are left over from a template. A mark that a sentence speaks of is none, nor is
    one in code: a left-over one begins or ends a line, sticks to a word, or closes what nothing has opened.

    >>> count_template_tokens("[INST] Hi [/INST] Hello"), count_template_tokens("Write [INST] before the question.")
    (1, 0)
    """
    for first, sign in _SIGNS:
        if first in text and sign.search(text):
            break
    else:
        return 0
    prose = _CODE.sub("_", text)
    left_over, mentioned = list[str](), set[str]()
    for match in _TEMPLATE.finditer(prose):
        if _is_left_over(prose, match.start(), match.end()):
            left_over.append(match.group())
        else:
            mentioned.add(match.group())
    return sum(mark not in mentioned for mark in left_over) + len(_ALPACA.findall(prose))


def _is_left_over(text: str, start: int, end: int) -> bool:
    before, after = text[text.rfind("\n", 0, start) + 1 : start], text[end:].partition("\n")[0]
    if _LINE_BEFORE.match(before) or not (after.strip() or _OPENS.match(text, start)):
        return True
    if before[-1].isalnum() or before[-1] in ".!?)" or after[:1].isalnum():
        return True
    opening = _OPENINGS.get(text[start:end])
    return opening is not None and opening not in text[:start]


def _check_chat(
    messages: list[dict[str, str | None]], tools: frozenset[str] | None, allowed: dict[str, float]
) -> Violation | None:
    roles = [message.get("role") or "" for message in messages]
    contents = [(message.get("content") or "").strip() for message in messages]
    if unknown := next((role for role in roles if role not in ROLES), None):
        return Violation("unknown_role", cut_text(unknown), "|".join(sorted(ROLES)))
    if not roles or "" in roles:
        return Violation("no_messages" if not roles else "unknown_role", "", "|".join(sorted(ROLES)))
    if roles[-1] != "assistant":
        return Violation("no_answer_at_end", roles[-1], "assistant")
    turns = [role for role in roles if role in ("user", "assistant")]
    if turns[0] != "user":
        return Violation("no_question_first", turns[0], "user")
    if any(a == b == "user" for a, b in itertools.pairwise(turns)):
        return Violation("unanswered_question", "user, user", "user, assistant")
    for role, content in zip(roles, contents, strict=True):
        if role == "user" and not content:
            return report_missing("empty_question")
    extra = [_extra_fields(message) for message in messages]
    if violation := _check_tool_calls(roles, extra, tools):
        return violation
    if extra[-1].get("finish_reason") == "length" and allowed["truncated"] < 1:
        return Violation("truncated", "finish_reason length", "stop")
    if not contents[-1] and _list_calls(extra[-1]):
        return None
    question = next(c for r, c in zip(reversed(roles), reversed(contents), strict=True) if r == "user")
    return _check_answer(question, contents[-1], allowed)


def _extra_fields(message: dict[str, str | None]) -> dict[str, Any]:
    """The keys of a message beside role and content."""
    fields = msgspec.json.decode(message.get("more") or "{}")
    return fields if isinstance(fields, dict) else {}


def _declared_tools(tools: str | None) -> frozenset[str] | None:
    """The names in a row's `tools`, in OpenAI's shape or Anthropic's; None where it has none that can be read."""
    try:
        declared = msgspec.json.decode(tools or "null")
    except msgspec.DecodeError:
        return None
    items = [item for item in declared if isinstance(item, dict)] if isinstance(declared, list) else []
    definitions = [item.get("function", item) for item in items]
    return frozenset(str(item["name"]) for item in definitions if isinstance(item, dict) and "name" in item) or None


def _list_calls(extra: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's tool calls, and the one of the older `function_call`, as {id, name, arguments}."""
    listed_calls = extra.get("tool_calls")
    call_objects = [call for call in listed_calls if isinstance(call, dict)] if isinstance(listed_calls, list) else []
    calls = [{"id": call.get("id"), **(call.get("function") or {})} for call in call_objects]
    function_call = extra.get("function_call")
    return [*calls, function_call] if isinstance(function_call, dict) else calls


def _check_tool_calls(roles: list[str], extra: list[dict[str, Any]], tools: frozenset[str] | None) -> Violation | None:
    unanswered_ids: set[str] = set()
    for role, keys in zip(roles, extra, strict=True):
        if role == "tool":
            if keys.get("tool_call_id") not in unanswered_ids:
                return Violation("tool_answer_without_call", cut_text(keys.get("tool_call_id")), "the id of a call")
            unanswered_ids.discard(keys["tool_call_id"])
        elif unanswered_ids:
            return Violation("unanswered_tool_call", float(len(unanswered_ids)), 0.0)
        for call in _list_calls(keys):
            name, arguments = call.get("name"), call.get("arguments")
            if not name or (tools is not None and name not in tools):
                return Violation("unknown_tool", cut_text(str(name or "")), "|".join(sorted(tools or {"a name"})))
            if not isinstance(arguments, dict) and not _is_object(arguments):
                return Violation("tool_arguments", f"of {cut_text(name)}", "a JSON object")
            if call.get("id"):
                unanswered_ids.add(call["id"])
    return None


def _is_object(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(msgspec.json.decode(arguments), dict)
    except msgspec.DecodeError:
        return False


def _check_pair(prompt: str, chosen: str, rejected: str, allowed: dict[str, float]) -> Violation | None:
    if not rejected.strip():
        return report_missing("empty_rejected")
    if chosen.strip() == rejected.strip():
        return report_present("same_answers")
    lengths = sorted(max(len(answer.strip()), _MIN_RATIO_LENGTH) for answer in (chosen, rejected))
    if (ratio := lengths[1] / lengths[0]) > allowed["length_ratio"]:
        return Violation("length_ratio", ratio, allowed["length_ratio"])
    return _check_answer(prompt.strip(), chosen.strip(), allowed)


def _check_answer(question: str, answer: str, allowed: dict[str, float]) -> Violation | None:
    if not answer:
        return report_missing("empty_answer")
    if answer.casefold() == question.casefold() and allowed["echo"] < 1:
        return Violation("echo", 1.0, allowed["echo"])
    if allowed["refusal"] < 1 and is_refusal(answer):
        return Violation("refusal", 1.0, allowed["refusal"])
    if (ratio := len(answer) / max(len(question), 1)) > allowed["answer_ratio"] and len(answer) > _MIN_PROSE_LENGTH:
        return Violation("answer_ratio", ratio, allowed["answer_ratio"])
    if allowed["truncated"] < 1 and (reason := _find_truncation(answer)):
        return Violation("truncated", reason, "a whole answer")
    return _check_languages(question, answer) if allowed["language_mismatch"] < 1 else None


def _find_truncation(answer: str) -> str | None:
    """What says that the answer was cut off: a code block that stays open, a half sentence at the end of prose."""
    if answer.count("```") % 2:
        return "an open code block"
    last = answer.rpartition("\n")[2]
    if len(answer) >= _MIN_PROSE_LENGTH and len(last.split()) > 5 and _OPEN_END.search(last):
        return "a half sentence"
    return None


def _check_languages(question: str, answer: str) -> Violation | None:
    if _OTHER_LANGUAGE.search(question) or "```" in answer:
        return None
    question_language = detect_language(question, _MIN_PROBABILITY, _MIN_LETTERS)
    if question_language == UNKNOWN:
        return None
    answer_language = detect_language(answer, _MIN_PROBABILITY, _MIN_LETTERS)
    if answer_language in (UNKNOWN, question_language):
        return None
    return Violation("language_mismatch", answer_language, question_language)
