"""`steward prompts list|show|add|use`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, read_state, show_json, show_lines, show_table
from steward.core.errors import InputError, Unavailable

NameArgument = Annotated[str, typer.Argument(help="Name of the prompt.")]


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    """List every version of every kept prompt, without its texts."""
    from steward.workflows import prompts

    folder = find_home(home)
    found = [item for name in prompts.names(folder) for item in prompts.list_versions(folder, name)]
    if json:
        show_json(
            [{"name": item.name, "version": item.version, "at": item.at, "in_use": item.in_use} for item in found]
        )
        return
    rows = [
        [item.name, item.version, time.strftime("%Y-%m-%d %H:%M", time.localtime(item.at)), "*" if item.in_use else ""]
        for item in found
    ]
    show_table(["name", "version", "added", "in use"], rows)


def show(
    name: NameArgument,
    version: Annotated[str | None, typer.Argument(help="The one in use by default.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Print a prompt."""
    from steward.workflows import prompts

    found = prompts.find(find_home(home), name, version)
    if json:
        show_json(found)
        return
    lines = [f"{found.name} {found.version}{', in use' if found.in_use else ''}"]
    lines += ["", found.system] if found.system else []
    for item in found.examples:
        lines += ["", f"user: {item.user}", f"assistant: {item.assistant}"]
    show_lines(lines)


def add(
    name: NameArgument,
    file: Annotated[
        Path | None, typer.Option(help="YAML with system and examples; or .txt, the system message.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="The system message, instead of a file.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a new version of a prompt. The first is in use at once, later ones after `steward prompts use`."""
    from steward.workflows import prompts

    if (file is None) == (system is None):
        raise InputError("give either --file or --system")
    text = prompts.read_text(file) if file is not None else prompts.PromptText(system)
    kept = prompts.add(find_home(home), name, text, time.time())
    if json:
        show_json(kept)
        return
    how = "in use" if kept.in_use else f"not in use yet; next: steward prompts use {kept.name} {kept.version}"
    show_lines([f"{kept.name} {kept.version}, {how}"])


def use(
    name: NameArgument,
    version: Annotated[str, typer.Argument(help="Such as 2-9f2c1a7b, or just 2.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Give this version to every route that names none, at once where steward runs; exit 2 when it is not taken."""
    from steward.workflows import prompts, reload

    folder = find_home(home)
    before = prompts.find(folder, name)
    chosen = prompts.use(folder, name, version)
    try:
        report = reload.ask(folder, read_state(folder)["pid"])
    except Unavailable:
        report = None  # the next `steward up` takes it
    if report is not None and report.error:
        prompts.use(folder, name, before.version)
        raise InputError(f"{report.error}\n{name} {before.version} stays in use")
    if json:
        show_json({"name": chosen.name, "version": chosen.version, "reload": report})
    else:
        serves = f"configuration {report.version} serves" if report else "the next `steward up` serves it"
        show_lines([f"{chosen.name} {chosen.version} is in use; {serves}"])
