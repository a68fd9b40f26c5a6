"""Where a home's root key comes from, and what a running process knows of it.

`file:` and `env:` hold the key itself. `vault:MOUNT/KEY` and `kms:KEY` name a key that never leaves its service: it
wraps the root key, and `home/root-key.wrapped` holds the result, which is asked to be opened once, at the start of each
process.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.extend import RootWrapper
from steward.core.extras import install_command
from steward.core.files import FileStamp, hold_lock, read_stamp, write_file
from steward.security.rootkey import BYTES, FILE, RootKeys, fingerprint, load_root_key, read_retired

WRAPPED: Final = "root-key.wrapped"
POLL_S: Final = 0.25  # between two looks at whether the root key was rotated


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
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
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


class FollowedRoots:
    """The root keys of now: a rotation is seen within `POLL_S`. Several threads may share one."""

    def __init__(self, home: Path, reference: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._reference, self._clock = home, reference, clock
        self._file = root_file(home, reference)
        self._keys = load_roots(home, reference)
        self._stamp, self._looked_at = self._read_stamp(), clock()

    def __call__(self) -> RootKeys:
        """:raises InputError, Unavailable: as `load_roots`, where the file has changed"""
        if self._clock() - self._looked_at >= POLL_S:
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._keys, self._stamp = load_roots(self._home, self._reference), stamp
            self._looked_at = self._clock()
        return self._keys

    def _read_stamp(self) -> FileStamp | None:
        return None if self._file is None else read_stamp(self._file)
