"""Signing in from a command at an identity provider: a code that somebody enters in any browser (RFC 8628).

A command asks the console and the console asks the provider, so that no command needs the client's secret.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from steward.console.sessions import Attempts, find_address
from steward.console.shell import FormTooLarge, Page, ask_to_wait, page_endpoint, read_form
from steward.console.sign_in_limits import explain_wait
from steward.core.errors import Refused, StewardError
from steward.core.identity import Principal
from steward.core.networks import Network
from steward.workflows.single_sign_on import DevicePrompt, SingleSignOn

log = logging.getLogger(__name__)

PATH: Final = "/login/device"
MOST_QUESTIONS: Final = 60  # a minute, of an address that waits for codes to be entered
Act = Callable[[dict[str, str]], DevicePrompt | dict[str, object]]


def page(provider: SingleSignOn, trusted: Callable[[], Sequence[Network]] = tuple) -> Page:
    begun, asked = Attempts(), Attempts(MOST_QUESTIONS)

    async def begin(request: Request, who: Principal) -> Response:
        return await answer(request, begun, lambda _: provider.begin_device())

    async def finish(request: Request, who: Principal) -> Response:
        return await answer(request, asked, lambda form: tell_command(provider, form.get("device", "")))

    async def answer(request: Request, attempts: Attempts, act: Act) -> Response:
        """In JSON. Each question is one to the provider, so they are counted."""
        at, address = time.monotonic(), find_address(request, trusted())
        if wait_s := attempts.find_wait_s(address, at):
            return ask_to_wait(JSONResponse({"message": explain_wait(wait_s)}, 429), wait_s)
        attempts.add(address, at)
        try:
            said = await asyncio.to_thread(act, await read_form(request))
        except FormTooLarge as error:
            return JSONResponse({"message": str(error)}, 413)
        except Refused as error:
            return JSONResponse({"message": str(error)}, error.status)
        except StewardError as error:
            log.error("signing in at a provider: %s", error)
            return JSONResponse({"message": "The provider or the store does not answer. Try again later."}, 503)
        return Response(msgspec.json.encode(said), media_type="application/json")

    return Page(
        (page_endpoint(PATH, "public", begin, "POST"), page_endpoint(f"{PATH}/token", "public", finish, "POST"))
    )


def tell_command(provider: SingleSignOn, device: str) -> dict[str, object]:
    """What a command that waits is told: the session once, or by how much later to ask again."""
    ended = provider.finish_device(device)
    if isinstance(ended, float):
        return {"pending": True, "later_s": ended}
    return {"token": ended.token, "name": ended.principal.id, "expires_in": provider.session_s}
