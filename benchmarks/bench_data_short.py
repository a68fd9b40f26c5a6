"""Millions of short documents through `dedupe.exact` and `dedupe.minhash`: memory, time, and what was found.

    python benchmarks/bench_data_short.py [--documents 1000000 10000000] [--ngram 3] [--folder DIR] [--seed 7]

Documents are 18 to 27 words drawn evenly from 16,384: 100 to 200 bytes. Of every hundred

    5   are an exact copy of an earlier one
    10  end in another word than an earlier one, or have a word more: Jaccard similarity of 3-grams .88 and more
    5   differ from an earlier one in two words near the middle: similarity below .7, so both must stay

The others are like no document: two that share a 3-gram by chance share one of forty. The id says which is which
(`n123-45`: row 123 is near row 45), so the ledger is checked against what was planted without a second computation.
Memory is the proportional set size (PSS) of all processes of the run together, sampled five times a second. Two
workers, one for each core, if the machine has two.

Reach: 4 GB at 10,000,000; no row merged into one that it is not like; 99 % of what was planted found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import bench_data_memory

PIPELINE = """input: {{path: corpus/*.jsonl}}
stages:
  - {{use: dedupe.exact}}
  - {{use: dedupe.minhash, ngram: {ngram}}}
output: {{path: out/}}
"""
VOCABULARY = 1 << 14
LONGEST, SHORTEST = 27, 18  # words
CHUNK, POOL = 50_000, 400_000  # documents made at once, and earlier ones that copies are made of
EXACT, NEAR, FAR = 0.05, 0.10, 0.05


class Found(NamedTuple):
    """Of what was planted, how much is in the ledger; and entries that are wrong."""

    exact: float
    near: float
    wrong: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--ngram", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print(f"{'documents':>11} {'MB':>6} {'seconds':>8} {'cpu s':>8} {'PSS all':>9}  coordinator  worker (RSS)   found")
    return max(run_one(count, options) for count in options.documents)


def run_one(documents: int, options: argparse.Namespace) -> int:
    """0 where the reach is met."""
    folder = Path(tempfile.mkdtemp(prefix="steward-bench-", dir=options.folder))
    try:
        planted, size = make(folder / "corpus", documents, options.seed)
        (folder / "pipeline.yaml").write_text(PIPELINE.format(ngram=options.ngram))
        run = bench_data_memory.measured(folder, size // 10**6, documents, pause_s=0.2)
        found = check(folder / "out", planted)
    finally:
        shutil.rmtree(folder)
    print(
        f"{documents:11,d} {size / 1e6:6.0f} {run.seconds:8.1f} {run.processor_s:8.1f} {run.pss / 1e9:6.2f} GB "
        f"{run.peaks[0] / 2**20:8.0f} MiB {run.peaks[1] / 2**20:8.0f} MiB   exact {found.exact:.4f}, near "
        f"{found.near:.4f}, wrong {found.wrong:,}; {run.rows_out:,} rows out; load {os.getloadavg()[1]:.1f}",
        flush=True,
    )
    return int(run.pss > 4e9 or found.wrong > 0 or min(found.exact, found.near) < 0.99)


def make(folder: Path, documents: int, seed: int) -> tuple[Counter[str], int]:
    """Files of about 64 MB. Returns how many rows of which kind, and the bytes."""
    import numpy as np

    rng = np.random.default_rng(seed)
    syllables = [a + b for a in "bdfgklmnprstvwyz" for b in "aeiou"]
    ends = ["", *"dkn"]
    every = sorted(a + end + b for a in syllables for end in ends for b in syllables)
    words = rng.permutation(np.array(every))[:VOCABULARY].tolist()
    pool = np.zeros((0, LONGEST), np.uint16)
    pool_lengths, pool_numbers = np.zeros(0, np.int64), np.zeros(0, np.int64)
    planted: Counter[str] = Counter()
    folder.mkdir()
    size = 0
    out: Any = None
    for first in range(0, documents, CHUNK):
        if out is None or out.tell() > 64 * 10**6:
            if out:
                out.close()
            out = (folder / f"{first:09d}.jsonl").open("w")
        count = min(CHUNK, documents - first)
        drawn = rng.integers(0, VOCABULARY, (count, LONGEST), np.uint16)
        lengths = rng.integers(SHORTEST, LONGEST, count)  # one below the longest: a copy may get a word more
        draws = rng.random(count)
        kinds = np.full(count, "d")
        for kind, low, share in (("x", 0.0, EXACT), ("n", EXACT, NEAR), ("f", EXACT + NEAR, FAR)):
            kinds[(draws >= low) & (draws < low + share) & (len(pool) > 0)] = kind
        copies = np.flatnonzero(kinds != "d")
        sources = rng.choice(len(pool), len(copies), replace=False) if len(pool) else np.zeros(0, np.int64)
        for row, source in zip(copies.tolist(), sources.tolist(), strict=True):
            lengths[row] = pool_lengths[source] + (kinds[row] == "n" and row % 2)
            drawn[row] = pool[source]
            for place in {"x": (), "n": (lengths[row] - 1,), "f": (6, 11)}[kinds[row]]:
                drawn[row, place] = (int(drawn[row, place]) + rng.integers(1, VOCABULARY)) % VOCABULARY
        numbers = np.full(count, -1)
        numbers[copies] = pool_numbers[sources]
        lines = []
        for row, kind in enumerate(kinds.tolist()):
            name = f"{kind}{first + row}" if kind == "d" else f"{kind}{first + row}-{numbers[row]}"
            text = " ".join([words[word] for word in drawn[row, : lengths[row]]])
            lines.append(f'{{"id":"{name}","text":"{text}"}}\n')
        size += out.write("".join(lines))
        planted.update(kinds.tolist())
        originals = np.flatnonzero(kinds == "d")
        # each is the source of one copy at most, so that copies are not copies of each other's source by chance
        rest = np.setdiff1d(np.arange(len(pool)), sources)
        keep = rng.permutation(np.append(rest, len(pool) + np.arange(len(originals))))[:POOL]
        pool = np.concatenate((pool, drawn[originals]))[keep]
        pool_lengths = np.append(pool_lengths, lengths[originals])[keep]
        pool_numbers = np.append(pool_numbers, first + originals)[keep]
    if out:
        out.close()
    return planted, size


def check(out: Path, planted: Counter[str]) -> Found:
    """The ledger against the ids."""
    import pyarrow.parquet as pq

    found: Counter[str] = Counter()
    wrong = 0
    for path in sorted((out / "ledger").rglob("*.parquet")):
        table = pq.read_table(path, columns=["id", "duplicate_of"])
        for row, stays in zip(table["id"].to_pylist(), table["duplicate_of"].to_pylist(), strict=True):
            if _family(row) == _family(stays) and "f" not in (row[0], stays[0]):
                found[(row if row[0] != "d" else stays)[0]] += 1
            else:
                wrong += 1
    return Found(found["x"] / max(planted["x"], 1), found["n"] / max(planted["n"], 1), wrong)


def _family(name: str) -> str:
    return name[1:].rpartition("-")[2]


if __name__ == "__main__":
    sys.exit(main())
