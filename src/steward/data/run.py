"""A run: shards go through phases on an executor, each is recorded when it is done, and the ledger balances.

Phase 0 reads the files; a new phase begins at every stage that decides over the whole corpus. A phase takes each shard
from the disk, carries out what was decided, applies its stages and surveys for the next decision. What is done is
recorded under `OUT/.run`, so a run that was killed goes on where it stopped. The key of the record holds the hashes of
the settings and of the inputs, so the record of another run is never used. Memory holds one batch for each worker.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from steward import __version__
from steward.core.errors import Contradiction, InputError
from steward.core.extend import Executor
from steward.core.files import SHARED, make_private_folder, write_file
from steward.data.config import Sink, Source, stage_name
from steward.data.planner import plan_reading
from steward.data.profile import LengthStatistics
from steward.data.read_plan import ReadPlan
from steward.data.row_order import write_in_order
from steward.data.run_folder import (
    collect_ledger,
    decide_phase,
    lock_folder,
    make_phase_folders,
    open_folder,
    read_results,
    record_folders,
    write_manifest,
)
from steward.data.shard_worker import PhaseStages, ShardTask, process_shard
from steward.data.sinks import PartsSink
from steward.data.stage_files import hash_files, list_folders
from steward.data.summary import ROWS, SUMMARY, ShardResult, StageCount, Summary
from steward.data.unique_ids import UniqueIdCheck

_COMPRESSED_BYTES = 1 << 30  # a larger input goes from phase to phase compressed: a tenth of the time, half the disk
FORMAT = 3  # of what stands under `.run`
_GIVEN = {"detector": "detector of personal data", "counter": "counter of tokens", "extractor": "extractor of pages"}
Progress = Callable[[int, int, str], None]


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
    stage_names = number_repeats(names or map(stage_name, stages))
    for stage, name in zip(stages, stage_names, strict=True):
        for field, what in _GIVEN.items():
            if getattr(stage, field, name) is None:
                raise InputError(
                    f"stage {name!r} has no {what}; run it with `steward data run`, or pass {field}=… in Python"
                )
    output = Path(sink.path)
    folder = output / ".run"
    make_private_folder(folder)
    with lock_folder(folder):
        plan = plan_reading(source)
        _refuse_taken_columns(plan, stages, stage_names)
        _refuse_stages_after_order(stages, stage_names)
        warnings = _check_stages(stages, stage_names)
        key = _run_key(plan, source, sink, stages, stage_names)
        if finished := open_folder(output, folder, key, overwrite, _list_folders(stages)):
            return finished
        write_file(folder / "plan.json", msgspec.json.encode([plan, source.model_dump()]), durable=True, mode=SHARED)
        groups = _plan_phases(plan, source, stages, stage_names)
        summary = _run_phases(plan, source, sink, groups, key, executor, progress)
        warnings += _warn_of_media(summary) + _review_stages(stages, stage_names, summary)
        return _finish(msgspec.structs.replace(summary, warnings=warnings), output, folder, stages)


def _refuse_taken_columns(plan: ReadPlan, stages: Sequence[Any], names: Sequence[str]) -> None:
    """:raises InputError: the input has a column that a stage would overwrite"""
    columns = dict(plan.shape.columns)
    for stage, name in zip(stages, names, strict=True):
        for column in getattr(stage, "adds", ()):
            if column in columns:
                raise InputError(
                    f"stage {name!r} adds the column {column!r}, which the input has already; rename the input's "
                    f"column with input.rename: {{{column}: {column}_before}}, or leave the stage out"
                )


def _refuse_stages_after_order(stages: Sequence[Any], names: Sequence[str]) -> None:
    """:raises InputError: a stage after the one that puts the rows in order"""
    for stage, name, following in zip(stages, names, names[1:], strict=False):
        if getattr(stage, "orders_output", False):
            raise InputError(f"stage {name!r} puts the rows that go out in order; move it behind {following!r}")


def _check_stages(stages: Sequence[Any], names: Sequence[str]) -> tuple[str, ...]:
    """What the stages warn of before the run. :raises InputError: a file that a stage needs cannot be read"""
    checks = [(name, stage.check) for stage, name in zip(stages, names, strict=True) if hasattr(stage, "check")]
    return tuple(f"stage {name!r}: {warning}" for name, check in checks for warning in check())


def _review_stages(stages: Sequence[Any], names: Sequence[str], summary: Summary) -> tuple[str, ...]:
    """What the stages warn of after the run, by what they did."""
    counts = {count.name: count for count in summary.stages}
    reviews = [(name, stage.review) for stage, name in zip(stages, names, strict=True) if hasattr(stage, "review")]
    return tuple(
        f"stage {name!r}: {warning}"
        for name, review in reviews
        for warning in review(counts[name].rows_out, counts[name].rules)
    )


def _warn_of_media(summary: Summary) -> tuple[str, ...]:
    media = summary.before.media
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in media.items())
    return (f"parts of messages that are no text were kept and not read by any stage: {kinds}",) if media else ()


def _list_folders(stages: Sequence[Any]) -> list[str]:
    return [path for stage in stages for path in list_folders(stage)]


def number_repeats(names: Iterable[str]) -> tuple[str, ...]:
    """Names under which the ledger can tell stages apart: the second `quality` of a pipeline becomes `quality#2`.

    >>> number_repeats(["quality", "pii", "quality"])
    ('quality', 'pii', 'quality#2')
    """
    times: Counter[str] = Counter()
    numbered = []
    for name in names:
        times[name] += 1
        numbered.append(name if times[name] == 1 else f"{name}#{times[name]}")
    return tuple(numbered)


def _run_phases(
    plan: ReadPlan,
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
            decide_phase(folder, phase, group.corpus, phases[-1])
        make_phase_folders(folder, phase)
        results = {done.shard: done for done in read_results(folder, phase, len(plan.shards))}
        tasks = [
            ShardTask(
                folder=str(folder), output=str(output), phase=phase, shard=shard, shape=plan.shape, source=source,
                format=sink.format, part_bytes=sink.part_bytes, folders=sink.folders, group=group,
                survey=next_corpus_stage, last=phase == len(groups), ordered=_find_order(groups) is not None,
                more=keep_extra, compress=sum(file.bytes for file in plan.inputs) > _COMPRESSED_BYTES,
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
    if (order := _find_order(groups)) is not None:
        progress(total, total, "sort")
        phases[-1] = _put_in_order(order, phases[-1], sink, folder, len(groups))
    summary = _summarise(plan, phases, key, before, redone_shards)
    collect_ledger(output, folder, len(phases), len(plan.shards))
    return summary


def _find_order(groups: list[PhaseStages]) -> Any:
    """The stage by which the rows that go out are put in order, if there is one."""
    last = groups[-1].stages[-1:] if groups else ()
    return next((stage for stage in last if getattr(stage, "orders_output", False)), None)


def _put_in_order(order: Any, done: list[ShardResult], sink: Sink, folder: Path, phase: int) -> list[ShardResult]:
    """The results of the last phase, with the parts that the rows in order became."""
    files = [folder / f"work-{phase}" / f"{result.shard:06d}.arrow" for result in done]

    def make_sink(root: Path, number: int) -> PartsSink:
        return PartsSink(root, number, sink.format, sink.part_bytes, sink.folders)

    columns, root = order.list_columns(), Path(sink.path) / ROWS
    parts = write_in_order(files, columns, order.descending, folder / "buckets", root, make_sink)
    return [msgspec.structs.replace(done[0], parts=parts), *done[1:]]


def _finish(summary: Summary, output: Path, folder: Path, stages: Sequence[Any]) -> Summary:
    """Write the summary, and clear what was only there to go on from."""
    record_folders(folder, _list_folders(stages))
    write_manifest(output, summary)
    write_file(output / SUMMARY, msgspec.json.format(msgspec.json.encode(summary)), durable=True, mode=SHARED)
    for name in folder.iterdir():
        if name.is_dir():
            shutil.rmtree(name)
    return summary


def _summarise(
    plan: ReadPlan, phases: list[list[ShardResult]], key: str, before: LengthStatistics, redone: int
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
    parts = tuple(part for done in phases[-1] for part in done.parts)
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


def _plan_phases(plan: ReadPlan, source: Source, stages: Sequence[Any], names: Sequence[str]) -> list[PhaseStages]:
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


def _run_key(plan: ReadPlan, source: Source, sink: Sink, stages: Sequence[Any], names: Sequence[str]) -> str:
    """What decides the output: the inputs' hashes, the settings, the version. Not the number of processes."""
    stage_settings = [
        (name, describe_setting(stage) if not isinstance(stage, msgspec.Struct) else _stage_fields(stage))
        for name, stage in zip(names, stages, strict=True)
    ]
    parts = [FORMAT, __version__, plan, source.model_dump(), sink.format, sink.part_mb, sink.folders, stage_settings]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _stage_fields(stage: msgspec.Struct) -> dict[str, str]:
    fields = {name: getattr(stage, name) for name in stage.__struct_fields__}
    settings = {name: describe_setting(value) for name, value in fields.items()}
    return settings | {f"file {path}": digest for path, digest in hash_files(stage).items()}


def describe_setting(value: object) -> str:
    """The value in words that are the same in every process: no addresses in memory, no order that a hash decides.

    >>> describe_setting(partial(sorted, key=len)), describe_setting(frozenset("ba"))
    ('sorted(key=len)', "{'a', 'b'}")
    """
    match value:
        case partial():
            bound = [*map(describe_setting, value.args)]
            bound += [f"{name}={describe_setting(item)}" for name, item in sorted(value.keywords.items())]
            return f"{describe_setting(value.func)}({', '.join(bound)})"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(describe_setting, value)))}}}"
        case tuple() | list():
            return f"[{', '.join(map(describe_setting, value))}]"
        case dict():
            return f"{{{', '.join(f'{name!r}: {describe_setting(item)}' for name, item in value.items())}}}"
        case msgspec.Struct():
            return f"{type(value).__qualname__}({describe_setting(msgspec.structs.asdict(value))})"
    if hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    if dataclasses.is_dataclass(value) or type(value).__repr__ is object.__repr__:
        return f"{type(value).__qualname__}({describe_setting(getattr(value, '__dict__', {}))})"
    return repr(value)
