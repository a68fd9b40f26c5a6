"""Reads a JSON file as a whole: a list of objects, or an object that holds one list of objects, such as `data`.

The file is in memory while it is read. A row's line number is its place in the list, from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from steward.data.config import Source
from steward.data.formats.compression import open_utf8
from steward.data.formats.jsonl import explain_bad_json, make_source_row
from steward.data.read_plan import Shard
from steward.data.records import SourceRow

_BLOCK = 1 << 20


def read_json(shard: Shard, source: Source) -> Iterator[SourceRow]:
    with open_utf8(shard.path, source) as opened:
        content = b"".join(iter(lambda: opened.read(_BLOCK), b""))
    try:
        records = find_records(msgspec.json.decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield SourceRow(1, explain_bad_json(content, error), 0)
        return
    size = len(content) // max(1, len(records))
    for number, record in enumerate(records, 1):
        yield make_source_row(number, record, size)


def find_records(top: Any) -> list[Any]:
    """The list that the file is, or the one list of objects in the object that it is; else that one object.

    >>> find_records({"version": "1.1", "data": [{"text": "a"}]})
    [{'text': 'a'}]
    """
    if isinstance(top, list):
        return top
    lists = [value for value in top.values() if _is_list_of_objects(value)] if isinstance(top, dict) else []
    return lists[0] if len(lists) == 1 and "messages" not in top else [top]


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def is_whole_json(path: str, source: Source) -> bool:
    """Whether a `.json` file is one value, and not JSON lines: its first line alone is no value, or there is no other.

    :raises OSError: the file cannot be read
    """
    with open_utf8(path, source) as opened:
        head = opened.peek(_BLOCK).lstrip()
        first, line_end, rest = head.partition(b"\n")
        if not line_end or not rest.strip():
            return not head.startswith(b"{") or _holds_records(head)
    try:
        msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return False


def _holds_records(head: bytes) -> bool:
    """Of a file of one line: whether its object holds a list of rows."""
    try:
        top = msgspec.json.decode(head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return len(head) >= _BLOCK  # one line longer than what was looked at
    return find_records(top) != [top]
