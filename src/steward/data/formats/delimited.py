"""Reads CSV and its kin: a header, then one record for each row, whose quoted cells may hold line ends.

A record that cannot be read is given up after its first line, and reading goes on with the next: so a quote that is
never closed costs one line, not the rest of the file.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any

from steward.core.errors import InputError
from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.formats.compression import read_lines, reject_long_line
from steward.data.read_plan import Shard
from steward.data.records import SourceRow


class _Records:
    """The records of a file, with the numbers of their lines."""

    def __init__(self, lines: Iterator[bytes | int], delimiter: str, limit: int) -> None:
        self._lines, self._delimiter, self._limit = lines, delimiter, limit
        self._again: deque[bytes | int] = deque()
        self._taken: list[bytes | int] = []  # of this record
        self.number = 0  # of the last line that is done with
        self.has_bad_bytes = False  # this record is not all UTF-8
        self.long_line = 0  # the length of a line of this record that is too long to be read
        self._reader = self._make_reader()

    def _make_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), strict=True, delimiter=self._delimiter)

    def _feed(self) -> Iterator[str]:
        again, lines, size = self._again, self._lines, 0
        while True:
            line = again.popleft() if again else next(lines, None)
            if line is None:
                return
            taken = self._taken
            if taken:
                size += line if isinstance(line, int) else len(line)
                if size > self._limit:
                    raise csv.Error(f"a record of more than {self._limit:,} bytes")
            else:
                size = 0
            taken.append(line)
            if isinstance(line, int):
                self.long_line = line
                yield "\n"
            else:
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    text = line.decode("utf-8", "surrogateescape")  # so that one bad row is one bad row
                    self.has_bad_bytes = True
                yield text + "\n"

    def read(self) -> list[str] | None:
        """The next record's cells; None at the end. :raises csv.Error: see `give_up`"""
        self._taken, self.long_line, self.has_bad_bytes = [], 0, False
        return next(self._reader, None)

    def finish(self) -> None:
        """The record is done with."""
        self.number += len(self._taken)

    def give_up(self) -> None:
        """The record cannot be read: go on after its first line."""
        self._again.extendleft(reversed(self._taken[1:]))
        self.number += 1
        self._reader = self._make_reader()

    @property
    def lines(self) -> int:
        """How many lines this record took."""
        return len(self._taken)


def read_delimited(shard: Shard, source: Source) -> Iterator[SourceRow]:
    limit = int(source.max_line_mb * (1 << 20))
    csv.field_size_limit(max(limit, csv.field_size_limit()))  # the process has one: only ever raised
    delimiter = source.delimiter or ("\t" if shard.format == "tsv" else ",")
    records = _Records(read_lines(shard, source), delimiter, limit)
    try:
        header = records.read() or []
    except csv.Error as error:
        raise InputError(
            f"{shard.name}:1: the header is not CSV ({error}); expected the names of the columns"
        ) from None
    records.finish()
    width = len(header) or None  # without a header no row fits it
    if len(set(header)) != len(header):
        raise InputError(f"{shard.name}:1: a column is named twice; expected different names")
    while True:
        start = records.number + 1
        try:
            cells = records.read()
        except csv.Error as error:
            reached = f"; it ran on to line {start + records.lines - 1}" if records.lines > 1 else ""
            records.give_up()
            yield SourceRow(start, BadRow("malformed_csv", "", f"not CSV ({error}{reached})", "quotes in pairs"), 0)
            continue
        if cells is None:
            return
        value: dict[str, Any] | BadRow | None
        if records.long_line:
            value = reject_long_line(records.long_line, source)
        elif len(cells) == width and not records.has_bad_bytes:
            value = dict(zip(header, cells, strict=True))
        else:
            value = _explain_cells(header, cells)
        if isinstance(value, BadRow) and records.lines > 1:
            records.give_up()  # the quote may have been opened by mistake
        else:
            records.finish()
        yield SourceRow(start, value, sum(map(len, cells)))


def _explain_cells(header: list[str], cells: list[str]) -> dict[str, Any] | BadRow | None:
    """Of a record that is not as the header has it: None of a blank line."""
    if not cells:
        return None
    if len(cells) != len(header):
        return BadRow("wrong_columns", "", f"{len(cells)} cells", f"{len(header)} as in the header")
    for name, cell in zip(header, cells, strict=True):
        if any("\udc80" <= letter <= "\udcff" for letter in cell):
            return BadRow("invalid_utf8", name, "bytes that are not UTF-8", "UTF-8, or another input.encoding")
    return dict(zip(header, cells, strict=True))
