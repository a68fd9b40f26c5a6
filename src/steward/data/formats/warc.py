"""Reads web archives (WARC, ISO 28500:2017): a row for each answer that holds a page or a text, by FastWARC.

A row has `text` (the page as it was sent, or the text of a `conversion` record, as in Common Crawl's WET files), `url`,
`date` and `record`, the record's id. Records of requests, of metadata, of errors and of other media hold no text; they
are counted as blank lines are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from steward.core.errors import InputError
from steward.core.excerpts import cut_reason
from steward.core.extras import install_command
from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.locations import open_location
from steward.data.read_plan import Shard
from steward.data.records import SourceRow

_TEXTS = ("text/html", "application/xhtml+xml", "text/plain")
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
_FALLBACK = "windows-1252"  # of a page that names no encoding and is not UTF-8 (WHATWG, Encoding and HTML standards)


def read_warc(shard: Shard, source: Source) -> Iterator[SourceRow]:
    """A record's number is its place in the file. :raises InputError: FastWARC is not installed"""
    try:
        from fastwarc.warc import ArchiveIterator, WarcRecordType
    except ModuleNotFoundError as error:
        raise InputError(f"{shard.name}: WARC needs fastwarc; {install_command('web')}") from error
    kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    limit = int(source.max_line_mb * (1 << 20))
    with open_location(shard.path, source.store) as opened:
        for number, record in enumerate(ArchiveIterator(opened, auto_decode="all"), shard.first_line):
            expected = record.content_length
            if _is_cut_off(record, kinds):
                yield SourceRow(number, BadRow("corrupt_record", "", "a record that is cut off", "a whole record"), 0)
                continue
            if not record.record_type & kinds or not _holds_text(record):
                yield SourceRow(number, None, 0)
                continue
            if expected > limit:
                yield SourceRow(
                    number,
                    BadRow(
                        "page_too_long", "", f"a page of {expected:,} bytes", f"at most {limit:,} (input.max_line_mb)"
                    ),
                    0,
                )
                continue
            yield _make_row(number, record, expected)


def _is_cut_off(record: Any, kinds: Any) -> bool:
    """Whether the record ends within its own head, or within that of the answer."""
    is_answer = bool(record.record_type & kinds) and record.is_http
    return record.headers.get("Content-Length") is None or bool(is_answer and not record.http_headers)


def _holds_text(record: Any) -> bool:
    """Of an answer, one of success, whose media type is that of a page."""
    if record.is_http:
        headers = record.http_headers
        return headers is not None and headers.status_code == 200 and (record.http_content_type or "") in _TEXTS
    return (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower() in _TEXTS


def _make_row(number: int, record: Any, expected: int) -> SourceRow:
    url = record.headers.get("WARC-Target-URI") or ""
    try:
        content = record.reader.read()
    except (OSError, ValueError, RuntimeError) as error:
        return SourceRow(
            number,
            BadRow("corrupt_record", "", f"a record that cannot be read ({cut_reason(error)})", "a whole record"),
            0,
        )
    encoded = record.http_headers.get("Content-Encoding") if record.is_http else None
    if expected > 0 and len(content) < expected and not encoded and not _is_chunked(record):
        seen = f"a record of {len(content):,} bytes where {expected:,} are declared"
        return SourceRow(number, BadRow("corrupt_record", "", seen, "a whole record"), 0)
    if not content.strip():
        return SourceRow(number, None, 0)
    text = decode_page(content, record.http_charset if record.is_http else None)
    row = {
        "text": text,
        "url": url,
        "date": record.headers.get("WARC-Date") or "",
        "record": (record.headers.get("WARC-Record-ID") or "").strip("<>"),
    }
    return SourceRow(number, row, len(content))


def _is_chunked(record: Any) -> bool:
    return bool(record.is_http and record.http_headers.get("Transfer-Encoding"))


def decode_page(content: bytes, declared: str | None) -> str:
    """The page as text: by the encoding that its header or itself declares, else UTF-8, else Windows' Latin.

    >>> decode_page(b'<meta charset="iso-8859-1">caf\\xe9', None), decode_page("é".encode(), None)
    ('<meta charset="iso-8859-1">café', 'é')
    """
    meta = _META.search(content[:_HEAD_BYTES])
    names = [declared, meta.group(1).decode("ascii") if meta else None, "utf-8"]
    for name in filter(None, names):
        try:
            return content.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode(_FALLBACK, "replace")
