"""`steward dataset build|show|diff|verify|list|export|erase`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_progress,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.cli.terminal_text import write_note
from steward.core.errors import InputError
from steward.core.excerpts import cut_digest
from steward.core.extras import install_command

if TYPE_CHECKING:
    from steward.improvement.dataset.manifest import DatasetStep
    from steward.workflows.dataset.home import DatasetHome

SetArgument = Annotated[Path, typer.Argument(help="Folder of a training set.")]


class RowsFor(StrEnum):
    trl_sft = "trl-sft"
    trl_dpo = "trl-dpo"
    trl_kto = "trl-kto"
    openai = "openai"
    openai_dpo = "openai-dpo"
    axolotl = "axolotl"
    axolotl_dpo = "axolotl-dpo"
    llamafactory = "llamafactory"
    llamafactory_dpo = "llamafactory-dpo"
    llamafactory_kto = "llamafactory-kto"


def build(
    file: Annotated[Path, typer.Argument(help="Path of dataset.yaml.")],
    out: Annotated[Path | None, typer.Option(help="Folder to make. Default: in the home.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("steps")] = False,
) -> None:
    """Build a training set. Exits with 3 if there is too little to train on; nothing is written then."""
    with _require_extra(), show_progress(hidden=json) as progress:
        from steward.workflows.dataset.build import build_dataset
        from steward.workflows.findings import describe_dataset

        opened = _open_home(home)
        result = build_dataset(file, opened, out, progress=progress)
    keep_finding(describe_dataset(result, file), opened.folder.parent)
    if json:
        show_json(result)
    else:
        _show_steps(result.steps)
        if result.manifest is not None:
            rows = ", ".join(f"{count:,} {split}" for split, count in result.manifest.rows.items())
            show_lines(["", f"{result.folder}: {rows}; of {len(result.manifest.subjects):,} people"])
            show_lines([f"digest {result.manifest.digest}"])
    for warning in result.warnings:
        write_note(f"warning: {warning}")
    if result.refused is not None:
        write_note(f"refused: {result.refused}")
        raise typer.Exit(3)


def show(folder: SetArgument, json: Annotated[JsonOption, CsvRows("steps")] = False) -> None:
    """Show what a training set holds and how it came about."""
    from steward.workflows.dataset.folder import read_manifest

    manifest = read_manifest(folder)
    if json:
        show_json(manifest)
        return
    built = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(manifest.created_at))
    show_lines([f"{manifest.name}, built {built} by steward {manifest.version}", f"digest {manifest.digest}", ""])
    _show_steps(manifest.steps)
    facts: list[list[object]] = [[f"rows to {split}", count] for split, count in manifest.rows.items()]
    facts += [["people", len(manifest.subjects)]]
    facts += [[f"origin {name}", count] for name, count in manifest.origins.items()]
    facts += [[f"basis {name}", count] for name, count in manifest.consents.items()]
    facts += [[f"group {name}", count] for name, count in manifest.groups.items()]
    facts += [["replayed, of the training slice", f"{manifest.replay_share:.1%}"]]
    facts += [["written by a model, of the training slice", f"{manifest.model_share:.1%}"]]
    if manifest.distinct_ngrams is not None:
        facts += [["different runs of 3 words in the answers", f"{manifest.distinct_ngrams:.1%}"]]
    if manifest.parent:
        facts += [["made without erased rows from", manifest.parent]]
    show_lines([""])
    show_table(["", "holds"], facts)
    show_lines(f"warning: {warning}" for warning in manifest.warnings)


def diff(
    first: SetArgument,
    second: Annotated[Path, typer.Argument(help="Folder of another.")],
    json: Annotated[JsonOption, CsvRows("parameters")] = False,
) -> None:
    """Compare two training sets. Exits with 1 if their rows or parameters differ."""
    from steward.workflows.dataset.folder import diff_datasets

    result = diff_datasets(first, second)
    if json:
        show_json(result)
    else:
        counts = {name: getattr(result, name) for name in ("added", "removed", "changed", "moved")}
        show_lines([", ".join(f"{count:,} rows {name}" for name, count in counts.items())])
        show_lines([f"{result.subjects_added:,} people added, {result.subjects_removed:,} removed", ""])
        table = {**{f"rows to {name}": pair for name, pair in result.rows.items()}, **result.origins}
        show_table(["", "first", "second", "difference"], [[name, a, b, b - a] for name, (a, b) in table.items()])
        if result.parameters:
            show_lines([""])
            rows = [[change.name, str(change.first), str(change.second)] for change in result.parameters]
            show_table(["parameter", "first", "second"], rows)
    if not result.same:
        raise typer.Exit(1)


def verify(folder: SetArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Check that no row and no file was altered. Exits with 1 if one was."""
    from steward.workflows.dataset.folder import verify_dataset
    from steward.workflows.findings import describe_dataset_check

    opened = _find_home(home)
    result = verify_dataset(folder, opened)
    if opened is not None:
        keep_finding(describe_dataset_check(result), opened.folder.parent)
    if json:
        show_json(result)
    elif result.intact:
        seals = {"valid": "the seal is valid", "not checked": "the seal was not checked: another home made the set"}
        show_lines([f"{result.rows:,} rows and {result.files:,} files are as they were built; {seals[result.seal]}"])
    else:
        show_lines(result.problems)
    if not result.intact:
        raise typer.Exit(1)


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List the training sets that this home has built."""
    from steward.workflows.dataset.home import DatasetHome

    sets = DatasetHome(find_home(home)).list_registered()
    if json:
        show_json(sets)
        return
    rows = [
        [
            one.name, cut_digest(one.digest),
            time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.built_at)), one.rows, one.subjects,
            one.folder if Path(one.folder).is_dir() else f"{one.folder} (gone)",
        ]
        for one in sets
    ]  # fmt: skip
    show_table(["name", "digest", "built (UTC)", "rows", "people", "folder"], rows)


def export(
    folder: SetArgument,
    to: Annotated[RowsFor, typer.Option(help="Trainer and method to write rows for.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the rows in a trainer's shape; the judge slice stays sealed."""
    from steward.workflows.dataset.folder import export_dataset

    result = export_dataset(folder, to.value, out, _find_home(home))
    if json:
        show_json(result)
    else:
        left_out = sum(result.left_out.values())
        rows = ", ".join(f"{count:,} {split}" for split, count in result.rows.items())
        show_lines([f"{result.folder}: {rows} rows for {result.shape}; {left_out:,} left out, which it has no use for"])


def erase(
    folder: SetArgument,
    subject: Annotated[
        list[str], typer.Option(help="A person as clients name them, or their pseudonym. May be repeated.")
    ],
    keep: Annotated[bool, typer.Option("--keep", help="Leave the old version where it is.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Replace a training set by a version without a person. Exits with 1 if they are not in it."""
    import msgspec

    from steward.workflows.dataset.folder import erase_subjects, read_manifest
    from steward.workflows.forgetting import Forgetting

    opened = _open_home(home)
    manifest = read_manifest(folder)
    name = opened.subject_namer(manifest.tenant, manifest.project)
    subjects = {pseudonym for value in subject for pseudonym in (value, name(value))}
    forgetting = Forgetting(opened.folder.parent, folder)
    result = erase_subjects(folder, subjects, opened, time.time, keep, forgetting.forget)
    runs, experiments = sorted(forgetting.runs), sorted(forgetting.experiments)
    tainted = _taint_versions(opened.folder.parent, result.parent) if result.folder is not None else ()
    if json:
        show_json({**msgspec.to_builtins(result), "runs": runs, "experiments": experiments, "tainted": tainted})
    elif result.folder is None:
        show_lines([f"{folder}: holds no row of them"])
    else:
        show_lines([f"{result.removed:,} rows erased; the new version is {result.folder}"])
        show_lines([f"Models that were trained on {result.parent} still know them."])
        show_lines(f"{name} is tainted and cannot be released any more." for name in tainted)
        show_lines(f"Training run {run}: its rows, events and log are gone; what it made is not." for run in runs)
        show_lines(f"Experiment {name}: its items and log are gone; its scores are not." for name in experiments)
    if result.folder is None:
        raise typer.Exit(1)


def _taint_versions(home: Path, dataset: str) -> tuple[str, ...]:
    """Mark registered versions that were trained on a set; none where nothing was served from this home yet."""
    from steward.core.identity import operator
    from steward.workflows.registry import taint_trained_on
    from steward.workflows.releases import open_desk
    from steward.workflows.serve.deployment import find_deployment

    if find_deployment(home).store is None and not (home / "steward.db").exists():
        return ()
    with open_desk(home) as desk:
        why = f"somebody was erased from its data set {cut_digest(dataset)}"
        return taint_trained_on(desk.store, desk.audit, dataset, why, actor=operator(os.getuid(), "erasure"))


def _show_steps(steps: tuple[DatasetStep, ...]) -> None:
    rows = [
        [
            step.name, step.rows_in, step.rows_out, step.removed or None, step.changed or None,
            ", ".join(f"{reason}: {count:,}" for reason, count in step.reasons.items()),
        ]
        for step in steps
    ]  # fmt: skip
    show_table(["step", "rows in", "rows out", "removed", "changed", "why"], rows)


def _open_home(home: Path | None) -> DatasetHome:
    """The home that is given or found; made where there is none."""
    from steward.workflows.dataset.home import DatasetHome

    if home is not None and not home.exists():
        return DatasetHome(home.absolute())
    try:
        return DatasetHome(find_home(home))
    except InputError:
        if home is not None:
            raise
    return DatasetHome(Path.cwd() / ".steward")


def _find_home(home: Path | None) -> DatasetHome | None:
    """The home that is given, else the one that is found; None: there is none."""
    from steward.workflows.dataset.home import DatasetHome

    try:
        return DatasetHome(find_home(home))
    except InputError:
        if home is not None:
            raise
        return None


@contextmanager
def _require_extra() -> Iterator[None]:
    """:raises InputError: the extra is not installed"""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in ("pyarrow", "numpy", "xxhash", "py3langid", "ftfy", "nltk"):
            raise InputError(f"`steward dataset build` needs {error.name}; {install_command('data')}") from error
        raise
