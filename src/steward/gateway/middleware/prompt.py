"""The route's prompt: chosen before anything is reserved, put in behind the guards.

The two halves stand apart: the reservation and the admitted record need the prompt's size and version, and
the guards shall see the client's texts only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.prompts import Prompt, insert_prompt, is_applicable, redact_error


def choose_prompt(prompts: Mapping[str, Prompt]) -> Middleware:
    """Note which prompt of `prompts` (by route) applies; refuse endpoints that cannot carry one."""

    def wrap(inner: Handler) -> Handler:
        if not prompts:
            return inner

        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own
            name, allowed = exchange.request.model, exchange.caller.models
            prompt = prompts.get(name)  # `admit` refuses a model that is unknown or not allowed
            if (
                prompt is not None
                and (allowed is None or name in allowed)
                and is_applicable(prompt, exchange.endpoint, exchange.body)
            ):
                exchange.prompt = prompt
                exchange.prompt_version = prompt.version
            return inner(exchange)

        return handle

    return wrap


def apply_prompt() -> Middleware:
    """Put the chosen prompt into the body; keep an upstream's error from quoting it."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            prompt = exchange.prompt
            if prompt is None:
                return await inner(exchange)
            exchange.body = insert_prompt(prompt, exchange.endpoint, exchange.body) or exchange.body
            answer = await inner(exchange)
            if answer.stream is None and answer.status >= 400:
                raise redact_error(answer.status, answer.body)
            return answer

        return handle

    return wrap
