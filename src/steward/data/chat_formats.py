"""The shapes in which chats for fine-tuning are published, each turned into OpenAI's `messages`.

sharegpt            {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "system": "…"}
alpaca              {"instruction": "…", "input": "…", "output": "…"}: Taori et al. 2023, Stanford Alpaca
prompt-completion   {"prompt": "…", "completion": "…"}: texts, or lists of messages, as TRL has them

Decides by the names of the columns alone. What does not fit is left as it is, for the reader to say what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

ChatFormat = Literal["sharegpt", "alpaca", "prompt-completion"]
_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bot": "assistant", "model": "assistant", "system": "system", "tool": "tool", "observation": "tool",
    "function_response": "tool",
}  # fmt: skip


def detect_chat_format(columns: Collection[str]) -> ChatFormat | None:
    """None where the rows are already chats, pairs or documents, or have another shape."""
    if {"messages", "text"} & set(columns) or {"chosen", "rejected"} <= set(columns):
        return None
    if "conversations" in columns:
        return "sharegpt"
    if "instruction" in columns and "output" in columns:
        return "alpaca"
    return "prompt-completion" if {"prompt", "completion"} <= set(columns) else None


def to_messages(record: dict[str, Any], chat_format: ChatFormat) -> dict[str, Any]:
    """The record with `messages` in place of the columns that hold the chat.

    >>> to_messages({"instruction": "Add.", "input": "1 2", "output": "3", "n": 7}, "alpaca")["messages"][0]
    {'role': 'user', 'content': 'Add.\\n\\n1 2'}
    """
    rest = dict(record)
    if chat_format == "sharegpt":
        turns, system = rest.pop("conversations", None), rest.pop("system", None)
        messages = [_convert_turn(turn) for turn in turns] if isinstance(turns, list) else turns
    elif chat_format == "alpaca":
        instruction, context, system = rest.pop("instruction", None), rest.pop("input", None), rest.pop("system", None)
        question = f"{instruction}\n\n{context}" if context and isinstance(instruction, str) else instruction
        messages = [_make_message("user", question), _make_message("assistant", rest.pop("output", None))]
    else:
        prompt, completion, system = rest.pop("prompt", None), rest.pop("completion", None), rest.pop("system", None)
        messages = [*_as_messages("user", prompt), *_as_messages("assistant", completion)]
    if system and isinstance(messages, list):
        messages = [_make_message("system", system), *messages]
    return {"messages": messages, **rest}


def _convert_turn(turn: Any) -> Any:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    rest = {key: value for key, value in turn.items() if key not in ("from", "value")}
    return {"role": _ROLES.get(turn["from"], turn["from"]), "content": turn.get("value"), **rest}


def _as_messages(role: str, value: Any) -> list[Any]:
    return value if isinstance(value, list) else [_make_message(role, value)]


def _make_message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}
