"""People who sign in: their passwords and codes, and their sessions, which all consoles read from the store."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.access import Person, PersonSession, Place, SessionLimits
from steward.core.errors import InputError, Refused, UnknownName
from steward.core.identity import DEFAULT_PROJECT, Principal
from steward.security.access import AccessTable, merge_roles
from steward.security.passwords import check_password, hash_password, verify_password
from steward.security.rootkey import RootKeys, derive
from steward.security.seal import encode_owner, seal, unseal_any
from steward.security.totp import describe_secret, find_step, make_secret
from steward.workflows.access import find_person, open_home
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import HomeDeployment

_CODES: Final = "one-time codes"
SLIDE_S: Final = 60.0  # a session's end is written anew where it moves by more
TOKEN_PREFIX: Final = "sts_"
Method = Literal["password", "oidc", "command"]


class SignedIn(NamedTuple):
    """A new session: its token, which is shown once, and who it is of."""

    token: str
    principal: Principal


class EnrolledCode(msgspec.Struct, frozen=True):
    """What an authenticator app needs; shown once."""

    user: str
    secret: str
    uri: str


class _Known(NamedTuple):
    version: int
    people: dict[str, Person]
    table: AccessTable


class People:
    """Signs people in and finds them again by their sessions. Every call may block."""

    def __init__(
        self,
        deployment: HomeDeployment,
        store: SqlStore,
        clock: Callable[[], float] = time.time,
        limits: SessionLimits = SessionLimits(),
    ) -> None:
        self._deployment, self._store, self._clock, self.limits = deployment, store, clock, limits
        self._roots = deployment.follow_roots()
        self._root = self._roots().current
        self._known: _Known | None = None
        self._codes = threading.Lock()  # a code is good once, also for two who send it at once
        self._nobodys_hash = hash_password(secrets.token_hex())  # so that an unknown name takes as long as a known one

    @property
    def device_key(self) -> bytes:
        """What the marks of browsers that somebody has signed in from are signed with."""
        return derive(self._root, "device marks")

    def sign_in(self, name: str, password: str, code: str) -> SignedIn:
        """:raises Refused: 401, whatever is wrong, in the same words and the same time"""
        person = self._read().people.get(name)
        expected = person.password_hash if person is not None else None
        right = verify_password(expected or self._nobodys_hash, password)
        if person is None or expected is None or not right or person.disabled_at is not None:
            raise _wrong()
        if person.totp is not None:
            self._use_code(person.id, code)
        return self.begin(f"person:{person.id}", person.tenant, "password")

    def _use_code(self, name: str, code: str) -> None:
        with self._codes:
            person = self._read().people[name]
            step = find_step(open_code(self._roots(), person), code, self._clock(), person.totp_step)
            if step is None:
                raise _wrong()
            self._store.access.change_person(msgspec.structs.replace(person, totp_step=step))

    def begin(self, subject: str, tenant: str, method: Method, groups: Iterable[str] = ()) -> SignedIn:
        """A session of somebody who has proved who they are; recorded before it exists.

        :raises Refused: 403, whoever it is has no role at all
        """
        token, now = TOKEN_PREFIX + secrets.token_urlsafe(32), self._clock()
        session = PersonSession(
            id=_digest(token),
            tenant=tenant,
            subject=subject,
            groups=tuple(groups),
            method=method,
            created_at=now,
            expires_at=self.limits.find_end(now, now),
        )
        principal = self._principal(session)
        if principal is None or principal.rights == {"public"}:
            raise Refused(
                f"{subject} has no role here. Ask an owner to grant one.",
                status=403,
                type="invalid_request_error",
                code="no_role",
            )
        self._record(principal, "people.sign_in", method)
        self._store.sessions.delete_expired(now)
        self._store.sessions.add(session)
        return SignedIn(token, principal)

    def find(self, token: str, project: str | None = None, is_active: bool = True) -> Principal | None:
        """Whose session this is, with the rights of this moment; None: it is over, or never was. Where somebody
        `is_active`, rather than a page that asks by itself, it goes on for as long as it may lie idle.

        Who has a role in the tenant as such acts in all of it, unless a `project` is asked for. Everybody else acts
        within one project at a time: the one asked for, or the first that they have a role in.
        """
        if not token.startswith(TOKEN_PREFIX) or len(token) > 100:
            return None
        session = self._store.sessions.find(_digest(token))
        now = self._clock()
        if session is None or session.expires_at <= now:
            return None
        principal, end = self._principal(session, project), self.limits.find_end(session.created_at, now)
        least = min(SLIDE_S, self.limits.idle_s / 4)
        if principal is not None and is_active and end - session.expires_at > least:
            self._store.sessions.prolong(session.id, end)
        return principal

    def sign_out(self, token: str) -> None:
        if (principal := self.find(token, is_active=False)) is not None:
            self._record(principal, "people.sign_out", "")
            self._store.sessions.end(_digest(token))

    def change_password(self, principal: Principal, old: str, new: str) -> None:
        """All sessions of the person end. :raises Refused: 401, the old one is wrong :raises InputError: too weak"""
        person = self._read().people.get(principal.id)
        if person is None or not verify_password(person.password_hash or self._nobodys_hash, old):
            raise _wrong()
        check_password(new, person.id)
        self._record(principal, "people.password", "")
        now = self._clock()
        changed = msgspec.structs.replace(person, password_hash=hash_password(new), changed_at=now)
        self._store.access.change_person(changed)
        self._store.sessions.end_of(principal.actor)

    def list_projects(self, token: str) -> list[str]:
        """The projects that whoever's session this is may choose from."""
        session = self._store.sessions.find(_digest(token))
        known = self._read()
        return [] if session is None else known.table.list_projects(_list_subjects(session, known), session.tenant)

    def _principal(self, session: PersonSession, project: str | None = None) -> Principal | None:
        known = self._read()
        subjects = _list_subjects(session, known)
        if session.method != "oidc" and not session.subject.partition("/")[1]:
            person = known.people.get(session.subject.removeprefix("person:"))
            if person is None or person.disabled_at is not None or person.changed_at > session.created_at:
                return None
            if person.tenant != session.tenant:
                return None
        rights, projects = known.table.rights_at(subjects, Place(session.tenant)), []
        if project is not None or not rights:
            projects = known.table.list_projects(subjects, session.tenant)
        within = project if project in projects else projects[0] if projects and not rights else None
        if within is not None:
            rights = known.table.rights_at(subjects, Place(session.tenant, within))
        return Principal(
            kind="person",
            id=session.subject.removeprefix("person:"),
            tenant=session.tenant,
            project=within or DEFAULT_PROJECT,
            within=within,
            rights=rights | {"public"},
            auth_method="session",
        )

    def _read(self) -> _Known:
        version = self._store.keys.version()
        if self._known is None or self._known.version != version:
            people = {person.id: person for person in self._store.access.list_people(tenant=None)}
            roles = merge_roles(self._store.access.list_roles())
            self._known = _Known(version, people, AccessTable(self._store.access.list_grants(tenant=None), roles))
        return self._known

    def _record(self, principal: Principal, action: str, after: str) -> None:
        self._deployment.open_audit_log().record(make_act(principal, action, principal.actor, after=after))


def _list_subjects(session: PersonSession, known: _Known) -> tuple[str, ...]:
    """The names that grants know whoever has signed in by."""
    person = known.people.get(session.subject.removeprefix("person:")) if session.method != "oidc" else None
    if person is not None:
        return person.subjects
    return session.subject, *(f"group:{name}" for name in session.groups)


def list_sessions(store: SqlStore, now: float, *, actor: Principal) -> list[PersonSession]:
    """Those of the actor's tenant that have not ended, the newest first; an operator of this machine sees all."""
    return store.sessions.list_sessions(now, tenant=None if actor.kind == "operator" else actor.tenant)


def end_session(home: Path, session_id: str, now: float, *, actor: Principal) -> PersonSession:
    """Sign somebody out, as `steward logout` does for oneself. :raises UnknownName: no such session"""
    with open_home(home, now) as (deployment, store, _publish):
        known = {one.id: one for one in list_sessions(store, now, actor=actor)}
        if session_id not in known:
            raise UnknownName("session", session_id, [one[:12] for one in known])
        act = make_act(actor, "people.end_session", known[session_id].subject, before=session_id[:12])
        deployment.open_audit_log().record(act)
        store.sessions.end(session_id)
        return known[session_id]


def set_password(home: Path, name: str, password: str, now: float, *, actor: Principal) -> None:
    """Give a user a password; sessions that began before end.

    :raises InputError: too weak :raises UnknownName: no such user
    """
    check_password(password, name)
    with open_home(home, now) as (deployment, store, publish):
        person = find_person(store, name, actor)
        deployment.open_audit_log().record(make_act(actor, "people.password", f"person:{name}"))
        changed = msgspec.structs.replace(person, password_hash=hash_password(password), changed_at=now)
        store.access.change_person(changed)
        store.sessions.end_of(f"person:{name}")
        publish()


def enroll_code(home: Path, name: str, now: float, *, actor: Principal) -> EnrolledCode:
    """From now on the user needs a code of an authenticator app. :raises InputError: the user has no password"""
    with open_home(home, now) as (deployment, store, publish):
        person = find_person(store, name, actor)
        if person.password_hash is None:
            raise InputError(f"user {name!r} has no password yet; run: steward users password {name}")
        deployment.open_audit_log().record(make_act(actor, "people.code", f"person:{name}", after="on"))
        secret = make_secret()
        sealed = seal(deployment.roots().derive(_CODES), secret.encode(), _owner(person))
        changed = msgspec.structs.replace(person, totp=sealed, totp_step=None, changed_at=now)
        store.access.change_person(changed)
        store.sessions.end_of(f"person:{name}")
        publish()
    return EnrolledCode(name, secret, describe_secret(secret, name))


def remove_code(home: Path, name: str, now: float, *, actor: Principal) -> None:
    """For a user whose phone is lost."""
    with open_home(home, now) as (deployment, store, publish):
        person = find_person(store, name, actor)
        deployment.open_audit_log().record(make_act(actor, "people.code", f"person:{name}", after="off"))
        store.access.change_person(msgspec.structs.replace(person, totp=None, totp_step=None, changed_at=now))
        store.sessions.end_of(f"person:{name}")
        publish()


def open_code(roots: RootKeys, person: Person) -> str:
    """The secret of a person's codes. :raises InputError: it was sealed under another root key"""
    return unseal_any(roots.derive_all(_CODES), person.totp or b"", _owner(person)).decode()


def reseal_codes(store: SqlStore, roots: RootKeys) -> int:
    """Seal the secrets of all codes under the root key that is in use now; -> how many."""
    people = [person for person in store.access.list_people(tenant=None) if person.totp is not None]
    for person in people:
        sealed = seal(roots.derive(_CODES), open_code(roots, person).encode(), _owner(person))
        store.access.change_person(msgspec.structs.replace(person, totp=sealed))
    return len(people)


def _owner(person: Person) -> bytes:
    return encode_owner("totp", person.tenant, person.id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _wrong() -> Refused:
    return Refused("Wrong name, password or code.", status=401, type="invalid_request_error", code="wrong_credentials")
