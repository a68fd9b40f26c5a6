"""`sample`: a part of the rows, drawn by a hash of the row's id and `seed`; `mix`: of groups, in given proportions.

What is drawn does not depend on the order of the input or on how it was cut, and a larger sample holds the smaller one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steward.core.errors import InputError, UnknownName
from steward.data import decisions as decisions
from steward.data.draws import hash_share
from steward.data.row_values import list_value_names
from steward.data.stage import Result

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `sample`. One of `rows`, `share` (0 to 1) and `budget`: the most that the values of column `of` add up to.

    A budget takes rows in the order of the draw until the next would exceed it: of tokens after a stage `tokens`.
    """

    rows: Positive | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    budget: Positive | None = None
    of: str = "tokens"
    seed: int = 0

    def __post_init__(self) -> None:
        """:raises InputError: none of the three, or more than one"""
        if sum(value is not None for value in (self.rows, self.share, self.budget)) != 1:
            raise InputError("sample: expected one of rows, share and budget")

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `place` in the draw (0 to 1), and `amount`."""
        if self.budget is not None and self.of not in batch.schema.names:
            raise UnknownName("column", self.of, list_value_names(batch), "stage sample, of")
        amounts = pc.fill_null(batch[self.of].cast(pa.int64()), 0) if self.budget else pa.nulls(len(batch), pa.int64())
        columns = [batch["row"], pa.array(_draw_places(batch, self.seed)), amounts]
        return pa.RecordBatch.from_arrays(columns, names=["row", "place", "amount"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        batches = list(surveys)
        if not batches:
            return decisions.make_decision([], action="drop", rule="sample")
        table = pa.Table.from_batches(batches)
        rows, order = table["row"].to_numpy(), _order_draw(table)
        if self.budget is not None:
            kept = int(np.searchsorted(np.cumsum(table["amount"].to_numpy()[order]), self.budget, side="right"))
        else:
            kept = self.rows if self.rows is not None else round((self.share or 0) * len(rows))
        limit = next(value for value in (self.rows, self.share, self.budget) if value is not None)
        dropped = np.sort(rows[order[kept:]])
        return decisions.make_decision(dropped, action="drop", rule="sample", threshold=float(limit))

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, "sample")


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `mix` and `not_in_mix`. `weights`: how much of the result each value of column `by` is.

    `rows` is how many there are in all; default as many as the groups allow without repeating a row. Rows of other
    values go.
    """

    by: str
    weights: dict[str, float]
    rows: Positive | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """:raises InputError: no weights, or one that is not above 0"""
        if not self.weights or min(self.weights.values()) <= 0:
            raise InputError("mix: expected a weight above 0 for each value, such as {web: 3, books: 1}")

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `place` in the draw (0 to 1), and `group`."""
        if self.by not in batch.schema.names:
            raise UnknownName("column", self.by, list_value_names(batch), "stage mix, by")
        groups = pc.fill_null(batch[self.by].cast(pa.string()), "")
        columns = [batch["row"], pa.array(_draw_places(batch, self.seed)), groups]
        return pa.RecordBatch.from_arrays(columns, names=["row", "place", "group"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """:raises InputError: a group without a row, or with too few for `rows`"""
        batches = list(surveys)
        if not batches:
            return decisions.make_decision([], action="drop", rule="mix")
        table = pa.Table.from_batches(batches)
        rows, groups, order = table["row"].to_numpy(), table["group"].to_numpy(), _order_draw(table)
        targets = self._choose_targets({name: int((groups == name).sum()) for name in self.weights})
        dropped, rules = [], []
        for name, target in targets.items():
            over = rows[order[groups[order] == name][target:]]
            dropped.append(over)
            rules += ["mix"] * len(over)
        others = rows[~np.isin(groups, list(targets))]
        dropped.append(others)
        rules += ["not_in_mix"] * len(others)
        every = np.concatenate(dropped)
        by_row = np.argsort(every, kind="stable")
        return decisions.make_decision(every[by_row], action="drop", rule=[rules[at] for at in by_row.tolist()])

    def _choose_targets(self, sizes: dict[str, int]) -> dict[str, int]:
        total = sum(self.weights.values())
        shares = {name: weight / total for name, weight in self.weights.items()}
        if empty := [name for name, size in sizes.items() if not size]:
            raise InputError(f"mix: no row has {self.by} {empty[0]!r}; expected rows of each value that has a weight")
        most = min(int(size / shares[name] + 1e-9) for name, size in sizes.items())
        if self.rows is not None and self.rows > most:
            raise InputError(f"mix: rows {self.rows:,}; without repeating a row at most {most:,} have these weights")
        return {name: min(sizes[name], round((self.rows or most) * share)) for name, share in shares.items()}

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, "mix")


def _draw_places(batch: pa.RecordBatch, seed: int) -> NDArray[np.float64]:
    return np.array([hash_share(name, seed) for name in batch["id"].to_pylist()], np.float64)


def _order_draw(table: Any) -> NDArray[np.int64]:
    """The places of the rows in the order of the draw; of equal ones the first row first."""
    return np.lexsort((table["row"].to_numpy(), table["place"].to_numpy()))
