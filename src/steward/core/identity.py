"""Who is asking, and what they may do. Pure vocabulary: how a caller proves who it is stands in `security/`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

import msgspec

from steward.core.records import LimitSpec, Priority

PrincipalKind = Literal["key", "person", "certificate", "service", "operator", "anonymous"]
Right = Literal[
    "public",  # needs no principal; everybody has it
    "infer",
    "feedback",  # of own requests
    "feedback.project",  # of requests of other keys and subjects of the project, too
    "models.read",
    "usage.read",
    "metrics.read",
    "console.read",
    "study.rate",
    "study.lead",
    "feedback.read",
    "prompts.read",
    "evidence.read",
    "approvals.read",
    "audit.read",
    "privacy.read",
    "keys.read",
    "access.read",
    "content.read",  # what people wrote and were answered, one request at a time
    "keys.manage",
    "prompts.manage",
    "approvals.decide",
    "alerts.manage",
    "alerts.report",  # of other systems: what an Alertmanager's key needs
    "config.manage",
    "privacy.manage",  # export, erase, correct, hold: sees what people wrote
    "people.manage",
    "access.manage",
]
ALL_RIGHTS: Final[frozenset[Right]] = frozenset(get_args(Right))
KEY_RIGHTS: Final[frozenset[Right]] = frozenset({"public", "infer", "feedback", "models.read"})
DEFAULT_TENANT: Final = "default"
DEFAULT_PROJECT: Final = "default"


def keep_known_rights(names: Iterable[str]) -> frozenset[Right]:
    """Those of `names` that this release knows: a right that a later one gave is none here.

    >>> sorted(keep_known_rights(["infer", "a.later.right"]))
    ['infer']
    """
    return frozenset(right for right in ALL_RIGHTS if right in set(names))


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever a request or a command acts for.

    `tenant` is the unit of isolation and encryption, `project` lies beneath it. `rights` are resolved: what the
    principal may do now, its creator's limits included. Whoever has its rights by a role on one project is `within`
    that project.
    """

    kind: PrincipalKind
    id: str
    tenant: str = DEFAULT_TENANT
    project: str = DEFAULT_PROJECT
    team: str | None = None
    rights: frozenset[Right] = frozenset({"public"})
    auth_method: str = "none"  # "api-key", "token", "certificate", "session", "local", "none"
    within: str | None = None  # the only project that it sees and acts in; None: all of its tenant
    on_behalf_of: str | None = None  # the principal that this one acts for
    reason: str = ""  # why, in its own words; recorded with administrative acts

    def has(self, right: Right) -> bool:
        """Whether this principal may do it.

        >>> ANONYMOUS.has("infer")
        False
        """
        return right == "public" or right in self.rights

    @property
    def actor(self) -> str:
        """How records name it: `key:0123abcd`, `operator:1000`."""
        return f"{self.kind}:{self.id}"

    @property
    def account(self) -> str:
        """What its requests are counted and recorded under: the id of a key; of others the kind too, so that nobody
        can be named like a key.

        >>> Principal(kind="key", id="0123abcd").account, Principal(kind="certificate", id="0123abcd").account
        ('0123abcd', 'certificate:0123abcd')
        """
        return self.id if self.kind == "key" else self.actor


ANONYMOUS: Final = Principal(kind="anonymous", id="-")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A principal as the gateway knows it: who it is, what limits it has of its own, and how urgent its requests are.

    A change of any of these makes another caller, so that what is worked out for one can be kept beside it.
    """

    principal: Principal
    limits: LimitSpec = LimitSpec()  # of its own; limits.default applies where a limit is None
    models: frozenset[str] | None = None  # what it may ask for as `model`; None: all
    counted_as: str | None = None  # whose limits it uses up; None: its principal's
    priority: Priority = "normal"  # in the queue of an overloaded route


NOBODY: Final = Caller(principal=ANONYMOUS)


def operator(uid: int, reason: str = "") -> Principal:
    """The person at this machine's command line, who can read every file of the home: all rights.

    >>> operator(1000).actor
    'operator:1000'
    """
    return Principal(kind="operator", id=str(uid), rights=ALL_RIGHTS, auth_method="local", reason=reason)
