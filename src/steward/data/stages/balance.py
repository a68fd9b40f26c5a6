"""`balance`: as many rows of each group, by leaving rows out or repeating them.

Which rows is drawn by a hash of the seed and the row's number: the same for every way to cut the input into batches.
Repeated rows follow the rows of their batch, have the id `ID#copyN` and the number that `data/row_ids.py` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steward.core.errors import UnknownName
from steward.data import decisions as decisions
from steward.data.row_ids import copied_row_id
from steward.data.row_values import list_value_names
from steward.data.stage import Action, Entry, Result
from steward.text.hashing import mix_bits

NAME = "balance"
_NO_LABEL = "(none)"


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
            raise UnknownName("column", self.by, list_value_names(batch), "stage balance, by")
        groups = pc.fill_null(batch[self.by].cast(pa.string()), _NO_LABEL)
        return pa.RecordBatch.from_arrays([batch["row"], batch["id"], groups], names=["row", "id", "group"])

    def count_groups(self, surveys: Iterable[pa.RecordBatch]) -> dict[str, int]:
        """Rows of each group, by its name."""
        total: dict[str, int] = {}
        for batch in surveys:
            for line in pc.value_counts(batch["group"]).to_pylist():
                total[line["values"]] = total.get(line["values"], 0) + line["counts"]
        return dict(sorted(total.items()))

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """What goes or is repeated; a row repeated n times is n rows of the table."""
        batches = list(surveys)
        sizes = self.count_groups(batches)
        is_downsampling = self.mode == "downsample"
        action: Action = "drop" if is_downsampling else "add"
        rule = "group_over" if is_downsampling else "group_under"
        if self.mode == "report" or len(sizes) < 2:
            return decisions.make_decision([], action="drop", rule=rule)
        target = min(sizes.values()) if is_downsampling else max(sizes.values())
        survey_table = pa.Table.from_batches(batches)
        rows, groups = survey_table["row"].to_numpy(), survey_table["group"].to_numpy()
        chosen_by_group, sizes_before = [], []
        for group, size in sizes.items():
            shuffled = self._shuffle_rows(rows[groups == group])
            chosen = shuffled[target:] if is_downsampling else np.resize(shuffled, target - size)
            chosen_by_group.append(chosen)
            sizes_before.append(np.full(len(chosen), size, np.float64))
        chosen_rows, values = np.concatenate(chosen_by_group), np.concatenate(sizes_before)
        order = np.argsort(chosen_rows, kind="stable")
        return decisions.make_decision(
            chosen_rows[order],
            action=action,
            rule=rule,
            value=values[order],
            threshold=float(target),
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        if self.mode != "upsample":
            return decisions.remove_rows(batch, decision, NAME)
        index_by_row = {row: index for index, row in enumerate(batch["row"].to_pylist())}
        ids = batch["id"].to_pylist()
        copies: dict[int, int] = {}
        entries, sources = [], []
        for line in decision.to_pylist():
            source = line["row"]
            copy = copies[source] = copies.get(source, 0) + 1
            source_id = ids[index_by_row[source]]
            sources.append(index_by_row[source])
            entries.append(
                Entry(
                    row=copied_row_id(source, copy),
                    id=f"{source_id}#copy{copy}",
                    stage=NAME,
                    action="add",
                    rule=line["rule"],
                    value=line["value"],
                    threshold=line["threshold"],
                    duplicate_of=source_id,
                )
            )
        return Result(append_rows(batch, batch.take(pa.array(sources, pa.int64())), entries), tuple(entries))

    def _shuffle_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        keys = mix_bits(rows.astype(np.uint64) ^ mix_bits(np.full(1, self.seed % (1 << 64), np.uint64)))
        return rows[np.lexsort((rows, keys))]


def append_rows(batch: pa.RecordBatch, added_rows: pa.RecordBatch, entries: list[Entry]) -> pa.RecordBatch:
    """The batch, then the added rows with the numbers and ids of their entries."""
    for name, values in (("row", [entry.row for entry in entries]), ("id", [entry.id for entry in entries])):
        at = batch.schema.get_field_index(name)
        added_rows = added_rows.set_column(at, batch.schema.field(at), pa.array(values, batch.schema.field(at).type))
    return pa.Table.from_batches([batch, added_rows]).combine_chunks().to_batches()[0] if len(added_rows) else batch
