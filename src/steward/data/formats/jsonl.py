"""Reads JSON lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from steward.data.config import Source
from steward.data.formats.compression import open_shard, reject_long_line, split_lines
from steward.data.read_plan import Shard
from steward.data.records import BadRow, SourceRow, describe_value, first_line


def read_jsonl(shard: Shard, source: Source) -> Iterator[SourceRow]:
    limit = int(source.max_line_mb * (1 << 20))
    decode = msgspec.json.Decoder().decode
    with open_shard(shard) as opened:
        length = shard.end - shard.start if shard.end >= 0 else -1
        for number, line in enumerate(split_lines(opened, length, limit), shard.first_line):
            if isinstance(line, int):
                yield SourceRow(number, reject_long_line(line, limit), 0)
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                yield SourceRow(number, None, 0)
                continue
            try:
                value = decode(line)
            except UnicodeDecodeError:
                value = BadRow("invalid_utf8", "", "bytes that are not UTF-8", "UTF-8")
            except (msgspec.DecodeError, RecursionError) as error:
                value = _explain_bad_json(line, error)
            if not isinstance(value, dict | BadRow):
                value = BadRow("not_an_object", "", describe_value(value), 'an object such as {"text": "…"}')
            yield SourceRow(number, value, len(line))


def _explain_bad_json(line: bytes, error: BaseException) -> BadRow:
    try:
        line.decode()
    except UnicodeDecodeError as bad:
        return BadRow("invalid_utf8", "", f"bytes that are not UTF-8 (byte {bad.start + 1})", "UTF-8")
    return BadRow("malformed_json", "", f"not JSON ({first_line(error)})", "one JSON object a line")
