"""Counts the tokens of each row with a real tokenizer and adds the column `tokens`.

The tokens are those of the row's content, its messages or texts apart, without special tokens and without a chat
template. `filter`, `sample` (`budget`) and contracts (`ranges`) then use the column.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

from steward.core.extend import TokenCounter
from steward.data.ledger_entries import set_column
from steward.data.row_strings import list_strings
from steward.data.stage import Result


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tokenizer` is a file tokenizer.json. `counter` is a `TokenCounter`, which `steward data` gives the stage."""

    adds: ClassVar = ("tokens",)
    files: ClassVar = ("tokenizer",)
    tokenizer: str
    counter: Any = None  # TokenCounter | None

    def apply(self, batch: pa.RecordBatch) -> Result:
        return Result(set_column(batch, "tokens", pa.array(count_row_tokens(batch, self.counter), pa.int64())))


def count_row_tokens(batch: pa.RecordBatch, counter: TokenCounter | None) -> list[int]:
    """Tokens of each row's content; none without a counter."""
    owners, strings = list_strings(batch)
    counts = counter.count(strings) if counter is not None else [0] * len(strings)
    return (
        np.bincount(owners, counts, minlength=batch.num_rows).astype(np.int64).tolist() if owners else [0] * len(batch)
    )
