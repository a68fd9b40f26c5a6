"""What a worker knows of keys: this machine's copy, polled, and how old it may become."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from steward.core.access import Place
from steward.core.errors import InputError, Refused
from steward.core.files import FileStamp, read_stamp
from steward.core.identity import Caller
from steward.core.keys import KeyRecord
from steward.security.access import AccessTable, merge_roles, reach_at
from steward.security.authenticator import make_machine, token_without_role
from steward.security.keys import KeyIndex
from steward.security.tokens import TokenIdentity
from steward.workflows.key_cache import (
    KeyCache,
    cache_file,
    confirmation_file,
    read_cache,
    read_confirmation,
    read_revoked_ids,
    tombstone_folder,
)
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.shared_secrets import PEPPER, SUBJECT_INDEX, unwrap_all

log = logging.getLogger(__name__)

RETRY_S: Final = "5"
MOST_MACHINES: Final = 10_000  # callers that are remembered
FEW: Final = 2_000  # keys whose copy is read within a few milliseconds, so that a request may wait for it
_NEVER: Final[FileStamp] = (-1, -1, -1)


class WorkerKeys:
    """Finds keys and names subjects. `problem` says why the copy that lies there is not used; empty if it is."""

    def __init__(self, deployment: HomeDeployment, clock: Callable[[], float] = time.time) -> None:
        self._home, self._max_stale_s, self._clock = deployment.home, deployment.max_stale_s, clock
        self._roots = deployment.follow_roots()
        self._index = KeyIndex((), {})
        self._subject_keys: dict[str, bytes] = {}
        self._confirmed_at = 0.0
        self._cache = KeyCache(version=0, keys=(), secrets=())
        self._seen: tuple[FileStamp, ...] = (_NEVER,) * 3
        self._table = AccessTable(())
        self._machines: dict[str, Caller] = {}  # by their subjects
        self.problem = ""
        self._load(self._stamps())

    def find(self, text: str) -> KeyRecord | None:
        """The record of a valid key; one that was created a moment ago is found too, unless there are many keys.

        :raises Refused: 503, the store has not confirmed the keys for too long
        """
        self._check_age()
        record = self._index.find(text)
        if record is None and len(self._cache.keys) <= FEW and (stamps := self._stamps()) != self._seen:
            self._load(stamps)
            record = self._index.find(text)
        return record

    def _check_age(self) -> None:
        if self._clock() - self._confirmed_at > self._max_stale_s:
            raise Refused(
                "API keys cannot be checked at the moment. Please try again later.",
                status=503,
                type="server_error",
                code="keys_stale",
                headers=(("retry-after", RETRY_S),),
            )

    def find_machine(self, subject: str, auth_method: str) -> Caller | None:
        """Whoever shows the certificate or the token of `subject` (`certificate:NAME`); None: it has no role.

        :raises Refused: 503, the store has not confirmed the roles for too long
        """
        self._check_age()
        known = self._machines.get(subject)
        if known is None and (place := self._table.find_place(subject)) is not None:
            reach = reach_at(self._table, (subject,), place)
            over_tenant = self._table.rights_at((subject,), Place(place.tenant))
            known = self._machines[subject] = make_machine(subject, place, reach, auth_method, over_tenant)
        return known

    def find_service(self, identity: TokenIdentity) -> Caller:
        """Whoever a token is of, with the rights of its own grants and of its groups'.

        :raises Refused: 403, it has no role; 503 as `find_machine`
        """
        self._check_age()
        name = "\n".join((identity.subject, *identity.groups))
        known = self._machines.get(name)
        if known is None:
            place = Place(identity.issuer.tenant, identity.issuer.project)
            subjects = (identity.subject, *(f"group:{group}" for group in identity.groups))
            reach = reach_at(self._table, subjects, place)
            if not reach.rights:
                raise token_without_role(identity)
            if len(self._machines) >= MOST_MACHINES:
                self._machines.clear()
            over_tenant = self._table.rights_at(subjects, Place(place.tenant))
            known = self._machines[name] = make_machine(identity.subject, place, reach, "token", over_tenant)
        return known

    def get(self, key_id: str) -> KeyRecord | None:
        """The record of a key that is in force as far as is known; None where it was revoked or has expired."""
        record = self._index.get(key_id)
        ended = record is not None and record.expires_at is not None and record.expires_at <= self._clock()
        return None if ended else record

    def find_lack(self) -> str | None:
        """Why keys are not checked as they should be; None if they are."""
        age_s = self._clock() - self._confirmed_at
        if age_s > self._max_stale_s:
            return f"the store has not confirmed the keys for {age_s:.0f} s; is the keeper running, and its database?"
        return self.problem or None

    def subject_key(self, tenant: str) -> bytes:
        """What the pseudonyms of a tenant are made with."""
        return self._subject_keys[tenant]

    async def refresh(self) -> None:
        """Take in what has changed; cheap if nothing has."""
        stamps = self._stamps()
        if stamps != self._seen:
            await asyncio.to_thread(self._load, stamps)

    def _stamps(self) -> tuple[FileStamp, ...]:
        places = (cache_file(self._home), confirmation_file(self._home), tombstone_folder(self._home))
        return tuple(read_stamp(path) for path in places)

    def _load(self, stamps: tuple[FileStamp, ...]) -> None:
        """A copy that cannot be read leaves the keys as they are but for revoked ones, and is said once in the log."""
        copy, _, folder = stamps
        if (copy, folder) != (self._seen[0], self._seen[2]):
            try:
                self._cache, self.problem = read_cache(self._home), ""
            except InputError as error:
                if str(error) != self.problem:
                    log.error("keys are not brought up to date: %s", error)
                self.problem = str(error)
            try:
                self._build_index(read_revoked_ids(self._home))
            except InputError as error:  # a rotation is under way: the keys of before go on, and the next look finds it
                self.problem = str(error)
                return
        self._confirmed_at = read_confirmation(self._home)
        self._seen = stamps

    def _build_index(self, revoked: frozenset[str]) -> None:
        """:raises InputError: the copy was wrapped by another root key than the one that is here"""
        roots = self._roots()
        peppers = unwrap_all(roots, self._cache.list_of_kind(PEPPER))
        subjects = unwrap_all(roots, self._cache.list_of_kind(SUBJECT_INDEX))
        keys = [record for record in self._cache.keys if record.id not in revoked]
        self._index = KeyIndex(keys, {version: value for (_, version), value in peppers.items()})
        self._subject_keys = {tenant: value for (tenant, _), value in subjects.items()}
        self._table = AccessTable(self._cache.grants, merge_roles(self._cache.roles))
        self._machines = {}
