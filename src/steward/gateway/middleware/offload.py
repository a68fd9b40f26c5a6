"""Where the work on large bodies is done if nobody says where: here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from steward.core.extend import Offload

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class InThisProcess:
    """Keeps others waiting; for tests, and for gateways that are asked by one client."""

    async def run(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        return function(*arguments, **named)

    async def run_beside(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        return await asyncio.to_thread(function, *arguments, **named)

    async def close(self) -> None: ...


HERE: Final[Offload] = InThisProcess()
