"""Runs a test's own upstream as a process: it prints its port and serves until it is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

Routes = dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]


async def serve(posts: Routes, gets: Routes | None = None) -> None:
    application = web.Application()
    for path, handler in posts.items():
        application.router.add_post(path, handler)
    for path, handler in (gets or {}).items():
        application.router.add_get(path, handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
