"""The values of a row as expressions see them: columns by name, and `text` for the content, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from steward.data.stage import get_texts


def list_value_names(batch: pa.RecordBatch) -> list[str]:
    """The names that an expression may use."""
    return sorted({"text", *batch.schema.names} - {"row", "more"})


def iterate_values(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of each row the values of these names; what is kept as JSON as what it says."""
    columns = {name: _read_column(batch, name) for name in names}
    for index in range(batch.num_rows):
        yield {name: values[index] for name, values in columns.items()}


def _read_column(batch: pa.RecordBatch, name: str) -> list[Any]:
    if name == "text" and name not in batch.schema.names:
        return get_texts(batch).to_pylist()  # type: ignore[no-any-return]
    values: list[Any] = batch[name].to_pylist()
    metadata = batch.schema.field(name).metadata
    if not metadata or b"json" not in metadata:
        return values
    return [None if value is None else msgspec.json.decode(value) for value in values]
