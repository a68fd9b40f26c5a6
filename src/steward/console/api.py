"""The administrative API of the console's port: a table of operations, which also writes its OpenAPI document.

An operation is an endpoint with the types of what it takes and returns. Who asks is found as for the gateway, by its
key; what it may do, the operation's permission says. Each change is recorded before it is made, by what makes it.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.configuration.struct_errors import explain_json_error, explain_syntax
from steward.console.shell import Handler, Page
from steward.core.endpoint import AuditClass, Endpoint, Method, Tenancy
from steward.core.errors import Exhausted, InputError, Refused, StewardError, UnknownName
from steward.core.identity import Principal, Right
from steward.workflows.audit import MOST_REASON

log = logging.getLogger(__name__)

Given = TypeVar("Given")
PREFIX: Final = "/api/v1"
BODY_LIMIT: Final = 65_536
REMEMBERED: Final = 1000  # answers to requests with an Idempotency-Key
REMEMBERED_S: Final = 86400.0
MAX_IDEMPOTENCY_KEY: Final = 255
REASON_HEADER: Final = "X-Steward-Reason"
_OPERATION_ID: Final = str.maketrans({"/": "_", "{": "", "}": ""})


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation that takes nothing."""


class ApiProblem(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    error: str
    message: str


class Operation(msgspec.Struct, Generic[Given], frozen=True, kw_only=True):
    """One thing that the API does.

    `run` gets the principal, what was given (query or body, as `takes` says) and the segments of the path by their
    names. It may block.
    """

    method: Method
    path: str  # below PREFIX
    permission: Right
    tenancy: Tenancy
    audit: AuditClass
    summary: str
    takes: type[Given]
    returns: Any
    run: Callable[[Principal, Given, dict[str, str]], object]
    body: bool = False  # what it takes comes in the body; else in the query
    remembered: bool = False  # by its Idempotency-Key
    status: int = 200


class RememberedAnswers:
    """Answers to requests with an Idempotency-Key, so that a request that is sent again is not done again.

    In memory: a console that was restarted remembers none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: dict[tuple[str, str], tuple[float, bytes, tuple[int, bytes] | None]] = {}

    def begin(self, actor: str, key: str, digest: bytes) -> tuple[int, bytes] | None:
        """The answer that was given before; None where the request is new and now counts as begun.

        :raises Refused: 422, the key was used for another request; 409, that request still runs
        """
        if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
            raise _refuse(
                400, "invalid_idempotency_key", f"Idempotency-Key: expected 1 to {MAX_IDEMPOTENCY_KEY} characters."
            )
        now = self._clock()
        known = self._answers.get((actor, key))
        if known is None or now - known[0] > REMEMBERED_S:
            self._answers.pop((actor, key), None)  # begun again, it is the newest; the oldest are forgotten first
            while len(self._answers) >= REMEMBERED:
                del self._answers[next(iter(self._answers))]
            self._answers[actor, key] = (now, digest, None)
            return None
        if known[1] != digest:
            raise _refuse(
                422, "idempotency_key_reused", "This Idempotency-Key was sent with another request; use a new one."
            )
        if known[2] is None:
            raise _refuse(
                409,
                "still_running",
                "The request with this Idempotency-Key is still running; wait, then send it again.",
            )
        return known[2]

    def end(self, actor: str, key: str, answer: tuple[int, bytes] | None) -> None:
        """Remember the answer; without one, the request may be sent again."""
        known = self._answers.pop((actor, key), None)
        if answer is not None and known is not None:
            self._answers[actor, key] = (known[0], known[1], answer)


def build_api(operations: tuple[Operation[Any], ...], version: str) -> Page:
    """The endpoints of the operations, and one for their OpenAPI document, which is written when it is first read."""
    remembered = RememberedAnswers()
    write = functools.cache(lambda: msgspec.json.encode(write_openapi(operations, version)))

    async def show_document(request: Request, who: Principal) -> Response:
        return Response(write(), media_type="application/json")

    openapi: Endpoint[Handler[Principal]] = Endpoint(
        method="GET",
        path=f"{PREFIX}/openapi.json",
        permission="public",
        tenancy="none",
        guards="none",
        audit="none",
        max_body_bytes=0,
        handler=show_document,
    )
    return Page((openapi, *(_make_endpoint(operation, remembered) for operation in operations)))


def _make_endpoint(operation: Operation[Any], remembered: RememberedAnswers) -> Endpoint[Handler[Principal]]:
    async def handle(request: Request, who: Principal) -> Response:
        try:
            status, body = await _answer(operation, remembered, request, who)
        except Refused as error:
            return answer_refusal(error)
        return Response(body, status, media_type="application/json")

    return Endpoint(
        method=operation.method,
        path=PREFIX + operation.path,
        permission=operation.permission,
        tenancy=operation.tenancy,
        guards="none",
        audit=operation.audit,
        max_body_bytes=BODY_LIMIT if operation.body else 0,
        handler=handle,
    )


async def _answer(
    operation: Operation[Any], remembered: RememberedAnswers, request: Request, who: Principal
) -> tuple[int, bytes]:
    who = _take_reason(operation, request, who)
    body = await _read_body(request) if operation.body else b""
    parameters = _decode(operation, body, request)
    key = request.headers.get("idempotency-key") if operation.remembered else None
    if key is None:
        return await asyncio.to_thread(_run, operation, who, parameters, request.path_params)
    digest = hashlib.sha256(f"{operation.method} {request.scope['path']}\n".encode() + body).digest()
    if (before := remembered.begin(who.actor, key, digest)) is not None:
        return before
    answer = None
    try:
        answer = await asyncio.to_thread(_run, operation, who, parameters, request.path_params)
    finally:
        remembered.end(who.actor, key, answer)
    return answer


def _take_reason(operation: Operation[Any], request: Request, who: Principal) -> Principal:
    """The principal with the reason that it gives for a change. :raises Refused: 400, too long"""
    reason = request.headers.get(REASON_HEADER, "") if operation.audit == "administrative" else ""
    if len(reason) > MOST_REASON:
        raise _refuse(400, "invalid_reason", f"{REASON_HEADER}: expected at most {MOST_REASON:,} characters.")
    return msgspec.structs.replace(who, reason=reason) if reason else who


def _run(operation: Operation[Any], who: Principal, parameters: Any, segments: dict[str, str]) -> tuple[int, bytes]:
    """:raises Refused: what steward refuses, with its status"""
    try:
        return operation.status, msgspec.json.encode(operation.run(who, parameters, segments))
    except Refused:
        raise
    except UnknownName as error:
        raise _refuse(404 if segments else 400, "not_found" if segments else "unknown_name", str(error)) from error
    except InputError as error:
        raise _refuse(400, "invalid_request", str(error)) from error
    except StewardError as error:
        log.error("an administrative request failed: %s", error)
        cause = f"Nothing was changed: {error}" if isinstance(error, Exhausted) else "The store does not answer"
        raise _refuse(503, "unavailable", f"{cause}. Send the request again later.") from error


async def _read_body(request: Request) -> bytes:
    """:raises Refused: 413 or 415"""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _refuse(415, "unsupported_media_type", "Send the body as application/json.")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise _refuse(413, "request_too_large", f"The body is longer than {BODY_LIMIT:,} bytes.")
        parts.append(part)
    return b"".join(parts)


def _decode(operation: Operation[Any], body: bytes, request: Request) -> Any:
    """What was given, checked by its type. :raises Refused: 400"""
    if operation.body:
        return decode_json(body, operation.takes)
    query = dict(request.query_params)
    if len(query) != len(request.query_params.multi_items()):
        raise _refuse(400, "invalid_request", "A query parameter stands twice; send each once.")
    try:
        return msgspec.convert(query, operation.takes, strict=False)
    except msgspec.ValidationError as error:
        raise _refuse(400, "invalid_request", explain_json_error(error, operation.takes, query).message) from error


def decode_json(body: bytes, kind: type[Given]) -> Given:
    """:raises Refused: 400, naming the field that is wrong, what it is and what is expected"""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _refuse(400, "invalid_request", explain_json_error(error, kind, body).message) from error
    except RecursionError as error:
        raise _refuse(400, "invalid_request", "The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        words = f"The body is not valid JSON: {explain_syntax(error)}. Send a JSON object in UTF-8."
        raise _refuse(400, "invalid_request", words) from error


def _refuse(status: int, code: str, message: str) -> Refused:
    return Refused(message, status=status, type="invalid_request_error", code=code)


def answer_refusal(error: Refused) -> Response:
    """A refusal as the API tells it."""
    problem = ApiProblem(error.code or "refused", error.message)
    body = msgspec.json.encode(problem)
    return Response(body, error.status, headers=dict(error.headers), media_type="application/json")


# -- the document --------------------------------------------------------------------------------------


def write_openapi(operations: tuple[Operation[Any], ...], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    kinds = [
        ApiProblem,
        *(item.returns for item in operations),
        *(item.takes for item in operations if item.body),
    ]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    problem, returned = schemas[0], schemas[1 : 1 + len(operations)]
    taken = iter(schemas[1 + len(operations) :])
    paths: dict[str, Any] = {}
    for operation, schema in zip(operations, returned, strict=True):
        body = next(taken) if operation.body else None
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _describe(
            operation, schema, body, problem
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "steward administrative API", "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "a key with the right"}},
        },
        "security": [{"key": []}],
    }


def _describe(operation: Operation[Any], schema: Any, body: Any, problem: Any) -> dict[str, Any]:
    refusals = {"400": "not as expected", "401": "no valid key", "403": "the key lacks the right", "503": "no answer"}
    if operation.path.count("{"):
        refusals["404"] = "there is none of that name"
    if operation.remembered:
        refusals |= {"409": "still running", "422": "Idempotency-Key was used with another request"}
    if body is not None:
        refusals |= {"413": "too long", "415": "not JSON"}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.method.lower() + operation.path.translate(_OPERATION_ID),
        "description": f"Needs the right `{operation.permission}`.",
        "parameters": _list_parameters(operation),
        "responses": {
            str(operation.status): _describe_answer("done", schema),
            **{status: _describe_answer(words, problem) for status, words in refusals.items()},
        },
    }
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _describe_answer(words: str, schema: Any) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _list_parameters(operation: Operation[Any]) -> list[dict[str, Any]]:
    segments = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in segments
    ]
    if operation.remembered:
        length = {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": length})
    if operation.audit == "administrative":
        text = {"type": "string", "maxLength": MOST_REASON, "description": "why, for the audit log"}
        parameters.append({"name": REASON_HEADER, "in": "header", "required": False, "schema": text})
    if operation.body:
        return parameters
    schema = msgspec.json.schema(operation.takes)
    fields = next(iter(schema["$defs"].values()))
    for name, kind in fields["properties"].items():
        parameters.append({"name": name, "in": "query", "required": name in fields.get("required", ()), "schema": kind})
    return parameters
