"""`steward prompts list|show|add|use`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    find_home,
    read_state,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError, Unavailable

if TYPE_CHECKING:
    from steward.core.identity import Principal
    from steward.workflows.prompts import PromptText

NameArgument = Annotated[str, typer.Argument(help="Prompt name.")]


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List all versions of all prompts, stored ones and those of steward.yaml, without their text."""
    from steward.workflows import prompts

    folder = find_home(home)
    versions = [item for name in prompts.list_names(folder) for item in prompts.list_versions(folder, name)]
    written = prompts.list_written(folder)  # these serve, whatever is stored under the same name
    records: list[dict[str, Any]] = [
        {"name": name, "version": version, "at": None, "in_use": True, "source": "steward.yaml"}
        for name, version in written.items()
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
    from steward.workflows import prompts

    prompt = prompts.find(find_home(home), name, version)
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
    from steward.workflows.serve.deployment import find_deployment

    if (file is None) == (system is None):
        raise InputError("expected exactly one of --file and --system")
    text = prompts.read_text(file) if file is not None else prompts.PromptText(system)
    folder = find_home(home)
    prompts.refuse_written(folder, name)
    _check_approval(folder, name, text, operator(os.getuid(), reason))
    audit = find_deployment(folder).open_audit_log()
    kept = prompts.add(folder, name, text, time.time(), actor=operator(os.getuid(), reason), audit=audit)
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
    from steward.workflows import prompts, reload
    from steward.workflows.serve.deployment import find_deployment

    folder, actor = find_home(home), operator(os.getuid(), reason)
    audit = find_deployment(folder).open_audit_log()
    before, wanted = prompts.find(folder, name), prompts.find(folder, name, version)
    _check_approval(folder, name, prompts.PromptText(wanted.system, wanted.examples), actor)
    chosen = prompts.use(folder, name, version, actor=actor, audit=audit)
    try:
        report = reload.request_reload(folder, read_state(folder)["pid"], actor)
    except Unavailable:
        report = None  # the next `steward up` takes it
    if report is not None and report.error:
        prompts.use(folder, name, before.version, actor=actor, audit=audit)
        raise InputError(f"{report.error}\n{name} {before.version} is still in use")
    if json:
        show_json({"name": chosen.name, "version": chosen.version, "reload": report})
    else:
        serves = (
            f"serving as configuration {report.version}" if report else "it will be served at the next `steward up`"
        )
        show_lines([f"{chosen.name} {chosen.version} is in use, {serves}"])


def _check_approval(folder: Path, name: str, text: PromptText, actor: Principal) -> None:
    """:raises InputError: the approval policy asks for more than was given"""
    from steward.workflows import approvals
    from steward.workflows.serve.deployment import find_deployment

    policy = find_deployment(folder).approval_policy
    change = approvals.propose_prompt(name, text, actor)
    approvals.require_approval(folder, policy, change, time.time(), actor=actor)
