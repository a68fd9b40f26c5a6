"""One row of a fine-tuning set in another of the shapes in which such sets are published.

openai              {"messages": […], "tools": […]}
sharegpt            {"conversations": [{"from": "human", "value": "…"}, …], "system", "tools": "JSON", "images": […]}
alpaca              {"instruction", "input", "output", "system", "history": [["question", "answer"], …]}
prompt-completion   {"prompt": [messages], "completion": [messages]}, as TRL has it; the completion is the last answer
preference          {"prompt": [messages], "chosen": [messages], "rejected": [messages]}, as TRL has it
openai-preference   {"input": {"messages": […], "tools": […]}, "preferred_output": […], "non_preferred_output": […]}
kto                 {"prompt": [messages], "completion": [messages], "label": true}, as TRL has it; a pair becomes two

Nothing is left out to make a row fit: what a shape has no place for is a `BadRow`. Columns that are not part of the
shape go along. What it does not know: chat templates, which turn messages into one text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import msgspec

from steward.core.excerpts import cut_text
from steward.data.bad_row import BadRow

Shape = Literal["openai", "sharegpt", "alpaca", "prompt-completion", "preference", "openai-preference", "kto"]
SHAPES: tuple[str, ...] = get_args(Shape)
Row = dict[str, Any]
Messages = list[dict[str, Any]]
_SPEAKERS = {
    "user": "human", "assistant": "gpt", "system": "system", "developer": "system", "tool": "observation",
    "function": "observation",
}  # fmt: skip
_WRITTEN = ("role", "content", "tool_calls", "tool_call_id")  # keys of a message that a turn of ShareGPT has otherwise
_IMAGES = ("image", "image_url", "input_image")


class NoPlace(Exception):
    """The shape has no place for something that the row holds."""

    def __init__(self, field: str, seen: str, expected: str) -> None:
        super().__init__(seen)
        self.row = BadRow("no_place", field, seen, expected)


class TrainingChat(msgspec.Struct, frozen=True):
    """A row, whatever its shape was: a chat, or a prompt with two answers, and its other columns."""

    messages: Messages
    chosen: Messages | None = None
    rejected: Messages | None = None
    rest: Row = {}


def convert_row(row: Mapping[str, Any], shape: Shape, *, chosen_only: bool = False) -> list[Row] | BadRow:
    """The row in that shape: one, or two where a pair becomes two rows, or none.

    `row` is a chat (`messages`) or a pair (`prompt`, `chosen`, `rejected`, texts or lists of messages) as the reader
    gives it. `chosen_only` makes a chat of a pair with its chosen answer, and leaves out answers labelled false.

    >>> chat = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
    >>> convert_row({"messages": chat}, "alpaca")
    [{'instruction': '1+1?', 'input': '', 'output': '2'}]
    """
    conversation = _parse_row(row)
    if chosen_only and shape not in ("preference", "openai-preference"):
        if conversation.rest.get("label") is False:
            return []
        if conversation.chosen is not None:
            messages = conversation.messages + conversation.chosen
            conversation = TrainingChat(messages, rest=conversation.rest)
    try:
        return _WRITERS[shape](conversation)
    except NoPlace as error:
        return error.row


def _parse_row(row: Mapping[str, Any]) -> TrainingChat:
    rest = dict(row)
    if isinstance(tools := rest.get("tools"), str):
        rest["tools"] = _decode_json(tools)
    if "messages" in rest:
        return TrainingChat(rest.pop("messages"), rest=rest)
    prompt, chosen, rejected = (
        _as_messages(role, rest.pop(name, None))
        for name, role in (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant"))
    )
    if not prompt:  # TRL's implicit prompt: what the two have in common
        common = next(
            (at for at, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other),
            min(len(chosen), len(rejected)),
        )
        common = min(common, len(chosen) - 1, len(rejected) - 1)
        prompt, chosen, rejected = chosen[:common], chosen[common:], rejected[common:]
    return TrainingChat(prompt, chosen, rejected, rest)


def _as_messages(role: str, value: Any) -> Messages:
    if isinstance(value, str):
        return [{"role": role, "content": value}] if value else []
    return value or []


def _write_openai(conversation: TrainingChat) -> list[Row]:
    return [{"messages": _require_chat(conversation), **conversation.rest}]


def _write_sharegpt(conversation: TrainingChat) -> list[Row]:
    messages, rest = _require_chat(conversation), dict(conversation.rest)
    row: Row = {}
    if messages and messages[0]["role"] in ("system", "developer"):
        row["system"] = _require_text(messages[0], "messages[0]", "sharegpt")
        messages = messages[1:]
    images: list[Any] = []
    row["conversations"] = [_write_turn(message, f"messages[{at}]", images) for at, message in enumerate(messages)]
    if tools := rest.pop("tools", None):
        row["tools"] = msgspec.json.encode(tools).decode()
    if images:
        row["images"] = images + list(rest.pop("images", None) or ())
    return [{**row, **rest}]


def _write_turn(message: dict[str, Any], field: str, images: list[Any]) -> Row:
    rest = {
        key: value for key, value in message.items() if key not in ("role", "content", "tool_calls", "tool_call_id")
    }
    if not (calls := message.get("tool_calls")):
        text = _write_parts(message.get("content"), field, images)
        return {"from": _SPEAKERS[message["role"]], "value": text, **rest}
    if message.get("content"):
        raise NoPlace(f"{field}.content", "words and tool calls in one answer", "one of the two in a turn of sharegpt")
    functions = [call.get("function") or {} for call in calls]
    written = [{"name": one.get("name"), "arguments": _decode_json(one.get("arguments"))} for one in functions]
    value = msgspec.json.encode(written if len(written) > 1 else written[0]).decode()
    return {"from": "function_call", "value": value, **rest}


def _decode_json(value: Any) -> Any:
    """What a text of JSON says; another value, and a text that is no JSON, as it is."""
    try:
        return msgspec.json.decode(value) if isinstance(value, str) else value
    except msgspec.DecodeError:
        return value


def _write_parts(content: Any, field: str, images: list[Any]) -> str:
    """Text with `<image>` where an image stood, which goes to `images`."""
    if not isinstance(content, list):
        return content or ""
    texts = []
    for at, part in enumerate(content):
        if part["type"] in _IMAGES:
            texts.append("<image>")
            images.extend(_find_images(part))
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            raise NoPlace(f"{field}.content[{at}]", f"a part of type {cut_text(part['type'])}", "texts and images")
    return "".join(texts)


def _find_images(part: Row) -> list[Any]:
    """The image's address or path; none of TRL's mark of a place, whose image stands in the column `images`."""
    value = part.get("image_url", part.get("image", part.get("source")))
    value = value.get("url", value) if isinstance(value, dict) else value
    return [] if value is None else [value]


def _write_alpaca(conversation: TrainingChat) -> list[Row]:
    messages, rest = _require_chat(conversation), dict(conversation.rest)
    texts = [_require_text(message, f"messages[{at}]", "alpaca") for at, message in enumerate(messages)]
    roles = [message["role"] for message in messages]
    row: Row = {}
    if roles and roles[0] in ("system", "developer"):
        row["system"] = texts[0]
        roles, texts = roles[1:], texts[1:]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise NoPlace("messages", f"the roles {', '.join(roles)}", "user and assistant in turn, ending with an answer")
    turns = [[question, answer] for question, answer in zip(texts[::2], texts[1::2], strict=True)]
    row = {"instruction": turns[-1][0], "input": "", "output": turns[-1][1], **row}
    return [{**row, **({"history": turns[:-1]} if len(turns) > 1 else {}), **rest}]


def _write_prompt_completion(conversation: TrainingChat) -> list[Row]:
    prompt, completion = _split_answer(_require_chat(conversation))
    return [{"prompt": prompt, "completion": completion, **conversation.rest}]


def _write_kto(conversation: TrainingChat) -> list[Row]:
    rest = dict(conversation.rest)
    if conversation.chosen is None or conversation.rejected is None:
        if not isinstance(rest.get("label"), bool):
            raise NoPlace("label", "no label", "true or false in a column `label`, or pairs of answers")
        prompt, completion = _split_answer(conversation.messages)
        return [{"prompt": prompt, "completion": completion, **rest}]
    identity = rest.pop("id", None)
    sides = ((conversation.chosen, True, "chosen"), (conversation.rejected, False, "rejected"))
    return [
        {
            **({"id": f"{identity}#{name}"} if identity is not None else {}),
            "prompt": conversation.messages, "completion": answer, **rest, "label": label,
        }
        for answer, label, name in sides
    ]  # fmt: skip


def _write_preference(conversation: TrainingChat) -> list[Row]:
    chosen, rejected = _require_pair(conversation)
    return [{"prompt": conversation.messages, "chosen": chosen, "rejected": rejected, **conversation.rest}]


def _write_openai_preference(conversation: TrainingChat) -> list[Row]:
    chosen, rejected = _require_pair(conversation)
    rest = dict(conversation.rest)
    given = {name: rest.pop(name) for name in ("tools", "parallel_tool_calls") if rest.get(name) is not None}
    row = {"input": {"messages": conversation.messages, **given}}
    return [{**row, "preferred_output": chosen, "non_preferred_output": rejected, **rest}]


_WRITERS: dict[str, Callable[[TrainingChat], list[Row]]] = {
    "openai": _write_openai,
    "sharegpt": _write_sharegpt,
    "alpaca": _write_alpaca,
    "prompt-completion": _write_prompt_completion,
    "preference": _write_preference,
    "openai-preference": _write_openai_preference,
    "kto": _write_kto,
}


def _require_chat(conversation: TrainingChat) -> Messages:
    if conversation.chosen is not None:
        raise NoPlace("rejected", "a pair of answers", "one answer; --chosen-only keeps the chosen one")
    return conversation.messages


def _require_pair(conversation: TrainingChat) -> tuple[Messages, Messages]:
    if conversation.chosen is None or conversation.rejected is None:
        raise NoPlace("messages", "one answer", "a chosen and a rejected answer")
    return conversation.chosen, conversation.rejected


def _require_text(message: dict[str, Any], field: str, shape: str) -> str:
    """The text of a message that holds nothing else."""
    if message.get("tool_calls") or message["role"] in ("tool", "function"):
        raise NoPlace(field, "a tool call or its answer", f"texts: {shape} has no place for tools")
    content = message.get("content")
    if isinstance(content, list):
        raise NoPlace(f"{field}.content", "parts that are no text", f"texts: {shape} has no place for images or sounds")
    return content or ""


def _split_answer(messages: Messages) -> tuple[Messages, Messages]:
    if not messages or messages[-1]["role"] != "assistant":
        raise NoPlace("messages", "no answer at the end", "a last message of the role assistant")
    return messages[:-1], messages[-1:]
