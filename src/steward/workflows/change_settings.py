"""Changing steward.yaml from the console: checked whole, approved where the policy asks, recorded, and served at once.

A change is made to the text that somebody has seen: where another change came in between, it is refused, and says so.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError, StewardError, Unavailable
from steward.core.excerpts import cut_digest
from steward.core.files import hold_lock, spell_home
from steward.core.identity import Principal
from steward.workflows import approvals, history, reload
from steward.workflows.audit import make_act
from steward.workflows.gateway_probe import read_state
from steward.workflows.reload import ConfigCandidate, ConfigChange, ConfigSource, ReloadReport
from steward.workflows.serve.deployment import find_deployment

_LOCK: Final = "settings.lock"


class SettingsConflict(InputError):
    """Somebody else changed the file since it was read."""


class SettingsPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What another text of the file would change. `restart`: what cannot change while it serves."""

    changes: tuple[ConfigChange, ...]
    restart: tuple[ConfigChange, ...]
    needs_approval: bool


def read_settings_text(source: ConfigSource) -> str:
    """The file as it is; empty where there is none. :raises InputError: it cannot be read"""
    try:
        return source.file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source.file}: cannot be read ({type(error).__name__}); expected UTF-8") from error


def digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def find_text(home: Path, digest: str) -> str | None:
    """The text of a version that was tried here, by its digest; None: it was never one."""
    for version in reversed(history.list_versions(home)):
        text = history.text_file(home, version.version).read_text(encoding="utf-8")
        if digest_text(text) == digest:
            return text
    return None


def preview_text(source: ConfigSource, home: Path, text: str) -> SettingsPreview:
    """:raises InputError: what `steward up` would refuse, with file, line and key"""
    wanted = _build(source, home, text)
    changes = reload.diff_facts(_build_served(source, home).facts, wanted.facts)
    policy = find_deployment(home).approval_policy
    return SettingsPreview(
        changes=changes,
        restart=reload.select_restart_changes(changes),
        needs_approval=bool(policy.requirements("settings")),
    )


def apply_text(source: ConfigSource, home: Path, text: str, base: str, now: float, *, actor: Principal) -> ReloadReport:
    """Make `text` the file and serve it. `base` is the digest of the text that it was made from.

    :raises SettingsConflict: the file is another one by now
    :raises InputError: it is refused, needs a restart, or needs an approval, which then has been asked for
    :raises Unavailable: it does not come up, or the supervisor does not answer; the file is as it was
    """
    pid = int(read_state(home)["pid"])
    with hold_lock(home / _LOCK):
        before = read_settings_text(source)
        if digest_text(before) != base:
            raise SettingsConflict(
                "Nothing was saved: the file was changed after you opened it. Look at that change and try again"
            )
        wanted, served = _build(source, home, text), _build_served(source, home)
        changes = reload.diff_facts(served.facts, wanted.facts)
        if restart := reload.select_restart_changes(changes):
            raise InputError(reload.explain_restart(restart, wanted.origins))
        deployment = find_deployment(home)
        change = approvals.propose_settings(text, served.text, [actor.actor])
        approvals.require_approval(home, deployment.approval_policy, change, now, actor=actor)
        act = make_act(actor, "config.write", "config", before=cut_digest(base), after=cut_digest(digest_text(text)))
        deployment.open_audit_log().record(act)
        reload.write_config_file(source.file, text)
        try:
            report = reload.request_reload(home, pid, actor)
            _raise_refusal(report)
        except StewardError:
            reload.write_config_file(source.file, before)
            raise
    return report


def apply_approved(source: ConfigSource, home: Path, approval: str, now: float, *, actor: Principal) -> ReloadReport:
    """Serve what an approval was given for, if what it changes is what serves still.

    :raises InputError: it is not approved, is no change of settings, or something else serves by now
    """
    view = approvals.show_approval(home, approval, now, actor=actor)
    if view.request.kind != "settings" or view.state != "approved":
        raise InputError(f"{approval} is {view.state} and changes {view.request.subject}; expected approved settings")
    return apply_text(source, home, view.request.content, digest_text(view.request.before), now, actor=actor)


def roll_back(home: Path, version: int, *, actor: Principal) -> ReloadReport:
    """Serve an earlier version again, as `steward config rollback` does.

    :raises InputError: it is refused :raises Unavailable: it does not come up, or nobody answers
    """
    with hold_lock(home / _LOCK):
        report = reload.request_reload(home, int(read_state(home)["pid"]), actor, rollback=version)
    _raise_refusal(report)
    return report


def _raise_refusal(report: ReloadReport) -> None:
    if report.error:
        kind = InputError if report.outcome == "refused" else Unavailable
        raise kind(f"{report.error}\nVersion {report.version} is still serving")


def _build_served(source: ConfigSource, home: Path) -> ConfigCandidate:
    """What serves: the newest version that was accepted."""
    accepted = history.list_accepted(home)
    if not accepted:
        raise Unavailable(f"{home}: no configuration has served yet; start it with `steward up{spell_home(home)}`")
    newest = accepted[-1]
    return reload.build_candidate(source, home, history.text_file(home, newest.version), newest.prompts)


def _build(source: ConfigSource, home: Path, text: str) -> ConfigCandidate:
    """:raises InputError: with the real file's name"""
    with tempfile.TemporaryDirectory(prefix="steward-settings-") as folder:
        file = Path(folder) / source.file.name
        file.write_text(text, encoding="utf-8")
        try:
            return reload.build_candidate(source, home, file)
        except InputError as error:
            raise InputError(str(error).replace(str(file), source.file.name)) from error
