"""Scores a GGUF file on the shipped sets, greedily, through llama.cpp: what customers of the starter get.

    python scripts/starter/score.py [--model FILE] [--json FILE]

Token F1 is SQuAD's (Rajpurkar et al. 2016) against the best reference, here with punctuation as tokens;
exact is equality with one of the references.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import xllamacpp

SHIPPED: Final = Path(__file__).parent.parent.parent / "src" / "steward" / "starter"
SETS: Final = {
    "seen templates": SHIPPED / "sets" / "seen.jsonl",
    "held-out paraphrases": SHIPPED / "sets" / "held_out.jsonl",
    "free wordings": SHIPPED / "free_wordings.jsonl",
}


def tokens(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+|[^\w\s]", text.lower()))


def f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over tokens, in [0, 1]."""
    ours, theirs = tokens(answer), tokens(reference)
    common = (ours & theirs).total()
    return 2 * common / (ours.total() + theirs.total()) if common else 0.0


def load(model: Path) -> xllamacpp.Server:
    options = xllamacpp.CommonParams()
    options.model.path = str(model)
    options.n_ctx, options.n_parallel = 8 * 1024, 8
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    options.fit_params, options.cache_ram_mib, options.verbosity = False, 0, -1
    options.hostnames = [str(Path(tempfile.mkdtemp()) / "engine.sock")]
    return xllamacpp.Server(options)


def ask(server: xllamacpp.Server, text: str) -> str:
    """The answer to one question. :raises RuntimeError: the engine answered with an error"""
    request = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 80}
    answer: dict[str, Any] = server.handle_chat_completions(request)
    if "choices" not in answer:
        raise RuntimeError(f"the engine answered {answer}")
    return str(answer["choices"][0]["message"]["content"]).strip()


def score(server: xllamacpp.Server, file: Path) -> dict[str, Any]:
    """Mean F1 and share of exact answers, over all and by intent, and every miss."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda row: ask(server, row["user"]), rows))
    misses = []
    by_intent: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row, answer in zip(rows, given, strict=True):
        exact = answer in row["references"]
        by_intent[row["intent"]].append((max(f1(answer, right) for right in row["references"]), exact))
        if not exact:
            misses.append({"intent": row["intent"], "user": row["user"], "answer": answer})
    every = [pair for pairs in by_intent.values() for pair in pairs]
    return {
        "questions": len(rows),
        "f1": mean([f for f, _ in every]),
        "exact": mean([float(exact) for _, exact in every]),
        "by_intent": {name: mean([float(exact) for _, exact in pairs]) for name, pairs in sorted(by_intent.items())},
        "misses": misses,
    }


def mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHIPPED / "starter.gguf")
    parser.add_argument("--json", type=Path, help="write all, misses included, to this file")
    options = parser.parse_args()
    server = load(options.model)
    results = {name: score(server, file) for name, file in SETS.items()}
    for name, result in results.items():
        print(f"{name:22} {result['questions']:5} questions  F1 {result['f1']:.3f}  exact {result['exact']:.3f}")
    weak = sorted(results["held-out paraphrases"]["by_intent"].items(), key=lambda pair: pair[1])[:6]
    print("weakest, held out:", ", ".join(f"{name} {share:.2f}" for name, share in weak))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
