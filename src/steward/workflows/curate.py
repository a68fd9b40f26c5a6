"""Cleaning, checking and reporting: chooses the executor, gives privacy's detector to the stages that need one.

Detectors belong to privacy, stages to data; here they meet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from steward.adapters.executors.local import LocalExecutor
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.data import config
from steward.data.config import Source
from steward.data.contract import ContractResult, check_contract, load_contract
from steward.data.planner import plan_reading
from steward.data.profile import Profile, profile
from steward.data.reader import read_shard
from steward.data.report import write_report
from steward.data.run import Progress, run
from steward.data.summary import Summary
from steward.privacy.entities import PROFILES, label_entity
from steward.privacy.scan import scan_text


def find_personal_data(text: str) -> list[tuple[int, int, str]]:
    """Privacy's detector in the shape that stages take: start, end, kind.

    >>> find_personal_data("ask bob@example.com")
    [(4, 19, 'email')]
    """
    findings = scan_text(text, PROFILES["default"])
    return [(one.start, one.end, label_entity(one.entity)) for one in findings]


def add_detector(stage: Any) -> Any:
    """The stage, with privacy's detector where it has a place for one and none in it."""
    if getattr(stage, "detector", stage) is None:
        return msgspec.structs.replace(stage, detector=find_personal_data)
    return stage


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
    stages = tuple(add_detector(stage) for stage in loaded.stages)
    with LocalExecutor(workers) if on == "local" else _make_ray_executor(workers) as executor:
        return run(
            loaded.source, stages, loaded.sink, executor, names=loaded.names, progress=progress, overwrite=overwrite
        )


def _make_ray_executor(workers: int | None) -> Any:
    try:
        from steward.adapters.executors.ray import RayExecutor
    except ImportError as error:
        raise InputError(f"--on ray needs Ray; {install_command('ray')}") from error
    return RayExecutor(workers)


def profile_files(files: list[str], text: str | None = None) -> Profile:
    """`steward data profile`: rows that cannot be read are counted."""
    source = Source(path=files, text=text, on_error="skip")
    read_plan = plan_reading(source)
    failed = 0

    def batches() -> Any:
        nonlocal failed
        for shard in read_plan.shards:
            for item in read_shard(shard, read_plan.shape, source):
                failed += len(item.failed)
                yield item.batch

    result = profile(batches(), find_personal_data)
    return msgspec.structs.replace(result, failed=failed)


def check_files(contract: Path, files: list[str]) -> ContractResult:
    """`steward data check`."""
    return check_contract(load_contract(contract), files, find_personal_data)


def write_run_report(output: Path) -> Path:
    """`steward data report`: the page's place."""
    return write_report(output, find_personal_data)


def output_folder(pipeline: Path) -> Path:
    """The output folder that the pipeline names."""
    return Path(config.load_pipeline(pipeline).sink.path)
