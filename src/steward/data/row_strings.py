"""Every text in a row: the content, what messages hold beside it (tool calls, reasoning), and the other columns.

`get_texts` in `stage.py` gives only the content, which is what filters judge. What must not miss a text, such as the
search for personal data, takes these functions. The columns `row` and `id` are not read: they name the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from steward.data.read_plan import MORE
from steward.data.stage import PAIR, get_texts, is_chat, rewrite_strings

_FIELD, _MESSAGE = "\x01", "\x02"  # between the fields of a row or a message, and after a message: never white space
Change = Callable[[Sequence[str]], Sequence[str]]


def get_all_texts(batch: pa.RecordBatch, skip: Sequence[str] = ()) -> list[str]:
    """One string per row: all of its texts, joined by blank lines. `skip` names columns that are not read."""
    texts = get_texts(batch).to_pylist()
    parts: list[list[str]] = [[text] for text in texts]
    if is_chat(batch):
        for row, extra in zip(parts, _get_message_extras(batch), strict=True):
            row += [text for one in extra for text in _walk(msgspec.json.decode(one))]
    for name in _other_columns(batch, skip):
        for row, value in zip(parts, _to_values(batch, name), strict=True):
            row += _walk(value)
    return ["\n\n".join(row) if len(row) > 1 else row[0] for row in parts]


def get_content_texts(batch: pa.RecordBatch) -> list[str]:
    """One string per row: the content, and of a chat also the texts of its tool calls."""
    texts = get_texts(batch).to_pylist()
    if not is_chat(batch):
        return texts  # type: ignore[no-any-return]
    extras = [
        [text for one in extra for text in _walk(msgspec.json.decode(one))] for extra in _get_message_extras(batch)
    ]
    return ["\n\n".join([text, *extra]) if extra else text for text, extra in zip(texts, extras, strict=True)]


def make_content_keys(batch: pa.RecordBatch) -> list[str]:
    """One string per row, equal only for rows of the same content: same roles, boundaries, tool calls and fields."""
    names = batch.schema.names
    if "text" in names:
        return get_texts(batch).to_pylist()  # type: ignore[no-any-return]
    if not is_chat(batch):
        columns = [pc.fill_null(batch[name], "").to_pylist() for name in PAIR if name in names]
        return [_FIELD.join(fields) for fields in zip(*columns, strict=True)]
    tools = batch["tools"].to_pylist() if "tools" in names else [None] * batch.num_rows
    return [
        "".join(_make_message_key(message) for message in messages or ()) + (str(tool) if tool else "")
        for messages, tool in zip(batch["messages"].to_pylist(), tools, strict=True)
    ]


def _make_message_key(message: dict[str, Any]) -> str:
    more = message.get(MORE)
    extra = msgspec.json.encode(msgspec.json.decode(more), order="sorted").decode() if more else ""
    return _FIELD.join([message.get("role") or "", message.get("content") or "", extra]) + _MESSAGE


def rewrite_all_texts(batch: pa.RecordBatch, change: Change, skip: Sequence[str] = ()) -> pa.RecordBatch:
    """The batch with every text passed through `change` (as many out as in, same order), apart from each other."""
    batch = rewrite_strings(batch, change)
    if is_chat(batch):
        batch = _rewrite_message_extras(batch, change)
    for name in _other_columns(batch, skip):
        field = batch.schema.field(name)
        values = batch[name].to_pylist()
        if _is_json(field):
            changed: list[Any] = [None if value is None else _rewrite_json(value, change) for value in values]
        else:
            changed = [_map(value, change) for value in values]
        if changed != values:
            index = batch.schema.get_field_index(name)
            batch = batch.set_column(index, field, pa.array(changed, field.type))
    return batch


def _other_columns(batch: pa.RecordBatch, skip: Sequence[str]) -> list[str]:
    content = {"row", "id", "text", *skip}
    content |= set() if "text" in batch.schema.names else {"messages", *PAIR}
    return [field.name for field in batch.schema if field.name not in content and _has_strings(field.type)]


def _has_strings(kind: pa.DataType) -> bool:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    if pa.types.is_struct(kind):
        return any(_has_strings(field.type) for field in kind)
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _has_strings(kind.value_type)


def _is_json(field: pa.Field) -> bool:
    return bool(field.metadata and b"json" in field.metadata)


def _to_values(batch: pa.RecordBatch, name: str) -> list[Any]:
    values: list[Any] = batch[name].to_pylist()
    if not _is_json(batch.schema.field(name)):
        return values
    return [None if value is None else msgspec.json.decode(value) for value in values]


def _get_message_extras(batch: pa.RecordBatch) -> Iterator[list[str]]:
    """Of each chat, the JSON of what its messages hold beside role and content."""
    lists = batch["messages"]
    if MORE not in [field.name for field in lists.type.value_type]:
        yield from ([] for _ in range(batch.num_rows))
        return
    flat = iter(lists.flatten().field(MORE).to_pylist())
    for length in pc.fill_null(pc.list_value_length(lists), 0).to_pylist():
        yield [extra for _, extra in zip(range(length), flat, strict=False) if extra]


def _rewrite_message_extras(batch: pa.RecordBatch, change: Change) -> pa.RecordBatch:
    lists = batch["messages"]
    kind = lists.type.value_type
    if MORE not in [field.name for field in kind]:
        return batch
    messages = [
        None
        if chat is None
        else [{**one, MORE: _rewrite_json(one[MORE], change) if one[MORE] else one[MORE]} for one in chat]
        for chat in lists.to_pylist()
    ]
    index = batch.schema.get_field_index("messages")
    return batch.set_column(index, batch.schema.field(index), pa.array(messages, lists.type))


def _rewrite_json(text: str, change: Change) -> str:
    """JSON with its strings changed; as it was written where none is."""
    value = msgspec.json.decode(text)
    changed = _map(value, change)
    return text if changed == value else msgspec.json.encode(changed).decode()


def _walk(value: Any) -> list[str]:
    """The strings in a value; also those in a string that is a JSON object itself, as a tool call's arguments are."""
    if isinstance(value, str):
        inner = _decode_object(value)
        return [value] if inner is None else _walk(inner)
    if isinstance(value, dict | list):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in _walk(item)]
    return []


def _map(value: Any, change: Change) -> Any:
    if isinstance(value, str):
        inner = _decode_object(value)
        if inner is None:
            return change([value])[0]
        changed = _map(inner, change)
        return value if changed == inner else msgspec.json.encode(changed).decode()
    if isinstance(value, dict):
        return {key: _map(item, change) for key, item in value.items()}
    return [_map(item, change) for item in value] if isinstance(value, list) else value


def _decode_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None


def list_strings(batch: pa.RecordBatch) -> tuple[list[int], list[str]]:
    """The strings of the content one by one (a document, a message, a field of a pair), and the index of their row."""
    if is_chat(batch):
        lists = batch["messages"]
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_pylist()
        owners = [row for row, length in enumerate(lengths) for _ in range(length)]
        return owners, pc.fill_null(lists.flatten().field("content"), "").to_pylist()
    names = ("text",) if "text" in batch.schema.names else [name for name in PAIR if name in batch.schema.names]
    columns = [pc.fill_null(batch[name], "").to_pylist() for name in names]
    return list(range(batch.num_rows)) * len(columns), [text for column in columns for text in column]
