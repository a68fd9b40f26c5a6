"""Files of prompts and traces: JSON lines, text with a prompt a line, and the public CSV traces."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError


class PromptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a file or trace: a conversation's messages, or token counts to make a text of."""

    at_s: float | None = None
    messages: tuple[Any, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    blocks: tuple[int, ...] = ()  # names of shared prefixes of 512 tokens (Mooncake's hash_ids)


INPUT_NAMES: Final = (
    *("input_tokens", "input_length", "ISL"),
    *("ContextTokens", "Request tokens", "num_prefill_tokens", "prompt_size"),  # Azure, BurstGPT, Vidur, Splitwise
)
OUTPUT_NAMES: Final = (
    "output_tokens",
    "output_length",
    "OSL",
    "GeneratedTokens",
    "Response tokens",
    "num_decode_tokens",
    "token_size",
)
SECONDS_NAMES: Final = ("at_s", "Timestamp", "arrived_at", "arrival_timestamp")  # steward, BurstGPT, Vidur, Splitwise
EXPECTED: Final = "a JSON object with prompt, messages or input_tokens"
EXPECTED_CSV: Final = (
    "the columns of a public trace: TIMESTAMP, ContextTokens, GeneratedTokens (Azure), Timestamp, Request tokens, "
    "Response tokens (BurstGPT), timestamp, input_length, output_length (Mooncake), or at_s, input_tokens, "
    "output_tokens"
)


def read_prompt_rows(path: Path, *, trace: bool = False) -> list[PromptRow]:
    """Read prompts or a trace: JSON lines, a CSV file, or, for prompts, a .txt file with a prompt a line.

    A row has `prompt` or `messages`, or token counts. A row of a trace also has a time: `at_s` in seconds, or
    `timestamp` in milliseconds as Mooncake writes it; in CSV also the columns of Azure's and BurstGPT's traces.

    :raises InputError: a row without these, or a time before the one above it, with file and line
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file of JSON lines, or a CSV trace") from error
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # as spreadsheets save "Unicode text"
        data = data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    rows: list[PromptRow] = []
    if path.suffix.lower() in (".csv", ".tsv"):
        parsed = _read_csv(data, path, trace)
    elif path.suffix.lower() == ".txt" and not trace:
        parsed = _read_text(data)
    else:
        parsed = _read_json_lines(data, path, trace)
    for number, row in parsed:
        if trace and rows and row.at_s is not None and rows[-1].at_s is not None and row.at_s < rows[-1].at_s:
            raise InputError(
                f"{path}:{number}: {row.at_s:g} s comes after {rows[-1].at_s:g} s; expected times in rising order; "
                "sort the trace by time"
            )
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: no rows; expected one request a line")
    return rows


def _read_text(data: bytes) -> Iterator[tuple[int, PromptRow]]:
    for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
        if line.strip():
            yield number, PromptRow(messages=({"role": "user", "content": line.strip()},))


def _read_json_lines(data: bytes, path: Path, trace: bool) -> Iterator[tuple[int, PromptRow]]:
    if data.lstrip().startswith(b"["):  # an array of rows, counted from 1
        try:
            listed = msgspec.json.decode(data, type=list[msgspec.Raw])
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}: {error}; expected JSON lines, or one JSON array of rows") from error
        for number, row in enumerate(listed, 1):
            yield number, _parse_json_row(bytes(row), f"{path}: row {number}", trace)
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield number, _parse_json_row(line, f"{path}:{number}", trace)


def _parse_json_row(line: bytes, where: str, trace: bool) -> PromptRow:
    try:
        fields = msgspec.json.decode(line)
        if not isinstance(fields, dict):
            raise ValueError("not an object")
        return _make_row(fields, where, trace)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}; expected {EXPECTED}") from error


def _read_csv(data: bytes, path: Path, trace: bool) -> Iterator[tuple[int, PromptRow]]:
    text = data.decode(errors="replace")
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(_SEPARATORS, key=head.count))
    first: datetime | None = None
    for fields in reader:
        where = f"{path}:{reader.line_num}"
        row: dict[str, Any] = {_column(name): value for name, value in fields.items() if value not in (None, "")}
        try:
            if "TIMESTAMP" in row:  # Azure: 2023-11-16 18:15:46.6805900
                at = datetime.fromisoformat(str(row.pop("TIMESTAMP")).strip())
                first = first or at
                row["at_s"] = (at.replace(tzinfo=None) - first.replace(tzinfo=None)).total_seconds()
            if isinstance(row.get("hash_ids"), str):
                row["hash_ids"] = msgspec.json.decode(row["hash_ids"])
            yield reader.line_num, _make_row(row, where, trace)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise InputError(f"{where}: {error}; expected {EXPECTED_CSV}") from error


_COLUMNS: Final = {name.lower(): name for name in (*INPUT_NAMES, *OUTPUT_NAMES, *SECONDS_NAMES) if name != "Timestamp"}


def _column(name: str | None) -> str:
    """As we know it, whatever its case; but for the three times, which only their case tells apart."""
    bare = (name or "").strip()
    return _COLUMNS.get(bare.lower(), bare)


_SEPARATORS: Final = ",;\t|"  # of equals in the first line, the earlier


def _make_row(fields: dict[str, Any], where: str, trace: bool) -> PromptRow:
    """:raises InputError: no time in a trace, or neither a prompt nor a length; ValueError, TypeError: not a number"""
    input_tokens, output_tokens = _first_of(fields, INPUT_NAMES), _first_of(fields, OUTPUT_NAMES)
    messages = fields.get("messages") or ()
    if not messages and (text := _first_of(fields, ("prompt", "text"))) is not None:
        messages = ({"role": "user", "content": str(text)},)
    row = PromptRow(
        at_s=_read_time(fields),
        messages=tuple(dict(message) for message in messages),
        input_tokens=None if input_tokens is None else _parse_tokens(input_tokens),
        output_tokens=None if output_tokens is None else _parse_tokens(output_tokens),
        blocks=tuple(int(block) for block in fields.get("hash_ids", ())),
    )
    if trace and (row.at_s is None or not 0 <= row.at_s < 1e10):
        raise InputError(
            f"{where}: no time; expected at_s (seconds) or timestamp (milliseconds), 0 or more; the row has "
            f"{', '.join(map(str, fields))}"
        )
    if not row.messages and row.input_tokens is None:
        raise InputError(f"{where}: no prompt and no length; expected {EXPECTED}")
    return row


def _parse_tokens(value: Any) -> int:
    """At least one: traces note 0 for requests that failed. :raises ValueError: below 0, or no number"""
    number = float(value)
    if not 0 <= number < 1e9:
        raise ValueError(f"{value} tokens, expected 0 or more")
    return max(1, round(number))


def _read_time(fields: dict[str, Any]) -> float | None:
    """Seconds. `timestamp` is in milliseconds (Mooncake); the other names are in seconds."""
    seconds = _first_of(fields, SECONDS_NAMES)
    if seconds is None and "timestamp" in fields:
        return float(fields["timestamp"]) / 1000
    return None if seconds is None else float(seconds)


def _first_of(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)
