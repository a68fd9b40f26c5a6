"""One endpoint of any server of steward: gateway, console, study pages.

A path becomes reachable only by standing in a table of endpoints, and an endpoint cannot be made without saying who
may call it, whose data it touches, which guards see it, what is recorded of it and how long a body it reads: every
field is required. The
handler's type is the server's own, since the gateway speaks raw ASGI and the console Starlette.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Literal, TypeVar

import msgspec

from steward.core.errors import Contradiction
from steward.core.identity import DEFAULT_TENANT, Principal, Right

H = TypeVar("H")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# project: sees and changes only what belongs to its tenant, and of that only its project's where it is within one;
# principal: what belongs to its tenant, so nobody who is within a project may use it;
# deployment: what belongs to all tenants, so only `default` may use it, and nobody within a project
Tenancy = Literal["none", "project", "principal", "deployment"]
# in-part: guards read the texts; what else there is they cannot read, and it passes only where the route says so
Guards = Literal["none", "request-and-answer", "in-part"]
AuditClass = Literal["none", "ledger", "administrative"]


class Endpoint(msgspec.Struct, Generic[H], frozen=True, kw_only=True):
    """A method and a path, all that must be declared of them, and the handler that answers."""

    method: Method
    path: str  # "/v1/models"; "{name}" stands for one segment, "{name...}" at the end for all that follow
    permission: Right
    tenancy: Tenancy
    guards: Guards
    audit: AuditClass
    max_body_bytes: int | None  # that its handler reads; None: as the server's settings say (gateway.max_body_bytes)
    handler: H


def covers(tenancy: Tenancy, who: Principal) -> bool:
    """Whether all that an endpoint of this tenancy shows or changes is within the tenant and project of `who`.

    >>> covers("principal", Principal(kind="person", id="anna", within="shop"))
    False
    """
    if tenancy == "deployment":
        return who.tenant == DEFAULT_TENANT and who.within is None
    return tenancy != "principal" or who.within is None


def index_endpoints(endpoints: Iterable[Endpoint[H]]) -> dict[str, dict[str, Endpoint[H]]]:
    """Endpoints by path and method.

    :raises Contradiction: two endpoints for one method and path
    """
    table: dict[str, dict[str, Endpoint[H]]] = {}
    for endpoint in endpoints:
        methods = table.setdefault(endpoint.path, {})
        if endpoint.method in methods:
            raise Contradiction(f"two endpoints for {endpoint.method} {endpoint.path}; keep one")
        methods[endpoint.method] = endpoint
    return table
