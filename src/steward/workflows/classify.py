"""`steward data classifier train`: reads labelled rows, trains, measures, writes the classifier."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.data.classifier import HeldOut, Progress, save_classifier, train_classifier
from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard
from steward.data.row_values import list_value_names
from steward.data.stage import get_texts
from steward.workflows.curate import add_store

_SHOWN_LABELS = 10


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward data classifier train` prints."""

    output: str
    rows: int  # with a text and a label
    skipped: int  # without a label
    failed: int  # that cannot be read
    good: int
    held_out: HeldOut


def train_from_files(
    files: list[str],
    *,
    label: str,
    good: list[str],
    output: Path,
    text: str | None = None,
    seed: int = 0,
    progress: Progress = lambda step, steps: None,
) -> Training:
    """Rows whose column `label` is one of `good` are good, rows of other labels are not.

    :raises InputError: a label that no row has, too few rows
    :raises UnknownName: no such column
    """
    texts, labels, failed = _read_labelled(files, label, text)
    known = [(row, value) for row, value in zip(texts, labels, strict=True) if value is not None]
    counts = Counter(value for _, value in known)
    for value in good:
        if value not in counts:
            seen = ", ".join(repr(name) for name, _ in counts.most_common(_SHOWN_LABELS)) or "no label"
            raise InputError(f"--good {value}: no row has {value!r} in column {label!r}; the rows have {seen}")
    classifier, held_out = train_classifier(
        [row for row, _ in known], [value in good for _, value in known], seed, progress
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    save_classifier(classifier, output)
    return Training(
        output=str(output),
        rows=len(known),
        skipped=len(texts) - len(known),
        failed=failed,
        good=sum(counts[value] for value in set(good)),
        held_out=held_out,
    )


def _read_labelled(files: list[str], label: str, text: str | None) -> tuple[list[str], list[str | None], int]:
    source = add_store(Source(path=files, text=text, on_error="skip"))
    plan = plan_reading(source)
    texts: list[str] = []
    labels: list[str | None] = []
    failed = 0
    for shard in plan.shards:
        for item in read_shard(shard, plan.shape, source):
            failed += len(item.failed)
            if label not in item.batch.schema.names:
                raise UnknownName("column (--label)", label, list_value_names(item.batch), shard.name)
            texts += get_texts(item.batch).to_pylist()
            labels += [_name_label(value) for value in item.batch[label].to_pylist()]
    return texts, labels, failed


def _name_label(value: object) -> str | None:
    """As it is written in JSON: true, 1, good."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
