"""Files searched for personal data: JSON Lines row by row, any other text file as one text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError
from steward.privacy.custom import NO_DETECTORS, CustomDetectors
from steward.privacy.finding import PersonalFinding
from steward.privacy.scan import scan_text

ROWS: Final = (".jsonl", ".ndjson")
TEXT: Final = "text"
Scan = Callable[[str], list[PersonalFinding]]
MAX_BYTES: Final = 256 * 1024 * 1024  # of a file that is read as one text


class FieldFinding(PersonalFinding, frozen=True, omit_defaults=True):
    """A find in another field than `text`, by its path."""

    field: str = ""


class ScannedRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row: its id (else its line), what was found, and which fields with text were not read."""

    id: str | int
    findings: tuple[FieldFinding, ...]
    unread: tuple[str, ...] = ()
    error: str = ""


def scan_file(
    path: Path, entities: Collection[str], all_fields: bool = False, custom: CustomDetectors = NO_DETECTORS
) -> Iterator[ScannedRow]:
    """Row by row. Of a row with a field `text` that field is read, of others every string; `all_fields` reads all.

    :raises InputError: no such file, or not UTF-8 text
    """
    scan = partial(scan_text, entities=entities, custom=custom)
    try:
        if path.suffix not in ROWS:
            if path.stat().st_size > MAX_BYTES:
                raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB; split it, or make it JSON Lines (.jsonl)")
            text = path.read_text(encoding="utf-8")
            yield ScannedRow(path.name, tuple(_find(text, scan, "")))
            return
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.isspace():
                    yield _scan_line(number, line, scan, all_fields)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); convert it first") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a text file or JSON Lines (.jsonl)") from error


def _scan_line(number: int, line: bytes, scan: Scan, all_fields: bool) -> ScannedRow:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ScannedRow(number, (), error=f"line {number} is not JSON")
    if not isinstance(row, dict):
        return ScannedRow(number, tuple(_find_everywhere(row, scan)))
    name = row.pop("id", number)
    row_id = name if isinstance(name, str | int) and not isinstance(name, bool) else number
    if not isinstance(row.get(TEXT), str):
        return ScannedRow(row_id, tuple(_find_everywhere(row, scan)))
    findings = list(_find(row.pop(TEXT), scan, ""))
    if all_fields:
        return ScannedRow(row_id, (*findings, *_find_everywhere(row, scan)))
    return ScannedRow(row_id, tuple(findings), unread=tuple(field for field, _ in _strings(row, "")))


def _find_everywhere(row: Any, scan: Scan) -> Iterator[FieldFinding]:
    for field, text in _strings(row, ""):
        yield from _find(text, scan, field)


def _find(text: str, scan: Scan, field: str) -> Iterator[FieldFinding]:
    for finding in scan(text):
        yield FieldFinding(finding.start, finding.end, finding.entity, finding.score, finding.detector, field)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every string below `value`, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]")
