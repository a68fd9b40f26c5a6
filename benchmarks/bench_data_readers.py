"""How fast each format is read, into batches as stages see them, by one process.

    python benchmarks/bench_data_readers.py [--megabytes 40]

The same documents (2 kB of words by Zipf's law) are written in every format; megabytes are those of the text, seconds
are processor time, the median of three readings. Reach: 100 MB/s each. What stays below has its reason beside it.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import json
import lzma
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard

REACH = 100.0
REASONS = {
    "docs.jsonl.bz2": "bzip2 alone unpacks {alone:.0f} MB/s",
    "docs.jsonl.xz": "LZMA alone unpacks {alone:.0f} MB/s",
    "docs.txt": "a row for each line of 80 characters: rows cost, not bytes",
}
UNPACK = {".bz2": bz2.decompress, ".xz": lzma.decompress}


def make_texts(megabytes: int) -> list[str]:
    draw = random.Random(7)
    words = ["".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(2, 9))) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    drawn = draw.choices(words, weights, k=200_000)
    texts, size = [], 0
    while size < megabytes * 10**6:
        start = draw.randrange(len(drawn) - 400)
        lines = [" ".join(drawn[at : at + 14]) for at in range(start, start + 350, 14)]
        texts.append("\n".join(lines))
        size += len(texts[-1])
    return texts


def write_all(texts: list[str], folder: Path) -> list[Path]:
    lines = "".join(json.dumps({"id": str(n), "text": text, "n": n}) + "\n" for n, text in enumerate(texts)).encode()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes, ".gz": lambda data: gzip.compress(data, 6), ".bz2": bz2.compress,
        ".xz": lambda data: lzma.compress(data, preset=1), ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    }  # fmt: skip
    for suffix, pack in packers.items():
        (folder / f"docs.jsonl{suffix}").write_bytes(pack(lines))
    (folder / "docs.json").write_bytes(b"[" + lines.rstrip().replace(b"\n", b",") + b"]")
    table = pa.table({"id": [str(n) for n in range(len(texts))], "text": texts, "n": list(range(len(texts)))})
    pq.write_table(table, folder / "docs.parquet", compression="zstd")
    for name, delimiter in (("docs.csv", ","), ("docs.tsv", "\t")):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter).writerows(
                [("id", "text"), *((str(n), text) for n, text in enumerate(texts))]
            )
    (folder / "docs.txt").write_text("\n".join(texts))
    with (folder / "docs.warc.gz").open("wb") as file:
        file.writelines(gzip.compress(_make_record(n, text)) for n, text in enumerate(texts))
    return sorted(folder.iterdir())


def _make_record(number: int, text: str) -> bytes:
    body = f"<html><body><p>{text}</p></body></html>".encode()
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/{number}\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    return head.encode() + answer + b"\r\n\r\n"


def measure(path: Path, megabytes: float) -> float:
    """MB of text a second of processor time."""
    source = Source(path=str(path))
    plan = plan_reading(source)
    seconds = []
    for _ in range(3):
        started = time.process_time()
        rows = sum(item.batch.num_rows for shard in plan.shards for item in read_shard(shard, plan.shape, source))
        seconds.append(time.process_time() - started)
    assert rows
    return megabytes / statistics.median(seconds)


def run_all(megabytes: int, folder: Path) -> Iterator[tuple[str, float, str]]:
    """Of each file its name, its speed and, where that is below the reach, why."""
    texts = make_texts(megabytes)
    size = sum(map(len, texts)) / 1e6
    for path in write_all(texts, folder):
        speed = measure(path, size)
        yield path.name, speed, "" if speed >= REACH else explain(path, size)


def explain(path: Path, megabytes: float) -> str:
    """Why a format is slower than the reach; empty where there is no reason."""
    started = time.process_time()
    UNPACK.get(path.suffix, len)(path.read_bytes())
    return REASONS.get(path.name, "").format(alone=megabytes / (time.process_time() - started))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=40)
    with tempfile.TemporaryDirectory() as folder:
        for name, speed, reason in run_all(parser.parse_args().megabytes, Path(folder)):
            print(f"{name:16} {speed:8.0f} MB/s  {reason}", flush=True)


if __name__ == "__main__":
    main()
