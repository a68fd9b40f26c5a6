"""A server of completions with echo and logprobs, whose model is known: a token is a byte, and after it the next
byte has probability 1/2, each other one 1/510. The model's name picks how it lies.

    python tests/echoing_upstream.py

It prints its port. `honest` does what it says; `generated` returns the log-probabilities of what it generated whatever
was asked, in OpenAI's shape, and `llama` the same in llama-server's; `flat` the same number for every token; `shifted`
each token's number one place late; `broken` answers 503 where the prompt holds "~". Its context is 64 tokens.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from aiohttp import web

from serving import serve

LIKELY, OTHER = math.log(1 / 2), math.log(1 / 510)


def probability(before: int, token: int) -> float:
    return LIKELY if token == (before + 1) % 256 else OTHER


async def complete(request: web.Request) -> web.Response:
    body = await request.json()
    model, prompt = body["model"], body["prompt"]
    if model == "broken" and ord("~") in prompt:
        return web.json_response({"error": {"message": "loading"}}, status=503)
    if len(prompt) >= 64:
        return web.json_response({"error": {"message": "64 tokens at most"}}, status=400)
    generated = (prompt[-1] + 1) % 256
    shown = [*prompt, generated] if body.get("echo") and model not in ("generated", "llama") else [generated]
    values: list[float | None] = [LIKELY]
    if len(shown) > 1:
        values = [None, *map(probability, shown, shown[1:])]
    if model == "flat":
        values = [value and -1.0 for value in values]
    if model == "shifted" and len(values) > 1:
        values = [None, OTHER, *values[1:-1]]
    tokens = [f"token_id:{token}" for token in shown]
    logprobs: dict[str, Any] = {"tokens": tokens, "token_logprobs": values}
    if model == "llama":
        logprobs = {"content": [{"id": generated, "token": "", "logprob": LIKELY}]}
    return web.json_response({"choices": [{"index": 0, "text": "", "logprobs": logprobs}]})


async def tokenize(request: web.Request) -> web.Response:
    tokens = list((await request.json())["prompt"].encode())
    return web.json_response({"count": len(tokens), "max_model_len": 64, "tokens": tokens})


if __name__ == "__main__":
    asyncio.run(serve({"/v1/completions": complete, "/tokenize": tokenize}))
