"""A runner of corpus stages in memory, with the batches cut as a test likes."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def batch(texts: Sequence[str], *, first: int = 0, **columns: Sequence[Any]) -> pa.RecordBatch:
    rows = range(first, first + len(texts))
    return pa.RecordBatch.from_pydict(
        {
            "row": pa.array(rows, pa.int64()),
            "id": pa.array([f"r{row}" for row in rows], pa.string()),
            "text": pa.array(texts, pa.large_string()),
            **columns,
        }
    )


def cut(whole: pa.RecordBatch, size: int) -> list[pa.RecordBatch]:
    return [whole.slice(start, size) for start in range(0, max(len(whole), 1), size)]


def ran(stage: Any, batches: Sequence[pa.RecordBatch]) -> tuple[pa.Table, list[Any]]:
    """The rows out and the ledger's entries."""
    decision = stage.decide([stage.survey(one) for one in batches])
    results = []
    for one in batches:
        mine = [line in set(one["row"].to_pylist()) for line in decision["row"].to_pylist()]
        results.append(stage.apply(one, decision.filter(pa.array(mine, pa.bool_()))))
    out = pa.Table.from_batches([result.batch for result in results])
    entries = [entry for result in results for entry in result.entries]
    gone = sum(entry.action in ("drop", "merge", "fail") for entry in entries)
    added = sum(entry.action == "add" for entry in entries)
    assert sum(map(len, batches)) + added == len(out) + gone
    return out, entries
