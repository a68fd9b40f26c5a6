"""Evidence for somebody who has no access: records found, packed with their proofs, and packs verified."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

import steward
from steward.adapters.stores.sql import SqlStore
from steward.core.acts import AdministrativeAct
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.evidence import Evidence, EvidenceVerdict
from steward.core.files import open_private, replace_file
from steward.core.identity import Principal
from steward.governance.cards import SubjectCard, render_card_page
from steward.governance.controls import ControlMap, render_control_page
from steward.governance.evidence_page import PackedApproval, pack_approval, render_evidence_page
from steward.governance.oscal import write_assessment
from steward.governance.readiness import ReadinessReport
from steward.security.audit import verify_audit
from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY, read_entries_back
from steward.security.audit.note import open_note, parse_verifier
from steward.security.audit.proof import format_proof
from steward.security.audit.tiles import TileReader
from steward.workflows.approvals import MOST_REQUESTS
from steward.workflows.audit import audit_folder, make_act
from steward.workflows.serve.deployment import find_deployment

RUN_KINDS: Final = {  # of runs, and what their proofs are of
    "evaluation": "evaluation.run",
    "load": "loadtest.run",
    "data": "data.run",
    "training": "train.run",
}
PROGRAM: Final = "verify_pack.py"
MOST_RECORDS: Final = 1_000_000
MOST_ACTS: Final = 10_000  # proved in a pack, newest first
PROVED: Final = (
    "approvals.",
    "cards.",
    "check.",
    "evidence.",
    "incidents.",
    "model.",
    "release.",
)  # acts that a pack proves


class PackedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a pack's manifest."""

    sha256: str
    bytes: int


class PackManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack holds: `manifest.json`, whose digest `manifest.sig` signs."""

    format: str
    made_at: float
    made_by: str
    steward: str  # the version that made it
    verdict: str
    level: str
    evidence: int  # records
    acts: int  # proved
    acts_left_out: bool  # older ones beyond MOST_ACTS
    files: dict[str, PackedFile]


class EvidencePack(msgspec.Struct, frozen=True, kw_only=True):
    """`steward evidence pack --json`."""

    file: str
    bytes: int
    verdict: str
    evidence: int
    acts: int
    key: str
    verify: str  # the command that checks it, without steward


class PackVerification(msgspec.Struct, frozen=True, kw_only=True):
    """`steward evidence verify --json`."""

    file: str
    verdict: Literal["intact", "altered"]
    problem: str = ""
    files: int = 0
    acts: int = 0
    key: str = ""
    key_from: Literal["argument", "home", "pack"] = "pack"  # the pack's own key shows only that the pack fits itself


def list_records(home: Path, limit: int, check: str | None = None, *, tenant: str | None = None) -> list[Evidence]:
    """Newest first. :raises Unavailable: nothing was served, or the store does not answer"""
    store = _open_store(home)
    try:
        return store.evidence.list_evidence(limit, check, tenant=tenant)
    finally:
        store.close()


class ProvenRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its proof tells it: `source` is its folder or report, empty where none was kept."""

    at: float  # when it was recorded
    kind: str  # of RUN_KINDS
    subject: str
    verdict: EvidenceVerdict
    value: str
    expected: str
    source: str
    command: str
    signer: str
    id: str  # of the proof


def list_proven_runs(
    home: Path, since: float, kind: str | None, limit: int, *, tenant: str | None = None
) -> list[ProvenRun]:
    """The newest `limit` since then, newest first.

    :raises UnknownName: a kind that there is not :raises Unavailable: as `list_records`
    """
    if kind is not None and kind not in RUN_KINDS:
        raise UnknownName("kind of run", kind, RUN_KINDS)
    store = _open_store(home)
    try:
        runs = [
            ProvenRun(
                at=one.produced_at, kind=name, subject=one.subject, verdict=one.verdict, value=one.value,
                expected=one.expected, source=one.source, command=one.command, signer=one.signer, id=one.id,
            )
            for name, check in RUN_KINDS.items()
            if kind in (None, name)
            for one in store.evidence.list_evidence(limit, check, tenant=tenant)
            if one.produced_at >= since
        ]  # fmt: skip
    finally:
        store.close()
    return sorted(runs, key=lambda run: (-run.at, run.id))[:limit]


def show_record(home: Path, evidence_id: str, *, tenant: str | None = None) -> Evidence:
    """:raises UnknownName: no such record :raises Unavailable: as `list_records`"""
    store = _open_store(home)
    try:
        record = store.evidence.find(evidence_id, tenant=tenant)
        if record is None:
            known = [one.id for one in store.evidence.list_evidence(1000, tenant=tenant)]
            raise UnknownName("evidence", evidence_id, known)
        return record
    finally:
        store.close()


def _open_store(home: Path) -> SqlStore:
    deployment = find_deployment(home)
    if deployment.store is None and not (home / "steward.db").exists():
        raise Unavailable(f"{home}: nothing was proved here yet; start the gateway with `steward up`")
    store = deployment.open_store()
    store.check()
    store.migrate()
    return store


# -- packing -----------------------------------------------------------------------------------------


def pack_evidence(
    home: Path,
    out: Path,
    readiness: ReadinessReport,
    now: float,
    *,
    actor: Principal,
    cards: Sequence[SubjectCard] = (),
    controls: tuple[ControlMap, ReadinessReport] | None = None,
    replace: bool = False,
) -> EvidencePack:
    """Write everything that speaks for a deployment to a signed archive. The packing itself is its last act.

    `controls`: the control map, and the report of all checks that it was made from.

    :raises InputError: `out` exists, or the log is damaged :raises Unavailable: the store does not answer
    """
    if out.exists() and not replace:
        raise InputError(f"{out}: it is there already; give a new name, or --force to replace it")
    records, approvals = _read_store(home)
    shown = {**_render_cards(cards), **_render_controls(controls, home.name)}
    log = find_deployment(home).open_audit_log()
    lines = _join_lines(records)
    after = f"{out.name}: {len(records)} records, sha256:{_describe_file(lines).sha256}"
    log.record(make_act(actor, "evidence.pack", "evidence", after=after))
    folder = audit_folder(home)
    key, head = ((folder / name).read_text(encoding="utf-8", errors="replace") for name in (PUBLIC_KEY, CHECKPOINT))
    acts, acts_left_out = _prove_acts(folder, head, key)
    files = {
        "index.html": render_evidence_page(readiness, records, approvals, home.name, now).encode(),
        "checks.json": msgspec.json.format(msgspec.json.encode(readiness)),
        "evidence.jsonl": lines,
        "approvals.jsonl": _join_lines(approvals),
        "waivers.jsonl": _join_lines(readiness.waivers),
        verify_audit.PACK_KEY: key.encode(),
        verify_audit.PACK_HEAD: head.encode(),
        verify_audit.PACK_ACTS: _join_lines(acts),
        PROGRAM: Path(verify_audit.__file__).read_bytes(),
        **shown,
    }
    manifest = PackManifest(
        format="1",
        made_at=now,
        made_by=actor.actor,
        steward=steward.__version__,
        verdict=readiness.verdict,
        level=readiness.level,
        evidence=len(records),
        acts=len(acts),
        acts_left_out=acts_left_out,
        files={name: _describe_file(data) for name, data in files.items()},
    )
    listed = msgspec.json.format(msgspec.json.encode(manifest))
    note = log.sign_text(f"{verify_audit.PACK}\nsha256:{_describe_file(listed).sha256}\n")
    _write_archive(out, {**files, verify_audit.MANIFEST: listed, verify_audit.SIGNATURE: note.encode()})
    return _describe_pack(out, manifest, key.removesuffix("\n"))


def _describe_pack(out: Path, manifest: PackManifest, key: str) -> EvidencePack:
    return EvidencePack(
        file=str(out),
        bytes=out.stat().st_size,
        verdict=manifest.verdict,
        evidence=manifest.evidence,
        acts=manifest.acts,
        key=key,
        verify=f"python3 {PROGRAM} {out} --key '{key}'",
    )


def _describe_file(data: bytes) -> PackedFile:
    return PackedFile(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def _read_store(home: Path) -> tuple[list[Evidence], list[PackedApproval]]:
    store = _open_store(home)
    try:
        return store.evidence.list_evidence(MOST_RECORDS, tenant=None), _list_approvals(store)
    finally:
        store.close()


def _list_approvals(store: SqlStore) -> list[PackedApproval]:
    requests = store.approvals.list_requests(MOST_REQUESTS, tenant=None)
    return [pack_approval(request, store.approvals.list_decisions(request.id)) for request in requests]


def _render_controls(mapped: tuple[ControlMap, ReadinessReport] | None, home: str) -> dict[str, bytes]:
    if mapped is None:
        return {}
    controls, readiness = mapped
    return {
        "controls/index.html": render_control_page(controls, home).encode(),
        "controls/controls.json": msgspec.json.format(msgspec.json.encode(controls)),
        "controls/oscal.json": write_assessment(controls, readiness, home),
    }


def _render_cards(cards: Sequence[SubjectCard]) -> dict[str, bytes]:
    files = {}
    for number, card in enumerate(cards, 1):
        files[f"cards/{number}-{card.kind}.html"] = render_card_page(card).encode()
        files[f"cards/{number}-{card.kind}.json"] = msgspec.json.format(msgspec.json.encode(card))
    return files


class ProvedAct(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `audit/acts.jsonl`: an entry to the letter, and its C2SP proof without the checkpoint."""

    entry: str
    proof: str


def _prove_acts(folder: Path, head: str, key: str) -> tuple[list[ProvedAct], bool]:
    """Oldest first, and whether older ones were left out."""
    reader = TileReader(folder, open_note(head, key).size)
    proved: list[ProvedAct] = []
    for index, data in _find_entries(folder, reader.size):
        if len(proved) == MOST_ACTS:
            return proved[::-1], True
        proof = format_proof(reader, index, head).removesuffix(f"\n\n{head}")
        proved.append(ProvedAct(entry=data.decode(), proof=proof))
    return proved[::-1], False


def _find_entries(folder: Path, size: int) -> Iterator[tuple[int, bytes]]:
    for index, data in read_entries_back(folder, size):
        if msgspec.json.decode(data, type=AdministrativeAct).action.startswith(PROVED):
            yield index, data


def _join_lines(records: Iterable[msgspec.Struct]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def _write_archive(out: Path, files: dict[str, bytes]) -> None:
    """Entries carry no times or modes, so that there is nothing in them which the digests do not reach."""
    try:
        with replace_file(out) as temporary:
            with (
                open_private(temporary, "xb+") as file,
                zipfile.ZipFile(file, "w") as archive,
            ):
                for name, data in files.items():
                    info = zipfile.ZipInfo(name, verify_audit.PACK_DATE)
                    archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; give a file in a folder that can be written") from error


# -- verifying ---------------------------------------------------------------------------------------


def verify_pack(file: Path, key: str | None = None, home: Path | None = None) -> PackVerification:
    """Whether a pack is as it was signed, by the same program that lies in it.

    The key is the one that is given, else that of `home` where it has the name of the pack's, else the pack's own.
    :raises InputError: the file cannot be read, or `key` is none
    """
    origin: Literal["argument", "home", "pack"] = "pack" if key is None else "argument"
    used = key or ""
    if key is not None:
        parse_verifier(key)
    try:
        if key is None:
            used = verify_audit.read_pack_key(file)
            own = _read_own_key(home)
            if own is not None and own.partition("+")[0] == used.partition("+")[0]:
                used, origin = own, "home"
        files, acts = verify_audit.check_pack(file, used)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}; expected a pack of `steward evidence pack`") from error
    except verify_audit.DAMAGED as error:
        return PackVerification(file=str(file), verdict="altered", problem=str(error), key=used, key_from=origin)
    return PackVerification(file=str(file), verdict="intact", files=files, acts=acts, key=used, key_from=origin)


def _read_own_key(home: Path | None) -> str | None:
    try:
        return (
            None
            if home is None
            else (audit_folder(home) / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace").strip()
        )
    except OSError:
        return None
