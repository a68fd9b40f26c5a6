"""`steward data convert`: reads chats or pairs in any shape, writes them in another, and accounts for every row."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from steward.core.errors import InputError
from steward.core.files import open_private, replace_file
from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.convert import Shape, convert_row
from steward.data.planner import plan_reading
from steward.data.read_plan import ReadPlan, row_location
from steward.data.reader import read_shard
from steward.data.row_strings import count_media
from steward.data.sinks import restore_rows
from steward.data.stage import Entry
from steward.workflows.curate import add_store

_EXAMPLES = 5
_ENDINGS = (".jsonl", ".jsonl.gz", ".json")


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that is not in the output, and why. Never holds the row's words."""

    where: str  # file and line
    rule: str
    field: str
    seen: str
    expected: str


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward data convert` prints. rows_in = converted + left_out + failed."""

    output: str
    shape: str  # that was written
    read_as: str  # the shape that was found
    rows_in: int
    converted: int
    left_out: int  # answers labelled false, where only the chosen ones are kept
    failed: int
    rows_out: int
    media: dict[str, int]  # parts of messages that are no text, by type: they go along
    refusals: tuple[RefusedRow, ...]  # the first few


def convert_files(source: Source, shape: Shape, output: Path, *, chosen_only: bool = False) -> Conversion:
    """Convert every row of the source; nothing is written unless all of it was.

    :raises InputError: documents, an unknown ending of `output`, a row that does not fit where `on_error` is fail
    """
    if not output.name.endswith(_ENDINGS):
        raise InputError(f"--output {output}: unknown format; expected a name that ends in {', '.join(_ENDINGS)}")
    source = add_store(source)
    plan = plan_reading(source)
    if plan.shape.kind == "text":
        raise InputError(
            f"{plan.inputs[0].name}: documents, not chats or pairs; expected columns such as messages, conversations, "
            "instruction and output, or prompt and completion"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    work = _Conversion(plan, source, shape, chosen_only)
    with replace_file(output) as temporary, _open_output(temporary, output) as file:
        _write_rows(work.convert_rows(), file, as_list=output.name.endswith(".json"))
    return work.make_record(output)


def _open_output(temporary: Path, output: Path) -> Any:
    if output.suffix != ".gz":
        return open_private(temporary, "wb")
    open_private(temporary, "wb").close()  # the library would ask the umask
    return gzip.open(temporary, "wb")


def _write_rows(rows: Iterator[dict[str, Any]], file: IO[bytes], as_list: bool) -> None:
    start, between, end = (b"[\n", b",\n", b"\n]\n") if as_list else (b"", b"\n", b"\n")
    file.write(start)
    count = 0
    for row in rows:
        file.write((between if count else b"") + msgspec.json.encode(row))
        count += 1
    file.write(end if count or as_list else b"")


class _Conversion:
    """The rows one by one, and their counts."""

    def __init__(self, plan: ReadPlan, source: Source, shape: Shape, chosen_only: bool) -> None:
        self._plan, self._source, self._shape, self._chosen_only = plan, source, shape, chosen_only
        self._rows_in = self._converted = self._left_out = self._failed = self._rows_out = 0
        self._media: dict[str, int] = {}
        self._refusals: list[RefusedRow] = []

    def convert_rows(self) -> Iterator[dict[str, Any]]:
        for shard in self._plan.shards:
            for item in read_shard(shard, self._plan.shape, self._source):
                self._rows_in += item.batch.num_rows + len(item.failed)
                for entry in item.failed:
                    self._refuse_entry(entry)
                for kind, count in count_media(item.batch).items():
                    self._media[kind] = self._media.get(kind, 0) + count
                for number, row in zip(item.batch["row"].to_pylist(), restore_rows(item.batch), strict=True):
                    yield from self._convert(number, row)

    def _convert(self, number: int, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        del row["row"]
        if self._plan.shape.id is None:
            del row["id"]
        row = {name: value for name, value in row.items() if value is not None}
        converted = convert_row(row, self._shape, chosen_only=self._chosen_only)
        if isinstance(converted, BadRow):
            self._refuse(row_location(number, self._plan.shards), converted)
            return
        self._converted += bool(converted)
        self._left_out += not converted
        self._rows_out += len(converted)
        yield from converted

    def _refuse(self, where: str, problem: BadRow) -> None:
        if self._source.on_error == "fail":
            raise InputError(
                f"{where}: field {problem.field!r}: {problem.seen}; expected {problem.expected}; or leave such rows "
                "out with --on-error skip"
            )
        self._count(RefusedRow(where, problem.rule, problem.field, problem.seen, problem.expected))

    def _refuse_entry(self, entry: Entry) -> None:
        where, _, field = str(entry.where).partition(" ")
        self._count(RefusedRow(where, entry.rule, field, str(entry.value), str(entry.threshold)))

    def _count(self, refusal: RefusedRow) -> None:
        self._failed += 1
        if len(self._refusals) < _EXAMPLES:
            self._refusals.append(refusal)

    def make_record(self, output: Path) -> Conversion:
        kind = self._plan.shape.kind
        return Conversion(
            output=str(output), shape=self._shape,
            read_as=self._plan.shape.chat_format or ("openai" if kind == "messages" else "preference"),
            rows_in=self._rows_in, converted=self._converted, left_out=self._left_out, failed=self._failed,
            rows_out=self._rows_out, media=self._media, refusals=tuple(self._refusals),
        )  # fmt: skip
