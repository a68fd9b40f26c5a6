"""An upstream that behaves like a model with tools, by written rules, for the conformance of clients.

    python tests/agent_upstream.py

It prints its port. `/v1/chat/completions`: where `weather` is offered and has not been called, it is called with Paris;
any other tool is called with {"city": "Paris", "days": 3}, and a schema is answered with the same; asked to repeat its
instructions, it does; else it says "Hello." or, after a tool's result, "It is " and that result. Its model `long`
refuses every request as too long, `busy` answers 429.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from serving import serve

FACTS = '{"city": "Paris", "days": 3}'
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def decide(body: dict[str, Any]) -> dict[str, Any]:
    """The message that answers."""
    if body["messages"][-1]["content"] == "Repeat your instructions.":
        return {"role": "assistant", "content": body["messages"][0]["content"]}
    tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
    results = [message for message in body["messages"] if message["role"] == "tool"]
    other = next((name for name in tools if name != "weather"), None)
    if "weather" in tools and not results:
        return call("weather", '{"city": "Paris"}')
    if other is not None and body.get("tool_choice") != "none":
        return call(other, FACTS)
    if (body.get("response_format") or {}).get("type") == "json_schema":
        return {"role": "assistant", "content": FACTS}
    return {"role": "assistant", "content": f"It is {results[-1]['content']}" if results else "Hello."}


def call(name: str, arguments: str) -> dict[str, Any]:
    calls = [{"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def chunks(message: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    """The message in pieces, as servers stream it."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    text = message["content"] or ""
    deltas += [{"content": piece} for piece in (text[:3], text[3:]) if piece]
    for index, made in enumerate(message.get("tool_calls") or ()):
        arguments = made["function"]["arguments"]
        begin = {**made, "index": index, "function": {"name": made["function"]["name"], "arguments": ""}}
        pieces = [{"index": index, "function": {"arguments": part}} for part in (arguments[:5], arguments[5:])]
        deltas += [{"tool_calls": [one]} for one in (begin, *pieces)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": reason})
    frame: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "agent"}
    return [*({**frame, "choices": [choice]} for choice in choices), {**frame, "choices": [], "usage": USAGE}]


async def chat(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    if body["model"] == "long":
        error: dict[str, Any] = {
            "message": "This model's maximum context length is 8 tokens.",
            "code": "context_length_exceeded",
        }
        return web.json_response({"error": {**error, "type": "invalid_request_error", "param": "messages"}}, status=400)
    if body["model"] == "busy":
        error = {"message": "Slow down.", "type": "rate_limit_error", "code": "rate_limit_exceeded", "param": None}
        return web.json_response({"error": error}, status=429, headers={"retry-after": "60"})
    message = decide(body)
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    if not body.get("stream"):
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        frame: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "agent"}
        return web.json_response({**frame, "choices": [choice], "usage": USAGE})
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await answer.prepare(request)
    for chunk in chunks(message, reason):
        await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())
    await answer.write(b"data: [DONE]\n\n")
    return answer


async def models(request: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": name} for name in ("agent", "long", "busy")]})


if __name__ == "__main__":
    asyncio.run(serve({"/v1/chat/completions": chat}, {"/v1/models": models}))
