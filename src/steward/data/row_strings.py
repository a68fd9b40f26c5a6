"""Every text in a row: the content, what messages hold beside it (tool calls, reasoning), and the other columns.

Lists, objects and maps are read to any depth, keys of objects too unless they are a plain name such as `phone_2`.

`get_texts` in `stage.py` gives only the content, which is what filters judge. What must not miss a text, such as the
search for personal data, takes these functions. The columns `row` and `id` are not read: they name the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from steward.core.errors import UnknownName
from steward.data.messages import MORE, PARTS, is_payload, list_media
from steward.data.row_values import list_value_names
from steward.data.stage import get_texts, list_content_columns, list_message_columns, rewrite_strings

_FIELD, _MESSAGE = "\x01", "\x02"  # between the fields of a row or a message, and after a message: never white space
Change = Callable[[Sequence[str]], Sequence[str]]


def get_all_texts(batch: pa.RecordBatch, skip: Sequence[str] = ()) -> list[str]:
    """One string per row: all of its texts, joined by blank lines. `skip` names columns that are not read.

    :raises UnknownName: the rows have no such column
    """
    parts: list[list[str]] = [[text] for text in get_texts(batch).to_pylist()]
    _add_message_extras(batch, parts)
    for name in _other_columns(batch, skip):
        for row, value in zip(parts, _to_values(batch, name), strict=True):
            row += _walk(value)
    return ["\n\n".join(row) if len(row) > 1 else row[0] for row in parts]


def get_content_texts(batch: pa.RecordBatch) -> list[str]:
    """One string per row: the content, and of a chat also the texts of its tool calls."""
    texts: list[str] = get_texts(batch).to_pylist()
    if not list_message_columns(batch):
        return texts
    parts = [[text] for text in texts]
    _add_message_extras(batch, parts)
    return ["\n\n".join(row) if len(row) > 1 else row[0] for row in parts]


def _add_message_extras(batch: pa.RecordBatch, parts: list[list[str]]) -> None:
    """To the texts of each row those that its messages hold beside role and content."""
    for name in list_message_columns(batch):
        for row, extras in zip(parts, _get_message_extras(batch, name), strict=True):
            row += [text for extra in extras for text in _walk(msgspec.json.decode(extra))]


def get_media_keys(batch: pa.RecordBatch) -> list[str]:
    """One string per row, equal only for rows of the same images and sounds; empty for a row without any."""
    keys = [""] * batch.num_rows
    for name in list_message_columns(batch):
        for index, extras in enumerate(_get_message_extras(batch, name)):
            if media := [part for extra in extras for part in list_media(extra)]:
                keys[index] += msgspec.json.encode(media, order="sorted").decode()
    return keys


def count_media(batch: pa.RecordBatch) -> Counter[str]:
    """The parts of messages that are no text, by their type."""
    return Counter(
        str(part.get("type"))
        for name in list_message_columns(batch)
        for extras in _get_message_extras(batch, name)
        for extra in extras
        for part in list_media(extra)
    )


def make_content_keys(batch: pa.RecordBatch) -> list[str]:
    """One string per row, equal only for rows of the same content: same roles, boundaries, tool calls and fields."""
    names = batch.schema.names
    if "text" in names:
        return get_texts(batch).to_pylist()  # type: ignore[no-any-return]
    columns = [_make_column_keys(batch, name) for name in list_content_columns(batch)]
    if "tools" in names:
        columns.append([str(tool) if tool else "" for tool in batch["tools"].to_pylist()])
    if "label" in names and pa.types.is_boolean(batch.schema.field("label").type):  # KTO: whether the answer is wanted
        columns.append([str(label) for label in batch["label"].to_pylist()])
    return columns[0] if len(columns) == 1 else [_FIELD.join(fields) for fields in zip(*columns, strict=True)]


def _make_column_keys(batch: pa.RecordBatch, name: str) -> list[str]:
    if name not in list_message_columns(batch):
        return pc.fill_null(batch[name], "").to_pylist()  # type: ignore[no-any-return]
    return ["".join(map(_make_message_key, messages or ())) for messages in batch[name].to_pylist()]


def _make_message_key(message: dict[str, Any]) -> str:
    more = message.get(MORE)
    extra = msgspec.json.encode(msgspec.json.decode(more), order="sorted").decode() if more else ""
    return _FIELD.join([message.get("role") or "", message.get("content") or "", extra]) + _MESSAGE


def rewrite_all_texts(batch: pa.RecordBatch, change: Change, skip: Sequence[str] = ()) -> pa.RecordBatch:
    """The batch with every text passed through `change` (as many out as in, same order), apart from each other."""
    batch = rewrite_strings(batch, change)
    for name in list_message_columns(batch):
        batch = _rewrite_message_extras(batch, name, change)
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
    for name in skip:
        if name not in batch.schema.names:
            raise UnknownName("column", name, list_value_names(batch), "skip")
    content = {"row", "id", *list_content_columns(batch), *skip}
    return [field.name for field in batch.schema if field.name not in content and _has_strings(field.type)]


def _has_strings(kind: pa.DataType) -> bool:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return True
    return any(_has_strings(kind.field(index).type) for index in range(kind.num_fields)) or (
        pa.types.is_dictionary(kind) and _has_strings(kind.value_type)
    )


def _is_json(field: pa.Field) -> bool:
    return bool(field.metadata and b"json" in field.metadata)


def _to_values(batch: pa.RecordBatch, name: str) -> list[Any]:
    values: list[Any] = batch[name].to_pylist()
    if not _is_json(batch.schema.field(name)):
        return values
    return [None if value is None else msgspec.json.decode(value) for value in values]


def _get_message_extras(batch: pa.RecordBatch, name: str) -> Iterator[list[str]]:
    """Of each row, the JSON of what the messages of a column hold beside role and content."""
    lists = batch[name]
    flat = lists.flatten()
    extras = flat.field(MORE) if MORE in [field.name for field in flat.type] else None
    if extras is None or extras.null_count == len(extras):
        yield from ([] for _ in range(batch.num_rows))
        return
    values = iter(extras.to_pylist())
    for length in pc.fill_null(pc.list_value_length(lists), 0).to_pylist():
        yield [extra for _, extra in zip(range(length), values, strict=False) if extra]


def _rewrite_message_extras(batch: pa.RecordBatch, name: str, change: Change) -> pa.RecordBatch:
    lists = batch[name]
    if MORE not in [field.name for field in lists.type.value_type]:
        return batch
    messages = [
        None
        if chat is None
        else [{**one, MORE: _rewrite_json(one[MORE], change) if one[MORE] else one[MORE]} for one in chat]
        for chat in lists.to_pylist()
    ]
    index = batch.schema.get_field_index(name)
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
    if isinstance(value, dict):
        return [
            text
            for key, item in value.items()
            for text in (*_list_key_texts(key), *(_walk_parts(item) if key == PARTS else _walk(item)))
        ]
    return [text for item in value for text in _walk(item)] if isinstance(value, list | tuple) else []


def _list_key_texts(key: str) -> list[str]:
    """A key that is no plain name may be a value, such as an address by which something was counted."""
    return [] if key.isidentifier() else [key]


def _walk_parts(value: Any) -> list[str]:
    """The strings in parts of content, without their types and without images and sounds."""
    if isinstance(value, str):
        return [] if is_payload(value) else [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() if key != "type" for text in _walk_parts(item)]
    return [text for item in value for text in _walk_parts(item)] if isinstance(value, list) else []


def _map(value: Any, change: Change, in_parts: bool = False) -> Any:
    if isinstance(value, str):
        if in_parts:
            return value if is_payload(value) else change([value])[0]
        inner = _decode_object(value)
        if inner is None:
            return change([value])[0]
        changed = _map(inner, change)
        return value if changed == inner else msgspec.json.encode(changed).decode()
    if isinstance(value, dict):
        entries: dict[str, Any] = {}
        for key, item in value.items():
            name = _free_key(change(_list_key_texts(key))[0], entries) if _list_key_texts(key) else key
            entries[name] = item if in_parts and key == "type" else _map(item, change, in_parts or key == PARTS)
        return entries
    if isinstance(value, tuple):  # of a map: a key and its value
        return tuple(_map(item, change, in_parts) for item in value)
    return [_map(item, change, in_parts) for item in value] if isinstance(value, list) else value


def _free_key(key: str, taken: dict[str, Any]) -> str:
    """The key, with a number where another has become the same: no value is lost."""
    names = (key if number == 1 else f"{key} {number}" for number in count(1))
    return next(name for name in names if name not in taken)


def decode_container(text: str) -> dict[str, Any] | list[Any] | None:
    """What a string that is a JSON object or list says; None of any other."""
    if not text.startswith(("{", "[")):
        return None
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict | list) else None


def _decode_object(text: str) -> dict[str, Any] | None:
    value = decode_container(text) if text.startswith("{") else None
    return value if isinstance(value, dict) else None


def list_strings(batch: pa.RecordBatch) -> tuple[list[int], list[str]]:
    """The strings of the content one by one (a document, a message, a field of a pair), and the index of their row."""
    owners: list[int] = []
    strings: list[str] = []
    message_columns = list_message_columns(batch)
    for name in list_content_columns(batch):
        if name not in message_columns:
            owners += range(batch.num_rows)
            strings += pc.fill_null(batch[name], "").to_pylist()
            continue
        lengths = pc.fill_null(pc.list_value_length(batch[name]), 0).to_pylist()
        owners += [row for row, length in enumerate(lengths) for _ in range(length)]
        strings += pc.fill_null(batch[name].flatten().field("content"), "").to_pylist()
    return owners, strings
