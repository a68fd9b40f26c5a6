"""What a proxy's headers may change of a request for pages: the scheme, and nothing else.

A proxy that terminates TLS says so (`X-Forwarded-Proto`), and cookies are `Secure` then. Whoever makes it up changes
nobody else's cookies. Ours because uvicorn's middleware also takes the client's address from `X-Forwarded-For` of any
process on this machine, so that nobody's attempts to sign in would count; `gateway.trusted_proxies` says whose word
counts for that (`console/sessions.py`).
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class ForwardedScheme:
    """Answers as `app` does, to requests that know of TLS in front."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(
            name == b"x-forwarded-proto" and value.strip() == b"https" for name, value in scope["headers"]
        ):
            scope["scheme"] = "https"
        await self._app(scope, receive, send)
