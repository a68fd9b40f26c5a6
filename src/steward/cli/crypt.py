"""`steward crypt encrypt|decrypt|rotate|status`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, ReasonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.security.filecrypt import Report
    from steward.workflows.crypt import CryptResult
    from steward.workflows.root_rotation import RotationResult

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
            result = crypt.encrypt_file(_file_keys(key, home)[0], source, target, report)
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
            result = crypt.decrypt_file(_file_keys(key, home), source, target, report)
    _show(result, json)


def rotate(
    to: Annotated[
        str | None,
        typer.Option("--to", help="Where the new root key is: file:PATH, env:NAME, vault:MOUNT/KEY or kms:KEY."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Give this tenant a new key, instead of the deployment a root key.")
    ] = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Replace the root key, or a tenant's key. Everything goes on meanwhile; only --to needs steward to be stopped."""
    from steward.core.identity import operator
    from steward.workflows import root_rotation

    if to is not None and tenant is not None:
        raise InputError("--to and --tenant: give one of them; --to is about the root key")
    folder, actor = find_home(home), operator(os.getuid(), reason)
    if tenant is not None:
        result = root_rotation.rotate_tenant(folder, tenant, actor=actor)
    else:
        result = root_rotation.rotate_root(folder, actor=actor, to=to)
    if json:
        show_json(result)
    else:
        show_lines(_describe_rotation(result))


def _describe_rotation(result: RotationResult) -> list[str]:
    took = f"{result.took_s:.1f} s"
    if result.tenant is not None:
        count = f"{result.subject_keys:,} keys of people were wrapped anew"
        return [f"Tenant {result.tenant} has version {result.version} of its key; {count} in {took}."]
    lines = [f"The root key is now {result.root}, and was {result.replaced}; {result.secrets} secrets in {took}."]
    if result.reference is not None:
        lines.append(f"Set it in steward.yaml before you start:  security: {{root: '{result.reference}'}}")
    return [*lines, "Back it up now: steward backup OUT --keys FOLDER. Older key backups hold the old one."]


def status(home: HomeOption = None, json: Annotated[JsonOption, CsvRows("tenant_keys")] = False) -> None:
    """Show which keys are in use and open something under each; exit 1 where one does not open."""
    from steward.workflows.crypt_status import read_crypt_status

    keys = read_crypt_status(find_home(home))
    if json:
        show_json(keys)
    else:
        show_lines(
            [
                f"root key {keys.root} ({keys.reference or 'root-key in the home'})",
                *(f"took the place of {name}" for name in keys.retired),
            ]
        )
        words = {True: "opens", False: "does not open", None: "-"}
        show_table(
            ["tenant", "key version", "keys of people", "sample"],
            [[key.tenant, key.version, key.subject_keys, words[key.opens]] for key in keys.tenant_keys],
        )
        show_lines(
            f"{item.record}, sealed under a {item.sealed_under}: {item.problem or 'opens'}" for item in keys.samples
        )
        show_lines([f"{keys.erasures} erasures in the journal"])
    if not keys.is_sound:
        raise typer.Exit(1)


def _file_keys(reference: str | None, home: Path | None) -> tuple[bytes, ...]:
    from steward.workflows import crypt

    if reference is not None and home is not None:
        raise InputError("--key and --home: give one of them; both name a key")
    return (crypt.own_file_key(reference),) if reference is not None else crypt.home_file_keys(find_home(home))


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
