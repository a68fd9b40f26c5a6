"""The data stages beside datatrove's, and against themselves as the corpus grows: one run, one table.

    python benchmarks/bench_data.py [--peer build/datatrove/bin/python] [--only filters minhash scale memory]
                                    [--corpus FILE.jsonl] [--documents 11000] [--megabytes 100 1000]

filters   Gopher repetition, Gopher quality, C4 and FineWeb: the same documents, one core each, processor time, decision
          by decision. Without --corpus the documents are this machine's own: the docs and docstrings of the installed
          Python packages and /usr/share/doc, and synthetic reviews, spam, lists and other languages (seed 7).
minhash   near-duplicates, 5-grams, 14 x 8, two workers each, processor time (bench_data_minhash.py).
scale     the same ten times as large, ours only.
memory    a whole `steward data run` with all of these stages at the sizes of --megabytes (bench_data_memory.py).

datatrove is in an environment of its own, never in steward's: `make bench-data` makes it from benchmarks/datatrove.txt.
Exit codes: 0 every reach met, 1 not.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import bench_data_memory
import bench_data_minhash
import bench_data_readers

ORACLE = r"""
import json, sys, time, warnings
warnings.filterwarnings("ignore")
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
filters = (GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(), FineWebQualityFilter())
texts = [json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8")]
for f in filters:  # load the tokenizers before the clock starts
    f.filter(Document(text="One. Two. Three. " * 20, id="warm"))
decisions, start = [], time.process_time()
for text in texts:
    document, reason = Document(text=text, id=""), None
    for f in filters:
        kept = f.filter(document) if document.text else (False, "empty")
        if kept is not True:
            reason = kept[1]
            break
    decisions.append([reason, document.text if reason is None else ""])
json.dump({"seconds": time.process_time() - start, "decisions": decisions}, open(sys.argv[2], "w"))
"""


PARTS = ("filters", "minhash", "scale", "readers", "memory")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, default=Path("build/datatrove/bin/python"))
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--documents", type=int, default=11_000)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    options = parser.parse_args()
    if not options.peer.exists() and {"filters", "minhash"}.intersection(options.only):
        sys.exit(f"{options.peer}: no such interpreter; `make bench-data` makes it, or give --peer")
    rows: list[tuple[str, str, str, bool]] = []
    for part in options.only:
        with tempfile.TemporaryDirectory() as folder:
            rows += globals()[f"part_{part}"](options, Path(folder))
    print(f"\n{'what':52} {'reach':>10} {'measured':>10}")
    for what, reach, measured, reached in rows:
        print(f"{what:52} {reach:>10} {measured:>10}  {'yes' if reached else 'NO'}")
    return 0 if all(reached for *_, reached in rows) else 1


def part_filters(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    corpus = options.corpus or synthesise(folder / "corpus.jsonl", options.documents)
    record = filters(corpus, options.peer, folder)
    print(table(record), flush=True)
    yield "the four filters", ">= 25 x", f"{record['ratio']:.1f} x", record["ratio"] >= 25
    yield "the same decision", ">= 99.9 %", f"{record['agreement']:.3%}", record["agreement"] >= 0.999


def part_minhash(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    ratio = bench_data_minhash.compare(folder, options.documents, str(options.peer))
    yield "MinHash, verified", ">= 10 x", f"{ratio:.1f} x", ratio >= 10


def part_scale(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    ratio = bench_data_minhash.scale(folder, options.documents // 2, None)
    yield "MinHash: throughput at ten times the size", ">= 0.9 x", f"{ratio:.2f} x", ratio >= 0.9


def part_readers(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    for name, speed, reason in bench_data_readers.run_all(40, folder):
        reached = speed >= bench_data_readers.REACH or bool(reason)
        yield f"reading {name}{f' ({reason})' if reason else ''}", ">= 100 MB/s", f"{speed:.0f} MB/s", reached


def part_memory(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    peak, ratio = bench_data_memory.grown(options.megabytes, "all", folder)
    yield f"whole run: peak memory at {options.megabytes[-1]:,} MB", "<= 2 GB", f"{peak:.2f} GB", peak <= 2
    if len(options.megabytes) > 1:
        grew = options.megabytes[-1] / options.megabytes[0]
        yield f"whole run: throughput at {grew:.0f} times the size", ">= 0.9 x", f"{ratio:.2f} x", ratio >= 0.9


def filters(corpus: Path, python: Path, folder: Path) -> dict[str, float]:
    """Seconds of processor time, documents and the share of equal decisions (reason, and text of what is kept)."""
    with corpus.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    ours_s, ours = steward(texts)
    out = folder / "decisions.json"
    subprocess.run([python, "-W", "ignore", "-c", ORACLE, corpus, out], check=True, stdout=subprocess.DEVNULL)
    theirs = json.loads(out.read_text())
    pairs = list(zip(ours, map(tuple, theirs["decisions"]), strict=True))
    megabytes = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6
    return {
        "documents": len(texts),
        "megabytes": megabytes,
        "steward_s": ours_s,
        "datatrove_s": theirs["seconds"],
        "ratio": theirs["seconds"] / ours_s,
        "agreement": sum((a[0] is None) == (b[0] is None) for a, b in pairs) / len(pairs),
        "same_reason_and_text": sum(a == b for a, b in pairs) / len(pairs),
        "kept": sum(reason is None for reason, _ in ours) / len(ours),
    }


def steward(texts: list[str]) -> tuple[float, list[tuple[str | None, str]]]:
    import pyarrow as pa

    from steward.data.stages.quality import Quality

    stage = Quality(preset=("gopher@datatrove", "c4@datatrove", "fineweb@datatrove"))
    warm = {"row": pa.array([0]), "id": pa.array(["warm"]), "text": pa.array(["One. Two. Three. " * 20])}
    stage.apply(pa.record_batch(warm))  # as the peer's, whose tokenizers are loaded before the clock starts
    decisions: list[tuple[str | None, str]] = []
    start = time.process_time()
    for first in range(0, len(texts), 1000):
        part = texts[first : first + 1000]
        rows = pa.array(range(first, first + len(part)), pa.int64())
        columns = {"row": rows, "id": rows.cast(pa.string()), "text": pa.array(part, pa.large_string())}
        result = stage.apply(pa.record_batch(columns))
        dropped = {entry.row: entry.rule for entry in result.entries if entry.action == "drop"}
        kept = dict(zip(result.batch["row"].to_pylist(), result.batch["text"].to_pylist(), strict=True))
        decisions += [(dropped.get(row), kept.get(row, "")) for row in range(first, first + len(part))]
    return time.process_time() - start, decisions


def table(record: dict[str, float]) -> str:
    return "\n".join(
        (
            f"{record['documents']} documents, {record['megabytes']:.1f} MB, {record['kept']:.0%} kept; one core each",
            f"{'Gopher repetition + Gopher quality + C4 + FineWeb':48} {'steward':>13} {'datatrove':>16}  ratio",
            f"{'  processor time (s)':48} {record['steward_s']:13.1f} {record['datatrove_s']:16.1f}"
            f" {record['ratio']:6.1f}x  (reach 25x)",
            f"  MB/s                                           {record['megabytes'] / record['steward_s']:13.2f}"
            f" {record['megabytes'] / record['datatrove_s']:16.2f}",
            f"  same decision                                  {record['agreement']:13.3%}   (reach 99.9 %)",
            f"  same reason, and same text of what is kept     {record['same_reason_and_text']:13.3%}",
        )
    )


def synthesise(path: Path, count: int) -> Path:
    rng = random.Random(7)
    found = list(islice((text for text in real(rng) if len(text) > 200), count * 2 // 3))
    prose = [" ".join(part.split()) for text in found for part in text.split("\n\n") if 60 < len(part) < 1200]
    made = [mix(rng, prose) for _ in range(count - len(found))]
    texts = [*found, *made]
    rng.shuffle(texts)
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return path


def real(rng: random.Random) -> Iterator[str]:
    """Documentation, licences and docstrings of what is installed."""
    paths = [*Path("/usr/share/doc").rglob("*"), *Path(sys.prefix, "lib").rglob("*")]
    for path in rng.sample(paths, len(paths)):
        if path.suffix not in (".py", ".md", ".rst", ".txt", ".gz") and path.name != "copyright":
            continue
        try:
            data = path.read_bytes()
            text = (gzip.decompress(data) if path.suffix == ".gz" else data)[:200_000].decode()
            tree = ast.parse(text) if path.suffix == ".py" else None
        except (OSError, ValueError, SyntaxError, EOFError, RecursionError):
            continue
        if tree is None:
            yield text[:40_000]
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and (words := ast.get_docstring(node)):
                yield words


def mix(rng: random.Random, prose: list[str]) -> str:
    some = rng.choices(prose, k=rng.randint(2, 10))
    other = (
        "Der Fuchs springt über den Hund, z.B. heute!",
        "这是一个测试。你呢？",
        "Это тест. Всё хорошо?",
        "¿Qué tal? ¡Bien!",
    )
    odd = ("Enable JavaScript.", "if (a) { b }", "Read our Privacy Policy here.", "Done.[1]")
    makers = (
        lambda: "\n\n".join(some),
        lambda: "\n".join((*some, *some[: rng.randint(0, 3)])),
        lambda: "\n".join(f"{rng.choice('•-*')} {line[: rng.randint(8, 90)]}" for line in some * 3),
        lambda: "\n".join(rng.choice(("click here now ", "BUY IT!!! ")) * rng.randint(1, 6) for _ in some * 2),
        lambda: "\n".join(line[:80] + rng.choice(("...", "…", ".")) for line in some),
        lambda: "\n".join((*some, rng.choice(odd))),
        lambda: " ".join(rng.choice((*other, some[0])) for _ in range(12)),
        lambda: " ".join(f"I can't say it's bad, e.g. {word}... don't you?" for word in some[0].split()[:9]),
        lambda: some[0][: rng.randint(10, 200)],
    )
    return rng.choice(makers)()


if __name__ == "__main__":
    sys.exit(main())
