"""Batches of rows for the tests of stages, and what a stage makes of them."""

from typing import Any

import pyarrow as pa


def batch(*texts: str, **columns: Any) -> pa.RecordBatch:
    """Documents with the ids d0, d1 and so on."""
    rows = list(range(len(texts)))
    content = {"row": rows, "id": [f"d{row}" for row in rows], "text": pa.array(texts, pa.large_string())}
    return pa.record_batch({**content, **columns})


def chat(*messages: tuple[str, str]) -> pa.RecordBatch:
    """One chat with the id c, of (role, content)."""
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
    rows = [[{"role": role, "content": content} for role, content in messages]]
    return pa.record_batch({"row": [0], "id": ["c"], "messages": pa.array(rows, kind)})


def apply(stage: Any, *texts: str, **columns: Any) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The texts that are left, and (id, action, rule) of each ledger entry."""
    result = stage.apply(batch(*texts, **columns))
    return result.batch["text"].to_pylist(), [(e.id, e.action, e.rule) for e in result.entries]
