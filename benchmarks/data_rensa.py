"""The part of bench_data_minhash.py beside rensa, which is compiled: same documents, one core, processor time.

rensa (Rust) gets the texts and gives candidates: words without case and punctuation, joined 5-grams, signatures of 112
places, bands of 8. It reads no file, verifies nothing and writes nothing. Beside it, in processes that alternate:

    stage    `dedupe.minhash` on Arrow batches in memory: signatures, candidates, verification, what is merged
    run      `steward data run` as a command, from its start to its end: reading, checking that ids are unique, the
             stage, lengths and languages for the report, the ledger and Parquet

Truth is the Jaccard similarity of the sets of 5-grams of every pair of documents that share one, in plain Python. Found
are pairs of .8 and more that are candidates (of ours: of which not both stay), missed are the others, false are
candidates below .8 (of ours: rows merged into one that is not that similar).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

PIPELINE = "input: {{path: {source}/*.jsonl}}\nstages:\n  - {{use: dedupe.minhash}}\noutput: {{path: {out}}}\n"
PEER = """
import glob, json, sys, time
from rensa import RMinHash, RMinHashLSH
texts = [json.loads(line)["text"] for file in sorted(glob.glob(sys.argv[1] + "/*.jsonl")) for line in open(file)]
blanks = str.maketrans({sign: " " for sign in ".,;:!?-()[]'" + chr(34)})

def shingles(text):
    words = text.lower().translate(blanks).split()
    return list(map(" ".join, zip(*(words[n:] for n in range(5)))))

start = time.process_time()
sets = list(map(shingles, texts))
shingled = time.process_time()
signatures = RMinHash.from_token_sets(sets, num_perm=112, seed=42)
index = RMinHashLSH(threshold=0.8, num_perm=112, num_bands=14)
index.insert_many(signatures)
pairs = [(one, other) for one, near in enumerate(index.query_all(signatures)) for other in near if other < one]
end = time.process_time()
json.dump({"cpu_s": end - start, "shingles_s": shingled - start, "pairs": pairs}, sys.stdout)
"""


class Outcome(NamedTuple):
    """Pairs of documents by their number."""

    found: int
    missed: int
    false: int


def compare(source: Path, folder: Path, peer: str, steward: str, rounds: int) -> float:
    """How many times the peer's processor time a run takes. `peer`, `steward`: the Python of each."""
    (folder / "peer.py").write_text(PEER)
    pipeline, out = write_pipeline(source, folder), folder / "out"
    times: dict[str, list[float]] = defaultdict(list)
    pairs, merged = [], []
    for _ in range(rounds):
        _, theirs = measure([peer, str(folder / "peer.py"), str(source)])
        times["rensa"].append(theirs["cpu_s"])
        times["of which 5-grams in Python"].append(theirs["shingles_s"])
        _, stage = measure([steward, str(Path(__file__).with_name("bench_data_minhash.py")), "--stage", str(source)])
        times["stage"].append(stage["cpu_s"])
        shutil.rmtree(out, ignore_errors=True)
        seconds, _ = measure([steward, "-m", "steward", "data", "run", str(pipeline), "--json"])
        times["run"].append(seconds)
        pairs, merged = theirs["pairs"], read_merges(out)
    documents = [json.loads(line) for file in sorted(source.iterdir()) for line in file.open()]
    alike = find_alike([one["text"] for one in documents])
    candidates = {(min(pair), max(pair)) for pair in pairs}
    numbers = {one["id"]: number for number, one in enumerate(documents)}
    ours = score_merges([(numbers[one], numbers[other]) for one, other in merged], alike)
    megabytes = sum(file.stat().st_size for file in source.iterdir()) / 1e6
    print(f"{len(documents)} documents, {megabytes:.0f} MB, {len(alike)} pairs of .8 and more, {rounds} rounds")
    theirs_outcome = Outcome(len(alike & candidates), len(alike - candidates), len(candidates - alike))
    return show(times, {"rensa": theirs_outcome, "stage": ours, "run": ours})


def show(times: dict[str, list[float]], outcomes: dict[str, Outcome]) -> float:
    """Print both tables, and give the ratio of the whole run."""
    print(f"{'processor time, s':28} {'median':>7} {'least':>7}   found  missed  false")
    for name, seconds in times.items():
        found = "{:7} {:7} {:6}".format(*outcomes[name]) if name in outcomes else ""
        print(f"{name:28} {statistics.median(seconds):7.2f} {min(seconds):7.2f} {found}")
    ratios = {}
    for name in ("stage", "run"):
        ratios[name] = [own / other for own, other in zip(times[name], times["rensa"], strict=True)]
        low, high = min(ratios[name]), max(ratios[name])
        print(f"{name} / rensa: {statistics.median(ratios[name]):.2f} x ({low:.2f} to {high:.2f})")
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    return statistics.median(ratios["run"])


def write_pipeline(source: Path, folder: Path) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(PIPELINE.format(source=source, out=folder / "out"))
    return path


def measure(command: list[str]) -> tuple[float, Any]:
    """Seconds of processor time of the command, on one core, and the JSON that it prints."""
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command, stdout=out, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command} failed")
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, json.load(out)


def run_stage(source: Path) -> dict[str, float]:
    import pyarrow as pa

    from steward.data.stages.dedupe_minhash import DedupeMinhash

    batches = []
    for number, file in enumerate(sorted(source.iterdir())):
        rows = [json.loads(line) for line in file.open()]
        first = pa.array(range(number << 32, (number << 32) + len(rows)), pa.int64())
        columns = {name: pa.array([row[name] for row in rows], pa.large_string()) for name in ("id", "text")}
        batches.append(pa.record_batch({"row": first, **columns}))
    start = time.process_time()
    decision = DedupeMinhash().decide([DedupeMinhash().survey(batch) for batch in batches])
    return {"cpu_s": time.process_time() - start, "merged": decision.num_rows}


def read_merges(out: Path) -> list[tuple[str, str]]:
    import pyarrow.parquet as pq

    entries = pq.read_table(out / "ledger" / "entries.parquet", columns=["id", "action", "duplicate_of"]).to_pylist()
    return [(entry["id"], entry["duplicate_of"]) for entry in entries if entry["action"] == "merge"]


def find_alike(texts: Iterable[str]) -> set[tuple[int, int]]:
    """Every pair (lower number first) of a Jaccard similarity of .8 and more."""
    sets = []
    for text in texts:
        words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
        sets.append({tuple(words[at : at + 5]) for at in range(len(words) - 4)})
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, grams in enumerate(sets):
        for gram in grams:
            holders[gram].append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for numbers in holders.values():
        shared.update((one, other) for at, other in enumerate(numbers) for one in numbers[:at])
    return {
        (one, other)
        for (one, other), common in shared.items()
        if common >= 0.8 * (len(sets[one]) + len(sets[other]) - common)
    }


def score_merges(merged: list[tuple[int, int]], alike: set[tuple[int, int]]) -> Outcome:
    """`merged`: what went and what it went into."""
    gone = {one for one, _ in merged}
    found = sum(one in gone or other in gone for one, other in alike)
    return Outcome(found, len(alike) - found, sum((min(pair), max(pair)) not in alike for pair in merged))
