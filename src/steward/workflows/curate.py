"""Cleaning, checking and reporting: chooses the executor, gives privacy's detector to the stages that need one.

Detectors belong to privacy, stages to data; here they meet.
"""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from steward.adapters.executors.local import LocalExecutor
from steward.adapters.segmenters import LibrarySegmenter
from steward.adapters.text_models import make_text_model
from steward.adapters.token_counters import make_token_counter
from steward.core.errors import InputError
from steward.core.extend import FileStore, PageExtractor
from steward.core.extras import install_command
from steward.core.files import replace_file
from steward.data import config
from steward.data.config import Source
from steward.data.contract import ContractResult, check_contract, load_contract
from steward.data.locations import is_remote
from steward.data.planner import plan_reading
from steward.data.profile import Profile, profile
from steward.data.reader import read_shard
from steward.data.report import write_report
from steward.data.run import Progress, run
from steward.data.run_folder import MANIFEST
from steward.data.stages.classifier import ClassifierStage
from steward.data.stages.pii import Pii
from steward.data.stages.quality import Quality
from steward.data.summary import LEDGER_FILE, ROWS, SUCCESS, SUMMARY, Summary
from steward.privacy.custom import NO_DETECTORS, CustomDetectors
from steward.privacy.entities import PROFILES, find_entity, label_entity
from steward.privacy.policy import change_value
from steward.privacy.scan import choose_entities, scan_text
from steward.workflows.detectors import list_detectors_of, open_detectors


def find_personal_data(
    text: str, entities: frozenset[str] | None = None, custom: CustomDetectors = NO_DETECTORS
) -> list[tuple[int, int, str]]:
    """Privacy's detector in the shape that stages take: start, end, kind. Without `entities`, those of `default`.
    `custom`: an operator's detectors, beside those that steward has.

    >>> find_personal_data("ask bob@example.com")
    [(4, 19, 'email')]
    """
    findings = scan_text(text, PROFILES["default"] if entities is None else entities, custom=custom)
    return [(one.start, one.end, label_entity(one.entity)) for one in findings]


def add_detector(stage: Any) -> Any:
    """The stage, with privacy's detector or a counter of tokens where it has a place for one and none in it."""
    if getattr(stage, "extractor", stage) is None:
        return msgspec.structs.replace(stage, extractor=_make_extractor())
    if getattr(stage, "counter", stage) is None:
        return msgspec.structs.replace(stage, counter=make_token_counter(stage.tokenizer))
    if isinstance(stage, ClassifierStage) and not stage.is_own and stage.scorer is None:
        model = make_text_model(stage.file, str(stage.label), stage.tokenizer)  # without a label it is no stage
        return msgspec.structs.replace(stage, scorer=model)
    if isinstance(stage, Quality) and stage.needs_words and stage.segmenter is None:
        return msgspec.structs.replace(stage, segmenter=LibrarySegmenter())
    if isinstance(stage, Pii) and stage.detector is None:
        return _add_privacy(stage)
    return stage


def _add_privacy(stage: Pii) -> Pii:
    """:raises UnknownName: no such profile or entity"""
    detectors = list_detectors_of(Path(stage.detectors)) if stage.detectors else []
    custom = open_detectors(detectors)
    detect = partial(find_personal_data, entities=choose_entities(stage.profile, stage.entities), custom=custom)
    change = None if stage.action == "label" else partial(_change, stage.action)
    files = tuple(one.function for one in detectors if one.function)
    return msgspec.structs.replace(stage, detector=detect, change=change, detector_files=files)


def _change(action: Literal["mask", "redact", "generalise"], kind: str, value: str) -> str:
    changed = change_value(action, find_entity(kind), value, b"", time.gmtime().tm_year)
    return value if changed is None else changed


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
    stages = tuple(add_detector(stage) for stage in loaded.stages)
    with LocalExecutor(workers) if on == "local" else _make_ray_executor(workers) as executor:
        summary = run(source, stages, loaded.sink, executor, names=loaded.names, progress=progress, overwrite=overwrite)
    if loaded.sink.copy_to:
        copy_output(Path(loaded.sink.path), loaded.sink.copy_to, summary)
    return summary


def add_store(source: Source) -> Source:
    """The source, with a store where it names addresses and has none."""
    if source.store is not None or not any(map(is_remote, source.list_patterns())):
        return source
    return source.with_store(_make_store())


def _make_extractor() -> PageExtractor:
    try:
        from steward.adapters.page_extractor import TrafilaturaExtractor
    except ImportError as error:
        raise InputError(f"stage 'extract' needs trafilatura ({error}); {install_command('web')}") from error
    return TrafilaturaExtractor()


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


def profile_files(files: list[str], text: str | None = None, tokenizer: Path | None = None) -> Profile:
    """`steward data profile`: rows that cannot be read are counted."""
    source = add_store(Source(path=files, text=text, on_error="skip"))
    read_plan = plan_reading(source)
    failed = 0

    def batches() -> Any:
        nonlocal failed
        for shard in read_plan.shards:
            for item in read_shard(shard, read_plan.shape, source):
                failed += len(item.failed)
                yield item.batch

    counter = make_token_counter(str(tokenizer)) if tokenizer else None
    result = profile(batches(), find_personal_data, counter=counter)
    return msgspec.structs.replace(result, failed=failed)


def check_files(contract: Path, files: list[str]) -> ContractResult:
    """`steward data check`."""
    loaded = load_contract(contract)
    source = add_store(Source(path=files, text=loaded.text, on_error="skip"))
    return check_contract(loaded, source, find_personal_data)


def write_run_report(output: Path) -> Path:
    """`steward data report`: the page's place."""
    return write_report(output, find_personal_data)


def output_folder(pipeline: Path) -> Path:
    """The output folder that the pipeline names."""
    return Path(config.load_pipeline(pipeline).sink.path)
