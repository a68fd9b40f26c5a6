"""Files in which people may stand: those that an operator has registered, and documents that a home holds.

Of a person go lines, rows, items of lists and texts that name them. What serves (prompts, settings) is found and
left: it is versioned, and its owner changes it. A run that goes on keeps its files, and is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.study import StudyStore, erase_mentions
from steward.core.errors import InputError
from steward.core.files import read_mode, try_lock, write_file
from steward.privacy.data_map import list_folders
from steward.privacy.file_mentions import FileMention, PersonFinder, split_text
from steward.privacy.rights_config import PersonalFiles

READ: Final = frozenset({"jsonl", "ndjson", "json", "csv", "tsv", "txt", "md", "log", "yaml", "yml"})
STUDIES: Final = frozenset({"db", "sqlite", "study"})
DERIVED: Final = frozenset({"html"})  # written from files beside it: deleted, since it can be written again
REASONS: Final = "audit-reasons"  # each file opens one commitment, so that it stays as it is or goes
RUNS: Final = list_folders("sets")  # folders of what is trained and tried out
DOCUMENTS: Final = (*list_folders("documents"), *(name for name in RUNS if name != "datasets"))
SERVED: Final = list_folders("served")
LOCK: Final = "lock"  # that whoever writes into a run's folder holds


class PlaceMentions(msgspec.Struct, frozen=True, kw_only=True):
    """What is of a person in one file."""

    place: str  # the registered name, or `batches`
    file: str
    mentions: tuple[FileMention, ...]


# -- registered files ---------------------------------------------------------------------------------


def list_paths(entry: PersonalFiles) -> list[Path]:
    """The files of an entry, links left out."""
    path = Path(entry.path)
    if path.is_dir():
        return _list_files(path)
    return [path] if path.is_file() else []


def _list_files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())


def find_in_files(entry: PersonalFiles, pattern: re.Pattern[str], unread: list[str]) -> Iterator[PlaceMentions]:
    paths = list_paths(entry)
    if not paths:
        unread.append(f"{entry.name}: {entry.path} is not there")
    for path in paths:
        try:
            mentions = find_in_file(path, pattern)
        except (OSError, ValueError, InputError) as error:
            unread.append(f"{entry.name}: {path} cannot be read ({type(error).__name__})")
            continue
        if mentions is None:
            unread.append(f"{entry.name}: {path} is of a kind that is not searched")
        elif mentions:
            yield PlaceMentions(place=entry.name, file=str(path), mentions=mentions)


def find_in_file(path: Path, pattern: PersonFinder) -> tuple[FileMention, ...] | None:
    """None: a kind that is not searched. :raises InputError, OSError, ValueError: it cannot be read"""
    ending = path.suffix.lstrip(".").lower()
    if ending in READ:
        return split_text(path.read_text(encoding="utf-8"), ending, pattern).mentions
    if ending in STUDIES:
        return _find_in_study(path, pattern)
    return None


def _find_in_study(path: Path, pattern: PersonFinder) -> tuple[FileMention, ...]:
    store = StudyStore.open(path)
    try:
        rows = [*store.tasks(), *store.raters(), *store.votes()]
    finally:
        store.close()
    texts = (msgspec.json.encode(row).decode() for row in rows)
    return tuple(FileMention(number, text) for number, text in enumerate(texts, 1) if pattern.search(text))


def erase_in_files(entry: PersonalFiles, pattern: re.Pattern[str]) -> int:
    """How many mentions went."""
    return sum(_erase_in_file(path, pattern) for path in list_paths(entry))


def _erase_in_file(path: Path, pattern: re.Pattern[str]) -> int:
    ending = path.suffix.lstrip(".").lower()
    try:
        if ending in STUDIES:
            return erase_mentions(path, pattern)
        if ending not in READ:
            return 0
        split = split_text(path.read_text(encoding="utf-8"), ending, pattern)
    except (ValueError, InputError):
        return 0  # named as unread by whoever looks for what is left
    if split.mentions:
        write_file(path, split.kept.encode(), durable=True, mode=read_mode(path))
    return len(split.mentions)


# -- documents of the home ---------------------------------------------------------------------------


def find_in_documents(home: Path, pattern: PersonFinder, unread: list[str]) -> Iterator[PlaceMentions]:
    """In every folder of the home that holds documents."""
    for place, path in _list_documents(home, (*DOCUMENTS, *SERVED)):
        try:
            mentions = _find_in_document(path, pattern)
        except (OSError, ValueError) as error:
            unread.append(f"{place}: {path} cannot be read ({type(error).__name__})")
            continue
        if mentions:
            yield PlaceMentions(place=place, file=str(path), mentions=mentions)
            if _is_in_use(home, path):
                unread.append(f"{place}: {path} belongs to a run that goes on; erase again when it has ended")


def erase_in_documents(home: Path, pattern: PersonFinder) -> dict[str, int]:
    """How many mentions went, by folder; those of prompts and settings stay."""
    erased: dict[str, int] = {}
    for place, path in _list_documents(home, DOCUMENTS):
        try:
            mentions = () if _is_in_use(home, path) else _find_in_document(path, pattern)
        except (OSError, ValueError):
            continue  # named as unread by whoever looks for what is left
        if mentions:
            _erase_in_document(place, path, pattern)
            erased[place] = erased.get(place, 0) + len(mentions)
    return erased


def _list_documents(home: Path, folders: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for name in folders:
        yield from ((name, path) for path in _list_files(home / name) if _ending(path) in READ | DERIVED)


def _ending(path: Path) -> str:
    return path.suffix.lstrip(".").lower()


def _is_in_use(home: Path, path: Path) -> bool:
    """Whether a process writes into the run that a file belongs to."""
    folder, name = path.relative_to(home).parts[:2]
    lock = home / folder / name / LOCK
    if folder not in RUNS or not lock.is_file():
        return False
    descriptor = try_lock(lock)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _find_in_document(path: Path, pattern: PersonFinder) -> tuple[FileMention, ...]:
    """:raises OSError, ValueError: it cannot be read"""
    return split_text(path.read_text(encoding="utf-8"), _ending(path), pattern).mentions


def _erase_in_document(place: str, path: Path, pattern: PersonFinder) -> None:
    if place == REASONS or _ending(path) in DERIVED:
        path.unlink()
        return
    kept = split_text(path.read_text(encoding="utf-8"), _ending(path), pattern).kept.encode()
    if _ending(path) == "log":  # a process that appends keeps its file
        with path.open("r+b") as file:
            file.write(kept)
            file.truncate()
    else:
        write_file(path, kept, durable=True, mode=read_mode(path))
