"""Tells the story of one row from the ledger of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from steward.data.summary import LEDGER_FILE, read_summary


def explain_row(output: Path, identity: str) -> list[dict[str, Any]]:
    """Every entry of the row, in the order of the stages; also where another row became its duplicate.

    :raises InputError: no finished run there
    """
    read_summary(output)
    table = pq.read_table(output / LEDGER_FILE, filters=[[("id", "==", identity)], [("duplicate_of", "==", identity)]])
    return [_merge_text_values(row) for row in table.to_pylist()]


def _merge_text_values(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("value", "threshold"):
        text = row.pop(f"{name}_text")
        row[name] = text if row[name] is None else row[name]
    return row
