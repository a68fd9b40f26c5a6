"""Ledger entries of stages that look at one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from steward.data.stage import Action, Entry, get_texts, rewrite_strings


def rewrite_texts(
    batch: pa.RecordBatch, stage: str, rule: str, change: Callable[[str], str]
) -> tuple[pa.RecordBatch, list[Entry]]:
    """Every string of the content through `change`; one entry a row that it altered."""
    changed_batch = rewrite_strings(batch, lambda strings: [change(string) for string in strings])
    is_different = pc.not_equal(get_texts(batch), get_texts(changed_batch))
    changed_indexes = pc.indices_nonzero(is_different).to_pylist()
    return changed_batch, list(
        make_entries(batch, stage, "change", [(index, rule, None, None) for index in changed_indexes])
    )


def make_entries(
    batch: pa.RecordBatch,
    stage: str,
    action: Action,
    findings: Sequence[tuple[int, str, float | str | None, float | str | None]],
) -> Iterator[Entry]:
    """`found` are index in the batch, rule, value and threshold."""
    rows, ids = batch["row"].to_pylist(), batch["id"].to_pylist()
    for index, rule, value, threshold in findings:
        yield Entry(
            row=rows[index], id=ids[index], stage=stage, action=action, rule=rule, value=value, threshold=threshold
        )


def drop_rows(batch: pa.RecordBatch, indexes: set[int]) -> pa.RecordBatch:
    """The rows whose index is not among `dropped`."""
    return batch.filter(pa.array([index not in indexes for index in range(batch.num_rows)], pa.bool_()))


def set_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with a column set, in its place when it has one of that name, else at the end."""
    at = batch.schema.get_field_index(name)
    return batch.append_column(name, values) if at < 0 else batch.set_column(at, name, values)
