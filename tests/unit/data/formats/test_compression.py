import bz2
import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.formats.compression import PeekedStream, can_split, decode_stream
from steward.data.planner import plan_reading
from steward.data.reader import read_shard

TEXTS = ["first line ü", "second line", "third, and last"]
CSV = "text,n\n" + "".join(f'"{text}",{n}\n' for n, text in enumerate(TEXTS))
FILES = {
    "a.csv": CSV,
    "a.tsv": CSV.replace('",', '"\t').replace("text,", "text\t"),
    "a.jsonl": "".join(json.dumps({"text": text}) + "\n" for text in TEXTS),
    "a.json": json.dumps([{"text": text} for text in TEXTS]),
    "one.json": json.dumps({"version": 1, "data": [{"text": text} for text in TEXTS]}),
    "lines.json": "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS),
    "a.txt": "".join(f"{text}\n" for text in TEXTS),
}


def read_texts(path: Path, **settings: Any) -> list[str]:
    source = Source(path=str(path), **settings)
    plan = plan_reading(source)
    batches = [item.batch for shard in plan.shards for item in read_shard(shard, plan.shape, source)]
    return [row["text"] for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_d11_byte_order_marks_and_line_ends_need_no_setting(
    tmp_path: Path, name: str, encoding: str, line_end: str
) -> None:
    (tmp_path / name).write_bytes(FILES[name].replace("\n", line_end).encode(encoding))
    assert read_texts(tmp_path / name, shard_mb=0.00001) == TEXTS


@pytest.mark.parametrize("mark", [b"\xfe\xff", b"\xff\xfe"])
def test_a_mark_of_utf_16_wins_over_the_setting(tmp_path: Path, mark: bytes) -> None:
    order = "utf-16-be" if mark == b"\xfe\xff" else "utf-16-le"
    (tmp_path / "a.jsonl").write_bytes(mark + FILES["a.jsonl"].encode(order))
    for encoding in ("utf-8", "latin-1", order):
        assert read_texts(tmp_path / "a.jsonl", encoding=encoding) == TEXTS


def _zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, _zstd])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.xz", "a.json", "a.csv"])
def test_d02_compression_is_told_by_the_first_bytes(tmp_path: Path, pack: Any, name: str) -> None:
    (tmp_path / name).write_bytes(pack(FILES[name.removesuffix(".gz").removesuffix(".xz")].encode()))
    assert read_texts(tmp_path / name) == TEXTS and not can_split(str(tmp_path / name))


def test_d02_a_plain_file_named_gz_is_read_and_a_text_that_begins_as_bzip2_does(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_text(FILES["a.jsonl"])
    (tmp_path / "b.txt").write_text("BZh is how bzip2 begins\n")
    assert read_texts(tmp_path / "a.jsonl.gz") == TEXTS
    assert read_texts(tmp_path / "b.txt") == ["BZh is how bzip2 begins"]


def test_bytes_that_the_named_encoding_lacks_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfea\x00b")  # half a character at the end
    with pytest.raises(InputError, match="cannot be read from here on"):
        read_texts(tmp_path / "a.txt")


def test_a_carriage_return_within_lines_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\rb\nc\n")
    assert read_texts(tmp_path / "a.txt") == ["a\rb", "c"]


def test_what_stands_before_an_error_is_read_first() -> None:
    cut = gzip.compress(b"".join(b"%d\n" % (number * 7919) for number in range(2000)))[:-200]
    with gzip.open(io.BytesIO(cut)) as opened:
        stream = PeekedStream(opened)
        assert len(stream.peek(1 << 20)) > 1000
        assert stream.read(1 << 20).startswith(b"0\n7919\n")
        with pytest.raises(EOFError):
            stream.read(1)


def test_a_long_first_line_is_no_line_of_an_old_program() -> None:
    content = b"x" * (1 << 20) + b"\r\ny"
    stream = decode_stream(io.BytesIO(content), "utf-8")
    assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == content
