"""The registry of models: versions by digest, aliases with a journal, files by content.

A version is never changed. Its files lie once each under their digests, in the home or at an address; who moved which
alias, and why, stays for good.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.extend import AuditLog, FileStore
from steward.core.extras import install_command
from steward.core.files import hold_lock, make_private_folder, quote_path, replace_file
from steward.core.identity import Principal
from steward.core.releases import ALIASES, AliasMove, ArtefactFile, ArtefactKind, ModelVersion, ReleaseRecord
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import find_deployment

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
FOLDER, LOCK = "models", "lock"
FEWEST_DIGITS: Final = 6  # of a digest that is given by its beginning
DESCRIPTION: Final = "artefact.json"  # beside files that something else has made
JOB, ARTEFACTS = "job.json", "artefacts"  # of a run of `steward train`
RECORD: Final = "version.json"  # of a version that `steward model export` wrote


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model list --json`: a version, the aliases that name it, and whether it serves."""

    served: str
    version: ModelVersion
    aliases: tuple[str, ...]
    in_use: bool


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model show --json`."""

    served: str
    version: ModelVersion
    aliases: tuple[str, ...]
    in_use: bool
    moves: tuple[AliasMove, ...]  # the whole journal of the model's name


# -- files ---------------------------------------------------------------------------------------------


class ArtefactFolder:
    """Files by their digests: in a folder of the home, or at an address, of which the home keeps copies."""

    def __init__(self, home: Path, storage: str | None) -> None:
        self._local = home / FOLDER / "files"
        self._remote = None if storage is None else storage.rstrip("/")
        self._store: FileStore | None = None if storage is None else _open_remote()

    def put(self, file: Path) -> ArtefactFile:
        """Keep a copy of a file; what is there already is not written again."""
        digest, size = digest_file(file)
        target = self._local / digest
        if not target.exists():
            make_private_folder(self._local)
            with replace_file(target, durable=True) as temporary:
                shutil.copyfile(file, temporary)
        if self._store is not None:
            self._store.upload(target, f"{self._remote}/files/{digest}")
        return ArtefactFile(file.name, digest, size)

    def fetch(self, sha256: str) -> Path:
        """The file on this machine, checked against its digest when it is fetched.

        :raises InputError: it is nowhere, or is not what was kept
        """
        target = self._local / sha256
        if target.exists():
            return target
        if self._store is None:
            raise InputError(f"{target}: the file is gone; restore it from a backup, or import the version again")
        make_private_folder(self._local)
        with replace_file(target, durable=True) as temporary:
            with self._store.open(f"{self._remote}/files/{sha256}") as source, temporary.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            if digest_file(temporary)[0] != sha256:
                raise InputError(f"{self._remote}/files/{sha256}: its content has changed; restore it from a backup")
        return target

    def delete(self, sha256: str) -> int:
        """Delete the copy of this machine; returns its bytes. What lies at an address is its owner's to delete."""
        target = self._local / sha256
        size = target.stat().st_size if target.exists() else 0
        target.unlink(missing_ok=True)
        return size

    def list_digests(self) -> list[str]:
        return sorted(path.name for path in self._local.glob("[0-9a-f]*") if len(path.name) == 64)


def _open_remote() -> FileStore:
    """:raises InputError: the extra is not installed"""
    try:
        from steward.adapters.remote_files import FsspecStore
    except ImportError as error:
        raise InputError(f"registry.storage at an address needs the extra `remote`: {install_command('remote')}") from (
            error
        )
    return FsspecStore()


def digest_file(file: Path) -> tuple[str, int]:
    """SHA-256 in hex, and the size in bytes. :raises InputError: it cannot be read"""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest(), file.stat().st_size
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a file that can be read") from error


def digest_version(files: Iterable[ArtefactFile]) -> str:
    """A file's own digest where there is one; else that over all paths and digests, in the order of the paths."""
    listed = sorted(files, key=lambda file: file.path)
    if len(listed) == 1:
        return f"sha256:{listed[0].sha256}"
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in listed)  # as sha256sum writes them
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def open_folder(home: Path) -> ArtefactFolder:
    return ArtefactFolder(home, find_deployment(home).registry.storage)


# -- versions ------------------------------------------------------------------------------------------


def import_version(
    home: Path,
    store: SqlStore,
    audit: AuditLog,
    path: Path,
    name: str,
    now: float,
    *,
    kind: ArtefactKind | None = None,
    details: Mapping[str, Any] | None = None,
    actor: Principal,
) -> ModelVersion:
    """Register a file or a folder, such as a run of `steward train`. The same files are the same version.

    :raises InputError: nothing there, a name that no model can have
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"model name {cut_text(name)!r}: expected 1 to 63 letters, digits, dots, dashes or underscores"
        )
    exported = _read_export(path)
    described, root = _read_description(path) if exported is None else (exported.details, path)
    sources = dict(_list_files(root)) if exported is None else {one.path: path / one.path for one in exported.files}
    files = tuple(_measure(place, file) for place, file in sources.items())
    digest = digest_version(files)
    if exported is not None and exported.digest != digest:
        raise InputError(f"{path}: its files are not those of {exported.served} any more; export the version again")
    version = ModelVersion(
        name=name,
        digest=digest,
        tenant=actor.tenant,
        kind=kind or (_find_kind(described, sources) if exported is None else exported.kind),
        files=files,
        created_at=now,
        created_by=actor.actor,
        details={**described, **(details or {})},
        tainted=_find_taint(path) if exported is None else exported.tainted,
    )
    known = [one for one in store.registry.list_versions(name, tenant=actor.tenant) if one.digest == version.digest]
    if known:
        return known[0]
    audit.record(make_act(actor, "model.import", f"model:{name}", after=version.served))
    folder = open_folder(home)
    with _hold_files(home):
        for measured, file in zip(files, sources.values(), strict=True):
            if folder.put(file).sha256 != measured.sha256:
                raise InputError(f"{file}: it changed while it was imported; import it again when it is complete")
        store.registry.add_version(version)
    return version


def _measure(place: str, file: Path) -> ArtefactFile:
    digest, size = digest_file(file)
    return ArtefactFile(place, digest, size)


def _list_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Paths within the version, and files. :raises InputError: none, or a link"""
    if root.is_file():
        yield root.name, root
        return
    found = sorted(path for path in root.rglob("*") if path.is_file() and path.name != DESCRIPTION)
    if not found:
        raise InputError(f"{root}: no file is there; expected a model's file, or a folder of them")
    for path in found:
        if path.is_symlink():
            raise InputError(f"{path}: a link; expected the file itself, since a version must not change")
        yield path.relative_to(root).as_posix(), path


def _read_description(path: Path) -> tuple[dict[str, Any], Path]:
    """What is known of how an artefact came to be, and where its files are. :raises InputError: not readable"""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a GGUF file, or a folder with a model's files")
    if (path / JOB).is_file() and (path / ARTEFACTS).is_dir():
        return _describe_run(path), path / ARTEFACTS
    file = path / DESCRIPTION if path.is_dir() else path.with_name(DESCRIPTION)
    return (_read_json(file) if file.is_file() else {}), path


def _read_export(folder: Path) -> ModelVersion | None:
    """What `steward model export` wrote beside the files of a version, in a folder or in MLflow; None: no export.

    :raises InputError: its record names a file outside of it
    """
    try:
        version = msgspec.json.decode((folder / RECORD).read_bytes(), type=ModelVersion)
    except (OSError, msgspec.MsgspecError):
        return None
    for file in version.files:
        if not (folder / file.path).resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{folder / RECORD}: the file {cut_text(file.path)!r} lies outside of the folder")
    return version


def _describe_run(folder: Path) -> dict[str, Any]:
    """A run of `steward train`. :raises InputError: it has not finished, or its files are not readable"""
    job = _read_json(folder / JOB)
    state = _read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
    if state.get("state", "succeeded") != "succeeded":
        raise InputError(f"{folder}: the training {state['state']}; see: steward train show {quote_path(folder)}")
    described = {name: job[name] for name in ("trainer", "method", "parameters", "seed") if job.get(name)}
    described |= {"run": job.get("id", folder.name), "base": {"name": job.get("base", "")}}
    if job.get("dataset"):
        described["dataset"] = {"digest": job["dataset"]}
    return described


def _find_taint(path: Path) -> str:
    """Why a run of `steward train` must not be released; empty where it may, or it is no run."""
    state = path / "state.json"
    return str(_read_json(state).get("tainted", "")) if (path / JOB).is_file() and state.is_file() else ""


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{file}: {error}; expected a JSON object, as `steward train` writes it") from error


def _find_kind(described: Mapping[str, Any], sources: Mapping[str, Path]) -> ArtefactKind:
    if described.get("kind") in ("gguf", "adapter", "model", "prompt"):
        kind: ArtefactKind = described["kind"]
        return kind
    if len(sources) == 1 and next(iter(sources)).endswith(".gguf"):
        return "gguf"
    if "adapter_config.json" in sources:
        return "adapter"
    return "model" if "config.json" in sources else "other"


def find_version(store: SqlStore, wanted: str, *, tenant: str | None) -> ModelVersion:
    """By NAME@ALIAS, NAME@DIGEST or the beginning of a digest; of NAME alone the champion.

    :raises UnknownName: no such model, alias or version :raises InputError: several begin so
    """
    name, _, which = wanted.partition("@")
    versions = store.registry.list_versions(name, tenant=tenant)
    if not versions:
        known = {one.name for one in store.registry.list_versions(tenant=tenant)}
        raise UnknownName("model in the registry", name, sorted(known))
    aliases = read_aliases(store.registry.list_moves(name, tenant=tenant))
    which = aliases.get(which or "champion", which)
    digits = which.removeprefix("sha256:")
    fitting = [
        one
        for one in versions
        if len(digits) >= FEWEST_DIGITS and one.digest.removeprefix("sha256:").startswith(digits)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{wanted}: {len(fitting)} versions begin so; give more of the digest")
    raise UnknownName(f"version of {name!r}", which or "champion", [*aliases, *(one.served for one in versions)])


def read_aliases(moves: Iterable[AliasMove]) -> dict[str, str]:
    """Where each alias stands now, by the journal of one name: alias to digest."""
    newest: dict[str, AliasMove] = {}
    for move in moves:
        if move.alias not in newest or move.number > newest[move.alias].number:
            newest[move.alias] = move
    return {alias: move.digest for alias, move in sorted(newest.items()) if move.digest}


def list_views(home: Path, store: SqlStore, *, tenant: str | None, name: str | None = None) -> list[VersionView]:
    """Newest first."""
    moves = store.registry.list_moves(tenant=tenant)
    used = list_used(store)
    return [
        VersionView(
            served=one.served,
            version=one,
            aliases=_name_aliases(one, moves),
            in_use=one.digest in used,
        )
        for one in store.registry.list_versions(name, tenant=tenant)
    ]


def show_version(store: SqlStore, wanted: str, *, tenant: str | None) -> ModelView:
    """:raises UnknownName: no such version"""
    version = find_version(store, wanted, tenant=tenant)
    moves = store.registry.list_moves(version.name, tenant=tenant)
    return ModelView(
        served=version.served,
        version=version,
        aliases=_name_aliases(version, moves),
        in_use=version.digest in list_used(store),
        moves=tuple(moves),
    )


def _name_aliases(version: ModelVersion, moves: Iterable[AliasMove]) -> tuple[str, ...]:
    own = [move for move in moves if move.name == version.name]
    return tuple(alias for alias, digest in read_aliases(own).items() if digest == version.digest)


def list_used(store: SqlStore) -> set[str]:
    """Digests of the versions that a release in effect serves, as either arm."""
    return {version for one in store.releases.list_in_effect() for version in one.list_versions()}


def release_path(home: Path, version: ModelVersion) -> Path:
    """The file that an engine loads. :raises InputError: the version is no single file, or it is gone"""
    if len(version.files) != 1:
        raise InputError(f"{version.served} has {len(version.files)} files; an engine here serves a single GGUF file")
    return open_folder(home).fetch(version.files[0].sha256)


def mark_version(
    store: SqlStore, audit: AuditLog, wanted: str, *, tainted: str | None, held: str | None, actor: Principal
) -> ModelVersion:
    """Say why a version must not be released or deleted; an empty text ends it. :raises UnknownName: no such version"""
    version = find_version(store, wanted, tenant=actor.tenant)
    changes = [
        f"{name}: {text or 'no more'}" for name, text in (("tainted", tainted), ("held", held)) if text is not None
    ]
    audit.record(
        make_act(actor, "model.mark", f"model:{version.name}", before=version.served, after="; ".join(changes))
    )
    store.registry.mark_version(version.name, version.digest, tainted=tainted, held=held, tenant=version.tenant)
    return find_version(store, f"{version.name}@{version.digest}", tenant=actor.tenant)


def taint_trained_on(store: SqlStore, audit: AuditLog, dataset: str, why: str, *, actor: Principal) -> tuple[str, ...]:
    """Mark every version whose description names this data set by its digest; returns their names."""
    marked = []
    for version in store.registry.list_versions(tenant=actor.tenant):
        described = version.details.get("dataset")
        if isinstance(described, dict) and described.get("digest") == dataset and not version.tainted:
            wanted = f"{version.name}@{version.digest}"
            mark_version(store, audit, wanted, tainted=why, held=None, actor=actor)
            marked.append(version.served)
    return tuple(marked)


# -- aliases -------------------------------------------------------------------------------------------


def move_alias(
    store: SqlStore,
    audit: AuditLog,
    version: ModelVersion,
    alias: str,
    now: float,
    *,
    actor: Principal,
    reason: str,
    expected: int | None = None,
) -> AliasMove:
    """Let an alias name a version. `expected`: the number of the journal's newest entry as the caller saw it.

    :raises InputError: no such alias, or somebody moved it since
    """
    if not NAME.fullmatch(alias) or re.fullmatch(r"[0-9a-f]{6,}", alias):
        raise InputError(f"alias {cut_text(alias)!r}: expected a word such as {', '.join(ALIASES)}")
    moves = [one for one in store.registry.list_moves(version.name, tenant=version.tenant) if one.alias == alias]
    last = moves[-1].number if moves else 0
    if expected is not None and expected != last:
        raise InputError(
            f"{version.name}@{alias} was moved by {moves[-1].by} meanwhile ({moves[-1].reason or 'no reason given'}); "
            f"see: steward model show {version.name}@{alias}"
        )
    move = AliasMove(
        name=version.name,
        alias=alias,
        number=last + 1,
        tenant=version.tenant,
        digest=version.digest,
        at=now,
        by=actor.actor,
        reason=reason,
    )
    before = moves[-1].digest if moves else ""
    audit.record(make_act(actor, "model.alias", f"model:{version.name}@{alias}", before=before, after=version.digest))
    if not store.registry.move_alias(move):
        raise InputError(f"{version.name}@{alias} was moved by somebody else at the same moment; look, and try again")
    return move


def check_alias_unmoved(store: SqlStore, record: ReleaseRecord) -> None:
    """:raises InputError: somebody moved the champion's alias since the release began"""
    moves = store.registry.list_moves(record.candidate.name, tenant=record.tenant)
    champion = [one for one in moves if one.alias == "champion"]
    if champion and champion[-1].number != record.alias_number:
        last, why = champion[-1], champion[-1].reason or "no reason given"
        raise InputError(
            f"{last.by} moved the alias {last.name}@champion since {record.id} began ({why}); roll back and start "
            f"again: steward release rollback {record.route}"
        )


def check_untainted(store: SqlStore, record: ReleaseRecord) -> None:
    """:raises InputError: the candidate was marked as tainted since the release began"""
    if why := find_taint(store, record):
        raise InputError(
            f"{record.candidate.served} is tainted: {why}; take it back: steward release rollback {record.route}"
        )


def find_taint(store: SqlStore, record: ReleaseRecord) -> str:
    """Why a candidate of the registry must not serve; empty where it may."""
    versions = store.registry.list_versions(record.candidate.name, tenant=record.tenant)
    return next((one.tainted for one in versions if one.digest == record.candidate.version), "")


def follow_promotion(store: SqlStore, audit: AuditLog, record: ReleaseRecord, actor: Principal) -> None:
    """After a promotion: the champion before becomes `previous`, the promoted version `champion`.

    :raises InputError: somebody moved the champion's alias since the release began
    """
    moves = store.registry.list_moves(record.candidate.name, tenant=record.tenant)
    aliases = read_aliases(moves)
    versions = {one.digest: one for one in store.registry.list_versions(record.candidate.name, tenant=record.tenant)}
    promoted, before = versions[record.candidate.version], versions.get(aliases.get("champion", ""))
    reason, now = f"promoted by {record.id}", record.changed_at
    move_alias(store, audit, promoted, "champion", now, actor=actor, reason=reason, expected=record.alias_number)
    if before is not None and before.digest != promoted.digest:
        move_alias(store, audit, before, "previous", now, actor=actor, reason=reason)


# -- garbage -------------------------------------------------------------------------------------------


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What a garbage collection deleted, or would."""

    versions: tuple[str, ...]
    files: int
    bytes: int
    kept: dict[str, str]  # served name to why
    dry_run: bool


def choose_garbage(
    versions: Iterable[ModelVersion], moves: Iterable[AliasMove], used: set[str], keep_newest: int
) -> tuple[list[ModelVersion], dict[str, str]]:
    """Versions of one tenant that nothing needs, and why each of the others stays. Pure."""
    listed, journal = list(versions), list(moves)
    named = {(move.name, digest): alias for move in journal for alias, digest in
             read_aliases([one for one in journal if one.name == move.name]).items()}  # fmt: skip
    seen: dict[str, int] = {}
    garbage, kept = [], {}
    for one in sorted(listed, key=lambda version: -version.created_at):
        seen[one.name] = seen.get(one.name, 0) + 1
        if one.digest in used:
            kept[one.served] = "a release serves it"
        elif (one.name, one.digest) in named:
            kept[one.served] = f"the alias {named[one.name, one.digest]} names it"
        elif one.held:
            kept[one.served] = f"held: {one.held}"
        elif seen[one.name] <= keep_newest:
            kept[one.served] = f"one of the newest {keep_newest}"
        else:
            garbage.append(one)
    return garbage, kept


def collect_garbage(
    home: Path, store: SqlStore, audit: AuditLog, keep_newest: int, *, actor: Principal, dry_run: bool = False
) -> Collection:
    """Delete versions of a tenant that nothing needs, and their files unless another version, of any, has the same.

    What a release, an alias or a hold takes hold of meanwhile stays, as do files that are just being imported.
    """
    own = store.registry.list_versions(tenant=actor.tenant)
    moves = store.registry.list_moves(tenant=actor.tenant)
    garbage, kept = choose_garbage(own, moves, list_used(store), keep_newest)
    if dry_run:
        dead = _list_dead(garbage, store.registry.list_versions(tenant=None))
    else:
        with _hold_files(home):
            garbage, late = _delete_versions(store, audit, garbage, actor)
            kept |= {one.served: "a release, an alias or a hold came meanwhile" for one in late}
            dead = _list_dead(garbage, store.registry.list_versions(tenant=None))
            folder = open_folder(home)
            for sha256 in dead:
                folder.delete(sha256)
    return Collection(
        versions=tuple(one.served for one in garbage),
        files=len(dead),
        bytes=sum(dead.values()),
        kept=kept,
        dry_run=dry_run,
    )


def _delete_versions(
    store: SqlStore, audit: AuditLog, garbage: Iterable[ModelVersion], actor: Principal
) -> tuple[list[ModelVersion], list[ModelVersion]]:
    """Those that were deleted, and those that somebody needs by now."""
    deleted, late = [], []
    for one in garbage:
        audit.record(make_act(actor, "model.delete", f"model:{one.name}", before=one.served))
        if store.registry.delete_version(one.name, one.digest, tenant=one.tenant):
            deleted.append(one)
        else:
            audit.record(make_act(actor, "model.keep", f"model:{one.name}", after=one.served))
            late.append(one)
    return deleted, late


def _list_dead(gone: Iterable[ModelVersion], versions: Iterable[ModelVersion]) -> dict[str, int]:
    """Files that no version but those that are gone has, and their bytes."""
    lost = list(gone)
    keys = {(one.tenant, one.name, one.digest) for one in lost}
    stay = [one for one in versions if (one.tenant, one.name, one.digest) not in keys]
    needed = {file.sha256 for one in stay for file in one.files}
    return {file.sha256: file.size for one in lost for file in one.files if file.sha256 not in needed}


@contextmanager
def _hold_files(home: Path) -> Iterator[None]:
    """Of an import and a collection of garbage in one home, one at a time: files come before their version does."""
    make_private_folder(home / FOLDER)
    with hold_lock(home / FOLDER / LOCK):
        yield
