"""Files to batches: JSON lines, parquet and CSV; documents, chats and preference pairs; every bad row by file and line.

`plan` reads each file once, hashes it and cuts it into shards: a plain JSON-lines file inside, at line ends; a parquet
file by row groups; the others whole. `read` then streams one shard. The same files and settings give the same shards
and row numbers on any number of processes. Why our own reader: Arrow's takes the schema from the first block and turns
what does not fit into nulls or an error without a line, which loses the fields of chats silently.

A column that is neither text, whole number, number nor truth value keeps its JSON as text; keys that the first rows of
a file did not have are kept together, as JSON, in the column `more`.
"""

from __future__ import annotations

import csv
import datetime
import glob
import gzip
import math
import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from steward.core.errors import InputError, UnknownName
from steward.data.config import Source
from steward.data.row_ids import ORIGIN_MASK
from steward.data.stage import PAIR, Entry

Kind = Literal["text", "messages", "pair"]
Format = Literal["jsonl", "parquet", "csv"]
ROLES = (
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
)  # OpenAI's chat roles, and Anthropic's among them
MORE = "more"
BATCH_ROWS = 4096
BATCH_BYTES = 8 << 20
SAMPLE_ROWS = 200  # of each of the first SAMPLE_FILES files: they decide the columns
SAMPLE_FILES = 64
_BLOCK = 1 << 20
_TYPES = {"string": pa.large_string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
_TYPES["json"] = pa.large_string()
_FORMATS: dict[str, Format] = {
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet", "pq": "parquet", "csv": "csv"
}  # fmt: skip
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
    columns: tuple[tuple[str, str], ...]  # passed through: name and one of string, int64, double, bool, json

    def schema(self) -> pa.Schema:
        content = {
            "text": [pa.field("text", pa.large_string())],
            "messages": [pa.field("messages", _MESSAGES)],
            "pair": [pa.field(name, pa.large_string()) for name in PAIR],
        }[self.kind]
        rest = [
            pa.field(name, _TYPES[kind], metadata={"json": "1"} if kind == "json" else None)
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


class ReadBatch(msgspec.Struct, frozen=True):
    """A batch, the rows beside it that could not be read, and how many lines were blank."""

    batch: pa.RecordBatch
    failed: tuple[Entry, ...] = ()
    blank: int = 0


class _BadRow(msgspec.Struct, frozen=True):
    """Why a row cannot be read. `seen` never holds the row's words."""

    rule: str
    field: str
    seen: str
    expected: str


class _SourceRow(msgspec.Struct, frozen=True):
    """One row as the file has it; `number` counts from the file's first line, `size` is in bytes."""

    number: int
    value: Any  # dict | _Bad
    size: int


# -- planning ----------------------------------------------------------------------------------------


def find_files(source: Source) -> list[Path]:
    """The files, sorted, each once. :raises InputError: a pattern that matches nothing"""
    paths: set[str] = set()
    for pattern in [source.path] if isinstance(source.path, str) else source.path:
        hits = [hit for hit in glob.glob(pattern, recursive=True) if os.path.isfile(hit)]
        if not hits:
            raise InputError(
                f"input.path: no file matches {pattern}; expected files or a pattern such as corpus/*.jsonl"
            )
        paths.update(os.path.abspath(hit) for hit in hits)
    return [Path(name) for name in sorted(paths)]


def plan_reading(source: Source) -> ReadPlan:
    """Hash the files, cut them into shards, find their columns.

    :raises InputError: nothing matches, nothing in it, no text column, a file that cannot be opened
    """
    files = find_files(source)
    base = os.path.commonpath([str(file.parent) for file in files])
    inputs: list[InputFile] = []
    shards: list[Shard] = []
    empty = 0
    for file in files:
        name, format_ = os.path.relpath(file, base), detect_format(file, source)
        first = Shard(len(shards), str(file), name, format_)
        split_bytes = int(source.shard_mb * (1 << 20)) if format_ == "jsonl" and not _compression(file) else 0
        digest, split_points = _scan_file(file, split_bytes)
        size = file.stat().st_size
        inputs.append(InputFile(name, size, digest))
        empty += size == 0
        if format_ == "parquet":
            shards += _split_parquet(first, source)
        elif size:
            ends = [start for start, _ in split_points[1:]] + [-1]
            for (start, line), end in zip(split_points, ends, strict=True):
                shards.append(Shard(len(shards), str(file), name, format_, start, end, line))
    if not shards:
        raise InputError(f"input.path: {len(files)} files without a row; expected at least one row")
    return ReadPlan(tuple(inputs), tuple(shards), _detect_layout(source, shards), empty)


def detect_format(file: Path, source: Source) -> Format:
    suffixes = [suffix for suffix in file.name.lower().split(".")[1:] if suffix not in ("gz", "zst")]
    kind = source.format or (_FORMATS.get(suffixes[-1]) if suffixes else None)
    if kind is None:
        raise InputError(
            f"{file}: unknown kind of file; expected .jsonl, .parquet or .csv (.gz, .zst), or give input.format"
        )
    return kind


def _compression(file: Path) -> Literal["gz", "zst"] | None:
    return "gz" if file.suffix.lower() == ".gz" else "zst" if file.suffix.lower() == ".zst" else None


def _scan_file(file: Path, split_bytes: int) -> tuple[str, list[tuple[int, int]]]:
    """The file's hash; and where its shards of about `cut` bytes begin (byte, line), at line ends. 0: one shard."""
    digest, lines, position, target = xxhash.xxh3_128(), 1, 0, split_bytes
    split_points = [(0, 1)]
    with file.open("rb", buffering=0) as opened:
        while block := opened.read(4 << 20):
            digest.update(block)
            counted = 0
            while split_bytes and target < position + len(block):
                end = block.find(b"\n", max(0, target - position)) + 1
                if not end:
                    break
                lines += block.count(b"\n", counted, end)
                counted = end
                split_points.append((position + end, lines))
                target = position + end + split_bytes
            lines += block.count(b"\n", counted)
            position += len(block)
    return digest.hexdigest(), [mark for mark in split_points if mark[0] < position or not mark[0]]


def _split_parquet(whole_file: Shard, source: Source) -> list[Shard]:
    """Shards of whole row groups, of about `shard_mb` uncompressed; one of the whole file when it cannot be opened."""
    try:
        metadata = pq.ParquetFile(whole_file.path).metadata
    except (pa.ArrowException, OSError) as error:
        if source.on_error == "fail":
            raise InputError(
                f"{whole_file.name}: not a readable parquet file ({_first_line(error)}); or set input.on_error: skip"
            ) from None
        return [whole_file]
    shards: list[Shard] = []
    start, size, rows, line = 0, 0, 0, 1
    for row_group in range(metadata.num_row_groups):
        size += metadata.row_group(row_group).total_byte_size
        rows += metadata.row_group(row_group).num_rows
        if size >= source.shard_mb * (1 << 20) or row_group == metadata.num_row_groups - 1:
            shards.append(
                msgspec.structs.replace(
                    whole_file, index=whole_file.index + len(shards), start=start, end=row_group + 1, first_line=line
                )
            )
            start, size, line, rows = row_group + 1, 0, line + rows, 0
    return shards


def _detect_layout(source: Source, shards: list[Shard]) -> RowLayout:
    firsts = {shard.path: shard for shard in reversed(shards)}
    samples: list[tuple[Shard, list[_SourceRow]]] = []
    for shard in list(firsts.values())[::-1][:SAMPLE_FILES]:
        lenient = source.model_copy(update={"on_error": "skip"})
        samples.append((shard, list(islice(_read_rows(shard, lenient), SAMPLE_ROWS))))
    rows = [line.value for _, lines in samples for line in lines if isinstance(line.value, dict)]
    if not rows:
        shard, lines = samples[0]
        problem = lines[0].value if lines else _BadRow("empty", "", "no row", "at least one row")
        raise InputError(
            f"{shard.name}:1: none of the first {SAMPLE_ROWS} rows can be read: {problem.seen}; "
            f"expected {problem.expected}"
        )
    types_by_column: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            types_by_column.setdefault(str(name), set()).add(_value_type(value))
    kind, text = _detect_content(source, types_by_column, samples[0][0].name)
    identity = source.id or ("id" if "id" in types_by_column else None)
    if source.id and source.id not in types_by_column:
        raise UnknownName("column (input.id)", source.id, types_by_column, samples[0][0].name)
    content_columns = {identity, MORE, *({text} if kind == "text" else {"messages"} if kind == "messages" else PAIR)}
    other_columns = [
        (name, _common_type(types)) for name, types in types_by_column.items() if name not in content_columns
    ]
    for name, _ in other_columns:
        if name in ("row", "id", "text"):
            raise InputError(f"{samples[0][0].name}: a column is called {name!r}, a name that steward uses; rename it")
    return RowLayout(kind, text, identity, tuple(other_columns))


def _detect_content(source: Source, types_by_column: dict[str, set[str]], name: str) -> tuple[Kind, str]:
    if source.text is not None or not types_by_column:
        if source.text in types_by_column:
            return "text", source.text
        raise UnknownName("column (input.text)", str(source.text), types_by_column, name)
    if "messages" in types_by_column:
        return "messages", "text"
    if "chosen" in types_by_column and "rejected" in types_by_column:
        return "pair", "text"
    if "text" in types_by_column:
        return "text", "text"
    columns = ", ".join(sorted(types_by_column))
    raise InputError(
        f"{name}: no column text, messages, or chosen and rejected; its columns are {columns}; "
        "name the column that holds the text as input.text"
    )


def _value_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime.date | datetime.time):
        return "string"
    return {str: "string", bool: "bool", int: "int64", float: "double"}.get(type(value), "json")


def _common_type(types: set[str]) -> str:
    """The type that holds all of them."""
    without_null = types - {"null"}
    if without_null == {"int64", "double"}:
        return "double"
    return without_null.pop() if len(without_null) == 1 else "json"


# -- reading -----------------------------------------------------------------------------------------


def read_shard(shard: Shard, shape: RowLayout, source: Source) -> Iterator[ReadBatch]:
    """The shard's rows in batches. :raises InputError: a bad row, where `on_error` is fail"""
    rows: list[tuple[int, str, dict[str, Any]]] = []
    failed: list[Entry] = []
    size = blank = 0
    for line in _read_rows(shard, source):
        if line.value is None:
            blank += 1
            continue
        number, place = row_number(shard, line.number), f"{shard.name}:{line.number}"
        value = line.value if isinstance(line.value, _BadRow) else _convert_row(line.value, shape)
        if isinstance(value, _BadRow):
            failed.append(_fail_row(value, number, place, source))
        else:
            rows.append((number, place, value))
            size += line.size
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES or len(failed) >= BATCH_ROWS:
            yield _make_batch(rows, failed, blank, shape, source)
            rows, failed, size, blank = [], [], 0, 0
    if rows or failed or blank:
        yield _make_batch(rows, failed, blank, shape, source)


def row_number(shard: Shard, line: int) -> int:
    """The row's number: the shard in the upper bits, so that it needs no other shard's count; bit 0 to 31: the line."""
    return shard.index << 32 | (line - shard.first_line)


def row_location(row: int, shards: tuple[Shard, ...]) -> str:
    """`file:line` of a row that was read, or of the one that it was made from."""
    shard = shards[(row & ORIGIN_MASK) >> 32]
    return f"{shard.name}:{shard.first_line + (row & 0xFFFFFFFF)}"


def _fail_row(problem: _BadRow, row: int, place: str, source: Source) -> Entry:
    if source.on_error == "fail":
        field = f"field {problem.field!r}: " if problem.field else ""
        raise InputError(
            f"{place}: {field}{problem.seen}; expected {problem.expected}; repair it, or set input.on_error: skip"
        )
    return Entry(
        row=row, id=place, stage="read", action="fail", rule=problem.rule, value=problem.seen,
        threshold=problem.expected, where=f"{place} {problem.field}".rstrip(),
    )  # fmt: skip


def _make_batch(
    rows: list[tuple[int, str, dict[str, Any]]], failed: list[Entry], blank: int, shape: RowLayout, source: Source
) -> ReadBatch:
    schema = shape.schema()
    try:
        return ReadBatch(_build_batch(rows, schema), tuple(failed), blank)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        pass
    good_rows = []
    for row in rows:  # one of them does not fit its column: find out which
        bad = next((bad for field in schema if (bad := _find_misfit(row[2].get(field.name), field))), None)
        if bad is None:
            good_rows.append(row)
        else:
            failed.append(_fail_row(bad, row[0], row[1], source))
    return ReadBatch(_build_batch(good_rows, schema), tuple(failed), blank)


def _build_batch(rows: list[tuple[int, str, dict[str, Any]]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row for row, _, _ in rows], pa.int64())]
    columns.append(
        pa.array([value["id"] if value["id"] is not None else place for _, place, value in rows], pa.large_string())
    )
    columns += [pa.array([value.get(field.name) for _, _, value in rows], field.type) for field in list(schema)[2:]]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _find_misfit(value: object, field: pa.Field) -> _BadRow | None:
    try:
        pa.array([value], field.type)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        return _BadRow("mixed_schema", field.name, _describe_value(value), f"{field.type} as in the first rows")
    return None


def _describe_value(value: object) -> str:
    """A value's kind in JSON's words."""
    kinds = {
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


def _convert_row(record: dict[str, Any], shape: RowLayout) -> dict[str, Any] | _BadRow:
    """The row under the names of the shape's schema."""
    identity = record.pop(shape.id, None) if shape.id else None
    row: dict[str, Any] = {"id": identity if identity is None or isinstance(identity, str) else str(identity)}
    content = (shape.text,) if shape.kind == "text" else ("messages",) if shape.kind == "messages" else PAIR
    for name in content:
        value = record.pop(name, None)
        if value is None and name == "prompt":  # TRL's implicit prompt
            value = ""
        if shape.kind == "messages":
            value = _convert_messages(value)
        elif not isinstance(value, str):
            description = "null or missing" if value is None else _describe_value(value)
            value = _BadRow("missing_text" if value is None else "not_text", name, description, "a text")
        if isinstance(value, _BadRow):
            return value
        row["text" if shape.kind == "text" else name] = value
    for name, kind in shape.columns:
        value = record.pop(name, None)
        if kind == "json":
            value = None if value is None else msgspec.json.encode(value).decode()
        elif isinstance(value, datetime.date | datetime.time):
            value = value.isoformat()
        row[name] = value
    more = record.pop(MORE, None)
    if isinstance(more, str) and more.startswith("{"):  # steward's own output comes in again
        record.update(msgspec.json.decode(more))
    elif more is not None:
        record[MORE] = more
    row[MORE] = msgspec.json.encode(record).decode() if record else None
    return row


def _convert_messages(value: object) -> list[dict[str, str | None]] | _BadRow:
    if not isinstance(value, list) or not value:
        return _BadRow(
            "no_messages",
            "messages",
            "an empty list" if value == [] else _describe_value(value),
            "a list of messages",
        )
    messages = []
    for index, message in enumerate(value):
        field = f"messages[{index}]"
        if not isinstance(message, dict):
            return _BadRow("not_a_message", field, _describe_value(message), "{role, content}")
        rest = dict(message)
        role, content = rest.pop("role", None), rest.pop("content", None)
        if role not in ROLES:
            description = f"unknown role {role[:40]!r}" if isinstance(role, str) else "no role"
            return _BadRow("unknown_role", f"{field}.role", description, f"one of {', '.join(ROLES)}")
        if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            content = "".join(str(part.get("text", "")) for part in content)  # OpenAI's list of text parts
        if not isinstance(content, str | None):
            return _BadRow("not_text", f"{field}.content", _describe_value(content), "a text, or a list of text parts")
        rest = {name: inner for name, inner in rest.items() if inner is not None}
        more = rest.pop(MORE, None) if isinstance(rest.get(MORE), str) and len(rest) == 1 else None
        messages.append(
            {"role": role, "content": content, MORE: more or (msgspec.json.encode(rest).decode() if rest else None)}
        )
    return messages


# -- lines -------------------------------------------------------------------------------------------


def _read_rows(shard: Shard, source: Source) -> Iterator[_SourceRow]:
    """Every row of the shard as a dict, as what is wrong with it, or as None for a blank line."""
    number = shard.first_line
    try:
        for line in {"jsonl": _read_jsonl, "csv": _read_csv, "parquet": _read_parquet}[shard.format](shard, source):
            number = line.number + 1
            yield line
    except (pa.ArrowException, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{shard.name}: {error.strerror}; expected a readable file") from error
        description = f"the file cannot be read from here on ({_first_line(error)})"
        yield _SourceRow(number, _BadRow("corrupt_file", "", description, f"a whole {shard.format} file"), 0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _open_shard(shard: Shard) -> IO[bytes]:
    kind = _compression(Path(shard.path))
    if kind == "gz":
        return gzip.open(shard.path, "rb")  # type: ignore[return-value]
    opened = Path(shard.path).open("rb")  # noqa: SIM115 - the caller closes it
    if kind == "zst":
        return pa.CompressedInputStream(opened, "zstd")  # type: ignore[no-any-return]
    opened.seek(shard.start)
    return opened


def _split_lines(opened: IO[bytes], length: int, limit: int) -> Iterator[bytes | int]:
    """Lines without their end, in bounded memory: of one longer than `limit`, only its length. `length` -1: all."""
    carried: list[bytes] = []
    carried_bytes = skipped_bytes = 0
    bytes_left = length if length >= 0 else 1 << 62
    read = opened.read1 if isinstance(opened, gzip.GzipFile) else opened.read  # of a cut file, all that is there
    while bytes_left > 0 and (block := read(min(_BLOCK, bytes_left))):
        bytes_left -= len(block)
        first, *other_lines = block.split(b"\n")
        if not other_lines:
            carried, carried_bytes, skipped_bytes = _extend_line(carried, carried_bytes, skipped_bytes, first, limit)
            continue
        carried, carried_bytes, skipped_bytes = _extend_line(carried, carried_bytes, skipped_bytes, first, limit)
        yield skipped_bytes or b"".join(carried)
        yield from (line if len(line) <= limit else len(line) for line in other_lines[:-1])
        carried, carried_bytes, skipped_bytes = _extend_line([], 0, 0, other_lines[-1], limit)
    if carried_bytes or skipped_bytes:
        yield skipped_bytes or b"".join(carried)


def _extend_line(
    carried: list[bytes], carried_bytes: int, skipped_bytes: int, piece: bytes, limit: int
) -> tuple[list[bytes], int, int]:
    if skipped_bytes or carried_bytes + len(piece) > limit:
        return [], 0, skipped_bytes + carried_bytes + len(piece)
    carried.append(piece)
    return carried, carried_bytes + len(piece), 0


def _read_jsonl(shard: Shard, source: Source) -> Iterator[_SourceRow]:
    limit = int(source.max_line_mb * (1 << 20))
    decode = msgspec.json.Decoder().decode
    with _open_shard(shard) as opened:
        length = shard.end - shard.start if shard.end >= 0 else -1
        for number, line in enumerate(_split_lines(opened, length, limit), shard.first_line):
            if isinstance(line, int):
                yield _SourceRow(number, _reject_long_line(line, limit), 0)
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                yield _SourceRow(number, None, 0)
                continue
            try:
                value = decode(line)
            except UnicodeDecodeError:
                value = _BadRow("invalid_utf8", "", "bytes that are not UTF-8", "UTF-8")
            except (msgspec.DecodeError, RecursionError) as error:
                value = _explain_bad_json(line, error)
            if not isinstance(value, dict | _BadRow):
                value = _BadRow("not_an_object", "", _describe_value(value), 'an object such as {"text": "…"}')
            yield _SourceRow(number, value, len(line))


def _explain_bad_json(line: bytes, error: BaseException) -> _BadRow:
    try:
        line.decode()
    except UnicodeDecodeError as bad:
        return _BadRow("invalid_utf8", "", f"bytes that are not UTF-8 (byte {bad.start + 1})", "UTF-8")
    return _BadRow("malformed_json", "", f"not JSON ({_first_line(error)})", "one JSON object a line")


def _reject_long_line(size: int, limit: int) -> _BadRow:
    return _BadRow("line_too_long", "", f"a line of {size:,} bytes", f"at most {limit:,} (input.max_line_mb)")


def _read_csv(shard: Shard, source: Source) -> Iterator[_SourceRow]:
    limit = int(source.max_line_mb * (1 << 20))
    csv.field_size_limit(limit)
    long: list[int] = []

    def decoded(opened: IO[bytes]) -> Iterator[str]:
        for number, line in enumerate(_split_lines(opened, -1, limit)):
            if isinstance(line, int):
                long.append(line)
                yield "\n"
            else:
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
                yield line.decode("utf-8", "surrogateescape") + "\n"  # so that one bad row is one bad row

    with _open_shard(shard) as opened:
        reader = csv.reader(decoded(opened), strict=True)
        header = next(reader, [])
        if len(set(header)) != len(header):
            raise InputError(f"{shard.name}:1: a column is named twice; expected different names")
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _SourceRow(number, _BadRow("malformed_csv", "", f"not CSV ({error})", "quoted cells that end"), 0)
                continue
            if long:
                yield _SourceRow(number, _reject_long_line(long.pop(), limit), 0)
                continue
            yield _SourceRow(number, _zip_cells(header, cells), sum(map(len, cells)))


def _zip_cells(header: list[str], cells: list[str]) -> dict[str, Any] | _BadRow | None:
    if not cells:
        return None
    if len(cells) != len(header):
        return _BadRow("wrong_columns", "", f"{len(cells)} cells", f"{len(header)} as in the header")
    for name, cell in zip(header, cells, strict=True):
        if not cell.isascii() and any("\udc80" <= letter <= "\udcff" for letter in cell):
            return _BadRow("invalid_utf8", name, "bytes that are not UTF-8", "UTF-8")
    return dict(zip(header, cells, strict=True))


def _read_parquet(shard: Shard, source: Source) -> Iterator[_SourceRow]:
    file = pq.ParquetFile(shard.path)
    groups = range(shard.start, shard.end if shard.end >= 0 else file.metadata.num_row_groups)
    number = shard.first_line
    for batch in file.iter_batches(batch_size=1024, row_groups=list(groups)):
        size = batch.nbytes // max(1, batch.num_rows)
        for row in _convert_records(batch):
            yield _SourceRow(number, row, size)
            number += 1


def _convert_records(batch: pa.RecordBatch) -> Iterable[dict[str, Any] | _BadRow]:
    try:
        return [_replace_nan(row) for row in batch.to_pylist()]
    except UnicodeDecodeError:
        return [_convert_record(batch.slice(index, 1)) for index in range(batch.num_rows)]


def _convert_record(batch: pa.RecordBatch) -> dict[str, Any] | _BadRow:
    row = {}
    for name in batch.schema.names:
        try:
            row[name] = batch[name][0].as_py()
        except UnicodeDecodeError:
            return _BadRow("invalid_utf8", name, "bytes that are not UTF-8", "UTF-8")
    return _replace_nan(row)


def _replace_nan(row: dict[str, Any]) -> dict[str, Any]:
    """pandas writes a missing text as NaN."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
