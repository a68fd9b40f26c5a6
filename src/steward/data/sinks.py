"""Batches to files: written under a temporary name, then renamed, so that what bears a name is whole."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.files import name_temporary, open_private, publish_file
from steward.data.messages import MORE, restore_message
from steward.data.stage import Entry, list_message_columns
from steward.data.summary import OutputPart

_LEDGER_ROWS = 20_000
_FOLDER_NAME = re.compile(r"[\w-][\w.-]{0,99}")
LEDGER = pa.schema(
    [
        ("row", pa.int64()), ("id", pa.large_string()), ("stage", pa.string()), ("action", pa.string()),
        ("rule", pa.string()), ("value", pa.float64()), ("value_text", pa.string()), ("threshold", pa.float64()),
        ("threshold_text", pa.string()), ("duplicate_of", pa.large_string()), ("where", pa.string()),
    ]
)  # fmt: skip


class IpcSink:
    """Batches between two phases of a run; `compression` (LZ4) is for much text: hashes do not become smaller."""

    def __init__(self, path: Path, compression: Literal["lz4"] | None = None) -> None:
        self.path, self._temporary = path, name_temporary(path)
        self._options = pa.ipc.IpcWriteOptions(compression=compression)
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._temporary), batch.schema, options=self._options)
            self._schema = batch.schema
        elif batch.schema != self._schema:
            batch = batch.cast(self._schema)
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Renames it; nothing was written: nothing is there."""
        if self._writer is not None:
            self._writer.close()
            publish_file(self._temporary, self.path)


def link_file(path: Path, name: Path) -> None:
    """Give a file a second name, in place of what bears it; on a file system without links, copy the file."""
    if not path.exists():
        return
    temporary = name_temporary(name)
    try:
        os.link(path, temporary)
    except OSError:
        shutil.copyfile(path, temporary)
    publish_file(temporary, name)


def read_ipc(path: Path) -> Iterable[pa.RecordBatch]:
    """The batches of an IpcSink, one at a time; none where it wrote none."""
    if not path.exists():
        return
    with pa.OSFile(str(path)) as opened:  # not a memory map, whose pages would count as this process's memory
        reader = pa.ipc.open_file(opened)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


class OutputSink:
    """One part of the output. `close` gives its SHA-256."""

    def __init__(self, path: Path, format: Literal["parquet", "jsonl"]) -> None:
        self.path, self._format = path, format
        self._temporary = name_temporary(path)
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None and self._format == "parquet":
            open_private(self._temporary, "wb").close()  # the library would ask the umask
            schema = batch.schema
            self._writer = pq.ParquetWriter(
                self._temporary,
                schema,
                compression="zstd",
                store_schema=_keeps_types(schema),
                use_dictionary=_may_repeat(schema),
            )
        elif self._writer is None:
            self._writer = open_private(self._temporary, "wb")
        if self._format == "parquet":
            self._writer.write_batch(batch)
        else:
            self._writer.write(b"".join(map(_encode_row, restore_rows(batch))))

    def close(self) -> str | None:
        """None where no row was written, and so no file."""
        if self._writer is None:
            return None
        self._writer.close()
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256")
        publish_file(self._temporary, self.path)
        return digest.hexdigest()


def _is_lost_in_parquet(kind: pa.DataType) -> bool:
    """Whether parquet alone would give back another type: a span of time as a number, a time zone as UTC.

    Parquet has no seconds: times of whole seconds come back in milliseconds, whatever is kept beside them.
    """
    if pa.types.is_duration(kind) or pa.types.is_date64(kind):
        return True
    if pa.types.is_timestamp(kind):
        return kind.tz not in (None, "UTC")
    return any(_is_lost_in_parquet(kind.field(index).type) for index in range(kind.num_fields))


def _has_fixed_lists(kind: pa.DataType) -> bool:
    """Lists of one length, which Arrow cannot read back where one is null and their type is kept."""
    if pa.types.is_fixed_size_list(kind):
        return True
    return any(_has_fixed_lists(kind.field(index).type) for index in range(kind.num_fields))


def _keeps_types(schema: pa.Schema) -> bool:
    """Whether Arrow's types are written beside those of parquet."""
    return any(map(_is_lost_in_parquet, schema.types)) and not any(map(_has_fixed_lists, schema.types))


def _may_repeat(schema: pa.Schema) -> bool | list[str]:
    """The columns for which a dictionary is tried: of documents not the text and the id, where each value is another,
    so that one would be made in vain, at a tenth of the time of writing; of others all."""
    if "text" not in schema.names:
        return True
    return [
        path for field in schema if field.name not in ("text", "id") for path in _list_leaves(field.name, field.type)
    ]


def _list_leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    """The columns that parquet makes of one, by the names that it gives them."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _list_leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_map(kind):
        yield from _list_leaves(f"{path}.key_value.key", kind.key_type)
        yield from _list_leaves(f"{path}.key_value.value", kind.item_type)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _list_leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path


class PartsSink:
    """The rows of one shard as parts of at most `limit` bytes before compression; as one where there is no limit.

    `folders`: a column; rows of different values of it go to parts in different folders.
    """

    def __init__(
        self,
        root: Path,
        shard: int,
        format: Literal["parquet", "jsonl"],
        limit: int | None = None,
        folders: str | None = None,
    ) -> None:
        self._root, self._shard, self._format, self._limit, self._column = root, shard, format, limit, folders
        self._folders: dict[str, _FolderSink] = {}

    def write(self, batch: pa.RecordBatch) -> None:
        """:raises InputError: no such column, or a value that is no name of a folder"""
        for name, rows in [("", batch)] if self._column is None else _divide_batch(batch, self._column):
            if name not in self._folders:
                self._folders[name] = _FolderSink(self._root, name, self._shard, self._format, self._limit)
            for piece in _cut_batch(rows, self._limit):
                self._folders[name].write(piece)

    def close(self) -> tuple[OutputPart, ...]:
        return tuple(part for name in sorted(self._folders) for part in self._folders[name].close())


def _divide_batch(batch: pa.RecordBatch, column: str) -> Iterable[tuple[str, pa.RecordBatch]]:
    if column not in batch.schema.names:
        raise UnknownName("column", column, batch.schema.names, "output.folders")
    values = batch[column].cast(pa.string())
    for name in pc.unique(values).to_pylist():
        if name is None or not _FOLDER_NAME.fullmatch(name):
            seen = "null" if name is None else repr(cut_text(name))
            raise InputError(
                f"output.folders: {column} has the value {seen}; expected a name of a folder: letters, digits, `_`, "
                "`-` and `.`, at most 100"
            )
        yield name, batch.filter(pc.equal(values, name))


class _FolderSink:
    """The parts in one folder."""

    def __init__(
        self, root: Path, name: str, shard: int, format: Literal["parquet", "jsonl"], limit: int | None
    ) -> None:
        self._root, self._prefix = root, f"{name}/" if name else ""
        self._shard, self._format, self._limit = shard, format, limit
        self._sink: OutputSink | None = None
        self._rows = self._bytes = 0
        self._parts: list[OutputPart] = []
        (root / name).mkdir(exist_ok=True)

    def write(self, piece: pa.RecordBatch) -> None:
        if self._limit and self._rows and self._bytes + piece.nbytes > self._limit:
            self._finish_part()
        self._sink = self._sink or OutputSink(self._root / self._name_part(), self._format)
        self._sink.write(piece)
        self._rows += piece.num_rows
        self._bytes += piece.nbytes

    def _name_part(self) -> str:
        piece = f"-{len(self._parts):03d}" if self._limit else ""
        return f"{self._prefix}part-{self._shard:05d}{piece}.{self._format}"

    def _finish_part(self) -> None:
        name = self._name_part()
        if self._sink is not None and (digest := self._sink.close()):
            self._parts.append(OutputPart(name, self._rows, digest))
        self._sink, self._rows, self._bytes = None, 0, 0

    def close(self) -> list[OutputPart]:
        self._finish_part()
        return self._parts


def _cut_batch(batch: pa.RecordBatch, limit: int | None) -> Iterable[pa.RecordBatch]:
    if limit is None or batch.nbytes <= limit:
        return [batch]
    rows = max(1, limit * batch.num_rows // batch.nbytes)
    return [batch.slice(start, rows) for start in range(0, batch.num_rows, rows)]


def _encode_row(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(row) + b"\n"


def restore_rows(batch: pa.RecordBatch) -> Iterable[dict[str, Any]]:
    """Rows as they came in: columns of JSON text as what they stand for, `more` spread out again."""
    texts = [field.name for field in batch.schema if field.metadata and b"json" in field.metadata]
    message_columns = list_message_columns(batch)
    for row in _as_python(batch).to_pylist():
        for name in texts:
            value = row.pop(name)
            if name == MORE:
                extra = msgspec.json.decode(value) if value else {}
                row.update({key if key not in row else f"input.{key}": item for key, item in extra.items()})
            else:
                row[name] = None if value is None else msgspec.Raw(value.encode())
        for name in message_columns:
            row[name] = [restore_message(message) for message in row[name] or ()]
        yield row


def _as_python(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times of nanoseconds as text, since Python's have microseconds."""
    fields = [pa.field(field.name, _python_type(field.type), metadata=field.metadata) for field in batch.schema]
    return batch if [f.type for f in fields] == batch.schema.types else batch.cast(pa.schema(fields))


def _python_type(kind: pa.DataType) -> pa.DataType:
    if (pa.types.is_timestamp(kind) or pa.types.is_time64(kind)) and kind.unit == "ns":
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _python_type(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        make = pa.list_ if pa.types.is_list(kind) else pa.large_list
        return make(_python_type(kind.value_type))
    return kind


def make_ledger_table(entries: Iterable[Entry]) -> pa.Table:
    """Entries as the ledger keeps them: numbers and words in columns of their own."""
    rows = [msgspec.structs.asdict(entry) for entry in entries]
    for row in rows:
        for name in ("value", "threshold"):
            value = row[name]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            row[f"{name}_text"] = None if value is None or number else str(value)
            row[name] = float(value) if number else None
    return pa.Table.from_pylist(rows, schema=LEDGER)


class LedgerSink:
    """Entries of one shard, a few thousand at a time in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self._temporary = path, name_temporary(path)
        self._writer: Any = None
        self._waiting: list[Entry] = []

    def write(self, entries: Iterable[Entry]) -> None:
        self._waiting += entries
        if len(self._waiting) >= _LEDGER_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, LEDGER, compression="zstd")
        self._writer.write_table(make_ledger_table(self._waiting))
        self._waiting = []

    def close(self) -> None:
        """Renames it; no entry: no file."""
        if self._waiting:
            self._flush()
        if self._writer is not None:
            self._writer.close()
            publish_file(self._temporary, self.path)
