"""Plans what a run reads: finds the files, hashes each once, cuts them into shards and decides the columns.

A plain JSON-lines file is cut inside, at line ends; a parquet file by row groups; other files are one shard each.
"""

from __future__ import annotations

import base64
import glob
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import xxhash

from steward.core.errors import InputError, UnknownName
from steward.core.extend import RemoteFile
from steward.data.bad_row import BadRow
from steward.data.chat_formats import detect_chat_format, to_messages
from steward.data.config import Format, Source
from steward.data.formats import detect_format, guess_format, read_source_rows
from steward.data.formats.compression import can_split
from steward.data.formats.parquet import read_native_types, read_plain_types, split_parquet
from steward.data.locations import is_remote, require_store
from steward.data.messages import MORE
from steward.data.read_plan import InputFile, Kind, ReadPlan, RowLayout, Shard
from steward.data.records import SourceRow, common_type, value_type
from steward.data.stage import PAIR

SAMPLE_ROWS = 200  # of each of the first SAMPLE_FILES files: they decide the columns
SAMPLE_FILES = 64
# The columns that chats and pairs are made of, which are read as they are in JSON.
CHAT_COLUMNS = {
    "messages", "conversations", "completion", "input", "history", "preferred_output", "non_preferred_output", *PAIR
}  # fmt: skip


def plan_reading(source: Source) -> ReadPlan:
    """Hash the files, cut them into shards, find their columns.

    :raises InputError: nothing matches, nothing in it, no text column, a file that cannot be opened
    """
    inputs: list[InputFile] = []
    shards: list[Shard] = []
    for file, split_points in [*_plan_local_files(source), *_plan_remote_files(source)]:
        name, path = file.input.name, file.path
        inputs.append(file.input)
        if file.format == "parquet":
            shards += split_parquet(Shard(len(shards), path, name, file.format), source)
        elif file.input.bytes:
            ends = [start for start, _ in split_points[1:]] + [-1]
            for (start, line), end in zip(split_points, ends, strict=True):
                shards.append(Shard(len(shards), path, name, file.format, start, end, line))
    if not shards:
        raise InputError(f"input.path: {len(inputs)} files without a row; expected at least one row")
    empty = sum(not item.bytes for item in inputs)
    return ReadPlan(tuple(inputs), tuple(shards), _detect_layout(source, shards), empty)


class _PlannedFile(NamedTuple):
    """A file, wherever it is."""

    path: str
    format: Format
    input: InputFile


_Planned = Iterator[tuple[_PlannedFile, list[tuple[int, int]]]]  # and where its shards begin (byte, line)


def _plan_local_files(source: Source) -> _Planned:
    files = find_files(source)
    base = os.path.commonpath([str(file.parent) for file in files]) if files else ""
    for file in files:
        path, format_ = str(file), detect_format(str(file), source)
        is_plain = format_ == "jsonl" and source.encoding.lower() in ("utf-8", "utf8") and can_split(path)
        digest, split_points = _scan_file(file, int(source.shard_mb * (1 << 20)) if is_plain else 0)
        input_file = InputFile(os.path.relpath(file, base), file.stat().st_size, digest)
        yield _PlannedFile(path, format_, input_file), split_points


def _plan_remote_files(source: Source) -> _Planned:
    """Files at addresses: not read in advance, so known by the store's stamp, and one shard each unless parquet."""
    found: dict[str, RemoteFile] = {}
    for pattern in filter(is_remote, source.list_patterns()):
        for file in require_store(pattern, source.store).find(pattern):
            name = file.url.rpartition("/")[2]
            if file.url == pattern or (not name.startswith((".", "_")) and (source.format or guess_format(name))):
                found[file.url] = file
    for url, file in sorted(found.items()):
        digest = xxhash.xxh3_128_hexdigest(file.stamp.encode())
        yield _PlannedFile(url, detect_format(url, source), InputFile(url, file.bytes, digest)), [(0, 1)]


def find_files(source: Source) -> list[Path]:
    """The files of this machine, sorted, each once. :raises InputError: a pattern that matches nothing"""
    paths: set[str] = set()
    for pattern in [pattern for pattern in source.list_patterns() if not is_remote(pattern)]:
        matches = glob.glob(os.path.expanduser(pattern), recursive=True)
        hits = [hit for hit in matches if os.path.isfile(hit)]
        hits += [
            file for hit in matches if os.path.isdir(hit) and "*" not in pattern for file in _list_folder(hit, source)
        ]
        if not hits:
            raise InputError(
                f"input.path: no file matches {pattern}; expected files, a folder, or a pattern such as corpus/*.jsonl"
            )
        paths.update(os.path.abspath(hit) for hit in hits)
    return [Path(name) for name in sorted(paths)]


def _list_folder(folder: str, source: Source) -> list[str]:
    """The data files in a folder and in those below it; of the output of a run, its rows and not its records."""
    files = []
    for root, folders, names in os.walk(folder):
        is_output = "summary.json" in names
        folders[:] = [name for name in folders if not name.startswith((".", "_")) and (name == "rows" or not is_output)]
        for name in names:
            if name.startswith((".", "_")) or is_output:
                continue
            if source.format or guess_format(name):
                files.append(os.path.join(root, name))
    return files


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


def _detect_layout(source: Source, shards: list[Shard]) -> RowLayout:
    firsts = {shard.path: shard for shard in reversed(shards)}
    native = _find_native_types(source, list(firsts.values()))
    samples: list[tuple[Shard, list[SourceRow]]] = []
    for shard in list(firsts.values())[::-1][:SAMPLE_FILES]:
        lenient = source.model_copy(update={"on_error": "skip"})
        samples.append((shard, list(islice(read_source_rows(shard, lenient, frozenset(native)), SAMPLE_ROWS))))
    rows = [line.value for _, lines in samples for line in lines if isinstance(line.value, dict)]
    if not rows:
        shard, lines = samples[0]
        problem = lines[0].value if lines else BadRow("empty", "", "no row", "at least one row")
        raise InputError(
            f"{shard.name}:1: none of the first {SAMPLE_ROWS} rows can be read: {problem.seen}; "
            f"expected {problem.expected}"
        )
    chat_format = None if source.text else detect_chat_format({name for row in rows for name in row})
    if chat_format is not None:
        rows = [to_messages(row, chat_format) for row in rows]
    types_by_column: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            types_by_column.setdefault(str(name), set()).add(value_type(value))
    for old, new in source.rename.items():
        if new not in types_by_column and new not in native and chat_format is None:
            raise UnknownName("column (input.rename)", old, types_by_column, samples[0][0].name)
    _add_declared_types(source, list(firsts.values()), types_by_column)
    kind, text = _detect_content(source, types_by_column, samples[0][0].name)
    identity = source.id or ("id" if "id" in types_by_column else None)
    if source.id and source.id not in types_by_column:
        raise UnknownName("column (input.id)", source.id, types_by_column, samples[0][0].name)
    content_columns = {identity, MORE, *({text} if kind == "text" else {"messages"} if kind == "messages" else PAIR)}
    other_columns: list[tuple[str, str]] = [
        (name, source.types.get(name) or common_type(types))
        for name, types in types_by_column.items()
        if name not in content_columns
    ]
    for name, _ in other_columns:
        if name in ("row", "id", "text"):
            raise InputError(
                f"{samples[0][0].name}: a column is called {name!r}, a name that steward uses; rename it, for example "
                f"with input.rename: {{{name}: {name}_before}}"
            )
    if unknown := [name for name in source.types if name not in types_by_column]:
        raise UnknownName("column (input.types)", unknown[0], types_by_column, samples[0][0].name)
    other_columns += [(name, "native") for name in native]
    serialised = base64.b64encode(pa.schema(native).serialize()).decode() if native else ""
    roles = {str(name): str(role) for name, role in source.roles.items()}
    return RowLayout(kind, text, identity, tuple(other_columns), chat_format, roles, serialised)


def _add_declared_types(source: Source, firsts: list[Shard], types_by_column: dict[str, set[str]]) -> None:
    """What parquet files declare of columns in which the sample has nothing but nulls."""
    unknown = {name for name, types in types_by_column.items() if types == {"null"}}
    for shard in firsts:
        if unknown and shard.format == "parquet":
            for name, kind in read_plain_types(shard.path, source).items():
                if name in unknown:
                    types_by_column[name].add(kind)


def _find_native_types(source: Source, firsts: list[Shard]) -> dict[str, pa.DataType]:
    """The columns that have one Arrow type, which JSON lacks, in all files; none where a file is not parquet."""
    if any(shard.format != "parquet" for shard in firsts):
        return {}
    content = {source.id or "id", source.text or "text", MORE, *source.types}
    content |= set() if source.text else CHAT_COLUMNS
    types = [read_native_types(shard.path, source) for shard in firsts]
    return {
        name: kind
        for name, kind in types[0].items()
        if name not in content and all(other.get(name) == kind for other in types[1:])
    }


def _detect_content(source: Source, types_by_column: dict[str, set[str]], name: str) -> tuple[Kind, str]:
    if source.text is not None or not types_by_column:
        if source.text in types_by_column:
            return "text", source.text
        raise UnknownName("column (input.text)", str(source.text), types_by_column, name)
    if "messages" in types_by_column:
        return "messages", "text"
    if "chosen" in types_by_column and "rejected" in types_by_column:
        is_list = "json" in types_by_column["chosen"] | types_by_column["rejected"]
        return "message-pair" if is_list else "pair", "text"
    if "text" in types_by_column:
        return "text", "text"
    columns = ", ".join(sorted(types_by_column))
    if len(types_by_column) == 1 and (mark := next((mark for mark in ";\t|," if mark in columns), None)):
        raise InputError(f"{name}: one column, {columns!r}; set input.delimiter to {mark!r}, which stands within it")
    raise InputError(
        f"{name}: no column text, messages, or chosen and rejected; its columns are {columns}; "
        "name the column that holds the text as input.text"
    )
