"""Reads plain text: a row for each line, or for each run of lines between blank ones, or for the whole file."""

from __future__ import annotations

from collections.abc import Iterator

from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.formats.compression import read_lines, reject_long_line
from steward.data.read_plan import Shard
from steward.data.records import SourceRow


def read_plain_text(shard: Shard, source: Source) -> Iterator[SourceRow]:
    """`input.text_unit` says what a row is: line, paragraph or file; of HTML it is the file."""
    lines = enumerate(read_lines(shard, source), shard.first_line)
    unit = "file" if shard.format == "html" else source.text_unit
    if unit == "line":
        for number, line in lines:
            yield _make_row(number, [line], source)
        return
    start, held = shard.first_line, list[bytes | int]()
    for number, line in lines:
        if unit == "paragraph" and isinstance(line, bytes) and not line.strip():
            if held:
                yield _make_row(start, held, source)
            yield SourceRow(number, None, 0)
            held = []
            continue
        start = start if held else number
        held.append(line)
    if held:
        yield _make_row(start, held, source)


def _make_row(number: int, lines: list[bytes | int], source: Source) -> SourceRow:
    if too_long := [line for line in lines if isinstance(line, int)]:
        return SourceRow(number, reject_long_line(too_long[0], source), 0)
    content = b"\n".join(line for line in lines if isinstance(line, bytes))
    if not content.strip():
        return SourceRow(number, None, 0)
    try:
        return SourceRow(number, {"text": content.decode().removesuffix("\r")}, len(content))
    except UnicodeDecodeError as error:
        seen = f"bytes that are not UTF-8 (byte {error.start + 1})"
        return SourceRow(number, BadRow("invalid_utf8", "", seen, "UTF-8, or another input.encoding"), 0)
