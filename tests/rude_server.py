"""A server that fails a load test's client in every way; the model's name picks the way.

    python tests/rude_server.py [CERTIFICATE KEY]

It prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import threading
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def event(text: str | None, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": reason}
    return chunk(f"data: {json.dumps({'choices': [choice], **more})}\n\n".encode())


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def usage(output: int) -> bytes:
    return chunk(b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":%d}}\n\n' % output)


def refusal(status: str, body: bytes = b'{"error":{"message":"Too many requests","code":"rate_limited"}}') -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status.encode(),
        len(body),
        body,
    )


DONE = chunk(b"data: [DONE]\n\n") + END
MANY = event("five words are in here ") * 4 + event(None, "stop") + usage(20) + DONE


class Rude(asyncio.Protocol):
    seen = 0

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        if not found or (at >= 0 and len(body) < int(head[at + 15 :].split(b"\r\n")[0])):
            return
        self.buffer = b""
        if head.startswith(b"GET /metrics"):
            self.transport.write(refusal("200 OK", b"vllm:num_requests_running 3\n"))
            return
        Rude.seen += 1
        asked = json.loads(body or b"{}")
        self.answer(str(asked.get("model")), asked)

    def answer(self, model: str, asked: dict[str, Any]) -> None:
        write = self.transport.write
        whole = event("a") + event("b", "stop") + usage(2) + DONE
        if model == "busy" or (model == "sometimes" and Rude.seen % 2):
            write(refusal("429 Too Many Requests"))
        elif model == "missing":
            write(refusal("404 Not Found"))
        elif model == "stalls":
            write(HEAD + event("a"))
        elif model == "closes":
            write(HEAD + event("a"))
            self.transport.close()
        elif model == "no-usage":
            write(HEAD + event("eight characters") + event(None, "stop") + DONE)
        elif model == "many":
            write(HEAD + MANY)
        elif model == "none":
            write(HEAD + event(None, "stop") + usage(0) + DONE)
        elif model == "hangs-up":  # after each answer, without a word
            write(HEAD + whole)
            asyncio.get_running_loop().call_later(0.001, self.transport.close)
        elif model == "whole":
            write(refusal("200 OK", b'{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":3}}'))
        elif model == "vector":
            write(refusal("200 OK", b'{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":3,"total_tokens":3}}'))
        elif model == "turns":
            text = f"{len(asked['messages'])} messages"
            write(HEAD + event(text, "stop") + usage(2) + DONE)
        elif model == "noise":
            write(b"SSH-2.0-rude\r\n\r\n")
        else:
            write(HEAD + whole)


async def serve() -> None:
    context = None
    if len(sys.argv) == 3:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await asyncio.get_running_loop().create_server(Rude, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
