"""Peak memory and throughput of a whole `steward data run` as the corpus grows.

    python benchmarks/bench_data_memory.py [--megabytes 100 1000] [--stages all|dedupe] [--folder DIR]

Corpora are made here: paragraphs of words drawn by Zipf's law, 7 kB a document on average, ids of their own, one
document in ten an edited copy of an earlier one, one in fifty an exact copy. Each run is a process of its own; twenty
times a second the resident memory of it and of its children is read from /proc (pages that the children share count
once for each). A corpus needs about three times its size on the disk, in DIR.

To be read on a machine that others use too: `s/MB` is processor time of all processes; `busy` is the share of the
cores' time in which the run had work for them, running or waiting for a core; `alone` is the throughput without the
waiting. The first size runs once more at the end, since the machine's own speed may change in between; its mean is what
the last size is compared with.
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
from typing import NamedTuple

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


class Run(NamedTuple):
    """One `steward data run`."""

    megabytes: int
    documents: int
    seconds: float
    processor_s: float
    waited_s: float  # ready, but another process had the core
    peaks: tuple[int, int, int]  # bytes: the coordinator, the largest other process, all at the same time
    rows_out: int
    pss: int  # bytes of all at the same time, where a page that several share counts once

    @property
    def alone(self) -> float:
        """MB/s, had nothing else wanted the cores."""
        return self.megabytes / self.seconds * (self.processor_s + self.waited_s) / self.processor_s

    @property
    def busy(self) -> float:
        return (self.processor_s + self.waited_s) / (self.seconds * len(os.sched_getaffinity(0)))


def grown(sizes: list[int], kind: str, place: Path) -> tuple[float, float]:
    """Peak GB of all processes together at the last size; throughput there beside that at the first."""
    print(
        f"{'corpus':>9} {'documents':>10} {'seconds':>8} {'MB/s':>6} {'s/MB':>6} {'busy':>5} {'alone':>6} "
        f"{'coordinator':>11} {'a worker':>10} {'all':>10}"
    )
    runs = [sized(megabytes, kind, place) for megabytes in (sizes if len(sizes) == 1 else [*sizes, sizes[0]])]
    last = runs[len(sizes) - 1]
    first = (runs[0].alone + runs[-1].alone) / 2
    if len(sizes) > 1:
        print(f"throughput at {sizes[-1] / sizes[0]:.0f} times the size: {last.alone / first:.2f} x", flush=True)
    return last.peaks[2] / 1e9, last.alone / first


def sized(megabytes: int, kind: str, place: Path) -> Run:
    stages = DEDUPE if kind == "dedupe" else FILTERS + DEDUPE
    folder = Path(tempfile.mkdtemp(prefix="steward-bench-", dir=place))
    try:
        documents = make(folder / "corpus", megabytes * 10**6)
        (folder / "pipeline.yaml").write_text(PIPELINE.format(stages=stages))
        run = measured(folder, megabytes, documents)
    finally:
        shutil.rmtree(folder)
    shown = "".join(f"{peak / 2**20:7.0f} MiB" for peak in run.peaks)
    print(
        f"{megabytes:6d} MB {documents:10,d} {run.seconds:8.1f} {megabytes / run.seconds:6.2f} "
        f"{run.processor_s / megabytes:6.3f} {run.busy:5.0%} {run.alone:6.2f} {shown}  {run.rows_out:,} rows out",
        flush=True,
    )
    return run


def measured(folder: Path, megabytes: int, documents: int, pause_s: float = 0.05) -> Run:
    started = time.perf_counter()
    command = [sys.executable, "-m", "steward", "data", "run", str(folder / "pipeline.yaml"), "--json"]
    spent: dict[int, tuple[float, float]] = {}
    with (folder / "summary.json").open("w") as out:
        process = subprocess.Popen(command, stdout=out)
        own = other = every = pss = 0
        while process.poll() is None:
            family = [process.pid, *children(process.pid)]
            mine, *others = map(resident, family)
            own, other, every = max(own, mine), max(other, *others, 0), max(every, mine + sum(others))
            pss = max(pss, sum(map(proportional, family)))
            for pid in family:
                spent[pid] = max(spent.get(pid, (0.0, 0.0)), (processor_s(pid), waited_s(pid)))
            time.sleep(pause_s)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"steward data run ended with {process.returncode}")
    rows_out = json.loads((folder / "summary.json").read_text())["rows_out"]
    processor, waited = map(sum, zip(*spent.values(), strict=True))
    return Run(megabytes, documents, seconds, processor, waited, (own, other, every), rows_out, pss)


def processor_s(pid: int) -> float:
    """Of all threads so far; 0 when the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """How long the threads were ready to run without a core (scheduler statistics of Linux; 0 where it keeps none)."""
    try:
        return sum(int(path.read_text().split()[1]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except (OSError, IndexError):
        return 0.0


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


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
