"""Peak memory and throughput of a whole `steward data run` as the corpus grows.

    python benchmarks/bench_data_memory.py [--megabytes 100 1000] [--stages all|dedupe] [--folder DIR]

Corpora are made here: paragraphs of words drawn by Zipf's law, 7 kB a document on average, ids of their own, one
document in ten an edited copy of an earlier one, one in fifty an exact copy. Each run is a process of its own; twenty
times a second the resident memory of it and of its children is read from /proc (pages that the children share count
once for each). A corpus needs about three times its size on the disk, in DIR.
Reach: 2 GB at 10 GB, throughput at ten times the size 0.9 or more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEDUPE = "  - {use: dedupe.exact}\n  - {use: dedupe.minhash}\n"
FILTERS = '  - {use: quality, preset: ["gopher@datatrove", "c4@datatrove", "fineweb@datatrove"]}\n'
PIPELINE = "input: {{path: corpus/*.jsonl}}\nstages:\n{stages}output: {{path: out/}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--stages", choices=["all", "dedupe"], default="all")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    grown(given.megabytes, given.stages, given.folder)


def grown(sizes: list[int], kind: str, place: Path) -> tuple[float, float]:
    """Peak GB of all processes together at the last size; throughput there beside that at the first."""
    stages = DEDUPE if kind == "dedupe" else FILTERS + DEDUPE
    print(
        f"{'corpus':>9} {'documents':>10} {'seconds':>8} {'MB/s':>6} {'coordinator':>11} {'a worker':>10} {'all':>10}"
    )
    speeds, last = [], 0.0
    for megabytes in sizes:
        folder = Path(tempfile.mkdtemp(prefix="steward-bench-", dir=place))
        try:
            documents = make(folder / "corpus", megabytes * 10**6)
            (folder / "pipeline.yaml").write_text(PIPELINE.format(stages=stages))
            seconds, peaks, summary = measured(folder)
        finally:
            shutil.rmtree(folder)
        speeds.append(megabytes / seconds)
        last = peaks[2] / 1e9
        shown = "".join(f"{peak / 2**20:7.0f} MiB" for peak in peaks)
        print(
            f"{megabytes:6d} MB {documents:10,d} {seconds:8.1f} {speeds[-1]:6.2f} {shown}  {summary['rows_out']:,}",
            flush=True,
        )
    return last, speeds[-1] / speeds[0]


def measured(folder: Path) -> tuple[float, tuple[int, int, int], dict[str, int]]:
    """Seconds; peak bytes of the coordinator, of the largest other process, and of all at the same time."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "steward", "data", "run", str(folder / "pipeline.yaml"), "--json"]
    with (folder / "summary.json").open("w") as out:
        process = subprocess.Popen(command, stdout=out)
        own = other = every = 0
        while process.poll() is None:
            mine, others = resident(process.pid), [resident(child) for child in children(process.pid)]
            own, other, every = max(own, mine), max(other, *others, 0), max(every, mine + sum(others))
            time.sleep(0.05)
    if process.returncode:
        sys.exit(f"steward data run ended with {process.returncode}")
    return time.perf_counter() - started, (own, other, every), json.loads((folder / "summary.json").read_text())


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def children(pid: int) -> list[int]:
    try:
        mine = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return mine + [grandchild for child in mine for grandchild in children(child)]


def make(folder: Path, size: int) -> int:
    """Files of 64 MB. Returns how many documents."""
    import numpy as np

    rng = np.random.default_rng(7)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = np.array([a + b + c for a in syllables for b in syllables for c in ("", "n", "s", "ra", "ti", "mo")])
    rng.shuffle(words)
    words[:20] = "the of and to in is that it for was with as on be by at this have from or".split()  # noqa: SIM905
    chance = np.cumsum(1 / np.arange(1, len(words) + 1))

    def sentence() -> str:
        drawn = words[np.searchsorted(chance, rng.random(int(rng.integers(6, 22))) * chance[-1])]
        return " ".join(drawn.tolist()).capitalize() + "."

    folder.mkdir()
    pool = [sentence() for _ in range(200_000)]
    recent: list[list[int]] = []
    written = documents = 0
    out = None
    while written < size:
        if out is None or out.tell() > 64 * 10**6:
            if out:
                out.close()
            out = (folder / f"{written // 10**6:06d}.jsonl").open("w")
        draw = rng.random()
        if recent and draw < 0.12:
            chosen = list(recent[int(rng.integers(len(recent)))])
            if draw < 0.1:
                chosen[int(rng.integers(len(chosen)))] = int(rng.integers(len(pool)))
        else:
            chosen = rng.integers(0, len(pool), int(rng.integers(20, 130))).tolist()
            recent = [*recent[-2000:], chosen]
        text = "\n".join(" ".join(pool[at] for at in chosen[start : start + 5]) for start in range(0, len(chosen), 5))
        line = json.dumps({"id": f"document-{documents}", "text": text}) + "\n"
        out.write(line)
        written += len(line)
        documents += 1
    if out:
        out.close()
    return documents


if __name__ == "__main__":
    main()
