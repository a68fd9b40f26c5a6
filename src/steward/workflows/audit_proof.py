"""What others need to check the log: proofs, copies, and the comparison with heads that are kept elsewhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from steward.core.acts import AdministrativeAct
from steward.core.errors import InputError, StewardError
from steward.core.evidence import EvidenceVerdict
from steward.core.files import hold_lock, make_private_folder, write_file
from steward.core.identity import Principal
from steward.core.interrupts import remove_unless_complete
from steward.security.audit import verify_audit
from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY, read_entries
from steward.security.audit.merkle import hash_leaf
from steward.security.audit.note import open_note
from steward.security.audit.proof import format_consistency, format_proof
from steward.security.audit.tiles import TileReader
from steward.security.audit.verify import LogVerification, verify_log
from steward.workflows.audit import audit_folder, make_act, open_reasons, read_witness_file
from steward.workflows.audit_witness import read_witness
from steward.workflows.findings import Finding
from steward.workflows.serve.deployment import HomeDeployment, find_deployment

VERIFIER: Final = "verify_audit.py"


class AuditProof(msgspec.Struct, frozen=True, kw_only=True):
    """`steward audit prove --json`: what shows one entry to somebody who has not the log."""

    entry: int
    act: AdministrativeAct
    leaf: str  # hexadecimal hash of the entry, as RFC 6962 makes it
    key: str  # the log's public key
    proof: str  # C2SP tlog-proof
    consistency: str | None = None  # from an older head to the one of `proof`
    files: tuple[str, ...] = ()


class AuditExport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward audit export --json`."""

    folder: str
    entries: int
    key: str
    verify: str  # the command that checks the copy, without steward


def verify_deployment(home: Path, witness: Path | None = None) -> LogVerification:
    """Check the log of a home against every head that is kept elsewhere: a file, the configured witness, the store.

    A store that is a server counts as elsewhere; SQLite goes with the home, and is compared all the same.
    :raises InputError: no log, or no checkpoint in `witness`
    """
    folder = audit_folder(home)
    deployment = find_deployment(home)
    known = read_witness_file(folder, witness) if witness is not None else []
    compared = [str(witness)] if witness is not None else []
    notes, missing = _collect_notes(deployment, compared)
    try:
        verifier = (folder / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace")
        known += [open_note(note, verifier) for note in notes]
    except FileNotFoundError:
        pass  # `verify_log` says what is missing
    except InputError as error:
        return LogVerification(
            entries=0, verified=0, error=f"a head that was kept elsewhere is not of this log: {error}", compared=True
        )
    verification = verify_log(folder, known)
    return msgspec.structs.replace(
        verification, compared=bool(compared), compared_with=tuple(compared), unreachable=tuple(missing)
    )


def _collect_notes(deployment: HomeDeployment, compared: list[str]) -> tuple[list[str], list[str]]:
    """Notes of the configured witness and of the store, and why one of them could not be asked."""
    notes: list[str] = []
    missing: list[str] = []
    if deployment.witness is not None:
        try:
            kept = read_witness(deployment.witness)
            notes += kept
            compared += [deployment.witness.place] if kept else []
        except StewardError as error:
            missing.append(str(error))
    if deployment.store is None and not (deployment.home / "steward.db").exists():
        return notes, missing
    try:
        store = deployment.open_store()
        try:
            heads = store.audit_heads.list_heads()
        finally:
            store.close()
    except StewardError as error:
        missing.append(str(error))
        return notes, missing
    verifier = _read_verifier(deployment.home)
    own = [note for origin, note in heads if verifier.startswith(f"{origin}+")]
    compared += ["the store"] if own and deployment.store is not None else []
    return notes + own, missing


def _read_verifier(home: Path) -> str:
    path = audit_folder(home) / PUBLIC_KEY
    return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n") if path.exists() else ""


def describe_verification(verification: LogVerification, home: Path) -> Finding:
    """What an intact log proves, as requirements of approval policies ask for it."""
    verdict: EvidenceVerdict = "fail" if verification.error else "pass" if verification.compared else "cannot tell"
    problem = f": {verification.error}" if verification.error else ""
    return Finding(
        check="audit.verify",
        subject="the audit log",
        subject_digest=f"key:{_read_verifier(home)}",
        verdict=verdict,
        value=f"{verification.verified} of {verification.entries} entries verified{problem}",
        expected="every entry, and a head from elsewhere",
    )


def prove_entry(home: Path, entry: int, since: Path | None = None, out: Path | None = None) -> AuditProof:
    """The proof of one entry; with `since`, a checkpoint from before, also that the log goes on from there.

    Into `out` go the entry, the proofs and the verifier. :raises InputError: no such entry, head or log
    """
    folder = audit_folder(home)
    verifier = _read_key(folder)
    note = (folder / CHECKPOINT).read_text(encoding="utf-8", errors="replace")
    reader = TileReader(folder, open_note(note, verifier).size)
    if not 0 <= entry < reader.size:
        raise InputError(f"entry {entry}: the log has entries 0 to {reader.size - 1}; see: steward audit tail")
    data = next(data for index, data in read_entries(folder, entry) if index == entry)
    consistency = None
    if since is not None:
        old = read_witness_file(folder, since)[-1]
        consistency = format_consistency(reader, old.size, note)
    proof = AuditProof(
        entry=entry,
        act=msgspec.json.decode(data, type=AdministrativeAct),
        leaf=hash_leaf(data).hex(),
        key=verifier,
        proof=format_proof(reader, entry, note),
        consistency=consistency,
    )
    return proof if out is None else _write_proof(out, proof, data)


def _write_proof(out: Path, proof: AuditProof, data: bytes) -> AuditProof:
    _make_new_folder(out)
    files = {
        f"entry-{proof.entry}.json": data,
        f"entry-{proof.entry}.tlog-proof": proof.proof.encode(),
        PUBLIC_KEY: f"{proof.key}\n".encode(),
        VERIFIER: Path(verify_audit.__file__).read_bytes(),
    }
    if proof.consistency is not None:
        files["consistency"] = proof.consistency.encode()
    with remove_unless_complete(out):
        for name, content in files.items():
            write_file(out / name, content)
    return msgspec.structs.replace(proof, files=tuple(str(out / name) for name in files))


def export_log(home: Path, out: Path, *, actor: Principal) -> AuditExport:
    """Copy the log to a new folder, with the program that verifies it. The export itself is the last entry.

    :raises InputError: no log, `out` exists, or the copy does not verify :raises Unavailable: it cannot be recorded
    """
    folder = audit_folder(home)
    key = _read_key(folder)
    _make_new_folder(out)
    find_deployment(home).open_audit_log().record(make_act(actor, "audit.export", "audit", after=out.name))
    with remove_unless_complete(out):
        with hold_lock(folder / "lock"):
            shutil.copytree(folder, out, ignore=shutil.ignore_patterns("lock", ".*"), dirs_exist_ok=True)
        write_file(out / VERIFIER, Path(verify_audit.__file__).read_bytes())
    verification = verify_log(out)
    if verification.error is not None:
        raise InputError(f"{out}: the copy does not verify: {verification.error}; run steward audit verify")
    return AuditExport(
        folder=str(out),
        entries=verification.entries,
        key=key,
        verify=f"python3 {out / VERIFIER} {out} --key '{key}' --head CHECKPOINT",
    )


def shred_reason(home: Path, entry: int, *, actor: Principal) -> bool:
    """Destroy the words of one entry's reason; the log goes on verifying. False: there were none any more.

    :raises InputError: no such entry, or one without a reason :raises Unavailable: it cannot be recorded
    """
    folder = audit_folder(home)
    data = next((item for index, item in read_entries(folder, entry) if index == entry), None) if entry >= 0 else None
    if data is None:
        raise InputError(f"entry {entry}: there is none; see: steward audit tail")
    act = msgspec.json.decode(data, type=AdministrativeAct)
    if not act.reason:
        raise InputError(
            f"entry {entry} ({act.action} {act.subject}) has no reason to destroy; see: steward audit tail"
        )
    find_deployment(home).open_audit_log().record(make_act(actor, "audit.shred", f"entry:{entry}"))
    return open_reasons(home).shred(act.reason)


def _read_key(folder: Path) -> str:
    try:
        return (folder / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing; nothing was recorded in this home yet") from error


def _make_new_folder(out: Path) -> None:
    """:raises InputError: it exists and is not empty, or cannot be made"""
    try:
        make_private_folder(out)
        if os.listdir(out):
            raise InputError(f"{out}: not empty; give a new folder")
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; give a new folder that can be written") from error
