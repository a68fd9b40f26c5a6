"""The gateway's table of endpoints as it is declared, without a gateway that answers."""

from __future__ import annotations

from typing import Any

from steward.core.endpoint import Endpoint
from steward.core.errors import Contradiction
from steward.gateway.endpoints import build_endpoints
from steward.gateway.rejections import RejectionCounter


class _NoService:
    """Handlers are made with it, and none is called."""

    def __getattr__(self, name: str) -> Any:
        raise Contradiction(f"{name} was called of a gateway that does not run")


def list_gateway_endpoints() -> tuple[Endpoint[Any], ...]:
    """Every endpoint; their handlers answer nothing."""
    service: Any = _NoService()
    return build_endpoints(service, RejectionCounter())
