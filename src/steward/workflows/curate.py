"""Runs pipelines: chooses the executor and the store, and copies the finished output.

What finds personal data, counts tokens or cuts words is in `stage_parts.py`, which a run without such a stage leaves.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from steward.adapters.executors.local import LocalExecutor
from steward.core.errors import InputError
from steward.core.extend import FileStore
from steward.core.extras import install_command
from steward.core.files import replace_file
from steward.data import config
from steward.data.config import Source
from steward.data.locations import is_remote
from steward.data.run import Progress, run
from steward.data.run_folder import MANIFEST
from steward.data.summary import LEDGER_FILE, ROWS, SUCCESS, SUMMARY, Summary

_PARTS = ("detector", "counter", "extractor", "scorer", "segmenter")  # what a stage may have a place for


def run_pipeline(
    file: Path,
    *,
    workers: int | None = None,
    on: Literal["local", "ray"] = "local",
    overwrite: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> Summary:
    """`steward data run`. :raises StewardError: as `steward.data.run.run`"""
    loaded = config.load_pipeline(file)
    source = add_store(loaded.source)
    stages = tuple(map(add_parts, loaded.stages))
    with LocalExecutor(workers) if on == "local" else _make_ray_executor(workers) as executor:
        summary = run(source, stages, loaded.sink, executor, names=loaded.names, progress=progress, overwrite=overwrite)
    if loaded.sink.copy_to:
        copy_output(Path(loaded.sink.path), loaded.sink.copy_to, summary)
    return summary


def add_parts(stage: Any) -> Any:
    """The stage, with what it has a place for and lacks. :raises UnknownName: no such profile or entity"""
    if all(getattr(stage, name, stage) is not None for name in _PARTS):
        return stage
    from steward.workflows.stage_parts import fill_stage  # patterns and word lists: a fifth of a second

    return fill_stage(stage)


def add_store(source: Source) -> Source:
    """The source, with a store where it names addresses and has none."""
    if source.store is not None or not any(map(is_remote, source.list_patterns())):
        return source
    return source.with_store(_make_store())


def _make_store() -> FileStore:
    try:
        from steward.adapters.remote_files import FsspecStore
    except ImportError as error:
        raise InputError(f"addresses such as s3:// need {error.name}; {install_command('remote')}") from error
    return FsspecStore()


def copy_output(output: Path, target: str, summary: Summary) -> None:
    """Copy what a finished run wrote to a folder or an address; the mark that all is there comes last.

    :raises Unavailable: the store does not answer; run again, and the copy is made again
    """
    rows = [f"{ROWS}/{part.name}" for part in summary.parts]
    names = [
        *rows,
        *(name for name in (LEDGER_FILE, SUMMARY, MANIFEST) if (output / name).exists()),
        f"{ROWS}/{SUCCESS}",
    ]
    store = _make_store() if is_remote(target) else None
    for name in names:
        if store is not None:
            store.upload(output / name, f"{target.rstrip('/')}/{name}")
            continue
        path = Path(target) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            shutil.copyfile(output / name, temporary)


def _make_ray_executor(workers: int | None) -> Any:
    try:
        from steward.adapters.executors.ray import RayExecutor
    except ImportError as error:
        raise InputError(f"--on ray needs Ray; {install_command('ray')}") from error
    return RayExecutor(workers)


def output_folder(pipeline: Path) -> Path:
    """The output folder that the pipeline names."""
    return Path(config.load_pipeline(pipeline).sink.path)
