"""Deletes files that are kept too long, on each machine, and proves it: stored responses, batches, registered files.

What a legal hold covers stays: answers of a person's requests, batches whose lines name them, registered files in which
they stand; with a hold of everybody, all of the tenant's. A client that deletes one of them sees it no more; it goes
when the hold ends. A registered file that cannot be read stays as long as anybody is held, since nobody can tell.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.rights import LegalHold, SweptRows
from steward.gateway.batch import StoredFile
from steward.privacy.rights_config import DAY_S, PersonalFiles
from steward.security.rootkey import RootKeys
from steward.workflows.batch_store import BatchStore
from steward.workflows.held_files import HeldFiles, write_held_files
from steward.workflows.response_store import list_owned, name_project, prune
from steward.workflows.rights.files import find_in_file, list_paths
from steward.workflows.rights.pseudonym_finder import PseudonymFinder, make_finder
from steward.workflows.rights.retention import SweptClass, record_sweep
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.serve.plan import read_plan

SLOW_S: Final = 300.0  # between two looks at batches and registered files
STORED_RESPONSES: Final = "stored responses"  # what proofs call them
BATCHES: Final = "batches"
PROVED_S: Final = 3600.0  # between two proofs of a class, so that they stay few


class FileRetention:
    """The keeper's job."""

    def __init__(
        self,
        deployment: HomeDeployment,
        store: SqlStore,
        roots: Callable[[], RootKeys],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._deployment, self._store, self._roots = Path(deployment.home), deployment, store, roots
        self._clock = clock
        self._slow_at = float("-inf")
        self._proved_at: dict[str, float] = {}
        self._deleted: dict[str, int] = {}

    def run(self) -> None:
        """:raises Unavailable: the store does not answer, or the audit log cannot be written"""
        plan_file, now = self._home / "run" / "plan.json", self._clock()
        if not plan_file.exists():
            return
        plan, holds = read_plan(plan_file), self._store.rights.list_holds(tenant=None)
        is_slow = now - self._slow_at >= SLOW_S
        looked = is_slow or not holds
        if looked:
            write_held_files(self._home, find_held_files(self._home, self._store, self._roots, holds))
        by_age = msgspec.structs.replace(plan.responses_store, max_bytes=sys.maxsize)
        answers = prune(self._home, plan.responses_store, now, looked=looked)
        self._prove(STORED_RESPONSES, answers, prune(self._home, by_age, now, looked=looked), now)
        if not is_slow:
            return
        self._slow_at = now
        batches = BatchStore(self._home, self._roots)
        if batches.exists():
            keep_s = plan.batches.keep_days * DAY_S
            self._prove(BATCHES, batches.delete_expired(now, keep_s), batches.delete_expired(now, keep_s), now)
        finders = make_finders(self._store, self._roots(), holds)
        for entry in find_deployment(self._home).rights.files:
            if entry.keep_days is not None:
                self._prove(entry.name, sweep_files(entry, finders, now), sweep_files(entry, finders, now), now)

    def _prove(self, name: str, swept: SweptRows, again: SweptRows, now: float) -> None:
        """Tell of two sweeps in a row, once an hour; what the first has left is told at once."""
        left = again.deleted
        self._deleted[name] = self._deleted.get(name, 0) + swept.deleted
        if left or now - self._proved_at.get(name, float("-inf")) >= PROVED_S:
            self._proved_at[name] = now
            proof = SweptClass(name=name, deleted=self._deleted.pop(name), held=swept.held, left=left)
            record_sweep(self._deployment, self._store, proof, now)


def make_finders(store: SqlStore, roots: RootKeys, holds: list[LegalHold]) -> dict[str, PseudonymFinder | None]:
    """Of each tenant with holds whom they cover; None: everybody."""
    finders: dict[str, PseudonymFinder | None] = {}
    for tenant in sorted({hold.tenant for hold in holds}):
        subjects = {hold.subject for hold in holds if hold.tenant == tenant}
        named = {subject for subject in subjects if subject is not None}
        finders[tenant] = None if None in subjects else make_finder(store, roots, tenant, named)
    return finders


def find_held_files(home: Path, store: SqlStore, roots: Callable[[], RootKeys], holds: list[LegalHold]) -> HeldFiles:
    """:raises Unavailable: the store does not answer"""
    answers: set[str] = set()
    projects: set[str] = set()
    for hold in holds:
        if hold.subject is None:
            projects |= {name_project(hold.tenant, one) for one in store.rights.list_projects(tenant=hold.tenant)}
            continue
        answers |= list_owned(home, hold.tenant, hold.subject)
        for row in store.rights.find([hold.subject], tenant=hold.tenant).exchanges:
            name = str(row["request_id"]).removeprefix("req_")
            answers.add(f"{name_project(hold.tenant, str(row['project']))}/{name}")
    finders = make_finders(store, roots(), holds)
    return HeldFiles(
        answers=frozenset(answers),
        tenants=frozenset(hold.tenant for hold in holds),
        projects=frozenset(projects),
        batch_files=frozenset(_list_held_batches(BatchStore(home, roots), finders)) if finders else frozenset(),
    )


def _list_held_batches(store: BatchStore, finders: dict[str, PseudonymFinder | None]) -> set[str]:
    """Ids of files, with the answers to them."""
    if not store.exists():
        return set()
    held = {file.id for file in store.list_files() if file.tenant in finders and _is_held(store, file, finders)}
    for batch in store.list_batches():
        if batch.input_file_id in held:
            held |= {name for name in (batch.output_file_id, batch.error_file_id) if name}
    return held


def _is_held(store: BatchStore, file: StoredFile, finders: dict[str, PseudonymFinder | None]) -> bool:
    finder = finders[file.tenant]
    if finder is None:
        return True
    lines = b"".join(store.read(file)).splitlines() if file.purpose == "batch" else []
    return any(finder.names(name, file.project) for line in lines for name in list_users(line))


def list_users(line: bytes) -> list[str]:
    """Whom a line of a batch's input names, as the gateway reads it.

    >>> list_users(b'{"body": {"user": "anna", "metadata": {"user_id": "b"}}}')
    ['anna', 'b']
    """
    try:
        body = msgspec.json.decode(line).get("body")
    except (msgspec.MsgspecError, AttributeError, RecursionError):
        return []
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    metadata = fields.get("metadata")
    names = [fields.get("safety_identifier"), fields.get("user")]
    names.append(metadata.get("user_id") if isinstance(metadata, dict) else None)
    return [name for name in names if isinstance(name, str) and name]


def sweep_files(entry: PersonalFiles, finders: dict[str, PseudonymFinder | None], now: float) -> SweptRows:
    """Registered files that were last changed too long ago."""
    deleted = held = 0
    for path in list_paths(entry):
        if entry.keep_days is None or now - path.stat().st_mtime < entry.keep_days * DAY_S:
            continue
        if any(finder is None or _may_name(path, finder) for finder in finders.values()):
            held += 1
        else:
            path.unlink()
            deleted += 1
    return SweptRows(deleted=deleted, held=held)


def _may_name(path: Path, finder: PseudonymFinder) -> bool:
    try:
        mentions = find_in_file(path, finder)
    except (OSError, ValueError, InputError):
        return True
    return mentions is None or bool(mentions)
