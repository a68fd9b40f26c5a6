"""`steward prompts list|show|add|use`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError

NameArgument = Annotated[str, typer.Argument(help="Prompt name.")]


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List all versions of all prompts, stored ones and those of steward.yaml, without their text."""
    from steward.workflows import prompts
    from steward.workflows.prompt_changes import list_written

    folder = find_home(home)
    versions = [item for name in prompts.list_names(folder) for item in prompts.list_versions(folder, name)]
    written = list_written(folder)  # these serve, whatever is stored under the same name
    records: list[dict[str, Any]] = [
        {"name": name, "version": item.version, "at": None, "in_use": True, "source": "steward.yaml"}
        for name, item in written.items()
    ]
    records += [
        {
            "name": item.name,
            "version": item.version,
            "at": item.at,
            "in_use": item.in_use and item.name not in written,
            "source": "stored",
        }
        for item in versions
    ]
    if json:
        show_json(records)
        return
    rows = [
        [item["name"], item["version"], item["source"], _format_time(item["at"]), "*" if item["in_use"] else ""]
        for item in records
    ]
    show_table(["name", "version", "source", "added", "in use"], rows)


def _format_time(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def show(
    name: NameArgument,
    version: Annotated[str | None, typer.Argument(help="Version to print; by default the one in use.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Print a prompt."""
    from steward.workflows.prompt_changes import find_prompt

    prompt = find_prompt(find_home(home), name, version)
    if json:
        show_json(prompt)
        return
    lines = [f"{prompt.name} {prompt.version}{', in use' if prompt.in_use else ''}"]
    lines += ["", prompt.system] if prompt.system else []
    for item in prompt.examples:
        lines += ["", f"user: {item.user}", f"assistant: {item.assistant}"]
    show_lines(lines)


def add(
    name: NameArgument,
    file: Annotated[
        Path | None,
        typer.Option(help="YAML file with `system` and `examples`, or a .txt file with the system message."),
    ] = None,
    system: Annotated[str | None, typer.Option(help="System message, instead of a file.")] = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Add a version of a prompt. The first one is used at once, later ones after `steward prompts use`."""
    from steward.core.identity import operator
    from steward.workflows import prompts
    from steward.workflows.prompt_changes import add_prompt

    if (file is None) == (system is None):
        raise InputError("expected exactly one of --file and --system")
    text = prompts.read_text(file) if file is not None else prompts.PromptText(system)
    kept = add_prompt(find_home(home), name, text, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(kept)
        return
    how = "in use" if kept.in_use else f"not in use yet; next: steward prompts use {kept.name} {kept.version}"
    show_lines([f"{kept.name} {kept.version}, {how}"])


def use(
    name: NameArgument,
    version: Annotated[str, typer.Argument(help="Version, such as 2-9f2c1a7b or just 2.")],
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Use this version on every route that names no version. Takes effect at once; exits with 2 if refused."""
    from steward.core.identity import operator
    from steward.workflows.prompt_changes import use_prompt

    used = use_prompt(find_home(home), name, version, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(used)
        return
    serves = (
        f"serving as configuration {used.reload.version}"
        if used.reload
        else "it will be served at the next `steward up`"
    )
    show_lines([f"{used.name} {used.version} is in use, {serves}"])
