"""Signatures and provenance of registered versions, in the registry and beside exported files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.extend import AuditLog
from steward.core.files import SHARED, make_private_folder, write_file
from steward.core.identity import Principal
from steward.core.interrupts import remove_unless_complete
from steward.core.releases import ArtefactFile, ModelVersion
from steward.improvement.attestation import (
    compare_statement,
    make_bundle,
    make_provenance,
    make_signature_statement,
    open_bundle,
    write_card,
)
from steward.security.model_key import ModelKey, is_signed_by, load_model_key, load_public_key, make_model_key
from steward.security.rootkey import derive
from steward.workflows.audit import make_act
from steward.workflows.registry import FOLDER, RECORD, digest_file, find_version, open_folder
from steward.workflows.serve.deployment import find_deployment

SIGNATURE, PROVENANCE, PUBLIC_KEY, CARD = ("model.sig", "provenance.sigstore.json", "model-key.pub", "README.md")
_USE: Final = "model signature, P-256"
_USE_BEFORE: Final = "model signature"  # of the Ed25519 key that signed until 0.2
BESIDE: Final = frozenset({SIGNATURE, PROVENANCE, PUBLIC_KEY, CARD, RECORD})


class SignedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model sign --json`."""

    served: str
    key: str  # the hint: SHA-256 of the public key
    signature: str  # files
    provenance: str
    public_key: str


class VersionCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model verify --json`. `problems`: what is not as it was signed; none: all is."""

    served: str
    key: str
    verdict: str  # held, broken
    problems: tuple[str, ...]


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model export --json`."""

    served: str
    folder: str
    files: tuple[str, ...]
    signed: bool


def sign_version(
    home: Path, store: SqlStore, audit: AuditLog, wanted: str, *, actor: Principal, key_file: Path | None = None
) -> SignedVersion:
    """Sign a version's files and its provenance with the home's key, or one of the operator's own.

    :raises UnknownName: no such version :raises InputError: no key of this kind
    """
    version = find_version(store, wanted, tenant=actor.tenant)
    key = _find_key(home, key_file)
    folder = _attestations(home, version)
    audit.record(make_act(actor, "model.sign", f"model:{version.name}", after=f"{version.served} {key.hint[:16]}"))
    make_private_folder(folder)
    write_file(folder / SIGNATURE, make_bundle(make_signature_statement(version, BESIDE), key.sign, key.hint))
    write_file(folder / PROVENANCE, make_bundle(make_provenance(version), key.sign, key.hint))
    write_file(folder / PUBLIC_KEY, key.public_pem())
    return SignedVersion(
        served=version.served,
        key=key.hint,
        signature=str(folder / SIGNATURE),
        provenance=str(folder / PROVENANCE),
        public_key=str(folder / PUBLIC_KEY),
    )


def verify_version(
    home: Path, store: SqlStore, wanted: str, *, tenant: str | None, public_key: Path | None = None
) -> VersionCheck:
    """Whether a registered version's files are what was signed.

    :raises UnknownName: no such version :raises InputError: it was never signed, or by another key
    """
    version = find_version(store, wanted, tenant=tenant)
    folder = _attestations(home, version)
    if not (folder / SIGNATURE).is_file():
        raise InputError(f"{version.served} is not signed; sign it: steward model sign {version.served}")
    place = open_folder(home)
    now = [_measure(file.path, place.fetch(file.sha256)) for file in version.files]
    return _check(folder, msgspec.structs.replace(version, files=tuple(now)), public_key or _own_key(home, folder))


def verify_folder(folder: Path, public_key: Path | None = None) -> VersionCheck:
    """Whether exported files are what was signed, without any home.

    :raises InputError: no export, or no signature of this key
    """
    try:
        version = msgspec.json.decode((folder / RECORD).read_bytes(), type=ModelVersion)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{folder}: no exported version ({error}); `steward model export` writes one") from error
    if not (folder / SIGNATURE).is_file():
        raise InputError(f"{folder}: no signature; sign the version before it is exported")
    own = {file.path for file in version.files}
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    now = tuple(_measure(name, path) for name, path in paths.items() if name in own or name not in BESIDE)
    return _check(folder, msgspec.structs.replace(version, files=now), public_key or folder / PUBLIC_KEY)


def _check(folder: Path, version: ModelVersion, public_key: Path) -> VersionCheck:
    try:
        public = load_public_key(public_key.read_bytes())
    except OSError as error:
        raise InputError(f"{public_key}: {error.strerror}; give --public-key FILE") from error
    statement = open_bundle(
        (folder / SIGNATURE).read_bytes(), lambda signature, message: is_signed_by(public, signature, message)
    )
    problems = compare_statement(statement, version)
    return VersionCheck(
        served=version.served,
        key=str(public_key),
        verdict="broken" if problems else "held",
        problems=tuple(problems),
    )


def export_version(home: Path, store: SqlStore, wanted: str, folder: Path, *, tenant: str | None) -> Export:
    """Write a version's files, card, record and, where it is signed, attestations into a new folder.

    A version's own README.md stays; it has the name that a card of ours would have.
    :raises InputError: the folder is there and not empty, or a file of the version has a name that is ours
    """
    version = find_version(store, wanted, tenant=tenant)
    paths = [file.path for file in version.files]
    if taken := sorted(BESIDE.difference([CARD]).intersection(paths)):
        raise InputError(f"{version.served}: its file {taken[0]} has the name of one that an export writes; rename it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: it is there already; expected a new or empty folder")
    place, source = open_folder(home), _attestations(home, version)
    signed = [name for name in (SIGNATURE, PROVENANCE, PUBLIC_KEY) if (source / name).is_file()]
    with remove_unless_complete(folder):
        for file in version.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place.fetch(file.sha256), target)
        if CARD not in paths:
            write_file(folder / CARD, write_card(version).encode(), mode=SHARED)
        write_file(folder / RECORD, msgspec.json.format(msgspec.json.encode(version)), mode=SHARED)
        for name in signed:
            shutil.copyfile(source / name, folder / name)
    written = dict.fromkeys([*paths, CARD, RECORD, *signed])
    return Export(served=version.served, folder=str(folder), files=tuple(written), signed=bool(signed))


def _measure(place: str, file: Path) -> ArtefactFile:
    digest, size = digest_file(file)
    return ArtefactFile(place, digest, size)


def _find_key(home: Path, key_file: Path | None) -> ModelKey:
    if key_file is None:
        return make_model_key(derive(find_deployment(home).roots().first, _USE))
    try:
        return load_model_key(key_file.read_bytes())
    except OSError as error:
        raise InputError(f"{key_file}: {error.strerror}; expected a PEM file with a private key") from error


def _own_key(home: Path, folder: Path) -> Path:
    """The home's public key, derived anew: one that lies beside the signature could have been changed with it."""
    old = Ed25519PrivateKey.from_private_bytes(derive(find_deployment(home).roots().first, _USE_BEFORE))
    own = [key.public_pem() for key in (_find_key(home, None), ModelKey(old))]
    if (folder / PUBLIC_KEY).read_bytes() not in own:
        raise InputError("signed with another key than the home's; give its public key: --public-key FILE")
    return folder / PUBLIC_KEY


def _attestations(home: Path, version: ModelVersion) -> Path:
    return home / FOLDER / "attestations" / version.served
