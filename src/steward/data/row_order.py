"""Writes the rows of a run in the order of columns, with the memory of a bucket and of the columns.

First the columns are read and ranked; then every row goes into the bucket of its rank, a file each; then each bucket
is put in order and written. Ranks are a stable order over the whole run, so the result does not depend on how the input
was cut.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steward.data.reader import BATCH_ROWS
from steward.data.sinks import IpcSink, PartsSink, read_ipc
from steward.data.summary import OutputPart

BUCKET_BYTES = 64 << 20
_RANK = "steward.rank"
PartsSinkMaker = Callable[[Path, int], PartsSink]  # the folder of the rows, and the number of the part


def rank_rows(files: Sequence[Path], columns: Sequence[str], descending: bool) -> NDArray[np.int64]:
    """Of each row, in the order of the files, its place among all. Equal rows keep their order, nulls come last."""
    tables = [batch.select(list(columns)) for file in files for batch in read_ipc(file)]
    if not tables:
        return np.zeros(0, np.int64)
    table = pa.Table.from_batches(tables).append_column(_RANK, pa.array(np.arange(sum(map(len, tables)))))
    direction = "descending" if descending else "ascending"
    keys = [(name, direction) for name in columns] + [(_RANK, "ascending")]
    order = pc.sort_indices(table, sort_keys=keys).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def write_in_order(
    files: Sequence[Path], columns: Sequence[str], descending: bool, folder: Path, root: Path, sink: PartsSinkMaker
) -> tuple[OutputPart, ...]:
    """The parts that the rows of these files become. `folder` is for what is between; `root` is where they go."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ranks = rank_rows(files, columns, descending)
    size = sum(batch.nbytes for file in files for batch in read_ipc(file))
    buckets = max(1, -(-size // BUCKET_BYTES))
    rows_each = max(1, -(-len(ranks) // buckets))
    sinks = [IpcSink(folder / f"{bucket:06d}.arrow", "lz4") for bucket in range(buckets)]
    for batch, batch_ranks in _pair_ranks(files, ranks):
        ranked = batch.append_column(_RANK, pa.array(batch_ranks))
        for bucket in np.unique(batch_ranks // rows_each).tolist():
            sinks[bucket].write(ranked.filter(pa.array(batch_ranks // rows_each == bucket)))
    for bucket_sink in sinks:
        bucket_sink.close()
    parts: list[OutputPart] = []
    for bucket, bucket_sink in enumerate(sinks):
        batches = list(read_ipc(bucket_sink.path))
        if not batches:
            continue
        table = pa.Table.from_batches(batches)
        ordered = table.take(pc.sort_indices(table[_RANK])).drop_columns([_RANK])
        output = sink(root, bucket)
        for batch in ordered.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
            output.write(batch)
        parts += output.close()
    shutil.rmtree(folder)
    return tuple(parts)


def _pair_ranks(files: Sequence[Path], ranks: NDArray[np.int64]) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
    at = 0
    for file in files:
        for batch in read_ipc(file):
            yield batch, ranks[at : at + batch.num_rows]
            at += batch.num_rows
