"""Releases in progress and past, versions of models, and the aliases that name them. Times are seconds since the epoch.

A release runs beside the settings: it holds what a route would be with the candidate, and for whom.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from steward.core.excerpts import cut_digest
from steward.core.identity import DEFAULT_TENANT
from steward.core.records import Arm

ReleaseState = Literal["shadow", "canary", "paused", "promoted", "rolled back", "superseded", "failed"]
VariantKind = Literal["settings", "model", "route", "prompt", "version"]
ArtefactKind = Literal["gguf", "adapter", "model", "prompt", "other"]
OPEN: Final[frozenset[ReleaseState]] = frozenset({"shadow", "canary", "paused"})
ALIASES: Final = ("champion", "candidate", "previous")


class RouteVariant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a route is for one arm: as in the settings, or with one thing changed.

    `name`: of a model or route in the settings, of a prompt, of a model in the registry. `version`: of a prompt, or the
    digest of a registered version. `served`: the name under which a registered version answers. `path`: its file, or
    the adapter's folder as its server sees it. `base`: the model whose settings a registered version takes over.
    `replicas`: other models of the route that serve the same base, and the adapter beside it.
    """

    kind: VariantKind = "settings"
    name: str = ""
    version: str = ""
    served: str = ""
    path: str = ""
    base: str = ""
    artefact: ArtefactKind = "other"
    replicas: tuple[str, ...] = ()

    def list_served(self) -> dict[str, str]:
        """The models that a registered version answers as, and whose settings each takes over.

        >>> RouteVariant(kind="version", served="bot@3f9c", base="gpu-1", replicas=("gpu-2",)).list_served()
        {'bot@3f9c': 'gpu-1', 'bot@3f9c+gpu-2': 'gpu-2'}
        """
        return {self.served: self.base} | {f"{self.served}+{model}": model for model in self.replicas}

    def describe(self) -> str:
        """
        >>> RouteVariant(kind="prompt", name="greeting", version="2-9f2c1a7b").describe()
        'prompt greeting@2-9f2c1a7b'
        """
        if self.kind == "settings":
            return "as in the settings"
        if self.kind == "version":
            return f"version {self.served}"
        return f"{self.kind} {self.name}" + (f"@{self.version}" if self.version else "")


class ReleaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One release. `weight`: the share of people who get the candidate; `step_at`: since when.

    `slow_s`: an answer that took longer is slow. `route_digest`: of the route in the settings when it began, since what
    people change by hand meanwhile is not the release's to overwrite. `alias_number`: the newest entry of the
    champion's alias when it began.
    """

    id: str
    tenant: str = DEFAULT_TENANT
    route: str
    champion: RouteVariant = RouteVariant()
    candidate: RouteVariant
    state: ReleaseState
    weight: float
    started_at: float
    started_by: str
    step_at: float
    route_digest: str
    slow_s: float | None = None
    alias_number: int = 0
    paused_from: Literal["", "shadow", "canary"] = ""
    sample: float = 0.0
    judged: float = 0.0
    is_drill: bool = False
    why: str = ""  # of the state
    changed_by: str = ""
    changed_at: float = 0.0
    ended_at: float | None = None
    evidence: tuple[str, ...] = ()  # ids of the proofs of its decisions
    revision: int = 1  # grows with each change

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def list_versions(self) -> list[str]:
        """Digests of the registered versions that its arms serve."""
        return [variant.version for variant in (self.champion, self.candidate) if variant.kind == "version"]


class ReleaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One settled request of a release, a trial of its candidate, or a judge's comparison."""

    request_id: str
    settled_at: float
    key_id: str
    arm: Arm | None
    weight: float
    subject: str | None
    outcome: str
    status: int
    model: str | None
    duration_s: float
    usd: float | None
    attempt_failed: bool
    judged: float | None = None
    refused: bool | None = None  # its model declined; None: the answer was not looked at
    guard_hit: bool | None = None  # a guard objected to the answer; None: none saw it


class ReleaseRating(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of a request of a release."""

    id: str
    at: float
    request_id: str
    arm: Arm
    weight: float
    subject: str | None
    score: float


class ArtefactFile(msgspec.Struct, frozen=True):
    """One file of a version: its path within it, and what it holds."""

    path: str
    sha256: str
    size: int


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a model: never changed. `digest` is of its files.

    `details` is what is known of how it came to be: base, data, trainer, parameters, gate, approvals.
    """

    name: str
    digest: str  # "sha256:…"
    tenant: str = DEFAULT_TENANT
    kind: ArtefactKind
    files: tuple[ArtefactFile, ...]
    created_at: float
    created_by: str
    details: dict[str, Any] = {}
    tainted: str = ""  # why it must not be released, such as an erasure
    held: str = ""  # why it must not be deleted

    @property
    def served(self) -> str:
        """The name under which it answers, which names its content.

        >>> ModelVersion(name="support", digest="sha256:3f9c1a7b52", kind="gguf", files=(), created_at=0.0,
        ...              created_by="operator:0").served
        'support@3f9c1a7b52'
        """
        return f"{self.name}@{cut_digest(self.digest)}"


class AliasMove(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an alias's journal; the newest says where it stands. An empty digest: nowhere."""

    name: str
    alias: str
    number: int  # 1, 2, 3 … of this alias
    tenant: str = DEFAULT_TENANT
    digest: str
    at: float
    by: str
    reason: str = ""
