"""Every stage beside the same stage of an earlier commit: processor time, in alternating rounds.

    git worktree add build/before 892f299
    python benchmarks/bench_data_stages.py --before build/before [--rounds 7] [--documents 1500] [--only pii …]

Both sides get the same documents (bench_data.py's: documentation, docstrings and synthetic ones, seed 7), in batches of
500, in a process of its own that first runs each stage once on a few rows. The ratio is before / after, the median of
the rounds: 0.95 allows a twentieth more time than before. Processor time holds on a machine that others use; a ratio
still moves by some hundredths there. `run` is a whole `steward data run` without a stage: reading JSON lines and
writing parquet, less its start. Stages that the earlier commit lacks are left out.

Exit codes: 0 every ratio 0.95 or more, 1 not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REACH = 0.95
STAGES: dict[str, dict[str, Any]] = {
    "normalise": {"use": "normalise"},
    "language": {"use": "language"},
    "quality gopher@datatrove": {"use": "quality", "preset": "gopher@datatrove"},
    "quality c4@datatrove": {"use": "quality", "preset": "c4@datatrove"},
    "quality fineweb@datatrove": {"use": "quality", "preset": "fineweb@datatrove"},
    "quality sft": {"use": "quality", "preset": "sft"},
    "pii": {"use": "pii"},
    "secrets": {"use": "secrets"},
    "toxicity": {"use": "toxicity"},
    "preprocess": {"use": "preprocess"},
    "dedupe.exact": {"use": "dedupe.exact"},
    "dedupe.minhash": {"use": "dedupe.minhash"},
    "outliers": {"use": "outliers"},
    "decontaminate": {"use": "decontaminate", "against": ["SET"]},
}
ROWS = 500  # of a batch
REPEATS = 3  # in each process; the fastest counts, since what others do to the caches only ever slows it down


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of an earlier commit")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--only", nargs="+", default=[*STAGES, "run"])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # in the child: the folder of the corpus
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_all(options.measure, options.only)))
        return 0
    if not (options.before / "src/steward").is_dir():  # the installed package would be measured in its place
        parser.error(f"--before {options.before}: expected a checkout; make one: git worktree add build/before 892f299")
    after = Path(__file__).resolve().parents[1]
    seconds: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="steward-bench-") as name:
        folder = Path(name)
        write_corpus(folder, options.documents)
        for number in range(options.rounds):
            trees = [options.before, after] if number % 2 else [after, options.before]
            results = {tree: run_child(tree, folder, options.only) for tree in trees}
            for stage, time_after in results[after].items():
                if (time_before := results[options.before].get(stage)) is not None:
                    seconds.setdefault(stage, []).append((time_before, time_after))
    return report(seconds)


def report(seconds: dict[str, list[tuple[float, float]]]) -> int:
    """1 where a stage is slower than the reach allows."""
    print(f"{'stage':28} {'before s':>9} {'after s':>9}  before / after: median (lowest to highest of the middle half)")
    slower = 0
    for stage, pairs in seconds.items():
        ratios = sorted(before / after for before, after in pairs)
        quarter = len(ratios) // 4
        middle = ratios[quarter : len(ratios) - quarter]
        medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
        ratio = statistics.median(ratios)
        slower += ratio < REACH
        mark = "" if ratio >= REACH else "   below the reach"
        print(
            f"{stage:28} {medians[0]:9.3f} {medians[1]:9.3f}  {ratio:.2f} ({middle[0]:.2f} to {middle[-1]:.2f}){mark}"
        )
    print(f"load {os.getloadavg()[1]:.1f}, {max(map(len, seconds.values()), default=0)} rounds")
    return int(slower > 0)


def write_corpus(folder: Path, documents: int) -> None:
    import bench_data

    bench_data.synthesise(folder / "corpus.jsonl", documents)
    texts = [json.loads(line)["text"] for line in (folder / "corpus.jsonl").open()]
    with (folder / "set.jsonl").open("w") as out:
        out.writelines(json.dumps({"q": " ".join(text.split()[:20])}) + "\n" for text in texts[::10])


def run_child(tree: Path, folder: Path, only: list[str]) -> dict[str, float]:
    command = [sys.executable, __file__, "--before", str(tree), "--measure", str(folder), "--only", *only]
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure_all(folder: Path, only: list[str]) -> dict[str, float]:
    """Processor seconds of each stage that this source has."""
    import pyarrow as pa

    from steward.core.errors import StewardError
    from steward.data.config import make_stage
    from steward.workflows import curate

    functions = vars(curate)  # the checkout before may have either
    complete: Any = functions.get("add_detector") or functions["with_detector"]
    texts = [json.loads(line)["text"] for line in (folder / "corpus.jsonl").open()]
    batches = [
        pa.RecordBatch.from_pydict(
            {
                "row": pa.array(range(start, start + len(part)), pa.int64()),
                "id": pa.array([f"d{start + number}" for number in range(len(part))], pa.large_string()),
                "text": pa.array(part, pa.large_string()),
            }
        )
        for start in range(0, len(texts), ROWS)
        if (part := texts[start : start + ROWS])
    ]
    seconds: dict[str, float] = {}
    for name, settings in STAGES.items():
        if name not in only:
            continue
        settings = json.loads(json.dumps(settings).replace("SET", str(folder / "set.jsonl")))
        try:
            stage = complete(make_stage(settings))
            apply_stage(stage, [batch.slice(0, 20) for batch in batches[:1]])
        except StewardError:
            continue
        seconds[name] = min(measure_once(stage, batches) for _ in range(REPEATS))
    if "run" in only:
        seconds["run"] = measure_run(folder)
    return seconds


def measure_once(stage: Any, batches: list[Any]) -> float:
    started = time.process_time()
    apply_stage(stage, batches)
    return time.process_time() - started


def apply_stage(stage: Any, batches: list[Any]) -> None:
    if not hasattr(stage, "survey"):
        for batch in batches:
            stage.apply(batch)
        return
    import pyarrow.compute as pc

    surveys = [stage.survey(batch) for batch in batches]
    decision = stage.decide(surveys)
    for batch in batches:
        stage.apply(batch, decision.filter(pc.is_in(decision["row"], batch["row"])))


def measure_run(folder: Path) -> float:
    """Of reading and writing, in this process, after a run that imports everything; each run reads other texts, since
    what one remembers must not help the next."""
    from steward.workflows import curate

    texts = [json.loads(line)["text"] for line in (folder / "corpus.jsonl").open()]
    spent = []
    for part in range(REPEATS + 1):
        corpus, pipeline = folder / f"run-{part}.jsonl", folder / f"{part}.yaml"
        corpus.write_text("".join(json.dumps({"text": f"{part}. {text}"}) + "\n" for text in texts))
        pipeline.write_text(f"input: {{path: {corpus.name}}}\nstages: []\noutput: {{path: out-{os.getpid()}-{part}}}\n")
        started = time.process_time()
        curate.run_pipeline(pipeline, workers=1)
        spent.append(time.process_time() - started)
    return min(spent[1:])


if __name__ == "__main__":
    sys.exit(main())
