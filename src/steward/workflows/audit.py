"""The audit log of a home: every administrative act, recorded before it is done. No audit, no act."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from steward.core.acts import AdministrativeAct
from steward.core.errors import InputError
from steward.core.identity import Principal
from steward.security.audit.log import AuditWriter, read_entries, read_head
from steward.security.audit.note import Signer, open_note
from steward.security.audit.verify import LogVerification, verify_log
from steward.security.rootkey import derive, fingerprint


class HomeAuditLog:
    """`core.extend.AuditLog` in the files of `home/audit`, signed under a key that follows from the root key."""

    def __init__(self, home: Path, root: bytes) -> None:
        signer = Signer(f"steward-{fingerprint(root)[:12]}", derive(root, "audit signature"))
        self._writer = AuditWriter(audit_folder(home), signer)

    def record(self, act: AdministrativeAct) -> None:
        """:raises Unavailable: it cannot be written :raises InputError: the log is damaged, or another root key's"""
        self._writer.append([msgspec.json.encode(act)])


def audit_folder(home: Path) -> Path:
    return home / "audit"


def make_act(
    actor: Principal,
    action: str,
    subject: str,
    *,
    before: str = "",
    after: str = "",
    clock: Callable[[], float] = time.time,
) -> AdministrativeAct:
    return AdministrativeAct(
        at=clock(),
        actor=actor.actor,
        action=action,
        subject=subject,
        tenant=actor.tenant,
        before=before,
        after=after,
    )


def list_acts(home: Path, limit: int) -> list[AdministrativeAct]:
    """The newest `limit` acts, newest first. :raises InputError: no log yet, or a damaged file"""
    folder = audit_folder(home)
    size = read_head(folder).size
    return [
        msgspec.json.decode(entry, type=AdministrativeAct) for _, entry in read_entries(folder, max(0, size - limit))
    ][::-1]


def verify_home(home: Path, witness: Path | None = None) -> LogVerification:
    """Whether the log is what its checkpoints say; `witness`: a file with a checkpoint that was kept elsewhere.

    :raises InputError: no log yet, or no checkpoint in `witness`
    """
    folder = audit_folder(home)
    if witness is None:
        return verify_log(folder)
    try:
        note, verifier = witness.read_text(encoding="utf-8"), (folder / "key.pub").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{witness}: cannot be read ({error}); expected a copy of {folder / 'checkpoint'}") from error
    return verify_log(folder, [open_note(note, verifier)])
