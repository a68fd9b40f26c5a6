"""Where other systems report alerts: the receiver of Alertmanager's webhooks. It has no page of its own."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.api import PREFIX, answer_refusal, decode_json
from steward.console.shell import Handler, Page
from steward.console.source import ConsoleSource
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, Refused, Unavailable
from steward.core.identity import Principal
from steward.monitoring.outside_alerts import AlertmanagerMessage
from steward.workflows.outside_alerts import OutsideAlerts

PATH: Final = f"{PREFIX}/alerts/webhook"
MOST_BYTES: Final = 1 << 20  # a group of a thousand alerts has about 500 KB


def page(source: ConsoleSource) -> Page:
    intake = OutsideAlerts(source.store.alerts, lambda: source.plan().monitoring.page)

    async def receive(request: Request, who: Principal) -> Response:
        try:
            message = decode_message(await read_body(request))
            result = await asyncio.to_thread(intake.receive, message, who, source.clock())
        except Refused as error:
            return answer_refusal(error)
        except InputError as error:
            return answer_refusal(refuse(400, "invalid_request", str(error)))
        except Unavailable as error:
            return answer_refusal(refuse(503, "unavailable", f"{error}. Send it again later."))
        return Response(msgspec.json.encode(result), media_type="application/json")

    endpoint: Endpoint[Handler[Principal]] = Endpoint(
        method="POST",
        path=PATH,
        permission="alerts.report",
        tenancy="deployment",
        guards="none",
        audit="none",  # a report is no administrative act: it changes nothing that is served or told
        max_body_bytes=MOST_BYTES,
        handler=receive,
    )
    return Page((endpoint,))


async def read_body(request: Request) -> bytes:
    """:raises Refused: 413"""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise refuse(413, "request_too_large", f"The body is longer than {MOST_BYTES:,} bytes; set max_alerts.")
        parts.append(part)
    return b"".join(parts)


def decode_message(body: bytes) -> AlertmanagerMessage:
    """:raises Refused: 400"""
    try:
        return decode_json(body, AlertmanagerMessage)
    except Refused as error:
        words = f"Not a message of Alertmanager's webhook: {error.message}"
        raise refuse(400, "invalid_request", words) from error


def refuse(status: int, code: str, message: str) -> Refused:
    return Refused(message, status=status, type="invalid_request_error", code=code)
