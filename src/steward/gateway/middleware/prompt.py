"""The route's prompt: chosen before anything is reserved, put in behind the guards.

The two halves stand apart: the reservation and the admitted record need the prompt's size and version, and
the guards shall see the client's texts only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from steward.core.extend import Offload
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.hidden_instructions import hide_instructions, read_instructions
from steward.gateway.large import is_large
from steward.gateway.middleware.offload import HERE
from steward.gateway.prompts import APPLY, Prompt, insert_prompt, is_applicable, redact_error

Result = TypeVar("Result")


def choose_prompt(prompts: Mapping[str, Prompt], offload: Offload = HERE, in_release: bool = False) -> Middleware:
    """Note which prompt of `prompts` (by route) applies, or that of the candidate; refuse endpoints that cannot carry
    one. `in_release`: a candidate may have one where `prompts` has none.
    """

    def wrap(inner: Handler) -> Handler:
        if not prompts and not in_release:
            return inner

        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own where there is no prompt
            name, allowed = exchange.request.model, exchange.caller.models
            prompt = prompts.get(name)  # `admit` refuses a model that is unknown or not allowed
            if exchange.arm == "candidate" and exchange.release is not None:
                prompt = exchange.release.prompt
            if prompt is None or (allowed is not None and name not in allowed):
                return inner(exchange)
            return choose(exchange, prompt)

        async def choose(exchange: Exchange, prompt: Prompt) -> Answer:
            if await _offload(offload, is_applicable, prompt, exchange):
                exchange.prompt = prompt
                exchange.prompt_version = prompt.version
            return await inner(exchange)

        return handle

    return wrap


def apply_prompt(offload: Offload = HERE) -> Middleware:
    """Put the chosen prompt into the body; keep an answer from repeating it and an upstream's error from quoting it."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            prompt = exchange.prompt
            if prompt is None:
                return await inner(exchange)
            own = read_instructions(exchange.endpoint, exchange.body)
            changed = await _offload(offload, insert_prompt, prompt, exchange)
            exchange.unprompted = exchange.body if exchange.release is not None else None
            exchange.body = changed or exchange.body
            answer = await inner(exchange)
            if answer.stream is None and answer.status >= 400:
                raise redact_error(answer.status, answer.body)
            hide_instructions(answer, own)
            return answer

        return handle

    return wrap


def insert_canaries(canaries: Mapping[str, Prompt], offload: Offload = HERE) -> Middleware:
    """Put a route's canary before the system message, where the endpoint has one; a guard looks for it in answers."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            canary = canaries.get(exchange.route)
            if canary is None or exchange.endpoint not in APPLY:
                return await inner(exchange)
            own = read_instructions(exchange.endpoint, exchange.body)
            changed = await _offload(offload, insert_prompt, canary, exchange)
            exchange.body = changed or exchange.body
            answer = await inner(exchange)
            hide_instructions(answer, own)
            return answer

        return handle

    return wrap


async def _offload(
    offload: Offload, function: Callable[[Prompt, str, bytes], Result], prompt: Prompt, exchange: Exchange
) -> Result:
    if is_large(exchange.body):
        return await offload.run(function, prompt, exchange.endpoint, exchange.body)
    return function(prompt, exchange.endpoint, exchange.body)
