"""Erases again in the files of a restored home whoever its journal of erasures names.

The journal keeps pseudonyms and no names, so words of a text are turned into pseudonyms, up to four in a row, and held
against it. A name that was written in other capitals, or is longer, is not found this way: erase again by name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.identity import DEFAULT_TENANT
from steward.gateway.middleware.identify import pseudonym
from steward.security.rootkey import RootKeys
from steward.workflows.dataset.folder import erase_subjects
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.rights.files import erase_in_documents
from steward.workflows.rights.places import find_datasets
from steward.workflows.rights.replay import EXCHANGE
from steward.workflows.shared_secrets import SUBJECT_INDEX, unwrap_all

MOST_WORDS: Final = 4  # of a name
_WORDS: Final = (re.compile(r"[\w@.+'-]*\w"), re.compile(r"[\w@.+'|/:-]*\w"))  # as in prose, and as in ids


class ErasedPeople:
    """Finds whoever was erased: `privacy.file_mentions.PersonFinder`. `keys`: of the tenant's projects."""

    def __init__(self, pseudonyms: frozenset[str], request_ids: frozenset[str], keys: dict[str, bytes]) -> None:
        self._known, self._keys = pseudonyms | request_ids, keys
        self._pseudonyms = pseudonyms

    def search(self, text: str, /) -> bool:
        return any(words in self._known or self._is_erased(words) for words in _list_words(text))

    def _is_erased(self, name: str) -> bool:
        return any(pseudonym(key, project, name) in self._pseudonyms for project, key in self._keys.items())


def _list_words(text: str) -> Iterator[str]:
    """Each word, and up to four in a row as they stand, perhaps twice.

    >>> sorted(set(_list_words("by a/b c.")))
    ['a', 'a/b', 'a/b c', 'b', 'b c', 'by', 'by a', 'by a/b', 'by a/b c', 'c']
    """
    for words in _WORDS:
        places = [found.span() for found in words.finditer(text)]
        for at, (start, _) in enumerate(places):
            yield from (text[start:end] for _, end in places[at : at + MOST_WORDS])


def find_erased(store: SqlStore, roots: RootKeys) -> ErasedPeople | None:
    """Those of the deployment's own tenant, to whom the documents of a home belong; call it before `replay_erasures`,
    which detaches their requests. None: nobody was erased."""
    entries = store.subject_keys.list_erasures(0.0, tenant=DEFAULT_TENANT)
    subjects = sorted({one.subject for one in entries if not one.subject.startswith(EXCHANGE)})
    if not subjects:
        return None
    requests = store.rights.find(subjects, tenant=DEFAULT_TENANT).request_ids
    secrets = unwrap_all(roots, store.secrets.list_secrets(SUBJECT_INDEX))
    key = secrets.get((DEFAULT_TENANT, 1))
    projects = store.rights.list_projects(tenant=DEFAULT_TENANT)
    return ErasedPeople(frozenset(subjects), frozenset(requests), {one: key for one in projects} if key else {})


def erase_in_restored(home: Path, store: SqlStore, people: ErasedPeople) -> Iterator[str]:
    """Empty documents, and make training sets of the home anew. Yields what could not be done.

    :raises Unavailable: the store does not answer
    """
    erase_in_documents(home, people)
    subjects = sorted({entry.subject for entry in store.subject_keys.list_erasures(0.0, tenant=None)})
    unread: list[str] = []
    for one in list(find_datasets(home, subjects, unread)):
        if not Path(one.folder).is_relative_to(home.absolute()):
            continue  # of another home's register: nothing of it was restored
        try:
            erase_subjects(Path(one.folder), subjects, DatasetHome(home), time.time)
        except InputError as error:
            unread.append(f"training set {one.name} holds somebody who was erased: {error}")
    yield from unread
