"""The data plane as a raw ASGI application: finds the endpoint of a request, checks the key, calls the handler.

A path is reachable only by standing in the table of endpoints (`endpoints.py`), and an endpoint cannot be made without
its permission, tenancy rule, guard set and audit class. The permission is checked here and nowhere else.
"""

from __future__ import annotations

import difflib
import logging
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol

from steward.core.endpoint import index_endpoints
from steward.core.errors import Exhausted, Refused, describe_trace, find_exhausted
from steward.core.excerpts import cut_text
from steward.core.extend import Authenticator
from steward.core.identity import Right
from steward.gateway.answer import Answer
from steward.gateway.batch_endpoints import find_absent
from steward.gateway.cors import CorsPolicy
from steward.gateway.endpoints import GatewayEndpoint
from steward.gateway.http import ALREADY_COUNTED, HttpRequest, Receive, Scope, Send, internal_error
from steward.gateway.rejections import RejectionCounter
from steward.gateway.wire import new_request_id

log = logging.getLogger(__name__)
FOREIGN: Final = re.compile(  # what stands before an endpoint, or before /v1, in the base URLs of other servers
    r"/(?:openai/deployments/[^/]+|(?:v1/)?engines/[^/]+|api/openai|openai|anthropic|api)/"
)


class Lifespan(Protocol):
    """What lives as long as the application."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Gateway:
    """The application that answers `endpoints`."""

    def __init__(
        self,
        endpoints: Iterable[GatewayEndpoint],
        authenticator: Authenticator,
        rejections: RejectionCounter,
        lifespan: Lifespan,
        find_cors: Callable[[], CorsPolicy | None] = lambda: None,
    ) -> None:
        """`find_cors` tells which web pages may call now; None: no page."""
        self._endpoints = index_endpoints(endpoints)
        self._open_ended = {path.partition("{")[0]: path for path in self._endpoints if path.endswith("...}")}
        self._authenticator, self._rejections, self._lifespan = authenticator, rejections, lifespan
        self._find_cors = find_cors

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """ASGI 3, without a coroutine of its own."""
        if scope["type"] != "http":
            return self._serve_other(scope, receive, send)
        request = HttpRequest(new_request_id(time.time()), scope, receive, send)
        cors = self._find_cors()
        return self._serve(request) if cors is None else self._serve_page(request, cors)

    async def _serve_page(self, request: HttpRequest, cors: CorsPolicy) -> None:
        """For whom web pages may call."""
        if not await self._share(request, cors):
            await self._serve(request)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._lifespan.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._lifespan.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _share(self, request: HttpRequest, cors: CorsPolicy) -> bool:
        """Note what a browser must be told; answer its pre-flight. -> whether that was all"""
        origin = request.headers.get("origin")
        request.cors = cors.headers(origin)
        if origin is None or request.scope["method"] != "OPTIONS":
            return False
        if "access-control-request-method" not in request.headers:
            return False
        methods = self._endpoints.get(request.path) or self._find_otherwise(request) or ("GET", "POST")
        try:
            answer = Answer(204)
            answer.headers += cors.preflight(origin, methods, request.headers.get("access-control-request-headers", ""))
        except Refused as error:
            answer = request.refusal(error)
        await request.respond(answer)
        return True

    async def _serve(self, request: HttpRequest) -> None:
        endpoint: GatewayEndpoint | None = None
        try:
            methods = self._endpoints.get(request.path) or self._find_otherwise(request)
            endpoint = methods.get(request.scope["method"]) if methods else None
            if endpoint is None and methods and request.scope["method"] == "HEAD":
                endpoint = methods.get("GET")  # whose body the server leaves out (RFC 9110, section 9.3.2)
            if endpoint is None:
                raise not_found_error(request.scope["path"], request.scope["method"], methods or (), self._endpoints)
            if endpoint.permission != "public":  # before the body: a stranger's 32 MB are not read
                caller = request.caller = self._authenticator.authenticate(request)
                if endpoint.permission not in caller.principal.rights:
                    raise forbidden_error(endpoint.permission)
            request.max_body_bytes = endpoint.max_body_bytes
            await endpoint.handler(request)
        except Refused as error:
            if ALREADY_COUNTED not in request.scope and (endpoint is None or endpoint.permission != "public"):
                self._rejections.count_rejection(error, "")
            await request.respond(request.refusal(error))
        except (Exhausted, OSError) as error:
            await request.respond(request.refusal(explain_failure(error, request.request_id)))
        except Exception as error:
            log.error("%s: request failed\n%s", request.request_id, describe_trace(error))
            await request.respond(request.refusal(internal_error()))

    def _find_otherwise(self, request: HttpRequest) -> Mapping[str, GatewayEndpoint] | None:
        """The endpoint that a path means which is not spelt as in the table; then the request has the table's path."""
        for path in spell_otherwise(request.path):
            if path in self._endpoints and "{" not in path:
                request.path = path
                return self._endpoints[path]
            for prefix, template in self._open_ended.items():
                if path.startswith(prefix) and len(path) > len(prefix):
                    request.path, request.rest = template, path[len(prefix) :]
                    return self._endpoints[template]
        return None


def spell_otherwise(path: str) -> tuple[str, ...]:
    """The spellings of a path that mean the same: without doubled or trailing slashes, with the `/v1` that a client's
    base URL lacked or had twice, and without what stands before it in the base URLs of providers (`FOREIGN`).

    >>> spell_otherwise("/chat/completions/")
    ('/chat/completions', '/v1/chat/completions')
    >>> spell_otherwise("/openai/deployments/gpt/chat/completions")[-1]
    '/v1/chat/completions'
    """
    plain = "/" + "/".join(part for part in path.split("/") if part)
    with_version = plain.removeprefix("/v1") if plain.startswith("/v1/v1/") else f"/v1{plain}"
    foreign = FOREIGN.match(plain)
    if foreign is None:
        return plain, with_version
    rest = plain[foreign.end() - 1 :]
    return plain, with_version, rest if rest.startswith("/v1/") else f"/v1{rest}"


def explain_failure(error: Exhausted | OSError, request_id: str) -> Refused:
    """503 where this machine has run out of something, which `/readyz` shows too; else a mistake of ours."""
    cause = find_exhausted(error) if isinstance(error, OSError) else error
    if cause is None:
        log.error("%s: request failed\n%s", request_id, describe_trace(error))
        return internal_error()
    return Refused(
        f"The gateway cannot take requests now: {cause}. Send the request again later.",
        status=503,
        type="api_error",
        code="out_of_resources",
        headers=(("retry-after", "5"),),
    )


def guess_path(path: str, known: Iterable[str]) -> str | None:
    """The endpoint that a path which is none may mean: by what it ends with, or by its letters.

    >>> guess_path("/x/chat/completions", ["/v1/chat/completions"]), guess_path("/v1/modles", ["/v1/models"])
    ('/v1/chat/completions', '/v1/models')
    >>> guess_path("/health", ["/v1/models", "/healthz"])
    '/healthz'
    """
    plain = "/" + "/".join(part for part in cut_text(path).lower().split("/") if part)
    listed = [one for one in known if "{" not in one]
    ending = [one for one in listed if plain.endswith(one.removeprefix("/v1"))]
    close = difflib.get_close_matches(plain, listed, 1, 0.8) or difflib.get_close_matches(f"/v1{plain}", listed, 1, 0.8)
    return max(ending, key=len) if ending else close[0] if close else None


def not_found_error(path: str, method: str, methods: Iterable[str], known: Iterable[str] = ()) -> Refused:
    """404, with the one of the `known` paths that may be meant; 405 where the path takes other `methods`; 501 for an
    endpoint of OpenAI's or Anthropic's API that is not there.
    """
    accepted = ", ".join(methods)
    if not accepted and (instead := find_absent(path)) is not None:
        return Refused(
            f"This gateway has no {cut_text(path)}. {instead}; docs/reference/endpoints.md lists what there is.",
            status=501,
            type="invalid_request_error",
            code="not_implemented",
        )
    if not accepted:
        hint = "" if path.startswith("/v1/") else " Endpoints begin with /v1: set your client's base URL to …/v1."
        if (meant := guess_path(path, known)) is not None:
            hint = f" Did you mean {meant}?{hint if meant.startswith('/v1/') else ''}"
        return Refused(f"No endpoint at {cut_text(path)}.{hint}", status=404, type="invalid_request_error")
    message = f"{path} accepts {accepted}, not {method}."
    return Refused(message, status=405, type="invalid_request_error", headers=(("allow", accepted),))


def forbidden_error(right: Right) -> Refused:
    """403: the key is valid and may not do this."""
    return Refused(
        f"This key does not have the right '{right}'. Ask the operator of the gateway for a key that has it.",
        status=403,
        type="invalid_request_error",
        code="insufficient_permissions",
    )
