"""Ledger entries of stages that look at one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from steward.data.stage import Action, Entry, rewritten, texts


def rewrite(
    batch: pa.RecordBatch, stage: str, rule: str, change: Callable[[str], str]
) -> tuple[pa.RecordBatch, list[Entry]]:
    """Every string of the content through `change`; one entry a row that it altered."""
    after = rewritten(batch, lambda strings: [change(string) for string in strings])
    different = pc.not_equal(texts(batch), texts(after))
    altered = pc.indices_nonzero(different).to_pylist()
    return after, list(entries(batch, stage, "change", [(index, rule, None, None) for index in altered]))


def entries(
    batch: pa.RecordBatch,
    stage: str,
    action: Action,
    found: Sequence[tuple[int, str, float | str | None, float | str | None]],
) -> Iterator[Entry]:
    """`found` are index in the batch, rule, value and threshold."""
    rows, ids = batch["row"].to_pylist(), batch["id"].to_pylist()
    for index, rule, value, threshold in found:
        yield Entry(
            row=rows[index], id=ids[index], stage=stage, action=action, rule=rule, value=value, threshold=threshold
        )


def without(batch: pa.RecordBatch, dropped: set[int]) -> pa.RecordBatch:
    """The rows whose index is not among `dropped`."""
    return batch.filter(pa.array([index not in dropped for index in range(batch.num_rows)], pa.bool_()))


def column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with a column set, in its place when it has one of that name, else at the end."""
    at = batch.schema.get_field_index(name)
    return batch.append_column(name, values) if at < 0 else batch.set_column(at, name, values)
