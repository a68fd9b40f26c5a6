"""`balance`: as many rows of each group, by leaving rows out or repeating them.

Which rows is drawn by a hash of the seed and the row's number: the same for every way to cut the input into batches.
Repeated rows follow the rows of their batch, have the id `ID#copyN` and the number that `data/added.py` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.data import decision as decisions
from steward.data.added import copied
from steward.data.shingles import mixed
from steward.data.stage import Action, Entry, Result

NAME = "balance"
_NOBODY = "(none)"


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `group_over` (dropped) and `group_under` (added, `duplicate_of` the row repeated).

    `value` is the group's rows before, `threshold` after: the fewest of any group (downsample) or the most (upsample).
    `report` changes nothing; `counts` of the surveys is then what it is for. Rows without a label are a group too.
    """

    by: str
    mode: Literal["report", "downsample", "upsample"] = "downsample"
    seed: int = 0

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id` and `group`."""
        if self.by not in batch.schema.names:
            raise InputError(f"balance: no column {self.by!r}; the rows have {', '.join(batch.schema.names)}")
        groups = pc.fill_null(batch[self.by].cast(pa.string()), _NOBODY)
        return pa.RecordBatch.from_arrays([batch["row"], batch["id"], groups], names=["row", "id", "group"])

    def counts(self, surveys: Iterable[pa.RecordBatch]) -> dict[str, int]:
        """Rows of each group, by its name."""
        total: dict[str, int] = {}
        for batch in surveys:
            for line in pc.value_counts(batch["group"]).to_pylist():
                total[line["values"]] = total.get(line["values"], 0) + line["counts"]
        return dict(sorted(total.items()))

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """What goes or is repeated; a row repeated n times is n rows of the table."""
        batches = list(surveys)
        sizes = self.counts(batches)
        over = self.mode == "downsample"
        action: Action = "drop" if over else "add"
        rule = "group_over" if over else "group_under"
        if self.mode == "report" or len(sizes) < 2:
            return decisions.table([], action="drop", rule=rule)
        target = min(sizes.values()) if over else max(sizes.values())
        seen = pa.Table.from_batches(batches)
        rows, groups = seen["row"].to_numpy(), seen["group"].to_numpy()
        picked, before = [], []
        for group, size in sizes.items():
            drawn = self._shuffled(rows[groups == group])
            chosen = drawn[target:] if over else np.resize(drawn, target - size)
            picked.append(chosen)
            before.append(np.full(len(chosen), size, np.float64))
        gone, values = np.concatenate(picked), np.concatenate(before)
        order = np.argsort(gone, kind="stable")
        return decisions.table(
            gone[order],
            action=action,
            rule=rule,
            value=values[order],
            threshold=float(target),
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        if self.mode != "upsample":
            return decisions.removed(batch, decision, NAME)
        place = {row: index for index, row in enumerate(batch["row"].to_pylist())}
        ids = batch["id"].to_pylist()
        done: dict[int, int] = {}
        entries, sources = [], []
        for line in decision.to_pylist():
            source = line["row"]
            copy = done[source] = done.get(source, 0) + 1
            mine = ids[place[source]]
            sources.append(place[source])
            entries.append(
                Entry(
                    row=copied(source, copy),
                    id=f"{mine}#copy{copy}",
                    stage=NAME,
                    action="add",
                    rule=line["rule"],
                    value=line["value"],
                    threshold=line["threshold"],
                    duplicate_of=mine,
                )
            )
        return Result(appended(batch, batch.take(pa.array(sources, pa.int64())), entries), tuple(entries))

    def _shuffled(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        keys = mixed(rows.astype(np.uint64) ^ mixed(np.full(1, self.seed % (1 << 64), np.uint64)))
        return rows[np.lexsort((rows, keys))]


def appended(batch: pa.RecordBatch, more: pa.RecordBatch, entries: list[Entry]) -> pa.RecordBatch:
    """The batch, then the added rows with the numbers and ids of their entries."""
    for name, values in (("row", [entry.row for entry in entries]), ("id", [entry.id for entry in entries])):
        at = batch.schema.get_field_index(name)
        more = more.set_column(at, batch.schema.field(at), pa.array(values, batch.schema.field(at).type))
    return pa.Table.from_batches([batch, more]).combine_chunks().to_batches()[0] if len(more) else batch
