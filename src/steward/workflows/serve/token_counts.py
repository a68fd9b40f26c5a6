"""Counts the tokens of a request without answering it; see `gateway/token_count.py`."""

from __future__ import annotations

import asyncio
import time

from steward.core.errors import Unavailable
from steward.core.identity import Caller
from steward.gateway.answer import Answer
from steward.gateway.engine_input import check_engine_input
from steward.gateway.exchange import Exchange
from steward.gateway.models import ModelEntry
from steward.gateway.prompts import is_applicable
from steward.gateway.request_reading import read_request
from steward.gateway.routing import find_route
from steward.gateway.token_count import COUNTED, ENGINE_ENDPOINT, build_question, format_count, read_count
from steward.workflows.serve.composition import Generation


async def count_tokens(generation: Generation, caller: Caller, path: str, body: bytes) -> Answer:
    """The answer of one of the counting endpoints.

    :raises Refused: 400 or 404, the request would be refused too
    """
    exchange = Exchange("", COUNTED[path], {}, body, time.time(), time.perf_counter())
    read = asyncio.to_thread(read_request, path, body)  # long conversations take a while
    exchange.request, exchange.fields, exchange.body = await read
    route = find_route(generation.routes, exchange.request.model, caller.models)
    prompt = generation.plan.prompts.get(route.name)
    if prompt is not None and is_applicable(prompt, exchange.endpoint, exchange.body):
        exchange.prompt = prompt
    entry = generation.models[route.targets[0].model]
    exact = await _ask_engine(exchange, entry) if entry.embedded else None
    return format_count(path, exact, exchange.estimate_input())


async def _ask_engine(exchange: Exchange, entry: ModelEntry) -> int | None:
    """The count of an engine of our own; None where it cannot tell."""
    question = build_question(exchange, entry)
    await asyncio.to_thread(check_engine_input, question)
    try:
        answer = await entry.engine.call(ENGINE_ENDPOINT, question)
        counted = await answer.read()
    except Unavailable:
        return None
    return read_count(counted) if answer.status == 200 else None
