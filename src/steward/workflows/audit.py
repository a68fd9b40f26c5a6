"""The audit log of a home: every administrative act, recorded before it is done. No audit, no act.

Reasons are people's words: the log holds commitments to them, and the words lie beside it (`commitments.py`).
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.acts import AdministrativeAct, RecordedAct
from steward.core.errors import InputError, Unavailable
from steward.core.identity import Principal
from steward.security.audit.commitments import PREFIX, OpeningFolder
from steward.security.audit.log import PUBLIC_KEY, AuditWriter, read_entries, read_entries_back, read_head
from steward.security.audit.note import Checkpoint, Signer, open_note, parse_verifier, split_notes
from steward.security.audit.verify import LogVerification, verify_log
from steward.security.rootkey import derive, fingerprint

REASONS: Final = "audit-reasons"  # folder of the home; backups leave it out
MOST_REASON: Final = 1000  # characters
MOST_LOOKED_AT: Final = 20_000  # entries that one search reads


class HomeAuditLog:
    """`core.extend.AuditLog` in the files of `home/audit`, signed under a key that follows from the root key."""

    def __init__(self, home: Path, root: bytes) -> None:
        self._signer = Signer(_find_name(home, root), derive(root, "audit signature"))
        self._writer = AuditWriter(audit_folder(home), self._signer)
        self._reasons = open_reasons(home)

    def record(self, act: AdministrativeAct) -> None:
        """:raises Unavailable: it cannot be written :raises InputError: the log is damaged, or another root key's"""
        if len(act.reason) > MOST_REASON:
            raise InputError(f"a reason of {len(act.reason):,} characters: expected at most {MOST_REASON:,}")
        commitment = self._commit(act.reason) if act.reason else ""
        try:
            self._writer.append([msgspec.json.encode(msgspec.structs.replace(act, reason=commitment))])
        except (InputError, Unavailable):
            if commitment:
                self._reasons.shred(commitment)
            raise

    def sign_text(self, text: str) -> str:
        """A signed note under the log's key, which `audit/key.pub` verifies."""
        return self._signer.sign_text(text)

    def _commit(self, reason: str) -> str:
        try:
            return self._reasons.keep(reason)
        except OSError as error:
            raise Unavailable(
                f"the reason cannot be kept: {error.strerror}; the act was not recorded, so it was not done. "
                "Free the disk or mend its permissions, then try again"
            ) from error


def audit_folder(home: Path) -> Path:
    return home / "audit"


def open_reasons(home: Path) -> OpeningFolder:
    return OpeningFolder(home / REASONS)


def _find_name(home: Path, root: bytes) -> str:
    """The name that the log has; a new one differs between the machines that share a root key."""
    try:
        return parse_verifier((audit_folder(home) / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace"))[0]
    except (FileNotFoundError, NotADirectoryError):
        place = hashlib.sha256(f"{socket.gethostname()} {home.absolute()}".encode()).hexdigest()
        return f"steward-{fingerprint(root)[:12]}-{place[:8]}"


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
        reason=actor.reason,
    )


def list_acts(home: Path, limit: int, *, tenant: str | None = None) -> list[RecordedAct]:
    """The newest `limit` acts, or those of a tenant among the newest MOST_LOOKED_AT, newest first.

    :raises InputError: no log yet, or a damaged file
    """
    if tenant is not None:
        return list(find_acts(home, lambda _: True, limit, tenant=tenant).acts)
    folder, reasons = audit_folder(home), open_reasons(home)
    size = read_head(folder).size
    acts = []
    for index, entry in read_entries(folder, max(0, size - limit)):
        act = msgspec.json.decode(entry, type=AdministrativeAct)
        fields = msgspec.structs.asdict(act) | {"reason": _open_reason(act.reason, reasons)}
        acts.append(RecordedAct(**fields, entry=index))
    return acts[::-1]


class FoundActs(msgspec.Struct, frozen=True, kw_only=True):
    """Acts that were looked for, newest first. `next_before`: where to go on; None: there are no others."""

    acts: tuple[RecordedAct, ...]
    next_before: int | None
    size: int  # of the whole log
    looked_at: int  # entries, so that a search that stopped says how far it came


def find_acts(
    home: Path,
    is_wanted: Callable[[AdministrativeAct], bool],
    limit: int,
    *,
    tenant: str | None,
    before: int | None = None,
    most: int = MOST_LOOKED_AT,
) -> FoundActs:
    """The newest acts of a tenant that are wanted, from the entry before `before` on. After `most` entries it stops.

    :raises InputError: a damaged file
    """
    folder, reasons = audit_folder(home), open_reasons(home)
    if not (folder / PUBLIC_KEY).exists():
        return FoundActs(acts=(), next_before=None, size=0, looked_at=0)
    acts: list[RecordedAct] = []
    looked_at, index = 0, 0
    for index, entry in read_entries_back(folder, before):
        if len(acts) == limit or looked_at == most:
            index += 1
            break
        looked_at += 1
        act = msgspec.json.decode(entry, type=AdministrativeAct)
        if tenant in (None, act.tenant) and is_wanted(act):
            fields = msgspec.structs.asdict(act) | {"reason": _open_reason(act.reason, reasons)}
            acts.append(RecordedAct(**fields, entry=index))
    return FoundActs(
        acts=tuple(acts), next_before=index if index > 0 else None, size=read_head(folder).size, looked_at=looked_at
    )


def _open_reason(reason: str, reasons: OpeningFolder) -> str:
    """The words behind a commitment, or the commitment where they are not there."""
    return (reasons.read(reason) or reason) if reason.startswith(PREFIX) else reason


def verify_home(home: Path, witness: Path | None = None) -> LogVerification:
    """Whether the log is what its checkpoints say; `witness`: a file of checkpoints that were kept elsewhere.

    :raises InputError: no log yet, or no checkpoint in `witness`
    """
    folder = audit_folder(home)
    return verify_log(folder) if witness is None else verify_log(folder, read_witness_file(folder, witness))


def read_witness_file(folder: Path, witness: Path) -> list[Checkpoint]:
    """The heads in a file that was kept elsewhere. :raises InputError: it cannot be read, or holds none of this log"""
    try:
        text, verifier = (
            witness.read_text(encoding="utf-8", errors="replace"),
            (folder / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace"),
        )
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{witness}: cannot be read ({error}); expected a copy of {folder / 'checkpoint'}") from error
    heads = [open_note(note, verifier) for note in split_notes(text)]
    if not heads:
        raise InputError(f"{witness}: holds no checkpoint; expected a copy of {folder / 'checkpoint'}")
    return heads
