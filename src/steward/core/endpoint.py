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
from steward.core.identity import Right

H = TypeVar("H")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# principal: sees and changes only what belongs to its tenant; deployment: of all tenants, so only `default` may see it
Tenancy = Literal["none", "principal", "deployment"]
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
