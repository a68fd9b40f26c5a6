"""`steward crypt encrypt|decrypt`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.security.filecrypt import Report
    from steward.workflows.crypt import CryptResult

Source = Annotated[Path, typer.Argument(help="File to read.")]
Target = Annotated[Path, typer.Argument(help="File to write; it must not exist.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", help="env:NAME or file:PATH of 64 hex digits, instead of the home's root key.")
]
FernetOption = Annotated[
    str | None, typer.Option("--fernet-key", help="env:NAME or file:PATH of a Fernet key: use Fernet's token format.")
]


def encrypt(
    source: Source,
    target: Target,
    key: KeyOption = None,
    fernet_key: FernetOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Seal a file with AES-256-GCM, in constant memory; without the key nobody can read or change it unnoticed."""
    from steward.workflows import crypt

    if fernet_key is not None:
        result = crypt.encrypt_fernet(fernet_key, source, target)
    else:
        with _progress("encrypting", source) as report:
            result = crypt.encrypt_file(_file_key(key, home), source, target, report)
    _show(result, json)


def decrypt(
    source: Source,
    target: Target,
    key: KeyOption = None,
    fernet_key: FernetOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Open a sealed file; exit 2 where it was changed, cut off, or sealed under another key."""
    from steward.workflows import crypt

    if fernet_key is not None:
        result = crypt.decrypt_fernet(fernet_key, source, target)
    else:
        with _progress("decrypting", source) as report:
            result = crypt.decrypt_file(_file_key(key, home), source, target, report)
    _show(result, json)


def _file_key(reference: str | None, home: Path | None) -> bytes:
    from steward.workflows import crypt

    if reference is not None and home is not None:
        raise InputError("--key and --home: give one of them; both name a key")
    return crypt.own_file_key(reference) if reference is not None else crypt.home_file_key(find_home(home))


@contextmanager
def _progress(verb: str, source: Path) -> Iterator[Report]:
    """Bytes done and time left, for what takes a while."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    size = source.stat().st_size if source.is_file() else 0
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=size < 256 * 1024 * 1024) as progress:
        task = progress.add_task(f"{verb} {source.name}", total=size)
        yield lambda done: progress.update(task, completed=done)


def _show(result: CryptResult, json: bool) -> None:
    if json:
        show_json(result)
    else:
        show_lines([f"Wrote {result.output} ({result.output_bytes:,} bytes) from {result.input}."])
