"""The shapes in which chats and pairs for fine-tuning are published, each turned into OpenAI's `messages`.

sharegpt              {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "system": "…"}
alpaca                {"instruction": "…", "input": "…", "output": "…"}: Taori et al. 2023, Stanford Alpaca; `history`
                      holds earlier turns, [["question", "answer"], …], as LLaMA-Factory has it
prompt-completion     {"prompt": "…", "completion": "…"}: texts, or lists of messages, as TRL has them
sharegpt-preference   {"conversations": […], "chosen": {"from", "value"}, "rejected": {…}}, and
alpaca-preference     {"instruction": "…", "input": "…", "chosen": "…", "rejected": "…"}: both as LLaMA-Factory has them
openai-preference     {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}: OpenAI's for
                      preference optimisation

Decides by the names of the columns alone. What does not fit is left as it is, for the reader to say what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal

import msgspec

ChatFormat = Literal[
    "sharegpt", "alpaca", "prompt-completion", "sharegpt-preference", "alpaca-preference", "openai-preference"
]
_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bot": "assistant", "model": "assistant", "system": "system", "tool": "tool", "observation": "tool",
    "function_response": "tool", "tool_response": "tool",
}  # fmt: skip
_CALLS = ("function_call", "tool_call")  # who speaks in a turn of ShareGPT that calls a function


def detect_chat_format(columns: Collection[str]) -> ChatFormat | None:
    """None where the rows are already chats, pairs or documents, or have another shape."""
    names = set(columns)
    if {"messages", "text"} & names:
        return None
    if {"preferred_output", "non_preferred_output"} <= names:
        return "openai-preference"
    if {"chosen", "rejected"} <= names:
        if "prompt" in names:
            return None
        if "conversations" in names:
            return "sharegpt-preference"
        return "alpaca-preference" if "instruction" in names else None
    if "conversations" in names:
        return "sharegpt"
    if {"instruction", "output"} <= names:
        return "alpaca"
    return "prompt-completion" if {"prompt", "completion"} <= names else None


def to_messages(record: dict[str, Any], chat_format: ChatFormat) -> dict[str, Any]:
    """The record with `messages`, or with `prompt`, `chosen` and `rejected`, in place of the columns that hold them.

    >>> to_messages({"instruction": "Add.", "input": "1 2", "output": "3", "n": 7}, "alpaca")["messages"][0]
    {'role': 'user', 'content': 'Add.\\n\\n1 2'}
    """
    rest = dict(record)
    return {**_CONVERTERS[chat_format](rest), **rest}


def _take_sharegpt(rest: dict[str, Any]) -> dict[str, Any]:
    return {"messages": _take_conversations(rest)}


def _take_alpaca(rest: dict[str, Any]) -> dict[str, Any]:
    question = _take_instruction(rest)
    return {"messages": [*question, _make_message("assistant", rest.pop("output", None))]}


def _take_prompt_completion(rest: dict[str, Any]) -> dict[str, Any]:
    prompt, completion = rest.pop("prompt", None), rest.pop("completion", None)
    return {"messages": _take_system(rest) + _as_messages("user", prompt) + _as_messages("assistant", completion)}


def _take_sharegpt_preference(rest: dict[str, Any]) -> dict[str, Any]:
    prompt = _take_conversations(rest)
    return {"prompt": prompt, **{name: _convert_side(rest.pop(name, None)) for name in ("chosen", "rejected")}}


def _take_alpaca_preference(rest: dict[str, Any]) -> dict[str, Any]:
    prompt = _take_instruction(rest)
    return {"prompt": prompt, **{name: _convert_side(rest.pop(name, None)) for name in ("chosen", "rejected")}}


def _take_openai_preference(rest: dict[str, Any]) -> dict[str, Any]:
    given = rest.pop("input", None)
    prompt = given
    if isinstance(given, dict):
        prompt = given.get("messages")
        rest |= {name: value for name, value in given.items() if name != "messages"}
    chosen, rejected = rest.pop("preferred_output", None), rest.pop("non_preferred_output", None)
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


_CONVERTERS: dict[ChatFormat, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "sharegpt": _take_sharegpt,
    "alpaca": _take_alpaca,
    "prompt-completion": _take_prompt_completion,
    "sharegpt-preference": _take_sharegpt_preference,
    "alpaca-preference": _take_alpaca_preference,
    "openai-preference": _take_openai_preference,
}


def _take_conversations(rest: dict[str, Any]) -> Any:
    turns = rest.pop("conversations", None)
    if not isinstance(turns, list):
        return turns
    return _take_system(rest) + _number_calls([_convert_turn(turn) for turn in turns])


def _take_instruction(rest: dict[str, Any]) -> list[Any]:
    instruction, context, history = (rest.pop(name, None) for name in ("instruction", "input", "history"))
    question = f"{instruction}\n\n{context}" if context and isinstance(instruction, str) else instruction
    messages = _take_system(rest)
    for turn in history if isinstance(history, list) else ():
        pair = turn if isinstance(turn, list) and len(turn) == 2 else (None, None)
        messages += [_make_message("user", pair[0]), _make_message("assistant", pair[1])]
    return [*messages, _make_message("user", question)]


def _take_system(rest: dict[str, Any]) -> list[Any]:
    system = rest.pop("system", None)
    return [_make_message("system", system)] if system else []


def _convert_side(value: Any) -> Any:
    """An answer of a pair: a text, a turn of ShareGPT, a message, or a list of those."""
    if isinstance(value, list):
        return [_convert_turn(turn) for turn in value]
    return [_convert_turn(value)] if isinstance(value, dict) else [_make_message("assistant", value)]


def _convert_turn(turn: Any) -> Any:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    speaker, value = turn["from"], turn.get("value")
    rest = {key: inner for key, inner in turn.items() if key not in ("from", "value")}
    if speaker in _CALLS and (calls := _read_calls(value)):
        return {**_make_message("assistant", None), "tool_calls": calls, **rest}
    return {**_make_message(_ROLES.get(speaker, speaker) if isinstance(speaker, str) else speaker, value), **rest}


def _read_calls(value: Any) -> list[dict[str, Any]]:
    """The calls that a turn's JSON names; none where it is something else."""
    try:
        decoded = msgspec.json.decode(value) if isinstance(value, str) else value
    except msgspec.DecodeError:
        return []
    items = decoded if isinstance(decoded, list) else [decoded]
    if not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in items):
        return []
    return [
        {"type": "function", "function": {"name": item["name"], "arguments": _encode(item.get("arguments") or {})}}
        for item in items
    ]


def _encode(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _number_calls(messages: list[Any]) -> list[Any]:
    """Calls that have no id get one, and the answers of tools that follow are theirs, in order: ShareGPT has none."""
    waiting: list[str] = []
    count = 0
    for message in messages:
        if not isinstance(message, dict):
            continue
        for call in message.get("tool_calls") or ():
            call.setdefault("id", f"call_{count}")
            waiting.append(call["id"])
            count += 1
        if message.get("role") == "tool" and waiting and "tool_call_id" not in message:
            message["tool_call_id"] = waiting.pop(0)
    return messages


def _as_messages(role: str, value: Any) -> list[Any]:
    return value if isinstance(value, list) else [_make_message(role, value)]


def _make_message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}
