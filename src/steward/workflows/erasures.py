"""The journal of erasures in a file, and what an erasure means on each machine beside the destroyed key.

The store has the journal; `home/erasures.jsonl` is its copy outside of the store, so that a store that is set back, by
a restore of the home or of a database server, is told before it is served from what was erased since. Each backup
leaves a copy beside the key backup. The file names pseudonyms and actors, no content.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.files import hold_lock, make_private_folder, open_private, sync_folder
from steward.core.stores import SubjectKeyStore
from steward.core.subject_keys import ShreddedKey
from steward.workflows.response_store import delete_of_subject

JOURNAL: Final = "erasures.jsonl"
BESIDE_KEYS: Final = "steward-erasures.jsonl"  # the copy in the folder of key backups
_AGAIN_S: Final = 86_400.0  # machines' clocks differ by less; entries that old are compared by their ids
_decoder: Final = msgspec.json.Decoder(ShreddedKey)


def read_journal(path: Path) -> list[ShreddedKey]:
    """Oldest first; none where there is no file. A last line that a power cut tore is left out.

    :raises InputError: another line cannot be read
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a journal of erasures") from error
    entries = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            entries.append(_decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}:{number}: not an entry of a journal of erasures ({error}); use another copy"
            ) from error
    return entries


def add_to_journal(path: Path, entries: Iterable[ShreddedKey]) -> int:
    """Append those that the file does not have; on the disk when this returns. -> how many"""
    make_private_folder(path.parent)
    with hold_lock(path.with_name(f".{path.name}.lock")):
        present = {entry.id for entry in read_journal(path)}
        fresh = [entry for entry in entries if entry.id not in present]
        if not fresh and path.exists():
            return 0
        data = b"".join(msgspec.json.encode(entry) + b"\n" for entry in fresh)
        with open_private(path, "ab+") as file:
            file.seek(0)
            whole = file.read()
            file.truncate(whole.rfind(b"\n") + 1)  # a torn last line
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        return len(fresh)


def replay_journal(home: Path, store: SubjectKeyStore) -> int:
    """Erase again what the file has and the store has not; -> how many. :raises InputError: an unreadable file"""
    return replay(read_journal(home / JOURNAL), store)


def replay(entries: Sequence[ShreddedKey], store: SubjectKeyStore) -> int:
    """As `replay_journal`, of entries. :raises Unavailable: the store does not answer"""
    if not entries:
        return 0
    known = {entry.id for entry in store.list_erasures(tenant=None)}
    missing = [entry for entry in entries if entry.id not in known]
    return store.replay(missing) if missing else 0


class ErasureFollower:
    """The keeper's job: does on this machine what erasures in the store ask for, and copies the journal."""

    def __init__(self, home: Path, store: SubjectKeyStore) -> None:
        self._home, self._store = home, store
        self._generation = -1
        self._latest = 0.0

    def run(self) -> None:
        """:raises Unavailable: the store does not answer :raises InputError: the file cannot be read"""
        generation = self._store.generation()
        if generation == self._generation:
            return
        entries = self._store.list_erasures(max(0.0, self._latest - _AGAIN_S), tenant=None)
        known = {entry.id for entry in read_journal(self._home / JOURNAL)}
        fresh = [entry for entry in entries if entry.id not in known]
        for entry in fresh:
            delete_of_subject(self._home, entry.tenant, entry.subject)
        if fresh:
            add_to_journal(self._home / JOURNAL, fresh)
        self._latest = max([self._latest, *(entry.at for entry in entries)])
        self._generation = generation
