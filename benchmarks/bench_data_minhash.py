"""Near-duplicate removal beside datatrove's: same files, same parameters (5-grams, 14 x 8), two workers each, one run.

    python benchmarks/bench_data_minhash.py --peer PYTHON      # PYTHON: an environment that has datatrove[processing]
    python benchmarks/bench_data_minhash.py --scale            # no peer: the corpus ten times as large, time and memory
    python benchmarks/bench_data_minhash.py --rows 1400000     # no peer: only the decision, over that many surveys
    python benchmarks/bench_data_minhash.py --rensa PYTHON --documents 6000   # an environment that has rensa
    python benchmarks/bench_data_minhash.py --parts --documents 6000          # no peer: where the time of a run goes

The corpus is made here: words drawn by Zipf's law, and one document in five an edited copy of an earlier one, so which
rows are near-duplicates is known. Truth is the Jaccard similarity of the two sets of 5-grams, in plain Python.
Recall: of the pairs of copy and original at .8 or more, of how many not both stay. Precision: of what went, how much is
in such a pair; which of the two stays is each tool's choice.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import data_parts
import data_rensa
from bench_data_memory import children, processor_s

FILES, SHARE_COPIED, WORDS = 8, 0.2, 1000

PEER = """
import sys, time, json
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.typeshelper import Languages

def main(source, work):
    config = MinhashConfig(hash_config=HashConfig(precision=64), n_grams=5, num_buckets=14, hashes_per_bucket=8)
    def run(steps, name, tasks):
        executor = LocalPipelineExecutor(steps, tasks=tasks, workers=min(tasks, 2), logging_dir=f"{work}/logs/{name}")
        executor.run()
    reader = lambda: JsonlReader(source)
    start = time.perf_counter()
    run([reader(), MinhashDedupSignature(f"{work}/signatures", config=config, language=Languages.english)], "1", 2)
    run([MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)], "2", 14)
    run([MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)], "3", 1)
    run([reader(), MinhashDedupFilter(f"{work}/remove"), JsonlWriter(f"{work}/out", compression=None)], "4", 2)
    print(json.dumps({"seconds": time.perf_counter() - start}))

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python that has datatrove")
    parser.add_argument("--documents", type=int, default=11_000)
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rensa", help="a Python that has rensa")
    parser.add_argument("--steward", default=sys.executable, help="the Python that runs steward beside rensa")
    parser.add_argument("--rounds", type=int, default=7, help="beside rensa")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)  # source: one measured call, in its own process
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)  # source, work: one measured run, in its own process
    parser.add_argument("--make", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        print(json.dumps(ours(Path(given.ours[0]), Path(given.ours[1]))))
    elif given.make:
        make(Path(given.make), given.documents)
    elif given.stage:
        print(json.dumps(data_rensa.run_stage(given.stage)))
    elif given.rows:
        print(json.dumps(decided(given.rows)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), given)


def measure(folder: Path, given: argparse.Namespace) -> None:
    if given.rensa or given.parts:
        source = corpus(folder / "corpus", given.documents)
        if given.rensa:
            data_rensa.compare(source, folder, given.rensa, given.steward, given.rounds)
        else:
            data_parts.show(data_rensa.write_pipeline(source, folder))
    else:
        (scale if given.scale else compare)(folder, given.documents, given.peer)


def compare(folder: Path, documents: int, peer: str | None) -> float:
    """How many times the peer's processor time is ours; nothing to compare with: 0."""
    source = corpus(folder / "corpus", documents)
    megabytes = sum(file.stat().st_size for file in source.iterdir()) / 1e6
    truth = json.loads((folder / "corpus.truth.json").read_text())
    print(
        f"{documents} documents, {megabytes:.0f} MB, {sum(s >= 0.8 for _, s in truth.values())} near-duplicates at .8"
    )
    mine = measured([sys.executable, __file__, "--ours", str(source), str(folder / "ours")])
    line("steward", mine, megabytes, *scores(folder / "ours" / "out", truth))
    if peer:
        (folder / "peer.py").write_text(PEER)
        theirs = measured([peer, str(folder / "peer.py"), str(source), str(folder / "theirs")])
        line("datatrove", theirs, megabytes, *scores(folder / "theirs" / "out", truth))
        print(f"ratio of the clock {theirs['seconds'] / mine['seconds']:.1f}", end=", ")
        print(f"of processor time {theirs['cpu_s'] / mine['cpu_s']:.1f}", flush=True)
        return theirs["cpu_s"] / mine["cpu_s"]
    return 0.0


def scale(folder: Path, documents: int, _peer: str | None) -> float:
    speeds = []
    for times in (1, 10):
        source = corpus(folder / f"corpus{times}", documents * times)
        megabytes = sum(file.stat().st_size for file in source.iterdir()) / 1e6
        mine = measured([sys.executable, __file__, "--ours", str(source), str(folder / f"ours{times}")])
        speeds.append(megabytes / mine["seconds"])
        print(f"{times:3d} x  {megabytes:7.0f} MB  {speeds[-1]:6.1f} MB/s  survey {mine['survey_s']:.1f} s", end="  ")
        print(
            f"processor {mine['cpu_s']:.1f} s  decide {mine['decide_s']:.1f} s  apply {mine['apply_s']:.1f} s", end="  "
        )
        print(f"peak {mine['peak_mib']:.0f} MiB, of a worker {mine['worker_peak_mib']:.0f} MiB")
    print(f"throughput at ten times the size: {speeds[1] / speeds[0]:.2f} x", flush=True)
    return speeds[1] / speeds[0]


def line(name: str, took: dict[str, float], megabytes: float, recall: float, precision: float) -> None:
    speed = megabytes / took["seconds"]
    print(f"{name:10} {took['seconds']:7.2f} s  {speed:7.1f} MB/s  processor {took['cpu_s']:7.2f} s", end="  ")
    print(f"recall {recall:.3f}  precision {precision:.3f}", flush=True)


def measured(command: list[str]) -> dict[str, float]:
    """The command's last line, and the processor time of all its processes, read ten times a second: that stays true on
    a busy machine, and counts processes that are not its children's children, as of a fork server."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, text=True)
        spent: dict[int, float] = {}
        while process.poll() is None:
            for pid in [process.pid, *children(process.pid)]:
                spent[pid] = max(spent.get(pid, 0.0), processor_s(pid))
            time.sleep(0.1)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(errors.read()[-800:])
        return {**json.loads(out.read().splitlines()[-1]), "cpu_s": sum(spent.values())}


def scores(out: Path, truth: dict[str, tuple[str, float]]) -> tuple[float, float]:
    """(recall, precision); `truth` gives each copy's original and their similarity."""
    stay = {json.loads(text)["id"] for file in out.rglob("*.jsonl") for text in file.open()}
    alike = {(name, original) for name, (original, similarity) in truth.items() if similarity >= 0.8}
    everything = set(json.loads((out.parent.parent / "corpus.ids.json").read_text()))
    gone = everything - stay
    found = sum(bool(gone.intersection(pair)) for pair in alike)
    return found / len(alike), len(gone & set().union(*alike)) / max(len(gone), 1)


def ours(source: Path, work: Path) -> dict[str, float]:
    """Survey, decide and apply over the files, with the surveys on disk, as an executor does it."""
    from steward.data.run_folder import Surveys
    from steward.data.stages.dedupe_minhash import DedupeMinhash

    work.mkdir()
    (work / "out").mkdir()
    files = sorted(source.iterdir())
    started = time.perf_counter()
    context = multiprocessing.get_context("forkserver")  # as LocalExecutor, whose workers share what they import
    context.set_forkserver_preload(["steward.data.stages.dedupe_minhash", "pyarrow.json"])
    with context.Pool(2) as pool:
        surveys = pool.starmap(_survey, [(number, file, work) for number, file in enumerate(files)], chunksize=1)
        surveyed = time.perf_counter()
        decision = DedupeMinhash().decide(Surveys(list(map(Path, surveys))))
        decided_at = time.perf_counter()
        pool.starmap(_apply, [(number, file, work, decision) for number, file in enumerate(files)], chunksize=1)
        pool.close()
        pool.join()
    ended = time.perf_counter()
    return {
        "seconds": ended - started,
        "survey_s": surveyed - started,
        "decide_s": decided_at - surveyed,
        "apply_s": ended - decided_at,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def _batches(number: int, file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.json

    row = number << 32
    with pa.json.open_json(file, read_options=pa.json.ReadOptions(block_size=1 << 23)) as reader:
        for batch in reader:
            rows = pa.array(range(row, row + len(batch)), pa.int64())
            row += len(batch)
            yield batch.add_column(0, "row", rows)


def _survey(number: int, file: Path, work: Path) -> str:
    import pyarrow as pa

    from steward.data.stages.dedupe_minhash import DedupeMinhash

    path, writer = work / f"{number}.arrow", None
    for batch in _batches(number, file):
        survey = DedupeMinhash().survey(batch)
        writer = writer or pa.ipc.new_file(str(path), survey.schema)
        writer.write_batch(survey)
    assert writer
    writer.close()
    return str(path)


def _apply(number: int, file: Path, work: Path, decision: Any) -> None:
    import pyarrow.compute as pc

    from steward.data.stages.dedupe_minhash import DedupeMinhash

    with (work / "out" / f"{number}.jsonl").open("w") as out:
        for batch in _batches(number, file):
            mine = decision.filter(pc.is_in(decision["row"], batch["row"]))
            out.writelines(
                json.dumps(line, ensure_ascii=False) + "\n"
                for line in DedupeMinhash().apply(batch, mine).batch.to_pylist()
            )


def decided(rows: int, size: int = 4096) -> dict[str, float]:
    """The decision alone, over surveys of `rows` documents of which one in five shares every band with another."""
    import numpy as np
    import pyarrow as pa

    from steward.data.stages.dedupe_minhash import DedupeMinhash

    class MadeSurveys:
        """The same each time that they are read."""

        def __iter__(self) -> Iterator[Any]:
            for first in range(0, rows, size):
                count = min(size, rows - first)
                rng = np.random.default_rng(first // size // 2 if (first // size) % 10 < 4 else rows + first)
                keys = rng.integers(1, 1 << 63, (count, 14), dtype=np.uint64)
                shingles = np.sort(rng.integers(0, 1 << 32, (count, 200), dtype=np.uint32), axis=1)
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array(range(first, first + count), pa.int64()),
                        pa.array([f"corpus.jsonl:{row}" for row in range(first, first + count)]),
                        pa.FixedSizeListArray.from_arrays(pa.array(keys.reshape(-1)), 14),
                        pa.LargeListArray.from_arrays(
                            pa.array(range(0, 200 * count + 1, 200), pa.int64()), pa.array(shingles.reshape(-1))
                        ),
                    ],
                    names=["row", "id", "bands", "shingles"],
                )

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    gone = len(DedupeMinhash().decide(MadeSurveys()))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "merged": gone, "seconds": seconds, "peak_mib": peak, "before_mib": before}


def corpus(folder: Path, documents: int) -> Path:
    """In another process: what is measured starts small."""
    command = [sys.executable, __file__, "--make", str(folder), "--documents", str(documents)]
    subprocess.run(command, check=True)
    return folder


def make(folder: Path, documents: int) -> None:
    import numpy as np

    rng = np.random.default_rng(documents)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    vocabulary = np.array([a + b + c for a in syllables for b in syllables for c in ("", "n", "s", "ra", "ti", "mo")])
    rng.shuffle(vocabulary)
    chance = 1 / np.arange(1, len(vocabulary) + 1)
    chance = np.cumsum(chance / chance.sum())

    def draw(count: int) -> Any:
        return vocabulary[np.minimum(np.searchsorted(chance, rng.random(count)), len(vocabulary) - 1)]

    folder.mkdir()
    truth: dict[str, tuple[str, float]] = {}
    lines: list[str] = []
    earlier: list[tuple[str, Any]] = []
    for number in range(documents):
        name = f"doc{number}"
        if earlier and rng.random() < SHARE_COPIED:
            source, original = earlier[rng.integers(len(earlier))]
            words = original.copy()
            edits = rng.integers(0, len(words) // 20)  # each changes up to five of the 5-grams
            words[rng.integers(0, len(words), edits)] = draw(edits)
            truth[name] = source, jaccard(original.tolist(), words.tolist())
        else:
            words = draw(int(rng.integers(WORDS // 5, 2 * WORDS)))
            if len(earlier) < 2000:
                earlier.append((name, words))
        lines.append(json.dumps({"id": name, "text": sentences(words.tolist())}) + "\n")
    per_file = -(-documents // FILES)
    for file in range(FILES):
        (folder / f"{file}.jsonl").write_text("".join(lines[file * per_file : (file + 1) * per_file]))
    (folder.parent / "corpus.truth.json").write_text(json.dumps(truth))
    (folder.parent / "corpus.ids.json").write_text(json.dumps([f"doc{number}" for number in range(documents)]))


def sentences(words: list[str]) -> str:
    parts = [" ".join(words[start : start + 12]).capitalize() + "." for start in range(0, len(words), 12)]
    return "\n".join(" ".join(parts[start : start + 5]) for start in range(0, len(parts), 5))


def jaccard(one: list[str], other: list[str]) -> float:
    a, b = ({tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (one, other))
    return len(a & b) / len(a | b)


if __name__ == "__main__":
    main()
