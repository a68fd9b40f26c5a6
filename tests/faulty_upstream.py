"""An upstream that speaks three dialects and fails in every way that one can; the model's name picks the way.

    python tests/faulty_upstream.py

It prints its port. `GET /last` tells the last request it got, `GET /closed` how many streams their reader left early.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

TEXT = ["Grüße ", "aus ", "Łódź ", "🦜", "."]
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
}
LAST: dict[str, Any] = {}
CLOSED = [0]


def head(status: str, kind: str, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", "connection: close", "x-request-id: up_1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def whole(value: object, status: str = "200 OK", **headers: str) -> bytes:
    body = json.dumps(value).encode()
    return head(status, "application/json", content_length=str(len(body)), **headers) + body


def sse(value: object, end: str = "\n") -> bytes:
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {data}{end}{end}".encode()


def chunk(delta: dict[str, Any], reason: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": reason, **more}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}


def call(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    first = {"id": f"call_{index}", "type": "function"} if name else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": index, **first, "function": function}]}


def chunks(model: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    if model == "tools":
        pieces = [call(0, "", "weather"), call(0, '{"city": "Łó'), call(0, 'dź"}'), call(1, '{"zone":', "clock")]
        return [chunk(piece) for piece in [*pieces, call(1, ' "UTC"}')]] + [chunk({}, "tool_calls")]
    if model == "thinks":
        return [chunk({"reasoning_content": "hmm "}), chunk({"content": "So."}), chunk({}, "length")]
    if model == "two":
        return [chunk({"content": f"{index}{n}"}, None, index) for n in range(3) for index in (0, 1)] + [
            chunk({}, "stop", index) for index in (0, 1)
        ]
    if model == "odd":
        logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}
        return [{**chunk({"content": "a", "mood": "good"}, logprobs=logprobs), "x_field": 7}, chunk({}, "stop")]
    if model == "flood":
        return [chunk({"content": "x" * 16384}) for _ in range(1500)] + [chunk({}, "stop")]
    return [chunk({"content": text}) for text in TEXT] + [chunk({}, "stop")]


async def chat_stream(model: str, body: dict[str, Any]) -> AsyncIterator[bytes]:
    end = "\r\n" if model == "crlf" else "\n"
    if model == "error-first":
        yield sse({"error": {"message": "context too long", "type": "BadRequestError", "code": 400}})
        return
    if model == "slow-first":
        await asyncio.sleep(0.7)
    for number, value in enumerate(chunks(model, body)):
        if number == 2 and model == "error-midstream":
            yield sse({"error": {"message": "lost a worker", "type": "server_error", "code": 500}})
            return
        if number == 2 and model == "malformed":
            yield b'data: {"choices": [{"delta"\n\n'
        if number == 2 and model == "stalled":
            await asyncio.sleep(3600)
        if number == 2 and model == "cut":
            yield b'data: {"choices": [{"del'
            raise ConnectionAbortedError
        if value["choices"][0]["finish_reason"] and model in ("truncated", "done-without-finish"):
            break
        yield sse(value, end).replace("Łódź".encode(), b"\xff") if model == "bad-utf8" else sse(value, end)
        if model == "steady":
            await asyncio.sleep(0.05)
    if model == "truncated":
        return
    if (body.get("stream_options") or {}).get("include_usage"):
        yield sse({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}, end)
    yield sse("[DONE]", end)
    if model == "lingers":
        await asyncio.sleep(3600)


def chat_whole(model: str, body: dict[str, Any]) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(TEXT)}
    reason = "stop"
    if model == "tools":
        function = {"name": "weather", "arguments": '{"city": "Łódź"}'}
        message, reason = {"role": "assistant", "content": None}, "tool_calls"
        message["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
    if model == "thinks":
        message, reason = {"role": "assistant", "content": "So.", "reasoning_content": "hmm "}, "length"
    if model == "two":
        other = {"index": 1, "message": message, "finish_reason": "stop"}
        return whole({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}, other]})
    choice = {"index": 0, "message": message, "finish_reason": reason}
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up", "choices": [choice]}
    return whole({**answer, "usage": USAGE, "x_field": 7})


def message_events() -> list[dict[str, Any]]:
    start: dict[str, Any] = {"id": "msg_up", "type": "message", "role": "assistant", "model": "up", "content": []}
    start |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 12, "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in TEXT
    ]
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        *events,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


async def message_stream(model: str) -> AsyncIterator[bytes]:
    for number, value in enumerate(message_events()):
        if number == 4 and model == "claude-error":
            value = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
        if number == 4 and model == "claude-cut":
            return
        yield f"event: {value['type']}\n".encode() + sse(value)
        if value["type"] == "error":
            return


def message_whole(model: str) -> bytes:
    if model == "claude-busy":
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
        return whole(error, "529 Overloaded", retry_after="3")
    content = [{"type": "text", "text": "".join(TEXT)}]
    usage = {"input_tokens": 12, "cache_read_input_tokens": 4, "output_tokens": 5}
    return whole(
        {"id": "msg_up", "type": "message", "role": "assistant", "model": "up", "content": content}
        | {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    )


def response_whole() -> dict[str, Any]:
    part = {"type": "output_text", "text": "".join(TEXT), "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17}
    return {"id": "resp_up", "object": "response", "created_at": 1, "status": "completed", "output": [item]} | {
        "model": "up",
        "usage": usage,
        "error": None,
    }


async def response_stream() -> AsyncIterator[bytes]:
    place: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response_whole(), "output": [], "usage": None}}
    ]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    events += [{"type": "response.output_item.added", "output_index": 0, "item": item}]
    events += [{"type": "response.content_part.added", **place, "part": part}]
    events += [{"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in TEXT]
    events += [{"type": "response.output_text.done", **place, "text": "".join(TEXT), "logprobs": []}]
    for number, value in enumerate([*events, {"type": "response.completed", "response": response_whole()}]):
        yield f"event: {value['type']}\n".encode() + sse({**value, "sequence_number": number})


async def answer(path: str, raw: bytes, write: asyncio.StreamWriter) -> None:
    body = json.loads(raw)
    model = body["model"]
    if model == "limited":
        error = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
        write.write(whole(error, "429 Too Many Requests", retry_after_ms="1500", retry_after="2"))
    elif model == "wrong-key":
        write.write(whole({"error": {"message": "Incorrect API key provided: sk-ours"}}, "401 Unauthorized"))
    elif model == "redirect":
        write.write(head("307 Temporary Redirect", "text/plain", content_length="0", location="/v1/elsewhere"))
    elif model == "odd-status":
        write.write(whole({"error": {"message": "?"}}, "600 Odd"))
    elif model == "odd-retry":
        write.write(whole({"error": "plain words"}, "429 Too Many Requests", retry_after="Łódź"))
    elif model == "bad-utf8" and not body.get("stream"):
        write.write(whole({"id": "c", "choices": []}).replace(b'"id": "c"', b'"id": "\xff"'))
    elif model == "no-usage" and not body.get("stream"):
        write.write(whole({"id": "c", "choices": [{"index": 0, "message": {"content": "word " * 200}}]}))
    elif model == "html":
        write.write(head("200 OK", "text/html", content_length="6") + b"<html>")
    elif model == "proxy-error":
        write.write(head("502 Bad Gateway", "text/html", content_length="6") + b"<html>")
    elif model == "whole-for-stream":
        write.write(chat_whole(model, body))
    elif path == "/v1/embeddings":
        write.write(
            whole({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": USAGE})
        )
    elif not body.get("stream"):
        kinds = {"/v1/messages": lambda: message_whole(model), "/v1/responses": lambda: whole(response_whole())}
        write.write(kinds.get(path, lambda: chat_whole(model, body))())
    else:
        streams = {"/v1/messages": lambda: message_stream(model), "/v1/responses": response_stream}
        write.write(head("200 OK", "text/event-stream"))
        async for piece in streams.get(path, lambda: chat_stream(model, body))():
            step = 1 if model == "split" else len(piece)
            for at in range(0, len(piece), step):
                write.write(piece[at : at + step])
                await write.drain()
                if model == "split":
                    await asyncio.sleep(0)


async def serve_one(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
    try:
        lines = (await read.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        if method == "GET":
            listed: Any = {"object": "list", "data": [{"id": "good", "object": "model"}]}
            write.write(whole(LAST if path == "/last" else CLOSED if path == "/closed" else listed))
            return
        raw = await read.readexactly(int(headers["content-length"]))
        LAST.update(path=path, headers=headers, body=raw.decode())
        task = asyncio.ensure_future(answer(path, raw, write))
        gone = asyncio.ensure_future(read.read(1))
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            CLOSED[0] += 1
            task.cancel()
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    except ConnectionAbortedError:
        write.transport.abort()
    except (ConnectionError, asyncio.IncompleteReadError):
        CLOSED[0] += 1
    finally:
        write.close()


async def main() -> None:
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
