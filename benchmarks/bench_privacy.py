"""Detectors of personal data: recall and precision, false masks, time for 1 kB, growth, and Presidio beside them.

    python benchmarks/bench_privacy.py [--peer PYTHON] [--seed N] [--rows 2000]

`--peer` is a Python with `presidio-analyzer` and `presidio-evaluator` (`make bench-privacy` makes one): the same texts
are given to Presidio with its patterns only, and sentences of its generator, of the half of its templates that nobody
looked at while the detectors were written, are judged at an IoU of 0.9. The own sets (`privacy_sets.py`) are made from
`--seed`; write detectors against other seeds. Times are processor time of one core, the least of several rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from privacy_sets import LISTED, SENTENCES, SHAPES, Labelled, make_negatives, make_rows

from steward.privacy.entities import ENTITIES, STRUCTURED
from steward.privacy.pseudonyms import Pseudonyms
from steward.privacy.scan import choose_entities, scan_text
from steward.privacy.url_context import UrlContext
from steward.privacy.wordlists import read_words

PEER = Path(__file__).with_name("presidio_peer.py")
DEFAULT, ALL = choose_entities("default"), choose_entities("all")
# Kinds that presidio-evaluator calls otherwise; it has one label for all dates.
PEER_NAMES = {"US_ZIP_CODE": "ZIP_CODE", "LICENSE_NUMBER": "US_DRIVER_LICENSE", "DATE_OF_BIRTH": "DATE_TIME"}


NOT_IN_PATTERNS = {"SECRET", "URL"}  # of those kinds, what other detectors than those of numbers look for
UNITS = (
    "a", "A", "1", "1 ", "1.", "1-", "+1", "(1", "a@", ":", "A. ", "Aa ", "Maria ", "é", "\n", "\\n", "01 ", "1a:",
)  # fmt: skip


class Tally:
    """True finds, false ones and missed ones, by entity."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.false: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()

    def add(self, row: Labelled, iou: float, names: Mapping[str, str] = {}) -> None:
        """`names`: what the row's labels call a kind of ours."""
        named = [(one.start, one.end, names.get(one.entity, one.entity)) for one in scan_text(row.text, ALL)]
        finds = join(named, row.text)
        expected = join(row.spans, row.text)
        for span in expected:
            match = next((find for find in finds if find[2] == span[2] and overlap(find, span) >= iou), None)
            (self.hits if match else self.missed)[span[2]] += 1
            if match:
                finds.remove(match)
        self.false.update(find[2] for find in finds)

    def recall(self, entities: Iterable[str]) -> float:
        hits, missed = self._sum(self.hits, entities), self._sum(self.missed, entities)
        return hits / max(1, hits + missed)

    def precision(self, entities: Iterable[str]) -> float:
        hits, false = self._sum(self.hits, entities), self._sum(self.false, entities)
        return hits / max(1, hits + false)

    def f2(self, entities: Iterable[str]) -> float:
        names = list(entities)
        precision, recall = self.precision(names), self.recall(names)
        return 5 * precision * recall / max(1e-9, 4 * precision + recall)

    @staticmethod
    def _sum(counts: Counter[str], entities: Iterable[str]) -> int:
        return sum(counts[entity] for entity in entities)


def overlap(one: tuple[int, int, str], other: tuple[int, int, str]) -> float:
    """Intersection over union."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0])) / (max(one[1], other[1]) - min(one[0], other[0]))


def join(spans: list[tuple[int, int, str]], text: str) -> list[tuple[int, int, str]]:
    """Spans of one entity that only blanks and marks part are one, as presidio-evaluator's SpanEvaluator has it."""
    joined: list[tuple[int, int, str]] = []
    for span in sorted((start, end, entity) for start, end, entity in spans):
        between = text[joined[-1][1] : span[0]].replace("\\n", "") if joined else "x"
        if joined and joined[-1][2] == span[2] and not any(map(str.isalnum, between)):
            joined[-1] = (joined[-1][0], span[1], span[2])
        else:
            joined.append(span)
    return joined


def judge(rows: list[Labelled], iou: float, names: Mapping[str, str] = {}) -> Tally:
    tally = Tally()
    for row in rows:
        tally.add(row, iou, names)
    return tally


def show_quality(seed: int, count: int) -> None:
    sets = {"sentences": make_rows(SENTENCES, count, seed), "other shapes": make_rows(SHAPES, count, seed + 1)}
    given_names = read_words("given_names.txt")
    listed = sum(name in given_names for name in LISTED) / len(LISTED)
    print(
        f"\nOwn sets of {count} rows, seed {seed}. Of the names a third is listed ({listed:.0%} of those in steward's"
    )
    print("list), a third is real and unlisted, a third made of syllables. Spans count at an IoU of 0.9.\n")
    print(f"{'entity':18}" + "".join(f"{name + ' R':>16}{'P':>7}" for name in sets))
    tallies = {name: judge(rows, 0.9) for name, rows in sets.items()}
    for entity in ENTITIES:
        if any(tally.hits[entity] + tally.missed[entity] for tally in tallies.values()):
            cells = "".join(
                f"{tally.recall([entity]):16.3f}{tally.precision([entity]):7.3f}" for tally in tallies.values()
            )
            bound = "" if entity not in STRUCTURED else meets(tallies.values(), entity)
            print(f"{entity:18}{cells}{bound}")
    for name, tally in tallies.items():
        print(f"F2 over all entities, {name}: {tally.f2(ENTITIES):.3f}  (> 0.65)")


def meets(tallies: Iterable[Tally], entity: str) -> str:
    fits = all(
        tally.recall([entity]) >= 0.97 and tally.precision([entity]) >= 0.95
        for tally in tallies
        if tally.hits[entity] + tally.missed[entity]
    )
    return "" if fits else "  beneath 0.97 / 0.95"


def show_negatives(seed: int) -> None:
    print("\nFalse masks in 10 kB, default profile (at most 1)")
    for kind, text in make_negatives(seed).items():
        finds = Counter(one.entity for one in scan_text(text, DEFAULT))
        print(f"  {kind:14}{sum(finds.values()) / len(text) * 1e4:6.2f}  {dict(finds) or ''}")
    sources = [path.read_text(encoding="utf-8") for path in sorted(Path(os.__file__).parent.glob("*.py"))]
    finds = Counter(one.entity for text in sources for one in scan_text(text, DEFAULT))
    total = sum(map(len, sources))
    rate = sum(finds.values()) / total * 1e4
    print(f"  Python's library, {total / 1e6:.1f} MB with its authors' names: {rate:.2f}  {dict(finds)}")


def show_times(seed: int) -> None:
    rows = make_rows([*SENTENCES, *SHAPES], 4000, seed + 2)
    text = "\n".join(row.text for row in rows)
    pieces = [text[at : at + 1000] for at in range(0, len(text) - 1000, 1000)]
    least = [min(measure(piece) for _ in range(5)) for piece in pieces[:300]]
    p99 = statistics.quantiles(least, n=100)[98]
    print(f"\n1 kB of the own sets: median {statistics.median(least) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms (at most 1)")
    prose = (Path(__file__).parents[1] / "docs/explanation/security.md").read_text(encoding="utf-8")
    pieces = [prose[at : at + 1000] for at in range(0, len(prose) - 1000, 1000)]
    least = [min(measure(piece) for _ in range(5)) for piece in pieces]
    print(f"1 kB of prose: median {statistics.median(least) * 1e3:.2f} ms, greatest {max(least) * 1e3:.2f} ms")
    print("\nGrowth: seconds for 1 MB of one kind of character, and as a multiple of ten times 100 kB")
    for unit in UNITS:
        small, large = measure(unit * (100_000 // len(unit))), measure(unit * (1_000_000 // len(unit)))
        print(f"  {unit!r:10}{large:8.2f} s {large / max(1e-9, 10 * small):6.2f}")


def show_restore(seed: int, cuts: int) -> None:
    """What is masked comes back whole however it is cut, and no part of a token is ever emitted."""
    source, seen, longest = random.Random(seed), 0, 0
    values = ["bob@example.com", "+49 30 901820", "Zora Quill", "4111 1111 1111 1111", "192.0.2.7"]
    tokens = ["EMAIL_0123456789", "PHONE_ABCDEFGHJK", "PERSON_KMNPQRSTVW", "CARD_0A1B2C3D4E", "IP_9Z8Y7X6W5V"]
    back = Pseudonyms(dict(zip(tokens, values, strict=True)))
    pieces = [*tokens, *(token[:-3] for token in tokens), " ", "EMAIL_", "PERSON", "I", "_", "\n", "é", "word "]
    while seen < cuts:
        text = "".join(source.choices(pieces, k=40))
        expected, emitted, held, at, context = back.restore(text), "", "", 0, UrlContext()
        while at < len(text):
            end = min(len(text), at + source.randint(1, 9))
            out, held = back.feed(held + text[at:end], end == len(text), context)
            emitted += out
            assert expected.startswith(emitted), (text, emitted)
            longest, at, seen = max(longest, len(held)), end, seen + 1
        assert emitted == expected
    print(f"\nRestoring over {seen:,} random cuts: no part of a token emitted, at most {longest} characters held back")


def measure(text: str) -> float:
    began = time.process_time()
    scan_text(text, DEFAULT)
    return time.process_time() - began


def show_peer(peer: str, seed: int, count: int) -> None:
    made = subprocess.run([peer, PEER, "generate", str(count), str(seed)], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in made.stdout.splitlines()]
    unseen = [
        Labelled(row["text"], row["spans"])
        for row in rows
        if hashlib.sha256(str(row["template"]).encode()).digest()[0] % 2 == 1
    ]
    tally = judge(unseen, 0.9, PEER_NAMES)
    print(f"\npresidio-evaluator's generator, seed {seed}, {len(unseen)} sentences of half of its templates, IoU 0.9")
    looked_for = {PEER_NAMES.get(entity, entity) for entity in ENTITIES}
    for entity in sorted({*tally.hits, *tally.missed}):
        known = "" if entity in looked_for else "  not looked for"
        print(f"  {entity:18}{tally.recall([entity]):7.3f}{tally.precision([entity]):7.3f}{known}")
    everything = {*tally.hits, *tally.missed, *tally.false}
    print(f"F2 over the kinds looked for: {tally.f2(looked_for):.3f} (> 0.65); over all: {tally.f2(everything):.3f}")
    print("\nThroughput on one core, the least of three rounds; Presidio has its patterns only, which find no names")
    show_throughput(peer, "own sets", [row.text for row in make_rows([*SENTENCES, *SHAPES], 1000, seed + 3)])
    show_throughput(peer, "its sentences", [row.text for row in unseen[:1000]])


def show_throughput(peer: str, name: str, texts: list[str]) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    peer_s: list[float] = []
    own_s: dict[str, list[float]] = {"default profile": [], "numbers and addresses of machines only": []}
    kinds = dict(zip(own_s, (DEFAULT, frozenset(STRUCTURED) - NOT_IN_PATTERNS), strict=True))
    for _ in range(3):
        run = subprocess.run([peer, PEER, "scan"], input=lines, capture_output=True, text=True, check=True)
        peer_s.append(float(run.stderr.splitlines()[-1]))
        for profile, entities in kinds.items():
            began = time.process_time()
            for text in texts:
                scan_text(text, entities)
            own_s[profile].append(time.process_time() - began)
    size = sum(map(len, texts)) / 1e6
    print(f"  {name}: Presidio's patterns {size / min(peer_s):.3f} MB/s")
    for profile, seconds in own_s.items():
        times = min(peer_s) / min(seconds)
        print(f"  {name}: steward, {profile}: {size / min(seconds):.2f} MB/s, {times:.0f} times (30)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python with presidio-analyzer and presidio-evaluator")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--cuts", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    show_quality(options.seed, options.rows)
    show_negatives(options.seed)
    show_times(options.seed)
    show_restore(options.seed, options.cuts)
    if options.peer:
        show_peer(options.peer, options.seed, options.rows)


if __name__ == "__main__":
    main()
