"""Tells the story of one row from the ledger of a finished run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from steward.data.config import Source
from steward.data.read_plan import ReadPlan, find_row, shard_index
from steward.data.reader import read_shard
from steward.data.row_ids import ORIGIN_MASK
from steward.data.run_folder import read_recorded_plan
from steward.data.summary import LEDGER_FILE, read_summary


def explain_row(output: Path, identity: str) -> list[dict[str, Any]]:
    """Every entry of the row, in the order of the stages; also where another row became its duplicate.

    `identity` is the row's id, or its file and line, whatever its id is.

    :raises InputError: no finished run there
    """
    read_summary(output)
    filters: list[list[tuple[str, str, Any]]] = [[("id", "==", identity)], [("duplicate_of", "==", identity)]]
    recorded = read_recorded_plan(output)
    if recorded is not None and (row := _find_row(recorded[0], identity)) is not None:
        names = _read_ids(output, row) or _read_ids_of_input(*recorded, row)
        filters += [[("row", "==", row)], *([("duplicate_of", "==", name)] for name in names)]
    table = pq.read_table(output / LEDGER_FILE, filters=filters)
    return [_merge_text_values(entry) for entry in table.to_pylist()]


def _find_row(plan: ReadPlan, identity: str) -> int | None:
    """The number of the row at `file:line`; None where the name is none, or of no file of the run."""
    name, _, line = identity.rpartition(":")
    if not (name and line.isdecimal()):
        return None
    path = os.path.abspath(name)
    names = (name, os.path.normpath(name))
    known = next((shard.name for shard in plan.shards if shard.name in names or path == shard.path), None)
    return None if known is None else find_row(known, int(line), plan.shards)


def _read_ids(output: Path, row: int) -> list[str]:
    """The ids under which the ledger knows a row of the input: its own, not those of copies made of it."""
    table = pq.read_table(output / LEDGER_FILE, columns=["id", "row"], filters=[("row", "==", row & ORIGIN_MASK)])
    return pc.unique(table["id"]).to_pylist()  # type: ignore[no-any-return]


def _read_ids_of_input(plan: ReadPlan, source: Source, row: int) -> list[str]:
    """The id that the input gives a row of which the ledger knows nothing; none where the input is gone."""
    shard = plan.shards[shard_index(row)]
    if not os.path.isfile(shard.path):
        return []
    for item in read_shard(shard, plan.shape, source.model_copy(update={"on_error": "skip"})):
        if row in (numbers := item.batch["row"].to_pylist()):
            return [item.batch["id"][numbers.index(row)].as_py()]
    return []


def _merge_text_values(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("value", "threshold"):
        text = row.pop(f"{name}_text")
        row[name] = text if row[name] is None else row[name]
    return row
