import gzip
import sys
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.data import Pipeline, Source, read_rows
from steward.data.formats import guess_format
from steward.data.formats.warc import decode_page, read_warc
from steward.data.read_plan import Shard

PAGE = b"<html><p>caf\xc3\xa9</p></html>"


def record(kind: str, block: bytes, **headers: str) -> bytes:
    """A record as ISO 28500:2017, 4 words it."""
    lines = {"WARC-Type": kind, "WARC-Record-ID": "<urn:uuid:1>", "WARC-Date": "2026-01-02T03:04:05Z", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"WARC/1.0\r\n{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def response(body: bytes, status: int = 200, content_type: str = "text/html; charset=utf-8", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: {content_type}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    target = {"WARC-Target-URI": "http://a.example/x", "Content-Type": "application/http; msgtype=response"}
    return record("response", head.encode() + body, **target)


def read(path: Path, *records: bytes, **options: Any) -> list[Any]:
    path.write_bytes(b"".join(map(gzip.compress, records)) if path.suffix == ".gz" else b"".join(records))
    rows = list(read_warc(Shard(0, str(path), path.name, "warc"), Source(path=str(path), **options)))
    assert [row.number for row in rows] == list(range(1, len(records) + 1))
    return [row.value for row in rows]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_pages_are_rows_and_the_rest_is_none(tmp_path: Path, name: str) -> None:
    values = read(
        tmp_path / name,
        record("warcinfo", b"software: x", **{"Content-Type": "application/warc-fields"}),
        record("request", b"GET / HTTP/1.1\r\n\r\n", **{"Content-Type": "application/http; msgtype=request"}),
        response(PAGE),
        response(PAGE, status=404),
        response(b"\x89PNG", content_type="image/png"),
        record("conversion", b"plain text", **{"Content-Type": "text/plain", "WARC-Target-URI": "http://a.example/y"}),
        response(b"  "),
    )
    page = {"text": PAGE.decode(), "url": "http://a.example/x", "date": "2026-01-02T03:04:05Z", "record": "urn:uuid:1"}
    assert values == [None, None, page, None, None, page | {"text": "plain text", "url": "http://a.example/y"}, None]


def test_compressed_answers_are_unpacked(tmp_path: Path) -> None:
    [value] = read(tmp_path / "a.warc", response(gzip.compress(PAGE), extra="Content-Encoding: gzip\r\n"))
    assert value["text"] == PAGE.decode()


def test_a_record_that_is_cut_off_is_a_failed_row(tmp_path: Path) -> None:
    whole = response(PAGE * 100)
    assert [value.rule for value in read(tmp_path / "a.warc", whole[:-300])] == ["corrupt_record"]


@pytest.mark.parametrize("kept", [150, 200])
def test_a_compressed_record_that_is_cut_off_is_one_too(tmp_path: Path, kept: int) -> None:
    noise = bytes(65 + n * n * 7919 % 61 for n in range(4000))
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(response(PAGE)) + gzip.compress(response(noise))[:kept])
    rows = list(read_warc(Shard(0, str(tmp_path / "a.warc.gz"), "a", "warc"), Source(path="a")))
    assert rows[0].value["url"] == "http://a.example/x" and [row.value.rule for row in rows[1:]] == ["corrupt_record"]


def test_a_page_that_is_too_long_is_a_failed_row(tmp_path: Path) -> None:
    assert [value.rule for value in read(tmp_path / "a.warc", response(b"x" * 3000), max_line_mb=0.002)] == [
        "page_too_long"
    ]


@pytest.mark.parametrize(
    ("content", "declared", "text"),
    [
        (b"caf\xe9", "iso-8859-1", "café"), (b"caf\xc3\xa9", None, "café"), (b"caf\xe9", None, "café"),
        (b"<meta charset=cp1251>\xe4\xe0", None, "<meta charset=cp1251>да"), (b"caf\xc3\xa9", "nonsense", "café"),
        ("日本".encode("euc-jp"), "euc-jp", "日本"), (b"\x93x\x94", "utf-8", "“x”"),
    ],
)  # fmt: skip
def test_the_encoding_is_the_headers_then_the_pages_then_utf8(content: bytes, declared: str | None, text: str) -> None:
    assert decode_page(content, declared) == text


def test_a_pipeline_reads_archives(tmp_path: Path) -> None:
    assert guess_format("CC-MAIN-1.warc.wet.gz") == guess_format("a.warc") == "warc"
    (tmp_path / "a.warc.gz").write_bytes(b"".join(map(gzip.compress, [response(PAGE), response(PAGE)])))
    summary = Pipeline([{"use": "dedupe.exact", "url": "url"}]).run(str(tmp_path / "a.warc.gz"), tmp_path / "out")
    assert (summary.rows_in, summary.merged) == (2, 1)
    assert read_rows(tmp_path / "out")["url"].to_pylist() == ["http://a.example/x"]


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(b"no archive at all\n" * 20)
    with pytest.raises(InputError, match="cannot be read"):
        Pipeline([]).run(str(tmp_path / "a.warc"), tmp_path / "out")


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastwarc.warc", None)
    with pytest.raises(InputError, match="fastwarc; "):
        read(tmp_path / "a.warc", response(PAGE))
