"""`pack`: which rows go together into a sequence of fixed length, as the column `pack`.

Best fit, longest rows first (Johnson et al. 1974, SIAM Journal on Computing 3/4): each row goes where the least room is
left for it. Rows are neither cut nor joined, so that a trainer sees where each begins.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steward.core.errors import InputError, UnknownName
from steward.data import decisions as decisions
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.row_values import list_value_names
from steward.data.stage import Result

NAME = "pack"


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `too_long`. `extra` is added to the length of every row, such as 1 for a token that ends it."""

    adds: ClassVar = ("pack",)
    length: Annotated[int, msgspec.Meta(ge=1)]
    of: str = "tokens"
    extra: Annotated[int, msgspec.Meta(ge=0)] = 0
    too_long: Literal["drop", "alone"] = "drop"

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row` and `size`. :raises InputError: a column that holds no whole numbers from 0 on"""
        if self.of not in batch.schema.names:
            raise UnknownName("column", self.of, list_value_names(batch), "stage pack, of")
        column = batch[self.of]
        if not pa.types.is_integer(column.type) or column.null_count or (len(column) and pc.min(column).as_py() < 0):
            raise InputError(
                f"pack: column {self.of!r} of type {column.type} has rows without a whole number from 0 on; "
                "expected lengths, as the stage `tokens` gives them"
            )
        sizes = column.to_numpy().astype(np.int64) + self.extra
        return pa.RecordBatch.from_arrays([batch["row"], pa.array(sizes)], names=["row", "size"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """A line a row: the number of its pack; under the rule `too_long` its size."""
        batches = list(surveys)
        rows = np.concatenate([np.zeros(0, np.int64), *(batch["row"].to_numpy() for batch in batches)])
        sizes = np.concatenate([np.zeros(0, np.int64), *(batch["size"].to_numpy() for batch in batches)])
        is_dropped = (sizes > self.length) & (self.too_long == "drop")
        packs = np.zeros(len(sizes), np.int64)
        packs[~is_dropped] = number_packs(sizes[~is_dropped], self.length)
        return decisions.make_decision(
            rows,
            action="change",
            rule=np.where(is_dropped, "too_long", NAME).tolist(),
            value=np.where(is_dropped, sizes, packs).astype(np.float64),
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        numbers = dict(zip(decision["row"].to_pylist(), decision["value"].to_pylist(), strict=True))
        too_long = set(decision.filter(pc.equal(decision["rule"], "too_long"))["row"].to_pylist())
        rows = batch["row"].to_pylist()
        findings = [
            (index, "too_long", numbers[row], float(self.length)) for index, row in enumerate(rows) if row in too_long
        ]
        packed = set_column(batch, "pack", pa.array([int(numbers[row]) for row in rows], pa.int64()))
        remaining = drop_rows(packed, {index for index, *_ in findings})
        return Result(remaining, tuple(make_entries(batch, NAME, "drop", findings)))


def number_packs(sizes: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The pack of each row, numbered by the first row in it; rows over `length` are alone.

    >>> number_packs(np.array([5, 9, 5, 1]), 10).tolist()
    [0, 1, 0, 1]
    """
    order = np.argsort(-sizes, kind="stable")
    packs = np.zeros(len(sizes), np.int64)
    open_packs: dict[int, list[int]] = {}  # by the room that is left
    rooms: list[int] = []  # the keys, ascending
    fresh = itertools.count()
    for index, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        at = bisect_left(rooms, size)
        if at < len(rooms):
            room = rooms[at]
            pack = open_packs[room].pop()
            if not open_packs[room]:
                del open_packs[room], rooms[at]
        else:
            pack, room = next(fresh), length
        packs[index] = pack
        if (left := room - size) >= 0:  # a full one still takes a row of no length
            if left not in open_packs:
                open_packs[left] = []
                insort(rooms, left)
            open_packs[left].append(pack)
    return _number_by_first(packs)


def _number_by_first(packs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same groups, numbered from 0 in the order in which they first appear."""
    _, first, groups = np.unique(packs, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[groups]
