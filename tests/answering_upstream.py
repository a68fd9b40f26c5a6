"""An upstream for evaluations whose answers are a function of the question; the model's name picks how it fails.

    python tests/answering_upstream.py [--delay-ms 0]

It prints its port. `right` answers every question "q <number>" with "a <number>", `weak` not those divisible by 5,
`starting` fails each question once with 503, `broken` fails those divisible by 20 for ever, `refusing` answers 401,
`moody` does not know every second time what 4 divides; of those divisible by 10, `calling` answers with a tool call,
`garbled` with what is no JSON, `listing` with a list of parts. `acting` calls the first tool and answers
with the number that it returns; `reciting` tells its first message, whatever is asked.
`GET /count` tells how many questions came.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aiohttp import web

from serving import serve

SEEN: set[str] = set()
COUNT = [0]


async def answer(request: web.Request) -> web.Response:
    body = await request.json()
    model, question = body["model"], body["messages"][-1]["content"]
    if model == "reciting":
        message = {"role": "assistant", "content": body["messages"][0]["content"]}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    number = int(question.split()[-1])
    COUNT[0] += 1
    await asyncio.sleep(float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0)
    if model == "refusing":
        return web.json_response({"error": {"message": "no such key"}}, status=401)
    if model == "failing":
        return web.json_response({"error": {"message": "no such item"}}, status=400)
    if (model == "starting" and question not in SEEN) or (model == "broken" and number % 20 == 0):
        SEEN.add(question)
        return web.json_response({"error": {"message": "loading"}}, status=503, headers={"retry-after": "0"})
    lost = (model == "weak" and number % 5 == 0) or (model == "moody" and number % 4 == 0 and question in SEEN)
    if model == "moody":
        SEEN.symmetric_difference_update({question})
    said = "I do not know" if lost else f"a {number}"
    content: object = said
    if number % 10 == 0 and model == "garbled":
        return web.Response(text="<html>", content_type="application/json")
    if number % 10 == 0 and model in ("calling", "listing"):
        content = None if model == "calling" else [{"type": "text", "text": said}]
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    if model == "acting" and body["messages"][-1]["role"] != "tool":
        function = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps({"number": number})}
        choice["message"] = {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    if model == "cut" and number % 4 == 0:
        choice["finish_reason"] = "length"
    if body.get("stream"):
        event = {"choices": [{"delta": {"content": content}, "finish_reason": "stop"}]}
        return web.Response(text=f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n", content_type="text/event-stream")
    return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


async def count(request: web.Request) -> web.Response:
    return web.json_response(COUNT[0])


if __name__ == "__main__":
    asyncio.run(serve({"/v1/chat/completions": answer}, {"/count": count, "/v1/models": count}))
