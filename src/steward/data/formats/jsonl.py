"""Reads JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from steward.core.excerpts import cut_reason
from steward.data.bad_row import BadRow, describe_value
from steward.data.config import Source
from steward.data.formats.compression import read_lines, reject_long_line
from steward.data.read_plan import Shard
from steward.data.records import SourceRow


def read_jsonl(shard: Shard, source: Source) -> Iterator[SourceRow]:
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(read_lines(shard, source), shard.first_line):
        if isinstance(line, int):
            yield SourceRow(number, reject_long_line(line, source), 0)
            continue
        if not line.strip():
            yield SourceRow(number, None, 0)
            continue
        try:
            value = decode(line)
        except UnicodeDecodeError:
            value = BadRow("invalid_utf8", "", "bytes that are not UTF-8", "UTF-8")
        except (msgspec.DecodeError, RecursionError) as error:
            value = explain_bad_json(line, error)
        yield make_source_row(number, value, len(line))


def make_source_row(number: int, value: Any, size: int) -> SourceRow:
    """A row of JSON, which has to be an object."""
    if isinstance(value, dict | BadRow):
        return SourceRow(number, value, size)
    bad = BadRow("not_an_object", "", describe_value(value), 'an object such as {"text": "…"}')
    return SourceRow(number, bad, size, other=value)


def explain_bad_json(line: bytes, error: BaseException) -> BadRow:
    """Why a line is not JSON. Python's decoder takes what JSON does not have, and so tells which of it there is."""
    try:
        text = line.decode()
    except UnicodeDecodeError as bad:
        return BadRow("invalid_utf8", "", f"bytes that are not UTF-8 (byte {bad.start + 1})", "UTF-8")
    constants: list[str] = []
    try:
        json.loads(text, parse_constant=constants.append)
    except (ValueError, RecursionError):
        return BadRow("malformed_json", "", f"not JSON ({cut_reason(error)})", "one JSON object a line")
    if constants:
        return BadRow("not_a_number", "", f"{constants[0]}, which JSON does not have", "a number or null")
    if "\\ud" not in text.lower():  # a number such as 1e400, say, which is infinite in Python
        return BadRow("malformed_json", "", f"not JSON ({cut_reason(error)})", "one JSON object a line")
    return BadRow("lone_surrogate", "", "half of a surrogate pair (\\ud800 to \\udfff)", "whole characters")
