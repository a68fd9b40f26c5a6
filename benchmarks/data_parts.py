"""Where the processor time of a data run goes: its parts' own time, without that of parts that they call.

The functions below are wrapped while one run goes on in this process, with one worker. What is in none of them is
`start` (imports, settings) before the run and `other` within.
"""

from __future__ import annotations

import importlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

PARTS = {
    "planning: hashes of files, columns": ["data.run:plan_reading"],
    "reading: lines": ["data.formats.jsonl:read_lines"],
    "decoding: JSON to rows": ["data.reader:read_source_rows", "data.reader:convert_record"],
    "rows to Arrow": ["data.reader:_build_batch", "data.shard_worker:read_shard"],
    "lengths": ["data.shard_worker:measure_lengths"],
    "languages": ["data.profile:_guess_sample"],
    "between phases": ["data.sinks:IpcSink.write", "data.sinks:IpcSink.close", "data.sinks:link_file"],
    "between phases, reading": ["data.shard_worker:read_ipc", "data.run_folder:read_ipc"],
    "ids differ": ["data.unique_ids:UniqueIdCheck.survey", "data.unique_ids:UniqueIdCheck.decide"],
    "Arrow to texts": ["data.stages.dedupe_minhash:get_content_texts"],
    "normalising, hashing of words": [
        "data.stages.dedupe_minhash:hash_words",
        "data.stages.dedupe_minhash:find_formal",
    ],
    "shingling": ["data.stages.dedupe_minhash:hash_ngrams"],
    "distinct n-grams": ["data.stages.dedupe_minhash:distinct_hashes"],
    "signatures": ["data.stages.dedupe_minhash:_compute_signatures"],
    "bands": [
        "data.stages.dedupe_minhash:_compute_band_keys",
        "data.stages.dedupe_minhash:_Corpus.find_shared_buckets",
    ],
    "decision, beside": ["data.stages.dedupe_minhash:DedupeMinhash.decide"],
    "verification": ["data.stages.dedupe_minhash:_Corpus.find_similar"],
    "applying": ["data.stages.dedupe_minhash:DedupeMinhash.apply"],
    "filters": ["data.stages.quality:Quality.apply"],
    "exact duplicates": [
        "data.stages.dedupe_exact:DedupeExact.survey",
        "data.stages.dedupe_exact:DedupeExact.decide",
        "data.stages.dedupe_exact:DedupeExact.apply",
    ],
    "shards": ["data.run:process_shard"],
    "writing": ["data.sinks:OutputSink.write", "data.sinks:OutputSink.close"],
    "ledger": ["data.sinks:LedgerSink.write", "data.sinks:LedgerSink.close", "data.run:collect_ledger"],
}
READING_AND_WRITING = (
    "planning: hashes of files, columns", "reading: lines", "decoding: JSON to rows", "rows to Arrow", "between phases",
    "between phases, reading", "writing", "ledger",
)  # fmt: skip


class Clock:
    """Processor time by part; a part that calls another stands still meanwhile."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open = ["other"]
        self._since = time.process_time()

    def _lap(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def enter(self, part: str) -> None:
        self._lap()
        self._open.append(part)

    def leave(self) -> None:
        self._lap()
        self._open.pop()

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            self.enter(part)
            try:
                result = function(*given, **named)
            finally:
                self.leave()
            return self._iterate(part, result) if isinstance(result, Iterator) else result

        return timed

    def _iterate(self, part: str, values: Iterator[Any]) -> Iterator[Any]:
        while True:
            self.enter(part)
            try:
                value = next(values)
            except StopIteration:
                return
            finally:
                self.leave()
            yield value


def show(pipeline: Path) -> None:
    """Run the pipeline and print the table."""
    from steward.workflows import curate

    clock = Clock()
    for part, places in PARTS.items():
        for place in places:
            module, _, name = place.partition(":")
            owner = importlib.import_module(f"steward.{module}")
            for step in name.split(".")[:-1]:
                owner = getattr(owner, step)
            attribute = name.split(".")[-1]
            setattr(owner, attribute, clock.wrap(part, getattr(owner, attribute)))
    started = time.process_time()
    curate.run_pipeline(pipeline, workers=1)
    clock.enter("other")
    whole = time.process_time()
    rows = {"start": started, **{part: clock.seconds[part] for part in PARTS}, "other": clock.seconds["other"]}
    for part, seconds in rows.items():
        print(f"{part:36} {1000 * seconds:7.0f} ms {seconds / whole:6.1%}")
    share = sum(rows[part] for part in READING_AND_WRITING) / whole
    print(f"{'all':36} {1000 * whole:7.0f} ms, reading and writing {share:.1%}; load {os.getloadavg()[0]:.1f}")
