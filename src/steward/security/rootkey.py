"""The deployment's root key: 32 random bytes that wrap the tenants' keys, and from which other uses derive their own.

It stands in `home/root-key` (mode 0600) unless `security.root` names another file or a variable. Losing it loses every
sealed text for good; reading it opens them all. Machines that share a store share the root key.

A rotation leaves the key of before in `home/retired-roots/FINGERPRINT`, sealed under the one that took its place: what
was sealed before and is not sealed anew (batches, stored answers, files) still opens.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.files import OTHERS, make_private_folder, open_private, quote_path, read_mode, write_file
from steward.core.secret import resolve
from steward.security.seal import encode_owner, seal, unseal

BYTES: Final = 32
FILE: Final = "root-key"
RETIRED: Final = "retired-roots"


class RootKeys(msgspec.Struct, frozen=True):
    """The root key, and those that it took the place of, the newest first."""

    current: bytes
    retired: tuple[bytes, ...] = ()

    @property
    def first(self) -> bytes:
        """The one that the deployment began with: what must never change follows from it."""
        return self.retired[-1] if self.retired else self.current

    def derive(self, use: str) -> bytes:
        """What to seal with."""
        return derive(self.current, use)

    def derive_all(self, use: str) -> tuple[bytes, ...]:
        """What to try to open with, the likeliest first."""
        return tuple(derive(root, use) for root in (self.current, *self.retired))

    def __repr__(self) -> str:
        return f"RootKeys({fingerprint(self.current)}, {len(self.retired)} retired)"


def ensure_root_key(home: Path, random: bytes | None = None) -> bytes:
    """The root key in `home`, made on first use; of several processes that make it at once, one wins.

    :raises InputError: the file is readable by others, or is not 32 bytes long
    """
    path = home / FILE
    if not path.exists():
        _make(path, random or secrets.token_bytes(BYTES))
    return _read(path)


def load_root_key(home: Path, reference: str | None) -> bytes:
    """The root key that `security.root` names, else the one in `home`. A key that is named must exist.

    :raises InputError: it is missing, readable by others, or not 32 bytes long
    """
    if reference is None:
        return ensure_root_key(home)
    kind, _, rest = reference.partition(":")
    if kind == "file":
        if not Path(rest).is_file():
            raise InputError(
                f"{rest}: no root key there; copy it from another machine of this deployment, or make one: "
                f"(umask 077; head -c {BYTES} /dev/urandom > {rest})"
            )
        return _read(Path(rest))
    text = resolve(reference).reveal().strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != BYTES:
        raise InputError(
            f"{reference}: {len(text)} characters, expected {2 * BYTES} hex digits: openssl rand -hex {BYTES}"
        )
    return key


def fingerprint(root: bytes) -> str:
    """32 hex digits that tell one root key from another and say nothing else of it."""
    return derive(root, "fingerprint").hex()[:32]


def derive(root: bytes, use: str) -> bytes:
    """A 32-byte key for one use, from which neither the root nor another use's key follows (HMAC-SHA256 as a PRF).

    >>> derive(bytes(32), "a") == derive(bytes(32), "b")
    False
    """
    return hmac.digest(root, b"steward " + use.encode(), "sha256")


def read_retired(home: Path, root: bytes) -> tuple[bytes, ...]:
    """The roots that `root` took the place of, the newest first. :raises InputError: the file was changed"""
    path = _retired_file(home, root)
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        plain = unseal(derive(root, RETIRED), sealed, encode_owner(RETIRED, path.name))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return tuple(plain[at : at + BYTES] for at in range(0, len(plain), BYTES))


def write_retired(home: Path, root: bytes, retired: tuple[bytes, ...]) -> None:
    """Keep the roots that `root` takes the place of; on the disk when this returns."""
    path = _retired_file(home, root)
    make_private_folder(path.parent)
    sealed = seal(derive(root, RETIRED), b"".join(retired), encode_owner(RETIRED, path.name))
    write_file(path, sealed, durable=True)


def _retired_file(home: Path, root: bytes) -> Path:
    return home / RETIRED / fingerprint(root)


def _read(path: Path) -> bytes:
    mode = read_mode(path)
    if mode & OTHERS:
        raise InputError(f"{path}: mode {mode:04o} lets others read it; expected 0600: chmod 600 {quote_path(path)}")
    key = path.read_bytes()
    if len(key) != BYTES:
        raise InputError(f"{path}: {len(key)} bytes, expected {BYTES}; restore it from a backup")
    return key


def _make(path: Path, key: bytes) -> None:
    """Write and sync a file of this process's own, then give it the name, unless another process was first."""
    make_private_folder(path.parent)
    own = path.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    with open_private(own, "xb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink()
