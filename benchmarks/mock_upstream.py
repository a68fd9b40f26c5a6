"""An OpenAI-compatible upstream of known timing, on a bare asyncio protocol: never the bottleneck.

    python benchmarks/mock_upstream.py [--port 0] [--chunks 64] [--gap-ms 20] [--first-ms 0] [--seen FILE]

It prints its port. Models: `mock` answers; `mock-error` answers 500; `mock-truncated` ends its stream
early; `mock-midstream-error` sends an error event in mid-stream. It lists `mock` only. `--seen` appends each
request's `x-client-request-id` to FILE, for a test that must know what reached it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

import uvloop

WHOLE = json.dumps(
    {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 0,
        "model": "mock",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }
).encode()
MODELS = json.dumps({"object": "list", "data": [{"id": "mock", "object": "model"}]}).encode()


def response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def event(value: object) -> bytes:
    data = b"data: " + json.dumps(value).encode() + b"\n\n"
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def chunk(text: str | None, reason: str | None) -> dict[str, object]:
    delta = {"content": text} if text is not None else {}
    return {
        "id": "chatcmpl-mock",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "mock",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


class Mock(asyncio.Protocol):
    def __init__(self, arguments: argparse.Namespace, events: list[bytes]) -> None:
        self._arguments = arguments
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._events = events
        self._seen = arguments.seen and open(arguments.seen, "ab", buffering=0)  # noqa: SIM115

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # uvloop's is no subclass of asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._seen:
            self._seen.close()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if self._seen and (at := head.find(b"x-client-request-id:")) >= 0:
            self._seen.write(head[at + 20 :].split(b"\r\n", 1)[0].strip() + b"\n")
        if head.startswith(b"get"):
            self._transport.write(response("200 OK", MODELS))
        elif b'"mock-error"' in body:
            self._transport.write(response("500 Internal Server Error", b'{"error":{"message":"down","type":"x"}}'))
        elif b'"stream":true' in body or b'"stream": true' in body:
            wait_s = self._arguments.first_ms / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin, body)
        else:
            self._transport.write(response("200 OK", WHOLE))

    def _begin(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._tick(body, 0, asyncio.get_running_loop().time())

    def _tick(self, body: bytes, number: int, started: float) -> None:
        """Write the next chunk and book the one after it; a timer is cheaper than a task for each stream."""
        if number == self._arguments.chunks:
            self._finish(body)
            return
        self._transport.write(self._events[number])
        due = started + (number + 1) * self._arguments.gap_ms / 1000
        self._timer = asyncio.get_running_loop().call_at(due, self._tick, body, number + 1, started)

    def _finish(self, body: bytes) -> None:
        write, chunks = self._transport.write, self._arguments.chunks
        if b'"mock-truncated"' in body:
            write(b"0\r\n\r\n")
            return
        if b'"mock-midstream-error"' in body:
            write(event({"error": {"message": "lost a worker", "type": "server_error"}}))
        write(event(chunk(None, "stop")))
        if b'"include_usage"' in body:
            usage = {"prompt_tokens": 7, "completion_tokens": chunks, "total_tokens": 7 + chunks}
            write(event({**chunk(None, None), "choices": [], "usage": usage}))
        write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


async def serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    events = [event(chunk(f"w{number} ", None)) for number in range(arguments.chunks)]
    server = await loop.create_server(lambda: Mock(arguments, events), "127.0.0.1", arguments.port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--chunks", type=int, default=64)
    parser.add_argument("--gap-ms", type=float, default=20.0)
    parser.add_argument("--first-ms", type=float, default=0.0)
    parser.add_argument("--seen")
    try:
        uvloop.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
