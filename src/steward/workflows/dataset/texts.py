"""What happens to the words of a training set: personal data out, then the data capability's stages over all rows.

Detectors belong to privacy and stages to data; improvement knows neither. A stage that takes a row away says why, and
its counts become steps of the manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from glob import glob
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError
from steward.core.files import write_file
from steward.data.config import Sink, Source, make_stage
from steward.data.pipeline import InProcess
from steward.data.run import run
from steward.data.stages.decontaminate import read_item_values
from steward.data.summary import ROWS, StageCount, Summary
from steward.improvement.dataset.config import DatasetConfig
from steward.improvement.dataset.manifest import DatasetStep
from steward.improvement.dataset.rows import TrainingRow
from steward.privacy.entities import PROFILES
from steward.privacy.policy import change_value
from steward.privacy.pseudonyms import replace
from steward.privacy.scan import scan_text

_NAMES: Final = ("role", "type", "id", "tool_call_id", "name")  # keys of messages whose values are no words
Progress = Callable[[int, int, str], None]


def scrub_rows(rows: Sequence[TrainingRow], profile: str, progress: Progress) -> tuple[list[TrainingRow], int]:
    """The rows with personal data replaced by what it was, such as [EMAIL REDACTED], and how many rows changed."""
    entities = PROFILES.get(profile)
    if entities is None:  # off
        return list(rows), 0
    scrubbed, changed = [], 0
    for number, row in enumerate(rows, 1):
        values = {
            name: tuple(_scrub(list(getattr(row, name)), entities)) for name in ("prompt", "completion", "rejected")
        }
        new = msgspec.structs.replace(row, **values)
        changed += new != row
        scrubbed.append(new)
        if not number % 50:
            progress(number, len(rows), "removing personal data")
    return scrubbed, changed


def _scrub(value: Any, entities: Collection[str]) -> Any:
    if isinstance(value, str):
        findings = scan_text(value, entities)
        return replace(value, findings, lambda found, text: change_value("redact", found.entity, text, b"", 0) or "")
    if isinstance(value, dict):
        return {key: item if key in _NAMES else _scrub(item, entities) for key, item in value.items()}
    return [_scrub(item, entities) for item in value] if isinstance(value, list) else value


def clean_rows(
    rows: Sequence[TrainingRow], config: DatasetConfig, base: Path, work: Path, progress: Progress
) -> tuple[list[TrainingRow], list[DatasetStep], tuple[str, ...]]:
    """Rows that are well formed, say something of their own and quote no evaluation set; earlier rows are preferred.

    :raises InputError: an evaluation set that cannot be read, or none where one is named
    """
    chats = [{"id": str(number), "messages": [*row.prompt, *row.completion]} for number, row in enumerate(rows)]
    source, output = work / "rows.jsonl", work / "cleaned"
    write_file(source, b"".join(msgspec.json.encode(chat) + b"\n" for chat in chats))
    stages: list[dict[str, Any]] = [{"use": "quality", "preset": "sft"}, {"use": "dedupe.exact"}]
    if config.duplicates.near is not None:
        stages.append({"use": "dedupe.minhash", "verify": config.duplicates.near, "keep": "first"})
    if config.evaluation_sets:
        items = work / "items.jsonl"
        write_file(items, b"".join(msgspec.json.encode(item) + b"\n" for item in read_items_to_avoid(config, base)))
        stages.append({"use": "decontaminate", "against": [str(items)]})
    summary = run(
        Source(path=str(source)), [make_stage(stage) for stage in stages], Sink(path=str(output), format="jsonl"),
        InProcess(), names=[str(stage["use"]) for stage in stages], progress=progress,
    )  # fmt: skip
    kept = {int(name) for name in _read_ids(output, summary)}
    steps = [_make_step(count) for count in summary.stages if count.name in {stage["use"] for stage in stages}]
    warnings = tuple(warning for warning in summary.warnings if "parts of messages" not in warning)
    return [row for number, row in enumerate(rows) if number in kept], steps, warnings


def _read_ids(output: Path, summary: Summary) -> Iterable[str]:
    for part in summary.parts:
        for line in (output / ROWS / part.name).read_bytes().splitlines():
            yield msgspec.json.decode(line)["id"]


def _make_step(count: StageCount) -> DatasetStep:
    removed = count.dropped + count.merged + count.failed
    reasons = {rule: number for rule, number in count.rules.items() if not rule.startswith("change ")}
    return DatasetStep(
        name=count.name, rows_in=count.rows_in, rows_out=count.rows_out, removed=removed,
        reasons={rule.partition(" ")[2] or rule: number for rule, number in reasons.items()},
    )  # fmt: skip


def read_items_to_avoid(config: DatasetConfig, base: Path) -> Iterable[Any]:
    """The items of every evaluation set, without what is not to be looked for."""
    for one in config.evaluation_sets:
        for place, item in _read_items(base, one.path):
            if not isinstance(item, dict):
                yield item
                continue
            if missing := [field for field in one.fields if field not in item]:
                raise InputError(f"{place}: no field {missing[0]!r}; its fields are {', '.join(sorted(item))}")
            yield {name: value for name, value in item.items() if _is_looked_for(name, one.fields, one.subject)}


def _is_looked_for(name: str, fields: Sequence[str], subject: str) -> bool:
    return name in fields if fields else name not in ("id", subject)


def read_evaluated_subjects(config: DatasetConfig, base: Path, name: Callable[[str], str]) -> set[str]:
    """HMACs of the people whose requests are items of evaluation sets."""
    subjects = set()
    for one in config.evaluation_sets:
        for _, item in _read_items(base, one.path):
            if isinstance(item, dict) and isinstance(value := item.get(one.subject), str) and value:
                subjects |= {name(value), value}  # an item of this home has the HMAC already
    return subjects


def _read_items(base: Path, pattern: str) -> Iterable[tuple[str, Any]]:
    files = sorted(path for path in glob(str(base / pattern), recursive=True) if Path(path).is_file())
    if not files:
        raise InputError(f"evaluation_sets: no file matches {pattern!r}; name the sets, or leave them out")
    for path in files:
        yield from read_item_values(path)
