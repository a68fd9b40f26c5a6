"""Signed exports, held against OpenSSF's own signer and verifier (`make model-signing`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conftest import ROOT
from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.releases import ModelVersion
from steward.improvement.attestation import compare_statement, make_bundle, make_signature_statement, open_bundle
from steward.security.model_key import ModelKey, is_signed_by
from steward.security.rootkey import derive
from steward.workflows import model_signing
from steward.workflows.audit import HomeAuditLog
from steward.workflows.model_signing import PUBLIC_KEY, SIGNATURE, export_version, sign_version, verify_folder
from steward.workflows.registry import import_version
from steward.workflows.serve.deployment import find_deployment

ME = operator(7)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def version(tmp_path: Path, store: SqlStore) -> ModelVersion:
    """Files in a folder and below, one of them with the name that a card has."""
    folder = tmp_path / "made"
    (folder / "inner").mkdir(parents=True)
    for name, content in (("b.bin", b"b"), ("a.bin", b"a"), ("README.md", b"own"), ("inner/README.md", b"inner")):
        (folder / name).write_bytes(content)
    return import_version(tmp_path, store, HomeAuditLog(tmp_path, bytes(32)), folder, "m", 1.0, actor=ME)


@pytest.fixture
def exported(tmp_path: Path, store: SqlStore, version: ModelVersion) -> Path:
    sign_version(tmp_path, store, HomeAuditLog(tmp_path, bytes(32)), version.served, actor=ME)
    export_version(tmp_path, store, version.served, tmp_path / "out", tenant=None)
    return tmp_path / "out"


@pytest.fixture(scope="module")
def openssf() -> str:
    tool = os.environ.get("MODEL_SIGNING") or shutil.which("model_signing")
    tool = tool or str(ROOT / "build" / "model-signing" / "bin" / "model_signing")
    if not Path(tool).exists():
        pytest.skip("model_signing is not installed; run: make model-signing")
    return tool


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def verify(openssf: str, folder: Path) -> subprocess.CompletedProcess[str]:
    options = ("--signature", str(folder / SIGNATURE), "--public_key", str(folder / PUBLIC_KEY))
    return run(openssf, "verify", "key", *options, str(folder))


def test_an_export_keeps_the_models_own_readme_and_verifies(exported: Path) -> None:
    assert (exported / "README.md").read_bytes() == b"own"
    assert verify_folder(exported).verdict == "held"
    (exported / "inner" / "README.md").write_bytes(b"other")
    assert [one[:16] for one in verify_folder(exported).problems] == ["inner/README.md:"]


def test_openssfs_verifier_accepts_what_is_signed_and_refuses_what_was_altered(openssf: str, exported: Path) -> None:
    accepted = verify(openssf, exported)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    (exported / "extra.bin").write_bytes(b"x")
    assert "extra.bin" in (refused := verify(openssf, exported)).stdout + refused.stderr and refused.returncode
    (exported / "extra.bin").unlink()
    (exported / "a.bin").write_bytes(b"other")
    assert verify(openssf, exported).returncode


def test_what_openssfs_signer_signed_is_read(openssf: str, version: ModelVersion, tmp_path: Path) -> None:
    private, folder = ec.generate_private_key(ec.SECP256R1()), tmp_path / "made"
    key = tmp_path / "key.pem"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = run(openssf, "sign", "key", "--signature", str(tmp_path / "x.sig"), "--private_key", str(key), str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    public = private.public_key()
    statement = open_bundle((tmp_path / "x.sig").read_bytes(), lambda sig, message: is_signed_by(public, sig, message))
    assert compare_statement(statement, version) == []


def test_what_the_home_signed_with_its_older_key_still_verifies(
    tmp_path: Path, store: SqlStore, version: ModelVersion
) -> None:
    seed = derive(find_deployment(tmp_path).roots().first, "model signature")
    old = ModelKey(Ed25519PrivateKey.from_private_bytes(seed))
    folder = tmp_path / "models" / "attestations" / version.served
    folder.mkdir(parents=True)
    (folder / SIGNATURE).write_bytes(make_bundle(make_signature_statement(version), old.sign, old.hint))
    (folder / PUBLIC_KEY).write_bytes(old.public_pem())
    assert model_signing.verify_version(tmp_path, store, version.served, tenant=None).verdict == "held"
    stranger = ModelKey(Ed25519PrivateKey.generate())
    (folder / PUBLIC_KEY).write_bytes(stranger.public_pem())
    with pytest.raises(InputError, match="signed with another key"):
        model_signing.verify_version(tmp_path, store, version.served, tenant=None)


def test_a_file_with_the_name_of_a_signature_is_not_overwritten(tmp_path: Path, store: SqlStore) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "model.sig").write_bytes(b"another's")
    audit = HomeAuditLog(tmp_path, bytes(32))
    served = import_version(tmp_path, store, audit, folder, "m", 1.0, actor=ME).served
    with pytest.raises(InputError, match=r"its file model\.sig has the name"):
        export_version(tmp_path, store, served, tmp_path / "out", tenant=None)
