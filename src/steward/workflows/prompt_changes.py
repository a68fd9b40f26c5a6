"""Adding and using prompts as people do it: approved where the policy asks, recorded, and served at once."""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.identity import Principal
from steward.workflows import approvals, prompts, reload
from steward.workflows.gateway_probe import read_state
from steward.workflows.prompts import PromptText, PromptVersion
from steward.workflows.reload import ReloadReport
from steward.workflows.serve.deployment import find_deployment


class UsedPrompt(msgspec.Struct, frozen=True):
    """`steward prompts use --json`. `reload` is None where nothing runs: the next `steward up` takes it."""

    name: str
    version: str
    reload: ReloadReport | None


def list_written(home: Path) -> dict[str, PromptVersion]:
    """The prompts in the file that serves from `home`, by name; none where there is no file.

    :raises InputError: the file cannot be read
    """
    loaded = reload.find_settings(home)
    return {} if loaded is None else prompts.list_written(loaded.settings)


def refuse_written(home: Path, name: str) -> None:
    """:raises InputError: the file has a prompt of this name, which is the one that serves"""
    loaded = reload.find_settings(home)
    if loaded is not None and name in prompts.list_written(loaded.settings):
        raise InputError(
            f"prompt {name!r} is in {loaded.path}, and that one serves. Change it there, or remove it from the file "
            "and add it here; expected a name that the file does not have"
        )


def find_prompt(home: Path, name: str, version: str | None = None) -> PromptVersion:
    """The prompt that serves under this name, or one kept version. :raises UnknownName: no such prompt or version"""
    written = list_written(home).get(name)
    if written is not None and version in (None, written.version):
        return written
    try:
        kept = prompts.find(home, name, version)
    except UnknownName as error:
        if written is None:
            raise
        raise UnknownName(f"version of prompt {name!r}", str(version), [written.version]) from error
    return kept if written is None else msgspec.structs.replace(kept, in_use=False)


def add_prompt(home: Path, name: str, text: PromptText, now: float, *, actor: Principal) -> PromptVersion:
    """:raises InputError: a name that steward.yaml has, no text, or an approval that is missing"""
    refuse_written(home, name)
    _check_approval(home, name, text, now, actor)
    return prompts.add(home, name, text, now, actor=actor, audit=find_deployment(home).open_audit_log())


def use_prompt(home: Path, name: str, version: str, now: float, *, actor: Principal) -> UsedPrompt:
    """Give a version to every route that names none. What cannot serve is taken back.

    :raises UnknownName: no such prompt or version :raises InputError: it cannot serve, or is not approved
    """
    refuse_written(home, name)
    audit = find_deployment(home).open_audit_log()
    before, wanted = prompts.find(home, name), prompts.find(home, name, version)
    _check_approval(home, name, PromptText(wanted.system, wanted.examples), now, actor)
    chosen = prompts.use(home, name, version, actor=actor, audit=audit)
    try:
        report = reload.request_reload(home, int(read_state(home)["pid"]), actor)
    except Unavailable:
        report = None
    if report is not None and report.error:
        prompts.use(home, name, before.version, actor=actor, audit=audit)
        raise InputError(f"{report.error}\n{name} {before.version} is still in use")
    return UsedPrompt(chosen.name, chosen.version, report)


def _check_approval(home: Path, name: str, text: PromptText, now: float, actor: Principal) -> None:
    """:raises InputError: the approval policy asks for more than was given"""
    change = approvals.propose_prompt(name, text, actor)
    approvals.require_approval(home, find_deployment(home).approval_policy, change, now, actor=actor)
