"""Seal a file under a home's root key or a key of the user's own, and open it again; Fernet tokens as well."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from steward.core.errors import InputError
from steward.core.files import open_private
from steward.core.interrupts import remove_temporary
from steward.core.secret import resolve
from steward.security.filecrypt import Report, is_sealed, open_under_any, seal_file
from steward.workflows.serve.deployment import find_deployment

MAX_FERNET_BYTES: Final = 256 * 1024 * 1024  # a token is read whole
_USE: Final = "sealed files"


class CryptResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward crypt encrypt|decrypt --json`."""

    input: str
    output: str
    input_bytes: int
    output_bytes: int
    form: str  # "steward" or "fernet"


def home_file_keys(home: Path) -> tuple[bytes, ...]:
    """What files are sealed with in this home, and what those of before a rotation open with.

    :raises InputError: an unfit root key
    """
    return find_deployment(home).roots().derive_all(_USE)


def own_file_key(reference: str) -> bytes:
    """A key of the user's own, from `env:NAME` or `file:PATH`: 64 hex digits.

    :raises InputError: not found, or another length
    """
    try:
        key = bytes.fromhex(resolve(reference).reveal().strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise InputError(
            f"--key {reference}: expected 64 hex digits (32 bytes); make one with: openssl rand -hex 32 > key"
        )
    return key


def encrypt_file(key: bytes, source: Path, target: Path, report: Report = lambda _: None) -> CryptResult:
    """Seal `source` as `target`. :raises InputError: no such file, or `target` is there already"""
    _rewrite(source, target, lambda read, write: seal_file(key, read, write, report))
    return _result(source, target, "steward")


def decrypt_file(keys: Sequence[bytes], source: Path, target: Path, report: Report = lambda _: None) -> CryptResult:
    """Open `source` as `target` under one of `keys`; nothing is left of it where that fails.

    :raises InputError: not sealed here, sealed under another key, or changed; no such file; `target` is there already
    """

    def move(read: BufferedReader, write: BinaryIO) -> None:
        beginning = read.peek(16)
        if not is_sealed(beginning) and beginning.startswith(b"gAAAAA"):
            raise InputError(f"{source}: a Fernet token; give its key: --fernet-key env:NAME or file:PATH")
        open_under_any(keys, read, write, report)

    _rewrite(source, target, move)
    return _result(source, target, "steward")


def encrypt_fernet(reference: str, source: Path, target: Path) -> CryptResult:
    """Write `source` as a Fernet token under the key that `reference` names."""
    fernet = _fernet(reference)
    _rewrite(source, target, lambda read, write: write.write(fernet.encrypt(_read_whole(source, read))))
    return _result(source, target, "fernet")


def decrypt_fernet(reference: str, source: Path, target: Path) -> CryptResult:
    """Open a Fernet token. :raises InputError: another key, or bytes that were changed"""
    fernet = _fernet(reference)

    def move(read: BinaryIO, write: BinaryIO) -> None:
        try:
            write.write(fernet.decrypt(_read_whole(source, read).strip()))
        except InvalidToken as error:
            raise InputError(f"{source}: the token does not open: another key, or bytes that were changed") from error

    _rewrite(source, target, move)
    return _result(source, target, "fernet")


def _fernet(reference: str) -> Fernet:
    try:
        return Fernet(resolve(reference).reveal().strip())
    except ValueError as error:
        raise InputError(
            f"--fernet-key {reference}: not a Fernet key; expected 44 characters of URL-safe base64 (32 bytes)"
        ) from error


def _read_whole(source: Path, file: BinaryIO) -> bytes:
    data = file.read(MAX_FERNET_BYTES + 1)
    if len(data) > MAX_FERNET_BYTES:
        raise InputError(
            f"{source}: longer than {MAX_FERNET_BYTES:,} bytes, which a Fernet token should not be; "
            "leave --fernet-key out to seal it in chunks"
        )
    return data


def _rewrite(source: Path, target: Path, move: Callable[[BufferedReader, BinaryIO], object]) -> None:
    """`move` writes a file beside `target`, which gets its name once it is complete and on the disk."""
    if target.exists():
        raise InputError(f"{target}: exists; give another name, or remove it first")
    own = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with _open(source) as read:
            with open_private(own, "xb") as write:
                move(read, write)
                write.flush()
                os.fsync(write.fileno())
        os.link(own, target)  # fails where somebody else made it meanwhile
    except FileExistsError as error:
        raise InputError(f"{target}: exists; give another name, or remove it first") from error
    finally:
        remove_temporary(own)


def _open(source: Path) -> BufferedReader:
    try:
        return source.open("rb")
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}; expected a readable file") from error


def _result(source: Path, target: Path, form: str) -> CryptResult:
    return CryptResult(
        input=str(source),
        output=str(target),
        input_bytes=source.stat().st_size,
        output_bytes=target.stat().st_size,
        form=form,
    )
