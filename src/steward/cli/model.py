"""`steward model list|show|import|export|alias|lineage|sign|verify|mark|collect`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    TenantOption,
    act_for,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.adapters.stores.sql import SqlStore
    from steward.core.extend import AuditLog
    from steward.workflows.lineage import Lineage

VersionArgument = Annotated[str, typer.Argument(help="NAME@ALIAS, NAME@DIGEST, or NAME for its champion.")]
KindName = Literal["gguf", "adapter", "model", "prompt", "other"]


@contextmanager
def _open(folder: Path) -> Iterator[tuple[SqlStore, AuditLog]]:
    from steward.workflows.releases import open_desk

    with open_desk(folder) as desk:
        yield desk.store, desk.audit


def list_(
    name: Annotated[str | None, typer.Argument(help="Only versions of this model.")] = None,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List registered versions, newest first."""
    from steward.workflows.registry import list_views

    folder = find_home(home)
    with _open(folder) as (store, _):
        views = list_views(folder, store, tenant=tenant, name=name)
    if json:
        show_json(views)
        return
    rows = [
        [
            view.served,
            view.version.kind,
            sum(file.size for file in view.version.files),
            ", ".join(view.aliases),
            "*" if view.in_use else "",
            view.version.tainted or view.version.held,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(view.version.created_at)),
        ]
        for view in views
    ]
    show_table(["version", "kind", "bytes", "aliases", "serves", "note", "added"], rows)


def show(
    version: VersionArgument, tenant: TenantOption = "default", home: HomeOption = None, json: JsonOption = False
) -> None:
    """Show a version: its files, how it came to be, and the journal of its name's aliases."""
    from steward.workflows.registry import show_version

    with _open(find_home(home)) as (store, _):
        view = show_version(store, version, tenant=tenant)
    if json:
        show_json(view)
        return
    lines = [f"{view.served}, {view.version.kind}, {view.version.digest}"]
    lines += [f"aliases: {', '.join(view.aliases) or 'none'}; {'serves' if view.in_use else 'does not serve'}"]
    lines += [f"tainted: {view.version.tainted}"] if view.version.tainted else []
    lines += [f"held: {view.version.held}"] if view.version.held else []
    lines += [f"  {file.path}  {file.size:,} bytes  {file.sha256}" for file in view.version.files]
    lines += [line for name, value in sorted(view.version.details.items()) for line in _format_part(name, value, 0)]
    lines += ["", "aliases moved:"] if view.moves else []
    for move in view.moves:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(move.at))
        lines.append(f"  {at}  {move.alias} {move.number}: {move.digest[7:19]} by {move.by}  {move.reason}")
    show_lines(lines)


def import_(
    path: Annotated[
        str, typer.Argument(help="A GGUF file, a model's folder, a run of `steward train`, or models:/NAME/1.")
    ],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    kind: Annotated[KindName | None, typer.Option(help="What it is; told from its files by default.")] = None,
    details: Annotated[
        Path | None, typer.Option(help="JSON file: base, dataset, code, trainer, parameters, seed, license.")
    ] = None,
    alias: Annotated[str | None, typer.Option(help="Let this alias name it, such as candidate.")] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Register a version. The same files are the same version. models:/… is read from MLflow, where it is installed."""
    from steward.workflows.model_exchange import fetch_source
    from steward.workflows.registry import import_version, move_alias

    folder, actor, now = find_home(home), act_for(tenant, reason), time.time()
    described = _read_details(details)
    with fetch_source(path) as source, _open(folder) as (store, audit):
        facts = {**source.details, **described}
        version = import_version(folder, store, audit, source.path, name, now, kind=kind, details=facts, actor=actor)
        if alias is not None:
            move_alias(store, audit, version, alias, now, actor=actor, reason=reason)
    if json:
        show_json({"served": version.served, "version": version})
    else:
        show_lines(
            [f"{version.served}, {version.kind}, {len(version.files)} file{'s' if len(version.files) > 1 else ''}"]
        )


def _read_details(file: Path | None) -> dict[str, Any]:
    """:raises InputError: not a JSON object"""
    import msgspec

    if file is None:
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{file}: {error}; expected a JSON object") from error


def export(
    version: VersionArgument,
    folder: Annotated[Path | None, typer.Argument(help="New folder for files, card, record and attestations.")] = None,
    mlflow: Annotated[str | None, typer.Option(help="Register it under this name in MLflow instead.")] = None,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write a version into a folder, with a model card for the Hub; or into MLflow, where it is installed."""
    from steward.workflows.model_exchange import export_to_mlflow
    from steward.workflows.model_signing import export_version

    if (folder is None) == (mlflow is None):
        raise InputError("expected exactly one of FOLDER and --mlflow NAME")
    place = find_home(home)
    with _open(place) as (store, _):
        if folder is not None:
            written = export_version(place, store, version, folder, tenant=tenant)
            record: object = written
            line = f"{written.served} is in {folder}{', signed' if written.signed else ', not signed'}"
        else:
            record = export_to_mlflow(place, store, version, str(mlflow), tenant=tenant)
            line = f"{version} is registered in MLflow as {mlflow}"
    if json:
        show_json(record)
    else:
        show_lines([line])


def alias(
    version: Annotated[str, typer.Argument(help="NAME@DIGEST or NAME@ALIAS.")],
    alias: Annotated[str, typer.Argument(help="Alias, such as champion, candidate or previous.")],
    expected: Annotated[
        int | None, typer.Option(help="Number of the alias's newest move as you saw it; refused if it has moved since.")
    ] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Let an alias name a version. Every move stays in the journal, with its actor and reason."""
    from steward.workflows.registry import find_version, move_alias

    actor = act_for(tenant, reason)
    with _open(find_home(home)) as (store, audit):
        target = find_version(store, version, tenant=tenant)
        move = move_alias(store, audit, target, alias, time.time(), actor=actor, reason=reason, expected=expected)
    if json:
        show_json(move)
    else:
        show_lines([f"{move.name}@{move.alias} is {target.served}, move {move.number}"])


def lineage(
    request: Annotated[str, typer.Argument(help="Request id, as in x-request-id and `steward tail`.")],
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Trace an answer back: configuration, release, version, data, code, parameters, gate and approvals."""
    from steward.workflows.lineage import trace_lineage

    folder = find_home(home)
    with _open(folder) as (store, _):
        found = trace_lineage(folder, store, request, tenant=tenant)
    if json:
        show_json(found)
    else:
        show_lines(_format_lineage(found))


def _format_lineage(found: Lineage) -> list[str]:
    request, release, version = found.request, found.release, found.version
    lines = [
        f"request {request.request_id}: {request.outcome}, route {request.route}, model {request.model}"
        + (f" ({request.model_version})" if request.model_version else ""),
        f"configuration {request.route_version}" + (f" by {found.config.by}" if found.config else ""),
    ]
    lines += [f"prompt {request.prompt_version}"] if request.prompt_version else []
    if release is not None:
        lines.append(
            f"release {release.id}: {request.arm}, at {request.arm_weight or 0:.0%}; {release.state}, {release.why}"
        )
    if version is not None:
        lines.append(f"version {version.served}, added by {version.created_by}")
        parts = (("data set", found.dataset), ("base", found.base), ("code", found.code), ("trainer", found.trainer),
                 ("parameters", found.parameters))  # fmt: skip
        lines += [line for name, value in parts if value for line in _format_part(name, value)]
        lines += [f"  alias {move.alias} by {move.by}: {move.reason}" for move in found.aliases]
    lines += [f"gate {one.verdict}: {one.value} ({one.id})" for one in found.gates]
    lines += [f"decision {one.verdict}: {one.value} ({one.id})" for one in found.decisions]
    for approval in found.approvals:
        said = ", ".join(f"{one.person} {one.verdict}" for one in approval.decisions) or "nobody yet"
        lines.append(f"approval {approval.request} asked by {approval.asked_by}: {said}")
    return [*lines, *(f"unknown {one}" for one in found.unknown)]


def _format_part(name: str, value: object, depth: int = 1) -> list[str]:
    """What is described in JSON, one line a value."""
    if isinstance(value, dict):
        return [
            f"{'  ' * depth}{name}",
            *(line for key, one in value.items() for line in _format_part(key, one, depth + 1)),
        ]
    if isinstance(value, list):
        value = ", ".join(one if isinstance(one, str) else _write_json(one) for one in value)
    return [f"{'  ' * depth}{name}: {value if isinstance(value, str) else _write_json(value)}"]


def _write_json(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def sign(
    version: VersionArgument,
    key: Annotated[
        Path | None, typer.Option(help="PEM file of a private key, best of P-256; the home's own by default.")
    ] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Sign a version's files and its provenance, without a network."""
    from steward.workflows.model_signing import sign_version

    folder = find_home(home)
    with _open(folder) as (store, audit):
        signed = sign_version(folder, store, audit, version, actor=act_for(tenant, reason), key_file=key)
    if json:
        show_json(signed)
    else:
        show_lines([f"{signed.served} is signed: {signed.signature}", f"public key: {signed.public_key}"])


def verify(
    version: Annotated[str, typer.Argument(help="A registered version, or a folder that `model export` wrote.")],
    public_key: Annotated[Path | None, typer.Option(help="PEM file; the home's own key by default.")] = None,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Check that a version's files are what was signed. Exits with 1 on any altered file."""
    from steward.workflows.model_signing import verify_folder, verify_version

    if Path(version).is_dir():
        check = verify_folder(Path(version), public_key)
    else:
        folder = find_home(home)
        with _open(folder) as (store, _):
            check = verify_version(folder, store, version, tenant=tenant, public_key=public_key)
    if json:
        show_json(check)
    else:
        show_lines([f"{check.served}: {check.verdict}", *(f"  {problem}" for problem in check.problems)])
    raise typer.Exit(0 if check.verdict == "held" else 1)


def mark(
    version: VersionArgument,
    tainted: Annotated[str | None, typer.Option(help="Why it must not be released; empty ends it.")] = None,
    held: Annotated[str | None, typer.Option(help="Why it must not be deleted; empty ends it.")] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Mark a version as tainted, such as after an erasure, or hold it against deletion."""
    from steward.workflows.registry import mark_version

    if tainted is None and held is None:
        raise InputError("expected --tainted, --held, or both")
    actor = act_for(tenant, reason)
    with _open(find_home(home)) as (store, audit):
        marked = mark_version(store, audit, version, tainted=tainted, held=held, actor=actor)
    if json:
        show_json(marked)
    else:
        notes = [f"tainted: {marked.tainted}"] if marked.tainted else []
        notes += [f"held: {marked.held}"] if marked.held else []
        show_lines([f"{marked.served}: {'; '.join(notes) or 'no mark'}"])


def collect(
    keep: Annotated[int, typer.Option(min=0, help="Newest versions of each model that stay in any case.")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Delete old versions. What serves, has an alias or is held is never deleted."""
    from steward.workflows.registry import collect_garbage

    folder = find_home(home)
    with _open(folder) as (store, audit):
        gone = collect_garbage(folder, store, audit, keep, actor=act_for(tenant, reason), dry_run=dry_run)
    if json:
        show_json(gone)
        return
    verb = "would be deleted" if dry_run else "deleted"
    show_lines([f"{len(gone.versions)} versions, {gone.files} files, {gone.bytes:,} bytes {verb}", *gone.versions])
    show_table(["kept", "why"], sorted(gone.kept.items()))
