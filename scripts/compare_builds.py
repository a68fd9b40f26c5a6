"""That a compiled build finds the same in the same texts: `compare_builds.py COMPILED`, a folder that has it installed.

Each build scans, in a process of its own, texts made from one seed: labelled rows, text without personal data, both cut
and joined at random, and marks, digits and letters in no order. Every find must be the same, to the score.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEED, ROWS, MIXED = 20261130, 2_000, 4_000
LETTERS = "aAbZz019 .,:;-_/+()@\n\\\"'<>&#éß０\u200b\u00a0"


def make_texts() -> list[str]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from privacy_sets import SENTENCES, SHAPES, make_negatives, make_rows

    source = random.Random(SEED)
    texts = [row.text for row in make_rows([*SENTENCES, *SHAPES], ROWS, SEED)] + list(make_negatives(SEED).values())
    for _ in range(MIXED):
        one, other = source.choice(texts)[:400], source.choice(texts)[:400]
        texts.append(one[source.randrange(len(one)) :] + other[: source.randrange(len(other))])
        texts.append("".join(source.choices(LETTERS, k=source.randrange(1, 120))))
    return texts


def print_findings() -> None:
    """One line for the build, then one for each text."""
    from steward.core.build import name_build
    from steward.privacy.scan import choose_entities, scan_text

    print(name_build())
    entities = choose_entities("all")
    for text in make_texts():
        findings = scan_text(text, entities, 0.0)
        print(json.dumps([[one.start, one.end, one.entity, one.score, one.detector] for one in findings]))


def scan_with(source: Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, __file__], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def main() -> None:
    if len(sys.argv) == 1:
        print_findings()
        return
    pure, compiled = scan_with(ROOT / "src"), scan_with(Path(sys.argv[1]).resolve())
    if (pure[0], compiled[0]) != ("pure Python", "compiled"):
        raise SystemExit(f"{sys.argv[1]} is {compiled[0]} and src is {pure[0]}: expected a compiled build beside src")
    differing = [number for number, pair in enumerate(zip(pure[1:], compiled[1:], strict=True)) if pair[0] != pair[1]]
    for number in differing[:5]:
        print(f"{make_texts()[number]!r}\n  pure     {pure[number + 1]}\n  compiled {compiled[number + 1]}")
    found = sum(len(json.loads(line)) for line in pure[1:])
    print(f"{len(pure) - 1:,} texts, {found:,} finds: {len(differing)} texts differ")
    raise SystemExit(1 if differing else 0)


if __name__ == "__main__":
    main()
