"""Where a home's root key comes from, and what a running process knows of it.

`file:` and `env:` hold the key itself. `vault:MOUNT/KEY` and `kms:KEY` name a key that never leaves its service: it
wraps the root key, and `home/root-key.wrapped` holds the result, which is asked to be opened once, at the start of each
process.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.extend import RootWrapper
from steward.core.extras import install_command
from steward.core.files import FileStamp, hold_lock, make_private_folder, publish_file, read_stamp, write_file
from steward.core.stores import SecretStore
from steward.security.rootkey import BYTES, FILE, RootKeys, fingerprint, load_root_key, read_retired

WRAPPED: Final = "root-key.wrapped"
LOCK: Final = "root-rotation.lock"


class WrappedRoot(msgspec.Struct, frozen=True, kw_only=True):
    """`home/root-key.wrapped`: not secret, and of no use without the service."""

    reference: str  # whose key wraps it
    fingerprint: str  # of the root key
    wrapped: bytes


def load_roots(home: Path, reference: str | None) -> RootKeys:
    """The root key that `security.root` names, else the one in `home`, with those that it took the place of.

    :raises InputError: it is missing, or not fit for use :raises Unavailable: the service that wraps it does not answer
    """
    root = load_root(home, reference)
    return RootKeys(root, read_retired(home, root))


def load_root(home: Path, reference: str | None) -> bytes:
    """As `load_roots`, without the retired ones. A root key that a service wraps is made on first use."""
    if not is_wrapped(reference):
        return load_root_key(home, reference)
    path = home / WRAPPED
    if not path.exists():
        make_private_folder(home)
        with hold_lock(home / f"{WRAPPED}.lock"):
            if not path.exists():
                write_file(path, wrap_root(reference or "", secrets.token_bytes(BYTES)), durable=True)
    return unwrap_root(path, reference or "")


def is_wrapped(reference: str | None) -> bool:
    return reference is not None and reference.startswith(("vault:", "kms:"))


def wrap_root(reference: str, root: bytes) -> bytes:
    """What `home/root-key.wrapped` is to hold. :raises Unavailable, InputError: the service refuses"""
    wrapped = open_wrapper(reference).wrap(root)
    return msgspec.json.encode(WrappedRoot(reference=reference, fingerprint=fingerprint(root), wrapped=wrapped))


def unwrap_root(path: Path, reference: str) -> bytes:
    """:raises InputError: a damaged file, or one that another key wraps"""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=WrappedRoot)
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; restore it from another machine or a key backup") from error
    if record.reference != reference:
        raise InputError(
            f"{path}: wrapped by {record.reference}, but security.root is {reference}; set security.root back, or stop "
            f"steward and run: steward crypt rotate --to {reference}"
        )
    root = open_wrapper(reference).unwrap(record.wrapped)
    if len(root) != BYTES or fingerprint(root) != record.fingerprint:
        raise InputError(f"{path}: {reference} opened it to another key; restore it from another machine")
    return root


def open_wrapper(reference: str) -> RootWrapper:
    """:raises InputError: the extra is not installed, or the service's settings are missing"""
    kind, _, rest = reference.partition(":")
    try:
        if kind == "vault":
            from steward.adapters.root_wrappers.vault import VaultTransit

            return VaultTransit(rest)
        from steward.adapters.root_wrappers.kms import AwsKms

        return AwsKms(rest)
    except ImportError as error:
        extra = {"vault": "vault", "kms": "aws"}[kind]
        raise InputError(f"security.root: {reference} needs the extra `{extra}`: {install_command(extra)}") from error


def root_file(home: Path, reference: str | None) -> Path | None:
    """The file that a rotation replaces; None: the key is in the environment, where nobody can replace it."""
    if is_wrapped(reference):
        return home / WRAPPED
    kind, _, rest = (reference or "").partition(":")
    return home / FILE if reference is None else Path(rest) if kind == "file" else None


def next_file(file: Path) -> Path:
    """Where a rotation keeps the root key that is about to take the place of `file`."""
    return file.with_name(f"{file.name}.next")


def recover_rotation(home: Path, reference: str | None, secrets_of: SecretStore) -> bool:
    """Finish a rotation that was cut off, or forget it, as the store says; whether another root key is in use now.

    Waits for a rotation that is under way.
    """
    files = {file for file in (root_file(home, reference), home / WRAPPED) if file is not None}
    cut_off = [file for file in files if next_file(file).exists()]
    if not cut_off:
        return False
    finished = False
    with hold_lock(home / LOCK):
        for file in cut_off:
            try:
                found = _read_fingerprint(next_file(file))
            except FileNotFoundError:  # it was not cut off, and is done now
                finished = True
                continue
            if found == secrets_of.find_root():
                publish_file(next_file(file), file, durable=True)
                finished = True
            else:
                next_file(file).unlink()
    return finished


def _read_fingerprint(path: Path) -> str:
    """Of the root key in a file, wrapped or not."""
    content = path.read_bytes()
    if len(content) == BYTES:
        return fingerprint(content)
    try:
        return msgspec.json.decode(content, type=WrappedRoot).fingerprint
    except msgspec.MsgspecError:
        return ""


class FollowedRoots:
    """The root keys of now: each call looks at the file's stamp, which takes microseconds. Several threads may share
    one."""

    def __init__(self, home: Path, reference: str | None) -> None:
        self._home, self._reference = home, reference
        self._file = root_file(home, reference)
        self._stamp = self._read_stamp()
        self._keys = load_roots(home, reference)

    def __call__(self) -> RootKeys:
        """:raises InputError, Unavailable: as `load_roots`, where the file has changed"""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            self._keys, self._stamp = load_roots(self._home, self._reference), stamp
        return self._keys

    def _read_stamp(self) -> FileStamp | None:
        return None if self._file is None else read_stamp(self._file)
