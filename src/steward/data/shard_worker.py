"""Takes one shard through one phase, in a worker process, and records what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from steward.core.files import SHARED, write_file
from steward.data.config import Source
from steward.data.messages import MORE
from steward.data.profile import LengthStatistics, measure_lengths
from steward.data.read_plan import RowLayout, Shard
from steward.data.reader import read_shard
from steward.data.sinks import IpcSink, LedgerSink, PartsSink, link_file, read_ipc
from steward.data.stage import Entry, Result, list_message_columns
from steward.data.summary import ROWS, ShardResult, StageCount


class PhaseStages(msgspec.Struct, frozen=True):
    """A phase after the first: a decision over the corpus, then stages on its batches."""

    corpus: Any  # CorpusStage | None
    stages: tuple[Any, ...]
    corpus_name: str = ""
    names: tuple[str, ...] = ()


class ShardTask(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker needs for one shard of one phase."""

    folder: str
    output: str
    phase: int
    shard: Shard
    shape: RowLayout
    source: Source
    format: Literal["parquet", "jsonl"]
    part_bytes: int | None
    folders: str | None  # the column whose values become folders
    group: PhaseStages | None  # None: read
    survey: Any  # the next phase's CorpusStage | None
    last: bool
    ordered: bool = False  # the rows that go out are still to be put in order
    more: bool = True
    compress: bool = False  # what goes from phase to phase


def process_shard(task: ShardTask) -> ShardResult:
    """Take the shard through its phase and record it. Only that record makes it count."""
    folder, name = Path(task.folder), f"{task.shard.index:06d}"
    work = IpcSink(folder / f"work-{task.phase}" / f"{name}.arrow", "lz4" if task.compress else None)
    output = PartsSink(Path(task.output) / ROWS, task.shard.index, task.format, task.part_bytes, task.folders)
    survey = IpcSink(folder / f"survey-{task.phase}" / f"{name}.arrow")
    counts: dict[int, StageCount] = {}
    ledger = LedgerSink(folder / f"ledger-{task.phase}" / f"{name}.parquet")
    lengths, blank, has_extra = LengthStatistics(), 0, False
    first, last, rows = 0, -1, 0
    decision = _read_decision(task)
    is_unchanged = _leaves_all_rows(task, decision)
    for batch, entries, blanks, batch_counts in _process_batches(task, decision):
        blank += blanks
        ledger.write(entries)
        for position, count in enumerate(batch_counts):
            counts[position] = counts[position].add_counts(count) if position in counts else count
        if task.survey is not None and batch.num_rows:
            survey.write(task.survey.survey(batch))
        if task.phase == 0 or task.last:
            lengths = lengths.merge(measure_lengths(batch)) if batch.num_rows else lengths
        if batch.num_rows:
            numbers = batch["row"].to_numpy()
            first = int(numbers.min()) if not rows else min(first, int(numbers.min()))
            last = max(last, int(numbers.max()))
            has_extra = has_extra or _has_extra_fields(batch)
            rows += batch.num_rows
            if task.last and not task.ordered:
                output.write(_prepare_output(batch, task.more))
            elif task.last:
                work.write(_prepare_output(batch, task.more))
            elif not is_unchanged:
                work.write(batch)
    survey.close()
    if is_unchanged:
        link_file(folder / f"work-{task.phase - 1}" / work.path.name, work.path)
    else:
        work.close()
    parts = output.close()
    ledger.close()
    stages = tuple(counts[position] for position in sorted(counts)) or _empty_counts(task)
    done = ShardResult(
        shard=task.shard.index, stages=stages, first_row=first, last_row=last, blank=blank, more=has_extra,
        lengths=lengths, parts=parts,
    )  # fmt: skip
    write_file(folder / f"done-{task.phase}" / f"{name}.json", msgspec.json.encode(done), durable=True, mode=SHARED)
    return done


Step = tuple[pa.RecordBatch, list[Entry], int, list[StageCount]]


def _read_decision(task: ShardTask) -> pa.Table | None:
    """What the phase's corpus stage decided of the shard's rows; None where the phase has no such stage."""
    if task.group is None or task.group.corpus is None:
        return None
    path = Path(task.folder) / f"decision-{task.phase}" / f"{task.shard.index:06d}.arrow"
    return pa.Table.from_batches(read_ipc(path))


def _leaves_all_rows(task: ShardTask, decision: pa.Table | None) -> bool:
    """Whether the phase only surveys: its rows go on as they are, in the file that they are in."""
    is_empty = decision is None or not decision.num_rows
    return not task.last and task.group is not None and not task.group.stages and is_empty


def _process_batches(task: ShardTask, decision: pa.Table | None) -> Iterator[Step]:
    """Each batch after its stages, with the entries, blank lines and counts that belong to it."""
    where = f"{task.shard.name} (shard {task.shard.index})"
    if task.group is None:
        for item in read_shard(task.shard, task.shape, task.source):
            count = _count_entries("read", item.batch.num_rows + len(item.failed), item.batch.num_rows, item.failed)
            yield item.batch, list(item.failed), item.blank, [count]
        return
    group = task.group
    for batch in read_ipc(Path(task.folder) / f"work-{task.phase - 1}" / f"{task.shard.index:06d}.arrow"):
        entries: list[Entry] = []
        counts: list[StageCount] = []
        if decision is not None:
            batch_decision = decision.filter(pc.is_in(decision["row"], batch["row"]))
            batch = _record_result(
                group.corpus_name, batch, group.corpus.apply(batch, batch_decision), entries, counts, where
            )
        for stage, name in zip(group.stages, group.names, strict=True):
            result = stage.apply(batch) if batch.num_rows else Result(batch)
            batch = _record_result(name, batch, result, entries, counts, where)
        yield batch, entries, 0, counts


def _record_result(
    name: str, batch: pa.RecordBatch, result: Result, entries: list[Entry], counts: list[StageCount], where: str
) -> pa.RecordBatch:
    count = _count_entries(name, batch.num_rows, result.batch.num_rows, result.entries)
    count.check(where)
    counts.append(msgspec.structs.replace(count, rules=count.rules | result.noted))
    repeated = "#" in name  # a stage knows its own name, not that it stands in the pipeline for the second time
    entries += [msgspec.structs.replace(entry, stage=name) for entry in result.entries] if repeated else result.entries
    return result.batch


def _count_entries(name: str, rows_in: int, rows_out: int, entries: Iterable[Entry]) -> StageCount:
    rules = Counter((entry.action, entry.rule) for entry in entries)
    actions: Counter[str] = Counter()
    for (action, _), number in rules.items():
        actions[action] += number
    return StageCount(
        name, rows_in, rows_out, actions["add"], actions["drop"], actions["merge"], actions["fail"], actions["change"],
        {f"{action} {rule}": number for (action, rule), number in sorted(rules.items())},
    )  # fmt: skip


def _empty_counts(task: ShardTask) -> tuple[StageCount, ...]:
    """Counts of a shard without a row."""
    if task.group is None:
        return (StageCount("read"),)
    names = [task.group.corpus_name] if task.group.corpus is not None else []
    return tuple(StageCount(name) for name in [*names, *task.group.names])


def _has_extra_fields(batch: pa.RecordBatch) -> bool:
    if MORE in batch.schema.names and batch[MORE].null_count < batch.num_rows:
        return True
    inner = [batch[name].flatten() for name in list_message_columns(batch)]
    return any(
        MORE in [field.name for field in flat.type] and flat.field(MORE).null_count < len(flat) for flat in inner
    )


def _prepare_output(batch: pa.RecordBatch, more: bool) -> pa.RecordBatch:
    """Without steward's row numbers, and without `more` where no row of the run has any."""
    batch = batch.drop_columns(["row"])
    if more:
        return batch
    if MORE in batch.schema.names:
        batch = batch.drop_columns([MORE])
    for name in list_message_columns(batch):
        lists = batch[name]
        kind = pa.list_(pa.struct([field for field in lists.type.value_type if field.name != MORE]))
        batch = batch.set_column(batch.schema.get_field_index(name), name, lists.cast(kind))
    return batch
