"""An upstream over TLS that asks for a client certificate: `tls_upstream.py CERTIFICATE KEY CLIENT_CA`."""

from __future__ import annotations

import asyncio
import ssl
import sys

from aiohttp import web

ANSWER = {
    "id": "c", "object": "chat.completion", "created": 0, "model": "mock",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


async def answer(request: web.Request) -> web.Response:
    return web.json_response(ANSWER)


async def list_models(request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "mock", "object": "model"}]})


async def main(certificate: str, key: str, client_ca: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)
    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    application.router.add_get("/v1/models", list_models)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
