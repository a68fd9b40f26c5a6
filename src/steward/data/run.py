"""A run: shards through phases on an executor, each recorded when it is done, and a ledger that balances.

Phase 0 reads the files; a new phase begins at every stage that decides over the whole corpus. A phase takes each shard
from the disk, carries out what was decided, applies its stages and surveys for the next decision. What is done is
recorded under `out/.run`, so that a run that was killed goes on where it stopped; the record's key holds the hashes of
the settings and of the inputs, so that nothing of another run is taken for it. Memory holds one batch for each worker.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from steward import __version__
from steward.core.errors import Contradiction, InputError, Unavailable
from steward.core.extend import Executor
from steward.data import sources
from steward.data.config import Sink, Source, stage_name
from steward.data.profile import LengthStatistics, measure_lengths
from steward.data.sinks import (
    LEDGER,
    IpcSink,
    LedgerSink,
    OutputSink,
    read_ipc,
    replace_file,
)
from steward.data.sources import MORE, InputFile, RowLayout, Shard
from steward.data.stage import Entry, Result, filter_rows, is_chat

FORMAT = 1  # of what stands under `.run`
SUMMARY, LEDGER_FILE = "summary.json", "ledger/entries.parquet"  # apart, so that out/*.parquet are the rows
Progress = Callable[[int, int, str], None]


class StageCount(msgspec.Struct, frozen=True):
    """What one stage did. in + added = out + dropped + merged + failed."""

    name: str
    rows_in: int = 0
    rows_out: int = 0
    added: int = 0
    dropped: int = 0
    merged: int = 0
    failed: int = 0
    changed: int = 0
    rules: dict[str, int] = {}  # "drop too_few_words": rows

    def add_counts(self, other: StageCount) -> StageCount:
        numbers = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__struct_fields__
            if name not in ("name", "rules")
        }
        return StageCount(
            self.name, **numbers, rules=dict(sorted((Counter(self.rules) + Counter(other.rules)).items()))
        )

    def check(self, where: str) -> None:
        """:raises Contradiction: rows came or went without an entry"""
        if self.rows_in + self.added != self.rows_out + self.dropped + self.merged + self.failed:
            raise Contradiction(
                f"{where}: stage {self.name!r} does not balance: {self.rows_in} rows in + {self.added} added, but "
                f"{self.rows_out} out + {self.dropped} dropped + {self.merged} merged + {self.failed} failed; every "
                "row that goes or comes needs an entry"
            )


class OutputPart(msgspec.Struct, frozen=True):
    """One file of the output."""

    name: str
    rows: int
    sha256: str


class ShardResult(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of one phase."""

    shard: int
    stages: tuple[StageCount, ...]
    first_row: int = 0
    last_row: int = -1
    blank: int = 0
    more: bool = False  # a row has keys beside the columns
    lengths: LengthStatistics = LengthStatistics()
    part: OutputPart | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a whole run: out/summary.json. rows_in + added = rows_out + dropped + merged + failed."""

    rows_in: int
    rows_out: int
    added: int
    dropped: int
    merged: int
    failed: int
    blank_lines: int
    empty_files: int
    stages: tuple[StageCount, ...]
    digest: str  # SHA-256 over those of the parts, in order
    parts: tuple[OutputPart, ...]
    inputs: tuple[InputFile, ...]
    key: str
    kind: str
    before: LengthStatistics
    after: LengthStatistics
    version: str = __version__
    shards_redone: int = 0  # that this call worked on; the others had been done before


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
    group: PhaseStages | None  # None: read
    survey: Any  # the next phase's CorpusStage | None
    last: bool
    more: bool = True


class UniqueIdCheck(msgspec.Struct, frozen=True):
    """Refuses ids that came before: an id that names two rows explains neither. Of the run itself, before any stage."""

    on_error: str
    shards: tuple[Shard, ...] = ()

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.select(["row", "id"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """Compares 8-byte hashes first, and the ids themselves, on a second reading, only where those agree."""
        hashes = [_hash_ids(survey["id"]) for survey in surveys]
        all_hashes = np.sort(np.concatenate([np.zeros(0, np.uint64), *hashes]))
        repeated = np.unique(all_hashes[1:][all_hashes[1:] == all_hashes[:-1]])
        suspects: list[tuple[str, int]] = []
        for survey, survey_hashes in zip(surveys, hashes, strict=True) if len(repeated) else ():
            matching = survey.filter(pa.array(np.isin(survey_hashes, repeated)))
            suspects += zip(matching["id"].to_pylist(), matching["row"].to_pylist(), strict=True)
        first_rows: dict[str, int] = {}
        duplicates = [
            (row, name, first_rows[name]) for name, row in suspects if first_rows.setdefault(name, row) != row
        ]
        if duplicates and self.on_error == "fail":
            row, _, first = duplicates[0]
            location, first_location = (sources.row_location(number, self.shards) for number in (row, first))
            raise InputError(
                f"{location}: field 'id': the same as {first_location} "
                f"({len(duplicates):,} such rows); expected one id a row; name another column as input.id, or set "
                "input.on_error: skip"
            )
        return pa.table(
            {
                "row": pa.array([row for row, _, _ in duplicates], pa.int64()),
                "rule": ["duplicate_id" for _ in duplicates],
                "where": [sources.row_location(row, self.shards) for row, _, _ in duplicates],
                "value": [sources.row_location(first, self.shards) for _, _, first in duplicates],
            }
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        entries = [
            Entry(
                row=item["row"], id=item["where"], stage="ids", action="fail", rule=item["rule"],
                value=f"the id of {item['value']}", threshold="one row an id", where=f"{item['where']} id",
            )
            for item in decision.to_pylist()
        ]  # fmt: skip
        return filter_rows(batch, pc.invert(pc.is_in(batch["row"], decision["row"].combine_chunks())), entries)


def _hash_ids(ids: pa.Array) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.fromiter((xxhash.xxh3_64_intdigest(text.encode()) for text in ids.to_pylist()), np.uint64, len(ids))


class Surveys:
    """The batches that a stage surveyed, from the disk, as often as it asks."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for path in self._paths:
            yield from read_ipc(path)


# -- the whole run -----------------------------------------------------------------------------------


def run(
    source: Source,
    stages: Sequence[Any],
    sink: Sink,
    executor: Executor,
    *,
    names: Sequence[str] | None = None,
    progress: Progress = lambda done, total, what: None,
    overwrite: bool = False,
) -> Summary:
    """Read, apply the stages in order, write, account for every row.

    :raises InputError: a bad row where `on_error` is fail, a folder that holds another run, `pii` without a detector
    :raises Contradiction: rows in + added is not rows out + dropped + merged + failed
    :raises Unavailable: a worker died; run again to go on
    """
    stage_names = tuple(names or map(stage_name, stages))
    for stage, name in zip(stages, stage_names, strict=True):
        if getattr(stage, "detector", name) is None:
            raise InputError(
                f"stage {name!r} has no detector of personal data; `steward data run` gives it privacy's, in Python "
                "pass detector=…"
            )
    output = Path(sink.path)
    folder = output / ".run"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock_folder(folder):
        plan = sources.plan_reading(source)
        key = _run_key(plan, source, sink, stages, stage_names)
        if finished := _open_folder(output, folder, key, overwrite):
            return finished
        replace_file(folder / "plan.json", msgspec.json.encode([plan, source.model_dump()]))
        groups = _plan_phases(plan, source, stages, stage_names)
        return _run_phases(plan, source, sink, groups, key, executor, progress)


def _run_phases(
    plan: sources.ReadPlan,
    source: Source,
    sink: Sink,
    groups: list[PhaseStages],
    key: str,
    executor: Executor,
    progress: Progress,
) -> Summary:
    output = Path(sink.path)
    folder = output / ".run"
    total = len(plan.shards) * (len(groups) + 1)
    redone_shards, before = 0, LengthStatistics()
    phases: list[list[ShardResult]] = []
    for phase, group in enumerate([None, *groups]):
        what = "read" if group is None else " ".join([group.corpus_name, *group.names]).strip() or "write"
        next_corpus_stage = groups[phase].corpus if phase < len(groups) else None
        keep_extra = phase == 0 or any(done.more for done in phases[0])
        if group is not None and group.corpus is not None:
            progress(phase * len(plan.shards), total, f"{group.corpus_name}: deciding")
            _decide_phase(folder, phase, group.corpus, phases[-1])
        _make_phase_folders(folder, phase)
        results = {done.shard: done for done in _read_results(folder, phase, len(plan.shards))}
        tasks = [
            ShardTask(
                folder=str(folder), output=str(output), phase=phase, shard=shard, shape=plan.shape, source=source,
                format=sink.format, group=group, survey=next_corpus_stage, last=phase == len(groups), more=keep_extra,
            )
            for shard in plan.shards
            if shard.index not in results
        ]  # fmt: skip
        for done in executor.map(process_shard, tasks):
            results[done.shard] = done
            redone_shards += 1
            progress(phase * len(plan.shards) + len(results), total, what)
        phases.append([results[shard.index] for shard in plan.shards])
        if phase:
            shutil.rmtree(folder / f"work-{phase - 1}", ignore_errors=True)  # all of it has gone on
    for done in phases[0]:
        before = before.merge(done.lengths)
    summary = _summarise(plan, phases, key, before, redone_shards)
    _collect_ledger(output, folder, len(phases), len(plan.shards))
    replace_file(output / SUMMARY, msgspec.json.format(msgspec.json.encode(summary), indent=2))
    for name in folder.iterdir():
        if name.is_dir():
            shutil.rmtree(name)
    return summary


def _summarise(
    plan: sources.ReadPlan, phases: list[list[ShardResult]], key: str, before: LengthStatistics, redone: int
) -> Summary:
    counts: list[StageCount] = []
    for phase in phases:
        for position in range(len(phase[0].stages)):
            total = phase[0].stages[position]
            for done in phase[1:]:
                total = total.add_counts(done.stages[position])
            total.check("the whole run")
            counts.append(total)
    for earlier, later in pairwise(counts):
        if earlier.rows_out != later.rows_in:
            raise Contradiction(f"{earlier.name} gave {earlier.rows_out} rows, {later.name} took {later.rows_in}")
    after = LengthStatistics()
    for done in phases[-1]:
        after = after.merge(done.lengths)
    sums = {name: sum(getattr(count, name) for count in counts) for name in ("added", "dropped", "merged", "failed")}
    parts = tuple(done.part for done in phases[-1] if done.part)
    rows_in, rows_out = counts[0].rows_in, sum(part.rows for part in parts)
    StageCount("run", rows_in, rows_out, **sums).check("the whole run")
    return Summary(
        rows_in=rows_in,
        rows_out=rows_out,
        **sums,
        blank_lines=sum(done.blank for done in phases[0]),
        empty_files=plan.empty_files,
        stages=tuple(counts),
        digest=hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest(),
        parts=parts,
        inputs=plan.inputs,
        key=key,
        kind=plan.shape.kind,
        before=before,
        after=after,
        shards_redone=redone,
    )


def _plan_phases(
    plan: sources.ReadPlan, source: Source, stages: Sequence[Any], names: Sequence[str]
) -> list[PhaseStages]:
    """Cut before every stage that decides over the corpus; ids that the input brought are checked first."""
    id_check = UniqueIdCheck(source.on_error, plan.shards) if plan.shape.id else None
    phases: list[tuple[Any, str, list[Any], list[str]]] = [(id_check, "ids" if id_check else "", [], [])]
    for stage, name in zip(stages, names, strict=True):
        if hasattr(stage, "survey"):
            phases.append((stage, name, [], []))
        else:
            phases[-1][2].append(stage)
            phases[-1][3].append(name)
    if phases[0][0] is None and not phases[0][2] and len(phases) > 1:
        del phases[0]
    return [PhaseStages(corpus, tuple(inner), name, tuple(inner_names)) for corpus, name, inner, inner_names in phases]


def _run_key(plan: sources.ReadPlan, source: Source, sink: Sink, stages: Sequence[Any], names: Sequence[str]) -> str:
    """What decides the output: the inputs' hashes, the settings, the version. Not the number of processes."""
    stage_settings = [
        (name, repr(stage) if not isinstance(stage, msgspec.Struct) else _stage_fields(stage))
        for name, stage in zip(names, stages, strict=True)
    ]
    parts = [FORMAT, __version__, plan, source.model_dump(), sink.format, stage_settings]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _stage_fields(stage: msgspec.Struct) -> dict[str, str]:
    fields = {name: getattr(stage, name) for name in stage.__struct_fields__}
    return {name: getattr(value, "__qualname__", repr(value)) for name, value in fields.items()}


# -- the folder of a run -----------------------------------------------------------------------------


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder.parent}: another run is writing here; wait for it, or name another output.path"
            ) from None
        yield


def _open_folder(output: Path, folder: Path, key: str, overwrite: bool) -> Summary | None:
    """The finished run with this key, if there is one; else a folder in which to start or go on."""
    record = folder / "key"
    before = record.read_text() if record.exists() else None
    strangers = [item.name for item in output.iterdir() if item != folder]
    if before == key:
        if (output / SUMMARY).exists():
            summary = read_summary(output)
            if all((output / part.name).exists() for part in summary.parts):
                return msgspec.structs.replace(summary, shards_redone=0)
            (output / SUMMARY).unlink()
        return None
    if (before or strangers) and not overwrite:
        what = "the run of other settings or other inputs" if before else f"other files, such as {strangers[0]}"
        raise InputError(f"{output}: holds {what}; name another output.path, or give --overwrite to replace it")
    for item in output.iterdir():
        ours = item.name.startswith("part-") or item.name in (SUMMARY, "report.html")
        if ours and item.is_file():
            item.unlink()
    (output / LEDGER_FILE).unlink(missing_ok=True)
    for item in folder.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
    replace_file(record, key.encode())
    return None


def read_summary(output: Path) -> Summary:
    """:raises InputError: no run has finished there"""
    try:
        return msgspec.json.decode((output / SUMMARY).read_bytes(), type=Summary)
    except OSError as error:
        raise InputError(f"{output}: no finished run; expected the output.path of `steward data run`") from error
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{output / SUMMARY}: not the summary of this version's run ({error}); run it again"
        ) from error


def read_plan(output: Path) -> tuple[sources.ReadPlan, Source] | None:
    """What the run of that folder read, and how; None where the folder came from elsewhere."""
    path = output / ".run" / "plan.json"
    if not path.exists():
        return None
    plan, source = msgspec.json.decode(path.read_bytes(), type=tuple[sources.ReadPlan, dict[str, Any]])
    return plan, Source(**source)


def _make_phase_folders(folder: Path, phase: int) -> None:
    for name in ("done", "work", "survey", "ledger"):
        (folder / f"{name}-{phase}").mkdir(exist_ok=True)


def _read_results(folder: Path, phase: int, shards: int) -> Iterator[ShardResult]:
    for index in range(shards):
        path = folder / f"done-{phase}" / f"{index:06d}.json"
        if path.exists():
            yield msgspec.json.decode(path.read_bytes(), type=ShardResult)


def _decide_phase(folder: Path, phase: int, corpus: Any, before: list[ShardResult]) -> None:
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
    replace_file(decided / "whole", b"")


def _collect_ledger(output: Path, folder: Path, phases: int, shards: int) -> None:
    """One file, by phase and shard, in the order of the input."""
    path = output / LEDGER_FILE
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with pq.ParquetWriter(temporary, LEDGER, compression="zstd") as writer:
        for phase in range(phases):
            for shard in range(shards):
                piece = folder / f"ledger-{phase}" / f"{shard:06d}.parquet"
                if piece.exists():
                    writer.write_table(pq.read_table(piece, schema=LEDGER))
    temporary.replace(path)


# -- one shard of one phase, in a worker -------------------------------------------------------------


def process_shard(task: ShardTask) -> ShardResult:
    """Take the shard through its phase and record it. Only that record makes it count."""
    folder, name = Path(task.folder), f"{task.shard.index:06d}"
    part = Path(task.output) / f"part-{task.shard.index:05d}.{task.format}"
    sink: IpcSink | OutputSink = (
        OutputSink(part, task.format) if task.last else IpcSink(folder / f"work-{task.phase}" / f"{name}.arrow", "lz4")
    )
    survey = IpcSink(folder / f"survey-{task.phase}" / f"{name}.arrow")
    counts: dict[int, StageCount] = {}
    ledger = LedgerSink(folder / f"ledger-{task.phase}" / f"{name}.parquet")
    lengths, blank, has_extra = LengthStatistics(), 0, False
    first, last, rows = 0, -1, 0
    where = f"{task.shard.name} (shard {task.shard.index})"
    for batch, entries, blanks, batch_counts in _process_batches(task, where):
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
            sink.write(_prepare_output(batch, task.more) if task.last else batch)
    survey.close()
    digest = sink.close()
    ledger.close()
    stages = tuple(counts[position] for position in sorted(counts)) or _empty_counts(task)
    done = ShardResult(
        shard=task.shard.index, stages=stages, first_row=first, last_row=last, blank=blank, more=has_extra,
        lengths=lengths,
        part=OutputPart(part.name, rows, digest) if digest else None,
    )  # fmt: skip
    replace_file(folder / f"done-{task.phase}" / f"{name}.json", msgspec.json.encode(done))
    return done


Step = tuple[pa.RecordBatch, list[Entry], int, list[StageCount]]


def _process_batches(task: ShardTask, where: str) -> Iterator[Step]:
    """Each batch after its stages, with the entries, blank lines and counts that belong to it."""
    if task.group is None:
        for item in sources.read_shard(task.shard, task.shape, task.source):
            count = _count_entries("read", item.batch.num_rows + len(item.failed), item.batch.num_rows, item.failed)
            yield item.batch, list(item.failed), item.blank, [count]
        return
    group = task.group
    file_name = f"{task.shard.index:06d}.arrow"
    decision = None
    if group.corpus is not None:
        decision = pa.Table.from_batches(read_ipc(Path(task.folder) / f"decision-{task.phase}" / file_name))
    for batch in read_ipc(Path(task.folder) / f"work-{task.phase - 1}" / file_name):
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
    counts.append(count)
    entries += result.entries
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
    if not is_chat(batch):
        return False
    inner = batch["messages"].flatten()
    return MORE in [field.name for field in inner.type] and inner.field(MORE).null_count < len(inner)


def _prepare_output(batch: pa.RecordBatch, more: bool) -> pa.RecordBatch:
    """Without steward's row numbers, and without `more` where no row of the run has any."""
    batch = batch.drop_columns(["row"])
    if more:
        return batch
    if MORE in batch.schema.names:
        batch = batch.drop_columns([MORE])
    if is_chat(batch):
        lists = batch["messages"]
        kind = pa.list_(pa.struct([field for field in lists.type.value_type if field.name != MORE]))
        batch = batch.set_column(batch.schema.get_field_index("messages"), "messages", lists.cast(kind))
    return batch


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


__all__ = ["Summary", "Unavailable", "explain_row", "read_summary", "run"]
