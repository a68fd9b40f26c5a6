"""Erases again in the files of a restored home whoever its journal of erasures names.

The journal keeps pseudonyms and no names, so words of a text are turned into pseudonyms and held against it. What is
not found this way (`pseudonym_finder.py` says what) must be erased again by name. Where the store is a server, whose
dump is restored apart, a restored home is marked and the keeper does this at its next start, before it serves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.files import touch_private
from steward.core.identity import DEFAULT_TENANT
from steward.security.rootkey import RootKeys
from steward.workflows.dataset.folder import erase_subjects
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.erasures import JOURNAL
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding, digest_subject
from steward.workflows.rights.files import erase_in_documents
from steward.workflows.rights.places import find_datasets
from steward.workflows.rights.pseudonym_finder import PseudonymFinder, make_finder
from steward.workflows.rights.replay import EXCHANGE

MARK: Final = "restored"  # a file of the home: what was erased since the archive is not yet erased again in its files
CHECK: Final = "privacy.restored"

log = logging.getLogger(__name__)


def mark_restored(home: Path) -> None:
    """Have the keeper do at its start what needs the store."""
    touch_private(home / MARK)


def finish_restore(home: Path, store: SqlStore, roots: RootKeys) -> None:
    """Erase again in the files of a home that is marked; what could not be done is kept as evidence, and told.

    :raises Unavailable: the store does not answer; the mark stays
    """
    if not (home / MARK).exists():
        return
    people = find_erased(store, roots)
    unerased = [] if people is None else list(erase_in_restored(home, store, people))
    for one in unerased:
        log.warning("restored home: %s", one)
    record_finding(home, describe_erasures(home, unerased), command=("steward", "up", "--home", str(home)))
    (home / MARK).unlink(missing_ok=True)


def describe_erasures(home: Path, unerased: Sequence[str]) -> Finding:
    """What was found out about the files of a restored home."""
    return Finding(
        check=CHECK,
        subject="files of the restored home",
        subject_digest=digest_subject(str(home.absolute())),
        verdict="fail" if unerased else "pass",
        value=f"{len(unerased)} could not be done: {unerased[0]}" if unerased else "nobody is left",
        expected="nobody whom the journal of erasures names, as far as pseudonyms tell",
        source=str(home / JOURNAL),
    )


def find_erased(store: SqlStore, roots: RootKeys) -> PseudonymFinder | None:
    """Those of the deployment's own tenant, to whom the documents of a home belong; call it before `replay_erasures`,
    which detaches their requests. None: nobody was erased."""
    entries = store.subject_keys.list_erasures(0.0, tenant=DEFAULT_TENANT)
    subjects = {one.subject for one in entries if not one.subject.startswith(EXCHANGE)}
    return make_finder(store, roots, DEFAULT_TENANT, subjects) if subjects else None


def erase_in_restored(home: Path, store: SqlStore, people: PseudonymFinder) -> Iterator[str]:
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
