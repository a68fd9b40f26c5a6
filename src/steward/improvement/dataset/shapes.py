"""Training rows in the shapes that trainers read, one JSON object a line.

    trl-sft            {"prompt": […], "completion": […]}: TRL's loss is on the completion then, not on everything
    trl-dpo            {"prompt": […], "chosen": […], "rejected": […]}
    trl-kto            {"prompt": […], "completion": […], "label": true}
    openai             {"messages": […], "tools": […]}; Axolotl's chat_template and LLaMA-Factory read it, too
    openai-dpo         {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}
    axolotl            as openai
    axolotl-dpo        {"messages": […], "chosen": {…}, "rejected": {…}}, for `chat_template.default`
    llamafactory       {"conversations": [{"from", "value"}, …], "system", "tools"}
    llamafactory-dpo   the same, with "chosen" and "rejected"
    llamafactory-kto   the same, with "kto_tag"

Sources: TRL "Dataset formats", OpenAI "Fine-tuning API reference", Axolotl "Dataset formats", LLaMA-Factory
data/README.
Rows that a shape has no use for (no pair for DPO, an answer that was disliked for SFT) are left out and counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.improvement.dataset.rows import Message, TrainingRow

Row = dict[str, Any]
_FROM: Final = {"user": "human", "assistant": "gpt", "tool": "observation", "function": "observation"}


class ShapedRows(msgspec.Struct, frozen=True):
    """Rows in a shape; `left_out`: those that it has no use for."""

    rows: list[Row]
    left_out: int


def shape_rows(rows: Iterable[TrainingRow], shape: str) -> ShapedRows:
    """:raises InputError: no such shape, or a row that it cannot hold"""
    if shape not in SHAPES:
        raise UnknownName("shape", shape, SHAPES)
    per_row = [SHAPES[shape](row) for row in rows]
    return ShapedRows([shaped for several in per_row for shaped in several], sum(not several for several in per_row))


def _shape_sft(row: TrainingRow) -> list[Row]:
    return [{"prompt": list(row.prompt), "completion": list(row.completion), **_tools(row)}] if row.label else []


def _shape_dpo(row: TrainingRow) -> list[Row]:
    if not (row.label and row.rejected):
        return []
    return [{"prompt": list(row.prompt), "chosen": list(row.completion), "rejected": list(row.rejected), **_tools(row)}]


def _shape_kto(row: TrainingRow) -> list[Row]:
    sides = [(row.completion, row.label), *([(row.rejected, False)] if row.rejected and row.label else [])]
    return [
        {"prompt": list(row.prompt), "completion": list(answer), "label": label, **_tools(row)}
        for answer, label in sides
    ]


def _shape_openai(row: TrainingRow) -> list[Row]:
    return [{"messages": [*row.prompt, *row.completion], **_tools(row)}] if row.label else []


def _shape_openai_dpo(row: TrainingRow) -> list[Row]:
    if not (row.label and row.rejected):
        return []
    tools = {**_tools(row), "parallel_tool_calls": True} if row.tools else {}
    return [
        {
            "input": {"messages": list(row.prompt), **tools},
            "preferred_output": list(row.completion), "non_preferred_output": list(row.rejected),
        }
    ]  # fmt: skip


def _shape_axolotl_dpo(row: TrainingRow) -> list[Row]:
    if not (row.label and row.rejected):
        return []
    chosen, rejected = (_take_single(row, answer) for answer in (row.completion, row.rejected))
    return [{"messages": list(row.prompt), "chosen": chosen, "rejected": rejected, **_tools(row)}]


def _shape_sharegpt(row: TrainingRow) -> list[Row]:
    return [_start_sharegpt(row, [*row.prompt, *row.completion])] if row.label else []


def _shape_sharegpt_dpo(row: TrainingRow) -> list[Row]:
    if not (row.label and row.rejected):
        return []
    chosen, rejected = (_turn(row, _take_single(row, answer)) for answer in (row.completion, row.rejected))
    return [{**_start_sharegpt(row, row.prompt), "chosen": chosen, "rejected": rejected}]


def _shape_sharegpt_kto(row: TrainingRow) -> list[Row]:
    return [
        {**_start_sharegpt(row, [*row.prompt, *shaped["completion"]]), "kto_tag": shaped["label"]}
        for shaped in _shape_kto(row)
    ]


SHAPES: Final[dict[str, Callable[[TrainingRow], list[Row]]]] = {
    "trl-sft": _shape_sft,
    "trl-dpo": _shape_dpo,
    "trl-kto": _shape_kto,
    "openai": _shape_openai,
    "openai-dpo": _shape_openai_dpo,
    "axolotl": _shape_openai,
    "axolotl-dpo": _shape_axolotl_dpo,
    "llamafactory": _shape_sharegpt,
    "llamafactory-dpo": _shape_sharegpt_dpo,
    "llamafactory-kto": _shape_sharegpt_kto,
}


def describe_llamafactory(name: str, file: str, shape: str) -> Row:
    """The entry of dataset_info.json without which LLaMA-Factory does not find the file."""
    columns = {"messages": "conversations", "system": "system", "tools": "tools"}
    entry: Row = {"file_name": file, "formatting": "sharegpt", "columns": columns}
    if shape == "llamafactory-dpo":
        entry |= {"ranking": True, "columns": columns | {"chosen": "chosen", "rejected": "rejected"}}
    if shape == "llamafactory-kto":
        entry |= {"columns": columns | {"kto_tag": "kto_tag"}}
    return {name: entry}


def _tools(row: TrainingRow) -> Row:
    return {"tools": list(row.tools)} if row.tools else {}


def _start_sharegpt(row: TrainingRow, messages: Sequence[Message]) -> Row:
    system = [message for message in messages if message["role"] in ("system", "developer")]
    turns = [_turn(row, message) for message in messages if message["role"] not in ("system", "developer")]
    shaped: Row = {"conversations": turns}
    if system:
        shaped["system"] = "\n\n".join(_read_text(row, message) for message in system)
    if row.tools:
        shaped["tools"] = msgspec.json.encode(row.tools).decode()
    return shaped


def _turn(row: TrainingRow, message: Message) -> Row:
    if calls := message.get("tool_calls"):
        functions = [call.get("function") or {} for call in calls]
        written = [{"name": one.get("name"), "arguments": _decode(one.get("arguments"))} for one in functions]
        return {
            "from": "function_call",
            "value": msgspec.json.encode(written if len(written) > 1 else written[0]).decode(),
        }
    return {"from": _FROM[message["role"]], "value": _read_text(row, message)}


def _take_single(row: TrainingRow, answer: Sequence[Message]) -> Message:
    if len(answer) != 1:
        raise InputError(f"row {row.id}: an answer of {len(answer)} messages; this shape has room for one")
    return answer[0]


def _read_text(row: TrainingRow, message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content]
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"row {row.id}: a message with parts that are no text, which this shape has no place for")
        return "".join(itertools.chain(texts))
    return content or ""


def _decode(arguments: Any) -> Any:
    try:
        return msgspec.json.decode(arguments) if isinstance(arguments, str) else arguments
    except msgspec.DecodeError:
        return arguments
