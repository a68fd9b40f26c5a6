"""What a corpus stage decided, as a table: one row for each row of the corpus that does not pass unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steward.data.stage import Action, Entry, Result, filter_rows


def make_decision(
    rows: Any,
    *,
    action: Action,
    rule: str | Sequence[str],
    ids: Any = None,
    value: Any = None,
    threshold: float | str | None = None,
    duplicate_of: Any = None,
) -> pa.Table:
    """The columns of `Entry` without `stage`; `rule` and `threshold` may be one for all rows, absent ones are nulls."""
    count = len(rows)
    return pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "id": pa.nulls(count, pa.string()) if ids is None else pa.array(ids, pa.string()),
            "action": pa.array([action] * count, pa.string()),
            "rule": pa.array([rule] * count if isinstance(rule, str) else rule, pa.string()),
            "value": pa.nulls(count, pa.float64()) if value is None else pa.array(value),
            "threshold": pa.array([threshold] * count, pa.string() if isinstance(threshold, str) else pa.float64()),
            "duplicate_of": pa.nulls(count, pa.string())
            if duplicate_of is None
            else pa.array(duplicate_of, pa.string()),
        }
    )


def decision_entries(batch: pa.RecordBatch, decision: pa.Table, stage: str) -> list[Entry]:
    """The ledger's entries of the decision; the ids are the batch's."""
    ids = dict(zip(batch["row"].to_pylist(), batch["id"].to_pylist(), strict=True))
    return [Entry(**{**line, "stage": stage, "id": ids[line["row"]]}) for line in decision.to_pylist()]


def remove_rows(batch: pa.RecordBatch, decision: pa.Table, stage: str) -> Result:
    """The batch without the rows that the decision drops, merges or fails."""
    removals = decision.filter(pc.is_in(decision["action"], pa.array(["drop", "merge", "fail"])))
    keep = ~np.isin(batch["row"].to_numpy(), removals["row"].to_numpy())
    return filter_rows(batch, pa.array(keep), decision_entries(batch, decision, stage))
