"""What a run reads: files, the shards they are cut into, and the columns that every batch has.

The same files and settings give the same shards and row numbers on any number of processes.
"""

from __future__ import annotations

import base64
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.ipc

from steward.data.chat_formats import ChatFormat
from steward.data.config import Format
from steward.data.messages import MORE
from steward.data.row_ids import ORIGIN_MASK
from steward.data.stage import PAIR

Kind = Literal["text", "messages", "pair", "message-pair"]
_TYPES = {"string": pa.large_string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
_TYPES["json"] = pa.large_string()
_MESSAGES = pa.list_(
    pa.struct([("role", pa.large_string()), ("content", pa.large_string()), (MORE, pa.large_string())])
)


class Shard(msgspec.Struct, frozen=True):
    """A part of one file. `start` and `end` are bytes, or row groups of a parquet file; `end` -1: to its end."""

    index: int
    path: str
    name: str  # as ids and messages have it
    format: Format
    start: int = 0
    end: int = -1
    first_line: int = 1


class InputFile(msgspec.Struct, frozen=True):
    """One file as it was when the run was planned."""

    name: str
    bytes: int
    digest: str  # XXH3, 128 bits


class RowLayout(msgspec.Struct, frozen=True):
    """The columns that every batch has besides `row` and `id`."""

    kind: Kind
    text: str  # the file's name for the column `text`
    id: str | None  # the file's name for the column `id`; None: made from file and line
    columns: tuple[tuple[str, str], ...]  # passed through: name and one of string, int64, double, bool, json, native
    chat_format: ChatFormat | None = None  # of the files, where it is not `messages`
    roles: dict[str, str] = {}  # the user's names of roles: what each means
    native_types: str = ""  # of the native columns: Arrow's schema, serialised, in base 64

    def native_schema(self) -> pa.Schema:
        """The columns that are passed through in the Arrow type that they have in the files."""
        if not self.native_types:
            return pa.schema([])
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.native_types)))

    def schema(self) -> pa.Schema:
        content = {
            "text": [pa.field("text", pa.large_string())],
            "messages": [pa.field("messages", _MESSAGES)],
            "pair": [pa.field(name, pa.large_string()) for name in PAIR],
            "message-pair": [pa.field(name, _MESSAGES) for name in PAIR],
        }[self.kind]
        native = self.native_schema()
        rest = [
            pa.field(
                name,
                native.field(name).type if kind == "native" else _TYPES[kind],
                metadata={"json": "1"} if kind == "json" else None,
            )
            for name, kind in self.columns
        ]
        more = pa.field(MORE, pa.large_string(), metadata={"json": "1"})
        return pa.schema([pa.field("row", pa.int64()), pa.field("id", pa.large_string()), *content, *rest, more])


class ReadPlan(msgspec.Struct, frozen=True):
    """What will be read."""

    inputs: tuple[InputFile, ...]
    shards: tuple[Shard, ...]
    shape: RowLayout
    empty_files: int = 0


def row_number(shard: Shard, line: int) -> int:
    """The row's number: the shard in the upper bits, so that it needs no other shard's count; bit 0 to 31: the line."""
    return shard.index << 32 | (line - shard.first_line)


def shard_index(row: int) -> int:
    """Of the shard in which a row was read, or the one that it was made from."""
    return (row & ORIGIN_MASK) >> 32


def row_location(row: int, shards: tuple[Shard, ...]) -> str:
    """`file:line` of a row that was read, or of the one that it was made from."""
    shard = shards[shard_index(row)]
    return f"{shard.name}:{shard.first_line + (row & 0xFFFFFFFF)}"


def find_row(name: str, line: int, shards: tuple[Shard, ...]) -> int | None:
    """The number of the row at a line of a file; None of a file that is not among the shards."""
    candidates = [shard for shard in shards if shard.name == name and shard.first_line <= line]
    return row_number(candidates[-1], line) if candidates else None
