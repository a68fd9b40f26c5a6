"""Finds people in texts of whom only pseudonyms are known: words are turned into pseudonyms, up to eight in a row.

They are tried as they stand, in small letters, in capitals, and with a capital at the beginning of each. A name that is
longer, or that requests carry in yet other capitals (`McGregor`) than a text does, is not found this way.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.gateway.middleware.identify import begin_pseudonym, finish_pseudonym
from steward.security.rootkey import RootKeys
from steward.workflows.shared_secrets import SUBJECT_INDEX, unwrap_all

MOST_WORDS: Final = 8  # of a name
_WORDS: Final = (re.compile(r"[\w@.+'-]*\w"), re.compile(r"[\w@.+'|/:-]*\w"))  # as in prose, and as in ids


class PseudonymFinder:
    """`privacy.file_mentions.PersonFinder`. `keys`: of the tenant's projects."""

    def __init__(self, pseudonyms: frozenset[str], request_ids: frozenset[str], keys: dict[str, bytes]) -> None:
        self._pseudonyms, self._known = pseudonyms, pseudonyms | request_ids
        self._begun = {project: begin_pseudonym(key, project) for project, key in keys.items()}

    def search(self, text: str, /) -> bool:
        words = set(_list_words(text))
        return not self._known.isdisjoint(words) or any(map(self.names, {form for one in words for form in _vary(one)}))

    def names(self, name: str, project: str | None = None) -> bool:
        """Whether a name is one of theirs, in one project or in any."""
        projects = self._begun if project is None else self._begun.keys() & {project}
        return any(finish_pseudonym(self._begun[each], name) in self._pseudonyms for each in projects)


def _vary(words: str) -> tuple[str, ...]:
    return words, words.lower(), words.upper(), words.title()


def _list_words(text: str) -> Iterator[str]:
    """Each word, and up to eight in a row as they stand, perhaps twice.

    >>> sorted(set(_list_words("by a/b c.")))
    ['a', 'a/b', 'a/b c', 'b', 'b c', 'by', 'by a', 'by a/b', 'by a/b c', 'c']
    """
    for words in _WORDS:
        places = [found.span() for found in words.finditer(text)]
        for at, (start, _) in enumerate(places):
            yield from (text[start:end] for _, end in places[at : at + MOST_WORDS])


def make_finder(store: SqlStore, roots: RootKeys, tenant: str, subjects: Collection[str]) -> PseudonymFinder:
    """Of these people of a tenant, and of the requests that the store still knows as theirs.

    :raises Unavailable: the store does not answer
    """
    requests = store.rights.find(sorted(subjects), tenant=tenant).request_ids
    key = unwrap_all(roots, store.secrets.list_secrets(SUBJECT_INDEX)).get((tenant, 1))
    projects = store.rights.list_projects(tenant=tenant)
    return PseudonymFinder(frozenset(subjects), frozenset(requests), {one: key for one in projects} if key else {})
