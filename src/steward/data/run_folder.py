"""The folder of a run: its lock, its key, and what is recorded under `OUT/.run` so that a killed run can go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steward.core.errors import InputError
from steward.core.files import SHARED, replace_file, try_lock, write_file
from steward.data.config import Source
from steward.data.read_plan import ReadPlan
from steward.data.sinks import LEDGER, IpcSink, read_ipc
from steward.data.summary import LEDGER_FILE, ROWS, SUCCESS, SUMMARY, ShardResult, Summary, read_summary

MANIFEST = "manifest.json"
INPUT = ".input"  # rows that were given in memory


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    lock = try_lock(folder / "lock")
    if lock is None:
        raise InputError(f"{folder.parent}: another run is writing here; wait for it, or name another output.path")
    try:
        yield
    finally:
        os.close(lock)


def open_folder(
    output: Path, folder: Path, key: str, overwrite: bool, stage_folders: Sequence[str] = ()
) -> Summary | None:
    """The finished run with this key, if there is one; else a folder in which to start or go on.

    `stage_folders`: the files in folders that stages read and add to; a run is finished only while they stay the same.
    `overwrite` starts from nothing whatever is there.
    """
    record = folder / "key"
    before = record.read_text() if record.exists() else None
    strangers = [item.name for item in output.iterdir() if item != folder and item.name != INPUT]
    if before == key and not overwrite:
        for torn in (output / ROWS).rglob(".part-*"):  # what an interrupted run was writing
            torn.unlink()
        if not (output / SUMMARY).exists():
            return None
        if _read_folders(folder) == list(stage_folders):
            summary = read_summary(output)
            if all((output / ROWS / part.name).exists() for part in summary.parts):
                return msgspec.structs.replace(summary, shards_redone=0)
            (output / SUMMARY).unlink()
            return None
    if (before or strangers) and not overwrite:
        what = "the run of other settings or other inputs" if before else f"other files, such as {strangers[0]}"
        raise InputError(f"{output}: holds {what}; name another output.path, or give --overwrite to replace it")
    for item in [*output.iterdir(), *(output / ROWS).rglob("*")]:
        ours = item.name.startswith(("part-", ".part-")) or item.name in (SUMMARY, MANIFEST, SUCCESS, "report.html")
        if ours and item.is_file():
            item.unlink()
    (output / LEDGER_FILE).unlink(missing_ok=True)
    for item in folder.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
    (output / ROWS).mkdir(exist_ok=True)
    write_file(record, key.encode(), durable=True, mode=SHARED)
    return None


def write_manifest(output: Path, summary: Summary) -> None:
    """Which files hold the rows, and the mark that all of them are there."""
    files = [
        {
            "path": f"{ROWS}/{part.name}", "rows": part.rows, "bytes": (output / ROWS / part.name).stat().st_size,
            "sha256": part.sha256,
        }
        for part in summary.parts
    ]  # fmt: skip
    record = {"format": 1, "rows": summary.rows_out, "digest": summary.digest, "kind": summary.kind, "files": files}
    write_file(output / MANIFEST, msgspec.json.format(msgspec.json.encode(record)), durable=True, mode=SHARED)
    write_file(output / ROWS / SUCCESS, b"", durable=True, mode=SHARED)


def record_folders(folder: Path, files: Sequence[str]) -> None:
    """Note which files the folders of stages hold when the run has finished."""
    write_file(folder / "folders.json", msgspec.json.encode(files), durable=True, mode=SHARED)


def _read_folders(folder: Path) -> list[str]:
    path = folder / "folders.json"
    return msgspec.json.decode(path.read_bytes(), type=list[str]) if path.exists() else []


def read_recorded_plan(output: Path) -> tuple[ReadPlan, Source] | None:
    """What the run of that folder read, and how; None where the folder came from elsewhere."""
    path = output / ".run" / "plan.json"
    if not path.exists():
        return None
    plan, source = msgspec.json.decode(path.read_bytes(), type=tuple[ReadPlan, dict[str, Any]])
    return plan, Source(**source)


def make_phase_folders(folder: Path, phase: int) -> None:
    for name in ("done", "work", "survey", "ledger"):
        (folder / f"{name}-{phase}").mkdir(exist_ok=True)


def read_results(folder: Path, phase: int, shards: int) -> Iterator[ShardResult]:
    for index in range(shards):
        path = folder / f"done-{phase}" / f"{index:06d}.json"
        if path.exists():
            yield msgspec.json.decode(path.read_bytes(), type=ShardResult)


class Surveys:
    """The batches that a stage surveyed, from the disk, as often as it asks."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for path in self._paths:
            yield from read_ipc(path)


def decide_phase(folder: Path, phase: int, corpus: Any, before: list[ShardResult]) -> None:
    """Ask the stage once, and cut its answer into one file a shard."""
    decided = folder / f"decision-{phase}"
    if (decided / "whole").exists():
        return
    decided.mkdir(exist_ok=True)
    surveys = Surveys([folder / f"survey-{phase - 1}" / f"{done.shard:06d}.arrow" for done in before])
    table = corpus.decide(surveys).combine_chunks()
    table = table.take(pc.sort_indices(table, sort_keys=[("row", "ascending")]))
    rows = table["row"].to_numpy() if table.num_rows else np.zeros(0, np.int64)
    for done in before:
        start, end = np.searchsorted(rows, [done.first_row, done.last_row + 1])
        sink = IpcSink(decided / f"{done.shard:06d}.arrow")
        for batch in table.slice(start, end - start).to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]:
            sink.write(batch)
        sink.close()
    write_file(decided / "whole", b"", durable=True, mode=SHARED)


def collect_ledger(output: Path, folder: Path, phases: int, shards: int) -> None:
    """One file, by phase and shard, in the order of the input."""
    path = output / LEDGER_FILE
    path.parent.mkdir(exist_ok=True)
    with replace_file(path) as temporary, pq.ParquetWriter(temporary, LEDGER, compression="zstd") as writer:
        for phase in range(phases):
            for shard in range(shards):
                piece = folder / f"ledger-{phase}" / f"{shard:06d}.parquet"
                if piece.exists():
                    writer.write_table(pq.read_table(piece, schema=LEDGER))
