"""Where people may stand beside the store: stored answers, batches, files, studies, documents, training sets, models.

Each place finds what is of a person, and deletes it. What a place cannot read (a binary file, a batch that still runs)
it names, so that nothing is taken for clean that was not looked into.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.identity import DEFAULT_TENANT
from steward.core.releases import ModelVersion
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.privacy.file_mentions import FileMention, SplitText, make_name_pattern, split_text
from steward.workflows.batch_store import FOLDER as BATCHES
from steward.workflows.batch_store import BatchStore
from steward.workflows.response_store import FOLDER as RESPONSES
from steward.workflows.response_store import FileResponseStore, delete_answers
from steward.workflows.rights.files import (
    PlaceMentions,
    erase_in_documents,
    erase_in_files,
    find_in_documents,
    find_in_files,
)
from steward.workflows.rights.home import RightsHome
from steward.workflows.rights.subjects import DataSubject, find_data_subject

MANIFEST: Final = "manifest.json"


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that later requests may refer to, with what was asked."""

    request_id: str
    project: str
    at: float
    asked: Any
    answer: Any


class NamedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """A training set or a model that the person is part of."""

    name: str
    folder: str
    digest: str


class PlaceFinds(msgspec.Struct, frozen=True, kw_only=True):
    """Everything beside the store."""

    answers: tuple[StoredAnswer, ...] = ()
    batches: tuple[PlaceMentions, ...] = ()
    files: tuple[PlaceMentions, ...] = ()
    documents: tuple[PlaceMentions, ...] = ()
    datasets: tuple[NamedArtifact, ...] = ()
    models: tuple[NamedArtifact, ...] = ()
    unread: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """By place, those that hold something."""
        counts = {"stored_responses": len(self.answers), "batches": sum(len(one.mentions) for one in self.batches)}
        for one in (*self.files, *self.documents):
            counts[one.place] = counts.get(one.place, 0) + len(one.mentions)
        return {name: count for name, count in counts.items() if count}


def find_person(home: RightsHome, tenant: str, name: str, project: str | None) -> DataSubject:
    """A person, with a pseudonym for each project that the store or a training set names.

    :raises InputError: a name that no request can carry
    """
    manifests = [_read_manifest(folder, []) for folder in _list_datasets(home.path, [])]
    projects = {one.project for one in manifests if one is not None and one.tenant == tenant and one.project}
    return find_data_subject(home.store.rights, home.keys.find_subject, tenant, name, project, projects)


def find_in_places(home: RightsHome, person: DataSubject, requests: Sequence[tuple[str, str]]) -> PlaceFinds:
    """`requests`: project and id of each of the person's. :raises InputError: something does not open"""
    pattern = make_pattern(person, requests)
    unread: list[str] = []
    datasets = tuple(find_datasets(home.path, person.pseudonyms, unread))
    return PlaceFinds(
        answers=tuple(_find_answers(home, person.tenant, requests)),
        batches=tuple(_find_in_batches(home, person.tenant, pattern)),
        files=tuple(found for entry in home.deployment.rights.files for found in find_in_files(entry, pattern, unread)),
        documents=tuple(
            found
            for pattern in _list_document_patterns(person, requests)
            for found in find_in_documents(home.path, pattern, unread)
        ),
        datasets=datasets,
        models=tuple(find_models(home.store.registry.list_versions(tenant=person.tenant), datasets)),
        unread=tuple(unread),
    )


def erase_in_places(home: RightsHome, person: DataSubject, requests: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How much was deleted, by place; training sets and models stay, for their owners to build anew."""
    pattern = make_pattern(person, requests)
    erased: dict[str, int] = {}
    projects: dict[str, list[str]] = {}
    for project, request_id in requests:
        projects.setdefault(project, []).append(request_id.removeprefix("req_"))
    for project, names in projects.items():
        _add(erased, "stored_responses", delete_answers(home.path, person.tenant, project, names))
    _add(erased, "batches", _erase_in_batches(home, person.tenant, pattern))
    for entry in home.deployment.rights.files:
        _add(erased, entry.name, erase_in_files(entry, pattern))
    for pattern in _list_document_patterns(person, requests):
        for place, count in erase_in_documents(home.path, pattern).items():
            _add(erased, place, count)
    return erased


def make_pattern(person: DataSubject, requests: Sequence[tuple[str, str]]) -> re.Pattern[str]:
    """Name, pseudonyms and requests: a row that was made of a request says which one."""
    return make_name_pattern(person.name, person.pseudonyms, (request_id for _, request_id in requests))


def _list_document_patterns(person: DataSubject, requests: Sequence[tuple[str, str]]) -> list[re.Pattern[str]]:
    """One or none. Documents of the home belong to no tenant: others than the deployment's own may look for pseudonyms
    and requests only, which are nobody else's."""
    if person.tenant == DEFAULT_TENANT:
        return [make_pattern(person, requests)]
    ids = [request_id for _, request_id in requests]
    return [make_name_pattern(first, person.pseudonyms, ids) for first in person.pseudonyms[:1]]


def _add(erased: dict[str, int], place: str, count: int) -> None:
    if count:
        erased[place] = erased.get(place, 0) + count


# -- stored answers ----------------------------------------------------------------------------------


def _find_answers(home: RightsHome, tenant: str, requests: Sequence[tuple[str, str]]) -> Iterator[StoredAnswer]:
    if not (home.path / RESPONSES).is_dir():
        return
    store = FileResponseStore(home.path, home.roots, ResponseStorePlan(keep_s=math.inf))  # held ones outlive their time
    for project, request_id in requests:
        name = request_id.removeprefix("req_")
        stored: StoredResponse | None = store.find(tenant, project, frozenset({name}), deleted=True).get(name)
        if stored is not None:
            asked = msgspec.json.decode(stored.input) if stored.input else None
            answer = msgspec.json.decode(stored.output)
            yield StoredAnswer(request_id=request_id, project=project, at=stored.at, asked=asked, answer=answer)


# -- batches -----------------------------------------------------------------------------------------


def _find_in_batches(home: RightsHome, tenant: str, pattern: re.Pattern[str]) -> Iterator[PlaceMentions]:
    for name, split in _split_batch_files(home, tenant, pattern):
        if split.mentions:
            yield PlaceMentions(place=BATCHES, file=name, mentions=split.mentions)


def _split_batch_files(home: RightsHome, tenant: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, SplitText]]:
    """Each file of the tenant, split; of an answers' file, the lines that answer a line which names the person too."""
    store = BatchStore(home.path, home.roots)
    if not store.exists():
        return
    asked: dict[str, set[str]] = {}
    for record in store.list_files():
        if record.tenant == tenant and record.purpose == "batch":
            split = split_text(_read_file(store, record.id), "jsonl", pattern)
            asked[record.id] = {name for one in split.mentions if (name := _read_custom_id(one.text))}
            yield record.id, split
    for batch in store.list_batches():
        for name in filter(None, (batch.output_file_id, batch.error_file_id)):
            if batch.tenant == tenant and store.find_file(name) is not None:
                yield name, _split_answers(_read_file(store, name), pattern, asked.get(batch.input_file_id, set()))


def _split_answers(text: str, pattern: re.Pattern[str], asked: set[str]) -> SplitText:
    kept, mentions = [], []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if pattern.search(line) or _read_custom_id(line) in asked:
            mentions.append(FileMention(number, line.rstrip("\n")))
        else:
            kept.append(line)
    return SplitText("".join(kept), tuple(mentions))


def _read_custom_id(line: str) -> str | None:
    try:
        read = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    name = read.get("custom_id") if isinstance(read, dict) else None
    return name if isinstance(name, str) else None


def _read_file(store: BatchStore, name: str) -> str:
    record = store.find_file(name)
    return b"".join(store.read(record)).decode("utf-8", "replace") if record is not None else ""


def _erase_in_batches(home: RightsHome, tenant: str, pattern: re.Pattern[str]) -> int:
    store = BatchStore(home.path, home.roots)
    running = {batch.input_file_id for batch in store.list_batches() if not batch.is_over} if store.exists() else set()
    erased = 0
    for name, split in list(_split_batch_files(home, tenant, pattern)):
        record = store.find_file(name)
        if split.mentions and record is not None and name not in running:
            store.replace_content(record, split.kept.encode())
            erased += len(split.mentions)
    return erased


# -- training sets and models ------------------------------------------------------------------------


class _Manifest(msgspec.Struct):
    """What is read of a training set's `manifest.json`."""

    name: str = ""
    tenant: str = DEFAULT_TENANT
    project: str = ""
    digest: str = ""
    subjects: tuple[str, ...] = ()


class _Registered(msgspec.Struct):
    """What is read of a line of `home/datasets/register.jsonl`."""

    folder: str


def find_datasets(home: Path, pseudonyms: Sequence[str], unread: list[str]) -> Iterator[NamedArtifact]:
    """Training sets of the register and in `home/datasets` whose manifest lists one of the pseudonyms."""
    for folder in _list_datasets(home, unread):
        manifest = _read_manifest(folder, unread)
        if manifest is not None and set(pseudonyms) & set(manifest.subjects):
            yield NamedArtifact(name=manifest.name or folder.name, folder=str(folder), digest=manifest.digest)


def find_models(versions: Sequence[ModelVersion], datasets: Sequence[NamedArtifact]) -> Iterator[NamedArtifact]:
    """Registered versions that say that they were trained on one of these training sets."""
    digests = {one.digest for one in datasets}
    for version in versions:
        trained_on = version.details.get("dataset")
        if isinstance(trained_on, dict) and trained_on.get("digest") in digests:
            yield NamedArtifact(name=version.name, folder="registry", digest=version.digest)


def _list_datasets(home: Path, unread: list[str]) -> list[Path]:
    folder = home / "datasets"
    folders = {path.parent for path in folder.glob(f"*/{MANIFEST}")}
    try:
        lines = (folder / "register.jsonl").read_bytes().splitlines()
        folders |= {Path(msgspec.json.decode(line, type=_Registered).folder) for line in lines}
    except FileNotFoundError:
        pass
    except msgspec.MsgspecError as error:
        unread.append(f"datasets: {folder / 'register.jsonl'} cannot be read ({error})")
    return sorted(path for path in folders if (path / MANIFEST).is_file())


def _read_manifest(folder: Path, unread: list[str]) -> _Manifest | None:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        unread.append(f"{folder / MANIFEST} cannot be read ({type(error).__name__})")
        return None
