"""Reads CSV: a header, then one record for each row, whose quoted cells may hold line ends."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.formats.compression import open_shard, reject_long_line, split_lines
from steward.data.read_plan import Shard
from steward.data.records import BadRow, SourceRow


def read_csv(shard: Shard, source: Source) -> Iterator[SourceRow]:
    limit = int(source.max_line_mb * (1 << 20))
    csv.field_size_limit(limit)
    long: list[int] = []

    def decoded(opened: IO[bytes]) -> Iterator[str]:
        for number, line in enumerate(split_lines(opened, -1, limit)):
            if isinstance(line, int):
                long.append(line)
                yield "\n"
            else:
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
                yield line.decode("utf-8", "surrogateescape") + "\n"  # so that one bad row is one bad row

    with open_shard(shard) as opened:
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
                yield SourceRow(number, BadRow("malformed_csv", "", f"not CSV ({error})", "quoted cells that end"), 0)
                continue
            if long:
                yield SourceRow(number, reject_long_line(long.pop(), limit), 0)
                continue
            yield SourceRow(number, _zip_cells(header, cells), sum(map(len, cells)))


def _zip_cells(header: list[str], cells: list[str]) -> dict[str, Any] | BadRow | None:
    if not cells:
        return None
    if len(cells) != len(header):
        return BadRow("wrong_columns", "", f"{len(cells)} cells", f"{len(header)} as in the header")
    for name, cell in zip(header, cells, strict=True):
        if not cell.isascii() and any("\udc80" <= letter <= "\udcff" for letter in cell):
            return BadRow("invalid_utf8", name, "bytes that are not UTF-8", "UTF-8")
    return dict(zip(header, cells, strict=True))
